"""Curves of Kaplan and Meier."""

import numpy as np
import pytest

from adestim.evaluation.survival.kaplan_meier import estimate_survival, estimate_uncensored
from tests.evaluation.survival.reference import reference_outcomes

EVENT = np.array([True, False, True, True, False])
TIME = np.array([1.0, 2.0, 2.0, 3.0, 4.0])


def test_survival_falls_at_events():
    curve = estimate_survival(EVENT, TIME)
    expected = [1, 4 / 5, 4 / 5 * 3 / 4, 4 / 5 * 3 / 4 / 2, 4 / 5 * 3 / 4 / 2]
    np.testing.assert_allclose(curve.at(np.array([0.5, 1.0, 2.5, 3.0, 9.0])), expected)


def test_an_event_comes_before_censoring_at_the_same_time():
    curve = estimate_uncensored(EVENT, TIME)
    # Of five one has had the event at 1 and one at 2, so that one of three is censored at 2.
    np.testing.assert_allclose(curve.at(np.array([1.0, 2.0, 3.0, 4.0])), [1, 2 / 3, 2 / 3, 0])


def test_interval_is_that_of_scikit_survival():
    y, *_ = reference_outcomes()
    curve = estimate_survival(y["event"], y["time"])
    # Version 0.28.0, its kaplan_meier_estimator with log-log intervals.
    assert curve.at(np.array([1.5]))[0] == pytest.approx(0.4898950577163557)
    np.testing.assert_allclose(curve.bound(1.5, 0.95), [0.34789591, 0.61739907], rtol=1e-6)


def test_interval_of_a_sure_thing_is_a_point():
    curve = estimate_survival(np.array([True, True]), np.array([1.0, 2.0]))
    assert curve.bound(0.5, 0.95) == (1, 1)
    assert curve.bound(2.0, 0.95) == (0, 0)
