"""How far the modalities of another cohort are."""

import numpy as np
import pandas as pd
import pytest

from adestim.evaluation import modality_shift
from adestim.exceptions import InputError
from tests.fusion_tables import encodings_table, numeric_table, with_missing

QUICK = {"n_permutations": 99}


def cohorts(shift=1.0):
    """Two tables of three modalities, of which 'mri' differs."""
    home, abroad = numeric_table(60, seed=0)[0], numeric_table(50, seed=1)[0]
    abroad[["mri__a", "mri__b"]] += shift
    return with_missing(home), with_missing(abroad)


@pytest.mark.parametrize("kind", ["numbers", "encodings"])
def test_the_modality_that_differs_is_found(kind):
    home, abroad = cohorts()
    if kind == "encodings":
        home, abroad = encodings_table(home), encodings_table(abroad)
    found = modality_shift(home, abroad, **QUICK)
    assert list(found.index) == ["mri", "csf", "gene"]
    assert (found["p_holm"] < 0.05).tolist() == [True, False, False]
    assert found["mmd2"].idxmax() == "mri"


def test_who_lacks_a_modality_is_counted():
    home, abroad = cohorts()
    found = modality_shift(home, abroad, **QUICK).loc["csf"]
    assert found["n_home"] == home["csf__a"].notna().sum()
    assert found["missing_external"] == pytest.approx(abroad["csf__a"].isna().mean())


def test_a_modality_that_is_not_there_has_no_distance():
    home, abroad = cohorts()
    found = modality_shift(home, abroad.drop(columns=["csf__a", "csf__b"]), **QUICK).loc["csf"]
    assert found["n_external"] == 0
    assert np.isnan([found["mmd2"], found["p"], found["p_holm"]]).all()


def test_two_halves_of_a_cohort_seldom_differ():
    rng = np.random.default_rng(2)
    values = [pd.DataFrame({"mri__a": rng.normal(size=40)}) for _ in range(40)]
    pairs = zip(values[::2], values[1::2], strict=True)
    p = [modality_shift(*pair, **QUICK)["p"].item() for pair in pairs]
    assert np.mean(np.array(p) <= 0.1) <= 0.25


def test_spread_counts_as_well_as_the_mean():
    rng = np.random.default_rng(3)
    home = pd.DataFrame({"mri__a": rng.normal(size=80)})
    abroad = pd.DataFrame({"mri__a": rng.normal(scale=3, size=80)})
    assert modality_shift(home, abroad, **QUICK)["p"].item() == 0.01


def test_a_column_without_a_value_or_without_spread_is_no_obstacle():
    home = pd.DataFrame({"mri__a": [1.0, 1.0, 1.0], "mri__b": [np.nan] * 3})
    found = modality_shift(home, home + 0.0, **QUICK)
    assert found["p"].item() == 1.0


def test_many_people_are_drawn_from():
    home, abroad = cohorts()
    settings = {"max_subjects": 20, "random_state": 1} | QUICK
    found = modality_shift(home, abroad, **settings)
    pd.testing.assert_frame_equal(found, modality_shift(home, abroad, **settings))
    assert found["n_home"].max() > 20


def test_a_person_of_several_rows_counts_once():
    home, abroad = cohorts()
    twice = pd.concat([home, home])
    pd.testing.assert_frame_equal(
        modality_shift(twice, abroad, **QUICK), modality_shift(home, abroad, **QUICK)
    )


def test_without_permutations_there_is_no_p():
    assert modality_shift(*cohorts(), n_permutations=0)["p"].isna().all()


@pytest.mark.parametrize(
    ("home", "abroad", "settings", "words"),
    [
        (np.zeros((3, 2)), None, {}, "'X_home' is a frame"),
        (None, pd.DataFrame({"pet__a": [1.0]}), {}, "besides, 'pet__a'"),
        (None, None, {"n_permutations": -1}, "'n_permutations'"),
        (None, None, {"max_subjects": 1}, "'max_subjects'"),
        (pd.DataFrame({"t1w": ["a", "b"]}), pd.DataFrame({"t1w": ["c", "d"]}), {}, "other cells"),
    ],
)
def test_other_tables_and_settings_are_refused(home, abroad, settings, words):
    own, other = cohorts()
    home, abroad = own if home is None else home, other if abroad is None else abroad
    with pytest.raises(InputError, match=words):
        modality_shift(home, abroad, **settings)
