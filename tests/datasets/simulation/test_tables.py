"""A cohort without its images."""

import numpy as np
import pandas as pd
import pytest

from adestim.datasets.simulation.acquisition import BLOCKS
from adestim.datasets.simulation.tables import draw_tables
from adestim.datasets.simulation.tasks import MEASURES, TASKS


@pytest.fixture(scope="module")
def tables():
    return draw_tables(80, "nc_ad", "adni", seed=0)


def test_same_seed_gives_the_same_tables(tables):
    again = draw_tables(80, "nc_ad", "adni", seed=0)
    pd.testing.assert_frame_equal(again.clinical, tables.clinical)
    pd.testing.assert_frame_equal(again.truth(), tables.truth())
    np.testing.assert_array_equal(again.genotypes.dosages, tables.genotypes.dosages)
    np.testing.assert_array_equal(again.oracle, tables.oracle)


def test_another_seed_gives_other_tables(tables):
    other = draw_tables(80, "nc_ad", "adni", seed=1)
    assert (other.truth()["hippocampus"] != tables.truth()["hippocampus"]).all()


def test_rule_of_what_is_missing_does_not_change_what_is_true(tables):
    whole = draw_tables(80, "nc_ad", None, seed=0)
    pd.testing.assert_frame_equal(whole.truth(), tables.truth())
    pd.testing.assert_series_equal(whole.target(), tables.target())


@pytest.mark.parametrize("missing", ["adni", 0.9])
@pytest.mark.parametrize("task", list(TASKS))
def test_everybody_has_something(task, missing):
    present = draw_tables(200, task, missing, seed=0).present
    there = [getattr(present, name) for name in BLOCKS[:3]]
    assert np.any([*there, present.apoe | present.snps], axis=0).all()


def test_clinical_cells_are_missing_where_the_block_is():
    tables = draw_tables(60, "nc_ad", 0.5, seed=0)
    columns = tables.clinical[["age", "sex", "education", "gds", "mmse"]]
    np.testing.assert_array_equal(columns.isna().all(axis=1), ~tables.present.clinical)
    np.testing.assert_array_equal(columns.isna().any(axis=1), ~tables.present.clinical)
    np.testing.assert_array_equal(tables.clinical["apoe"].isna(), ~tables.present.apoe)
    assert tables.clinical[["site", "phase"]].notna().all(axis=None)


def test_oracle_is_a_probability(tables):
    assert ((tables.oracle >= 0) & (tables.oracle <= 1)).all()


def test_diagnosis_is_one_of_the_two_labels(tables):
    target = tables.target()
    assert target.name == "diagnosis"
    np.testing.assert_array_equal(target == "AD", tables.latent.y == 1)
    assert set(target) == {"CN", "AD"}


def test_truth_names_the_subtype_of_the_own_group(tables):
    truth = tables.truth()
    assert list(truth) == ["subtype", *MEASURES, "polygenic", "apoe"]
    assert set(truth.loc[tables.latent.y == 0, "subtype"]) == {"none"}
    patients = truth.loc[tables.latent.y == 1, "subtype"]
    assert set(patients) == {"limbic", "typical", "hippocampal-sparing"}
    hippocampus = truth.groupby("subtype")["hippocampus"].mean()
    assert hippocampus["limbic"] < hippocampus["hippocampal-sparing"] < hippocampus["none"]


def test_subjects_are_numbered_alike_in_every_table(tables):
    assert tables.index[0] == "sub-0001"
    assert tables.index.is_unique
    for table in (tables.clinical, tables.target(), tables.truth()):
        pd.testing.assert_index_equal(table.index, tables.index)
