import pandas as pd
import pytest

import adestim
from adestim import BackboneCard, list_backbones, register_backbone
from adestim.exceptions import InputError

TOY = "tests.backbone.toys:ToyBackbone"
BUILT_IN = {
    "morphometry": "smri", "connectome": "fmri", "tabular": "clinical", "dosage": "genetics"
}  # fmt: skip


@pytest.fixture(autouse=True)
def cards(monkeypatch):
    """Leave the registry as it was found."""
    from adestim.backbone import registry

    kept = {card.name: card for card in registry.list_cards()}
    monkeypatch.setattr(registry, "_CARDS", kept)
    return kept


def toy_card(name="toy", modality="smri", **facts):
    return BackboneCard(name, modality, **{"home": TOY, **facts})


def test_an_unknown_modality_is_refused():
    with pytest.raises(InputError, match="'smri', 'fmri', 'clinical', 'genetics'"):
        list_backbones("eeg")


def test_the_built_in_backbones_are_listed():
    table = list_backbones()
    for name, modality in BUILT_IN.items():
        row = table.loc[name]
        assert row["modality"] == modality
        assert row["commercial"]
        assert (row["licence"], row["weights"], row["pretrained_on"]) == (
            "BSD-3-Clause",
            "built in",
            "",
        )


def test_the_table_shows_what_a_card_says():
    register_backbone(
        toy_card(
            family="ViT",
            n_parameters=12,
            revision="v1",
            sha256="0" * 64,
            licence="CC BY-NC 4.0",
            commercial=False,
            hub="lab/toy",
            url="https://example.org",
            cohorts=("UK Biobank", "HCP"),
            reference="A. Author, 2026",
        )
    )
    assert list_backbones().loc["toy"].to_dict() == {
        "modality": "smri",
        "family": "ViT",
        "parameters": 12,
        "commercial": False,
        "licence": "CC BY-NC 4.0",
        "weights": "lab/toy",
        "revision": "v1",
        "sha256": "0" * 64,
        "pretrained_on": "UK Biobank, HCP",
        "use": 'SMRIExtractor(backbone="toy")',
        "reference": "A. Author, 2026",
    }


def test_what_is_not_known_is_missing():
    register_backbone(toy_card())
    row = list_backbones().loc["toy"]
    assert row[["parameters", "commercial"]].isna().all()


def test_the_table_can_be_filtered_and_sorted():
    register_backbone(toy_card(commercial=False, n_parameters=1))
    table = list_backbones()
    assert "toy" not in table[table["commercial"].fillna(False)].index
    assert pd.api.types.is_integer_dtype(table["parameters"])
    assert table.sort_values("parameters").index[0] == "toy"


def test_one_modality_can_be_asked_for():
    table = list_backbones("fmri")
    assert set(table["modality"]) == {"fmri"}
    assert table.index[0] == "connectome"


def test_the_whole_table_fits_a_screen_of_100_columns():
    with pd.option_context("display.width", 100, "display.max_columns", 0):
        shown = repr(list_backbones())
    assert max(map(len, shown.splitlines())) <= 100
    assert all(column in shown for column in list_backbones().columns)
    assert "..." not in shown.splitlines()[0]


def test_a_part_of_the_table_is_a_plain_frame():
    assert type(list_backbones().query("commercial")) is pd.DataFrame


def test_a_revision_is_shown_where_there_is_a_hub():
    register_backbone(toy_card(url="https://example.org"))
    assert list_backbones().loc["toy", "revision"] == ""


def test_every_model_of_the_package_says_its_family_and_its_line(cards):
    ours = [
        card.name for card in cards.values() if str(card.home or "adestim.").startswith("adestim.")
    ]
    table = list_backbones().loc[ours]
    assert (table["family"] != "").all()
    extractors = "SMRI|FMRI|Clinical|Genetics|FreeSurfer|PET"
    assert table["use"].str.match(rf"(?:{extractors})Extractor\(.*\)$").all()


def test_a_known_digest_is_shown():
    digest = list_backbones("clinical").loc["all-minilm-l6-v2", "sha256"]
    assert digest.startswith("53aa5117")


def test_the_table_is_offered_at_the_top():
    assert adestim.list_backbones is list_backbones


def test_names_are_printed_whole_in_a_narrow_terminal():
    with pd.option_context("display.width", 80):
        lines = repr(list_backbones()).splitlines()
    assert max(map(len, lines)) <= 80
    assert (
        sum(line.startswith("nucleotide-transformer-v2-100m-multi-species ") for line in lines) > 1
    )
    assert any("Tak et al. (2026). A genera..." in line for line in lines)
