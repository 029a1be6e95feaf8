"""The variants of the simulated arrays."""

import numpy as np
import pandas as pd
import pytest

from adestim.datasets.simulation.variants import (
    ALZHEIMER,
    APOE_VARIANTS,
    N_TAGS,
    PARKINSON,
    TAG_DISTANCE,
    hg18_positions,
    variant_table,
)

TABLE_COLUMNS = [
    "id", "chromosome", "position", "reference", "alternate", "frequency", "ad", "pd", "tags",
]  # fmt: skip


@pytest.fixture
def with_apoe():
    """All variants of an array."""
    apoe = pd.DataFrame(APOE_VARIANTS, columns=TABLE_COLUMNS[:5])
    return pd.concat([variant_table(), apoe], ignore_index=True)


def test_table_is_sorted_by_chromosome_and_position():
    table = variant_table()
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
    assert variant_table()["frequency"].between(0.01, 0.99).all()


@pytest.mark.parametrize(("disease", "known"), [("ad", ALZHEIMER), ("pd", PARKINSON)])
def test_effects_are_those_of_the_known_variants_alone(disease, known):
    table = variant_table().set_index("id")
    effects = table.loc[table[disease] != 0, disease]
    assert effects.to_dict() == {row[0]: row[-1] for row in known}


def test_every_known_variant_has_tags_beside_it():
    table = variant_table()
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
    assert hg18_positions(with_apoe)[row] == hg18


def test_older_build_has_other_positions_in_the_same_order(with_apoe):
    older = with_apoe.assign(hg18=hg18_positions(with_apoe))
    assert (older["hg18"] != older["position"]).all()
    assert (older["hg18"] > 0).all()
    ordered = older.sort_values(["chromosome", "position"]).groupby("chromosome")["hg18"]
    assert ordered.apply(lambda positions: positions.is_monotonic_increasing).all()
