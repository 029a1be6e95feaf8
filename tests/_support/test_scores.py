import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.special import expit

from adestim._support.predictions import Predictions
from adestim._support.scores import ALL_SCORES, calibration_intercept, calibration_slope, score_rows
from adestim.evaluation import HIGHER_IS_BETTER, ORDINAL_SCORES, REGRESSION_SCORES, SCORES


def outcomes(seed, n=40, scale=1.0):
    rng = np.random.default_rng(seed)
    log_odds = scale * rng.normal(size=n)
    y = rng.random(n) < expit(0.5 * log_odds)
    y[:2], log_odds[:2] = [True, False], [-scale, scale]
    return y, log_odds, rng.integers(1, 4, size=n).astype(float)


def loss(beta, y, log_odds, weight):
    eta = beta[0] + beta[1] * log_odds
    return weight @ (np.logaddexp(0, eta) - y * eta)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**31), st.sampled_from([0.01, 1.0, 20.0]))
def test_slope_has_the_greatest_likelihood(seed, scale):
    y, log_odds, weight = outcomes(seed, scale=scale)
    slope = calibration_slope(y, log_odds, weight)
    found = minimize(
        loss, [0, 0], (y, log_odds / scale, weight), method="BFGS", options={"gtol": 1e-7}
    )
    assert slope * scale == pytest.approx(found.x[1], rel=1e-3, abs=1e-4)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**31), st.sampled_from([0.01, 1.0, 20.0]))
def test_intercept_makes_the_mean_risk_the_frequency(seed, scale):
    y, log_odds, weight = outcomes(seed, scale=scale)
    shift = calibration_intercept(y, log_odds, weight)
    assert weight @ expit(log_odds + shift) == pytest.approx(weight @ y)


def test_nearly_separated_classes_have_a_finite_slope():
    log_odds = np.array([-36.0, -3.0, -1.0, 1.0, 1.001, 36.0])
    y = np.array([False, False, False, True, False, True])
    assert calibration_slope(y, log_odds, np.ones(6)) > 1


def test_classes_that_touch_in_one_point_have_no_slope():
    log_odds = np.array([-1.0, 0.0, 0.0, 1.0])
    y = np.array([False, False, True, True])
    assert np.isnan(calibration_slope(y, log_odds, np.ones(4)))


def test_one_class_has_neither():
    y, log_odds, weight = np.ones(5, dtype=bool), np.arange(5.0), np.ones(5)
    assert np.isnan(calibration_slope(y, log_odds, weight))
    assert np.isnan(calibration_intercept(y, log_odds, weight))


def test_slopes_are_found_where_rounding_hides_the_last_gain_of_likelihood():
    for seed in range(60):
        rng = np.random.default_rng(seed)
        log_odds = rng.normal(-1, 2, 300)
        y = rng.random(300) < expit(log_odds)
        assert np.isfinite(calibration_slope(y, log_odds, np.ones(300)))


def test_every_score_has_a_direction_or_an_ideal():
    assert set(ALL_SCORES) == {*SCORES, *REGRESSION_SCORES, *ORDINAL_SCORES}
    assert {name for name, better in HIGHER_IS_BETTER.items() if better is None} == {
        "calibration_slope",
        "calibration_intercept",
    }
    assert [name for name, better in HIGHER_IS_BETTER.items() if better is False] == [
        "brier",
        "log_loss",
        "mae",
        "rmse",
        "level_mae",
    ]


def test_some_rows_are_scored_as_often_as_they_are_drawn():
    p = np.array([0.1, 0.6, 0.4, 0.9])
    y = np.array(["CN", "CN", "AD", "AD"])
    found = Predictions(y, np.c_[1 - p, p], ("CN", "AD"))
    assert score_rows(found, ["accuracy"]) == {"accuracy": 0.5}
    assert score_rows(found, ["accuracy"], np.array([0, 0, 1, 3])) == {"accuracy": 0.75}
    numbers = Predictions(np.arange(3.0), np.array([0.0, 1.0, 4.0]), ())
    assert score_rows(numbers, ["mae"], np.array([1, 2])) == {"mae": 1.0}
