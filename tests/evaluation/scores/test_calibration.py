import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.special import expit

from adestim.evaluation.scores.calibration import calibration_intercept, calibration_slope


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
