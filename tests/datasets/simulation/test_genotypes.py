"""Genotypes and their PLINK files, read back with a decoder of the tests' own."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from adestim.datasets import make_cohort
from adestim.datasets.simulation.genotypes import (
    ALZHEIMER,
    APOE_VARIANTS,
    N_TAGS,
    PARKINSON,
    TAG_DISTANCE,
    build_variant_table,
    pack_calls,
    shift_to_hg18,
)
from adestim.datasets.simulation.tables import draw_tables

COARSE = {"resolution": 12, "bold": False}
BIM = ["chromosome", "id", "morgans", "position", "first", "second"]
COPIES_OF_FIRST = {0b00: 2, 0b10: 1, 0b11: 0, 0b01: -1}


TABLE_COLUMNS = [
    "id", "chromosome", "position", "reference", "alternate", "frequency", "ad", "pd", "tags",
]  # fmt: skip


def read_plink(prefix):
    """Return copies of the first allele (-1: no call), the variants, and the samples."""
    variants = pd.read_csv(f"{prefix}.bim", sep="\t", names=BIM)
    samples = pd.read_csv(f"{prefix}.fam", sep="\t", header=None)
    content = Path(f"{prefix}.bed").read_bytes()
    assert content[:3] == b"\x6c\x1b\x01"
    row_length = -(-len(samples) // 4)
    assert len(content) == 3 + row_length * len(variants)
    calls = np.empty((len(samples), len(variants)), dtype=int)
    for variant in range(len(variants)):
        for sample in range(len(samples)):
            byte = content[3 + variant * row_length + sample // 4]
            calls[sample, variant] = COPIES_OF_FIRST[(byte >> 2 * (sample % 4)) & 3]
    return calls, variants, samples


@pytest.fixture(scope="module")
def single(tmp_path_factory):
    root = tmp_path_factory.mktemp("single") / "cohort"
    return make_cohort(21, root=root, random_state=5, **COARSE)


@pytest.fixture(scope="module")
def by_phase(tmp_path_factory):
    root = tmp_path_factory.mktemp("by_phase") / "cohort"
    return make_cohort(21, root=root, random_state=5, builds="by_phase", **COARSE)


@pytest.fixture(scope="module")
def dosages():
    """The same genotypes as columns."""
    cohort = make_cohort(21, random_state=5, **COARSE)
    names = [name for name in cohort.columns["genetics"] if name != "apoe"]
    return cohort.frame[names].dropna(how="all")


def test_bits_are_those_of_the_format():
    # Four samples a byte, first in the lowest bits; the fifth begins a new one.
    assert pack_calls(np.array([[2, 1, 0, -1, 2]]))[3:] == bytes([0b01111000, 0b00000000])


def test_files_hold_the_dosages(single, dosages):
    calls, variants, samples = read_plink(single.genotype_files[0])
    stored = pd.DataFrame(calls, index=samples[1], columns=variants["id"]).astype(float)
    stored = stored.where(stored >= 0)
    assert list(stored.index) == list(single.frame["genotypes"].dropna())
    np.testing.assert_array_equal(stored[list(dosages.columns)].to_numpy(), dosages.to_numpy())


def test_diagnosis_is_not_in_the_files(single):
    _, _, samples = read_plink(single.genotype_files[0])
    assert set(samples[5]) == {-9}
    sexes = single.frame.loc[samples[1], "sex"].map({"M": 1, "F": 2})
    assert list(sexes) == list(samples[4])


def test_apoe_column_and_variants_agree(single):
    calls, variants, samples = read_plink(single.genotype_files[0])
    apoe = single.frame.loc[samples[1], "apoe"].reset_index(drop=True).dropna()
    for name, allele in (("rs429358", "4"), ("rs7412", "2")):
        copies = calls[apoe.index, variants["id"].tolist().index(name)]
        assert list(copies) == list(apoe.str.count(allele))


def test_variants_are_in_the_order_of_the_genome(single):
    _, variants, _ = read_plink(single.genotype_files[0])
    assert variants["id"].is_unique
    order = variants.sort_values(["chromosome", "position"], kind="stable").index
    assert list(order) == list(range(len(variants)))


@pytest.mark.parametrize(
    ("place", "positions"),
    [(0, (742429, 50103781, 50103919)), (1, (752566, 45411941, 45412079))],
)
def test_builds_are_those_of_the_phases(by_phase, place, positions):
    _, variants, samples = read_plink(by_phase.genotype_files[place])
    found = variants.set_index("id").loc[["rs3094315", "rs429358", "rs7412"], "position"]
    assert tuple(found) == positions
    early = by_phase.frame.loc[samples[1], "phase"] == "ADNI1"
    assert early.all() if place == 0 else not early.any()


def test_later_array_has_alleles_swapped(by_phase, dosages):
    calls, variants, samples = read_plink(by_phase.genotype_files[1])
    _, reference, _ = read_plink(by_phase.genotype_files[0])
    other = reference.set_index("id").loc[variants["id"], "first"].to_numpy()
    swapped = variants["first"].to_numpy() != other
    assert 0.3 < swapped.mean() < 0.36
    copies = np.where(swapped & (calls >= 0), 2 - calls, calls).astype(float)
    copies[calls < 0] = np.nan
    expected = dosages.loc[samples[1], variants["id"]]
    np.testing.assert_array_equal(copies, expected.to_numpy())


def test_about_one_call_in_a_hundred_is_missing():
    called = draw_tables(2000, "nc_ad", None, seed=0).genotypes.called
    assert 1 - called[:, :-2].mean() == pytest.approx(0.01, abs=0.001)
    assert called[:, -2:].all()


def test_frequencies_in_controls_are_the_published_ones():
    tables = draw_tables(4000, "nc_ad", None, seed=0)
    controls = tables.genotypes.dosages[tables.latent.y == 0][:, :-2]
    frequency = build_variant_table()["frequency"].to_numpy()
    error = np.sqrt(frequency * (1 - frequency) / (2 * len(controls)))
    assert (np.abs(controls.mean(axis=0) / 2 - frequency) < 4.5 * error).all()


def test_neighbours_are_in_linkage_with_their_variant():
    genotypes = draw_tables(2000, "nc_ad", None, seed=0).genotypes
    names = genotypes.variants["id"].tolist()
    tag = genotypes.variants.index[genotypes.variants["tags"] == "rs6733839"][0]
    lead = names.index("rs6733839")
    r = np.corrcoef(genotypes.dosages[:, tag], genotypes.dosages[:, lead])[0, 1]
    assert r == pytest.approx(0.85, abs=0.05)


@pytest.fixture
def with_apoe():
    """All variants of an array."""
    apoe = pd.DataFrame(APOE_VARIANTS, columns=TABLE_COLUMNS[:5])
    return pd.concat([build_variant_table(), apoe], ignore_index=True)


def test_table_is_sorted_by_chromosome_and_position():
    table = build_variant_table()
    assert list(table) == TABLE_COLUMNS
    places = list(zip(table["chromosome"], table["position"], strict=True))
    assert places == sorted(places)
    assert table["chromosome"].between(1, 22).all()


def test_names_and_places_are_unique(with_apoe):
    assert with_apoe["id"].is_unique
    assert not with_apoe.duplicated(["chromosome", "position"]).any()


def test_alleles_are_two_different_bases(with_apoe):
    assert with_apoe[["reference", "alternate"]].isin(list("ACGT")).all(axis=None)
    assert (with_apoe["reference"] != with_apoe["alternate"]).all()


def test_no_variant_is_monomorphic():
    assert build_variant_table()["frequency"].between(0.01, 0.99).all()


@pytest.mark.parametrize(("disease", "known"), [("ad", ALZHEIMER), ("pd", PARKINSON)])
def test_effects_are_those_of_the_known_variants_alone(disease, known):
    table = build_variant_table().set_index("id")
    effects = table.loc[table[disease] != 0, disease]
    assert effects.to_dict() == {row[0]: row[-1] for row in known}


def test_every_known_variant_has_tags_beside_it():
    table = build_variant_table()
    tags = table[table["tags"] != ""].merge(
        table, left_on="tags", right_on="id", suffixes=("", "_known")
    )
    assert (tags.groupby("tags").size() == N_TAGS).all()
    assert tags["tags"].nunique() == len(ALZHEIMER) + len(PARKINSON)
    assert (tags["chromosome"] == tags["chromosome_known"]).all()
    distance = tags["position"] - tags["position_known"]
    assert distance.between(TAG_DISTANCE, N_TAGS * TAG_DISTANCE).all()
    np.testing.assert_array_equal(tags["frequency"], tags["frequency_known"])


@pytest.mark.parametrize(
    ("name", "hg18", "hg19"),
    [
        ("rs3094315", 742429, 752566),
        ("rs429358", 50103781, 45411941),
        ("rs7412", 50103919, 45412079),
    ],
)
def test_build_markers_are_where_each_build_has_them(with_apoe, name, hg18, hg19):
    row = with_apoe.index[with_apoe["id"] == name][0]
    assert with_apoe.loc[row, "position"] == hg19
    assert shift_to_hg18(with_apoe)[row] == hg18


def test_older_build_has_other_positions_in_the_same_order(with_apoe):
    older = with_apoe.assign(hg18=shift_to_hg18(with_apoe))
    assert (older["hg18"] != older["position"]).all()
    assert (older["hg18"] > 0).all()
    ordered = older.sort_values(["chromosome", "position"]).groupby("chromosome")["hg18"]
    assert ordered.apply(lambda positions: positions.is_monotonic_increasing).all()
