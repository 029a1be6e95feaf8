"""Gaps between levels, and whether they are chance."""

import numpy as np
import pandas as pd
import pytest

from adestim.evaluation.missing.patterns import pool_estimators
from adestim.evaluation.subgroups.gaps import measure_gaps, weigh_scores
from adestim.evaluation.subgroups.levels import SCORED, Level
from tests.evaluation.studies import predictions_of

N = 120
Y = np.where(np.arange(N) % 2, "AD", "CN")
ALL_SCORES = ["accuracy", "balanced_accuracy", "f1", "roc_auc", "brier", "calibration_slope"]


def pool_of(p, y=Y, groups=None):
    table = predictions_of(y, p, groups=groups).assign(subject=range(len(y)))
    return pool_estimators(table, pd.RangeIndex(len(y)))["a"]


def levels_of(codes):
    return [Level(str(code), np.flatnonzero(codes == code), SCORED) for code in np.unique(codes)]


def probabilities(signal):
    noise = np.random.default_rng(0).normal(0, 0.15, N)
    return np.clip(0.5 + signal * np.where(Y == "AD", 0.2, -0.2) + noise, 0.01, 0.99)


def gaps_of(pool, levels, names=("roc_auc",), y=Y, n_permutations=199):
    settings = {"n_permutations": n_permutations, "random_state": 0}
    return measure_gaps(pool, levels, list(names), y, **settings).set_index("score")


def test_a_model_that_fails_one_site_is_found():
    sites = np.arange(N) // 2 % 3
    found = gaps_of(pool_of(probabilities(np.where(sites == 1, -1.0, 1.0))), levels_of(sites))
    assert found.loc["roc_auc", "lowest"] == "1"
    assert found.loc["roc_auc", "p"] == pytest.approx(1 / 200)


def test_false_alarms_are_as_rare_as_said():
    rng = np.random.default_rng(1)
    pool = pool_of(probabilities(np.ones(N)))
    p = [
        gaps_of(pool, levels_of(rng.integers(3, size=N)), n_permutations=39).loc["roc_auc", "p"]
        for _ in range(60)
    ]
    assert np.mean(np.array(p) <= 0.1) < 0.25
    assert np.mean(p) == pytest.approx(0.5, abs=0.15)


def test_shares_of_patients_alone_make_no_gap_in_sensitivity():
    """Where levels differ in prevalence, permutations keep it."""
    sites = np.where(np.random.default_rng(2).random(N) < np.where(Y == "AD", 0.8, 0.2), 1, 0)
    found = gaps_of(pool_of(probabilities(np.ones(N))), levels_of(sites), ["sensitivity"])
    assert found.loc["sensitivity", "p"] > 0.05


def test_patients_that_a_model_does_not_expect_make_a_gap_of_calibration():
    sites = np.where(np.random.default_rng(2).random(N) < np.where(Y == "AD", 0.8, 0.2), 1, 0)
    names = ["sensitivity", "calibration_intercept", "brier"]
    found = gaps_of(pool_of(probabilities(np.ones(N) / 2)), levels_of(sites), names)
    assert found.loc["calibration_intercept", "p"] == pytest.approx(1 / 200)
    assert found.loc["sensitivity", "p"] > 0.05


def test_calibrated_predictions_of_rarer_patients_make_no_gap_of_calibration():
    rng = np.random.default_rng(3)
    sites = np.arange(600) % 2
    p = np.clip(rng.beta(2, 3, 600) + 0.3 * sites, 0.02, 0.98)
    y = np.where(rng.random(600) < p, "AD", "CN")
    names = ["calibration_intercept", "balanced_accuracy"]
    found = gaps_of(pool_of(p, y), levels_of(sites), names, y)
    assert found.loc["calibration_intercept", "p"] > 0.05


def test_three_classes_are_tested_too():
    rng = np.random.default_rng(4)
    y = np.array(["AD", "CN", "MCI"])[np.arange(N) % 3]
    table = predictions_of(y, np.full(N, 0.2)).drop(columns=["p_CN", "p_AD"])
    values = rng.dirichlet(np.ones(3), N)
    table = table.assign(subject=range(N), threshold=np.nan, p_AD=values[:, 0])
    table = table.assign(p_CN=values[:, 1], p_MCI=values[:, 2])
    pool = pool_estimators(table, pd.RangeIndex(N))["a"]
    names = ["roc_auc", "calibration_intercept", "log_loss"]
    found = gaps_of(pool, levels_of(rng.integers(2, size=N)), names, y, n_permutations=39)
    assert found["p"].between(0, 1).all()


def test_scores_of_whole_weights_are_those_of_the_rows():
    pool = pool_of(probabilities(np.ones(N)))
    rows = np.arange(40)
    weight = np.zeros((1, N))
    weight[0, rows] = 1
    found = weigh_scores(pool, ALL_SCORES, np.arange(N), weight)[0]
    np.testing.assert_allclose(found, pool.score(ALL_SCORES, rows), rtol=1e-6)


def test_rows_of_a_person_move_together():
    people = np.arange(N) // 2 * 2
    y = np.where(people // 2 % 2, "AD", "CN")
    pool = pool_of(np.full(N, 0.5), y, groups=people)
    of_people = gaps_of(pool, levels_of(people // 2 % 3), ["brier"], y)
    assert of_people.loc["brier", "p"] == 1.0
    by_visit = gaps_of(pool, levels_of(np.arange(N) % 2), ["brier"], y)
    assert np.isnan(by_visit.loc["brier", "p"])
    assert by_visit.loc["brier", "gap"] == 0


def test_one_level_has_no_gap():
    found = gaps_of(pool_of(probabilities(np.ones(N))), levels_of(np.zeros(N)))
    assert np.isnan(found.loc["roc_auc", "gap"])
    assert found.loc["roc_auc", "n_levels"] == 1


def test_without_permutations_there_is_no_p():
    found = gaps_of(
        pool_of(probabilities(np.ones(N))), levels_of(np.arange(N) // 2 % 2), n_permutations=0
    )
    assert found.loc["roc_auc", "gap"] > 0
    assert np.isnan(found.loc["roc_auc", "p"])
