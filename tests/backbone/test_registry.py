import pickle

import pandas as pd
import pytest

import adestim
from adestim.backbone.registry import (
    BackboneCard,
    find_card,
    import_class,
    list_backbones,
    names_like,
    names_of,
    register_backbone,
)
from adestim.exceptions import InputError
from tests.backbone.toys import ToyBackbone

TOY = "tests.backbone.toys:ToyBackbone"
BUILT_IN = {
    "morphometry": "smri", "connectome": "fmri", "tabular": "clinical", "dosage": "genetics"
}  # fmt: skip


@pytest.fixture(autouse=True)
def cards(monkeypatch):
    """Leave the registry as it was found."""
    from adestim.backbone import registry

    registry.discover()
    kept = dict(registry._CARDS)
    monkeypatch.setattr(registry, "_CARDS", kept)
    return kept


def toy_card(name="toy", modality="smri", **facts):
    return BackboneCard(name, modality, **{"home": TOY, **facts})


# Cards


def test_a_card_leads_to_its_class():
    assert toy_card().backbone_class() is ToyBackbone


def test_the_class_itself_may_be_given():
    assert toy_card(home=ToyBackbone) == toy_card()


def test_a_card_survives_pickling():
    card = toy_card(cohorts=("UK Biobank",), architecture={"depth": 3})
    assert pickle.loads(pickle.dumps(card)) == card


class Outer:
    class Inner(ToyBackbone):
        pass


def test_a_class_inside_a_class_is_found():
    assert toy_card(home=Outer.Inner).backbone_class() is Outer.Inner


def test_a_class_of_a_notebook_is_refused():
    home = type("Model", (), {"__module__": "__main__"})
    with pytest.raises(InputError, match=r"worker processes .* Move it out of the notebook"):
        toy_card(home=home)


def test_a_class_inside_a_function_is_refused():
    class Local:
        pass

    with pytest.raises(InputError, match="must be in a module that can be imported"):
        toy_card(home=Local)


@pytest.mark.parametrize("home", ["my_module", "my_module.Model", "my-module:Model", ":Model", 3])
def test_a_home_of_another_form_is_refused(home):
    with pytest.raises(InputError, match=r"'package\.module:Class', or the class itself"):
        toy_card(home=home)


@pytest.mark.parametrize("name", ["", "Brain", "my model", "-toy", None])
def test_a_name_in_another_form_is_refused(name):
    with pytest.raises(InputError, match="name of a backbone is lower-case letters"):
        toy_card(name)


@pytest.mark.parametrize(("modality", "near"), [("sMRI", "Write 'smri'"), ("eeg", "")])
def test_an_unknown_modality_is_refused(modality, near):
    with pytest.raises(InputError, match=f"Got '{modality}'. ?{near}"):
        toy_card(modality=modality)
    with pytest.raises(InputError, match="'smri', 'fmri', 'clinical', 'genetics'"):
        list_backbones(modality)


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"architecture": [1]}, "maps parameters of its class to values"),
        ({"cohorts": "UK Biobank"}, "cohorts of backbone 'toy' are a tuple of names"),
        ({"cohorts": (1,)}, "cohorts of backbone 'toy' are a tuple of names"),
        ({"sha256": "abc"}, "64 hexadecimal digits"),
    ],
)
def test_facts_of_another_kind_are_refused(facts, said):
    with pytest.raises(InputError, match=said):
        toy_card(**facts)


@pytest.mark.parametrize(
    ("home", "said"),
    [
        ("no_such_package.models:Model", "there is no module 'no_such_package'"),
        ("tests.backbone.no_such_module:Model", "no module 'tests.backbone.no_such_module'"),
        ("tests.backbone.toys:NoSuchModel", "has no 'NoSuchModel'"),
    ],
)
def test_a_class_that_is_not_there_is_said(home, said):
    with pytest.raises(InputError, match=said):
        import_class(home)


def test_a_module_that_lacks_another_package_says_so_itself(tmp_path, monkeypatch):
    (tmp_path / "needs_more.py").write_text("import no_such_package\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="no_such_package"):
        import_class("needs_more:Model")


# The registry


def test_a_registered_backbone_is_found_in_its_modality():
    register_backbone(toy_card())
    assert find_card("toy", "smri") == toy_card()
    assert find_card("toy", "fmri") is None
    assert "toy" in names_of("smri")
    assert "toy" not in names_of("fmri")


def test_registering_again_replaces_the_card():
    register_backbone(toy_card())
    register_backbone(toy_card(licence="MIT"))
    assert find_card("toy", "smri").licence == "MIT"


@pytest.mark.parametrize("name", ["toy", "morphometry"])
def test_a_name_is_given_once(name):
    register_backbone(toy_card())
    with pytest.raises(InputError, match=f"name of its own. Got '{name}', which is that of "):
        register_backbone(toy_card(name, home="tests.backbone.toys:ToyBlock"))


def test_a_class_in_place_of_a_card_is_refused():
    with pytest.raises(InputError, match=r"register_backbone\(BackboneCard\("):
        register_backbone(ToyBackbone)


def test_near_names_are_suggested():
    register_backbone(toy_card("brain-toy"))
    assert names_like("Brain_Toy", "smri")[0] == "brain-toy"
    assert names_like("quite-another", "smri") == []


# The table


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
            n_parameters=12,
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
        "parameters": 12,
        "commercial": False,
        "licence": "CC BY-NC 4.0",
        "weights": "lab/toy",
        "pretrained_on": "UK Biobank, HCP",
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


def test_the_registry_is_offered_at_the_top():
    assert adestim.list_backbones is list_backbones
    assert adestim.register_backbone is register_backbone
    assert adestim.BackboneCard is BackboneCard


def test_every_card_of_the_package_leads_to_a_backbone(cards):
    for card in cards.values():
        if card.home.startswith("adestim."):
            assert issubclass(card.backbone_class(), adestim.Backbone), card.name
            assert card.licence or card.commercial is None, card.name


def test_names_are_printed_whole_in_a_narrow_terminal():
    with pd.option_context("display.width", 80):
        lines = repr(list_backbones()).splitlines()
    assert max(map(len, lines)) <= 80
    assert (
        sum(line.startswith("nucleotide-transformer-v2-100m-multi-species ") for line in lines) > 1
    )
    assert any("Tak et al. (2026). A genera..." in line for line in lines)
