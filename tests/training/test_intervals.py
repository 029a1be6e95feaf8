"""Intervals of time."""

import numpy as np
import pytest
from scipy.integrate import trapezoid
from scipy.special import logit

from adestim.training.intervals import TimeIntervals

EVENT = np.array([True, True, False, True, True, False])
TIME = np.array([1.0, 2.0, 2.5, 3.0, 4.0, 6.0])
TWO = TimeIntervals(np.array([2.0, 4.0]))


def choose(n_intervals, horizon=4.0, time=TIME):
    return TimeIntervals.choose(EVENT, time, np.ones(6), n_intervals, horizon)


def test_about_as_many_events_lie_in_each_interval():
    np.testing.assert_array_equal(choose(2).ends, [2, 4])
    np.testing.assert_array_equal(choose(4).ends, [1, 2, 3, 4])
    np.testing.assert_array_equal(choose(1).ends, [4])


def test_visits_of_a_study_leave_fewer_intervals():
    np.testing.assert_array_equal(choose(8, time=np.ceil(TIME / 2) * 2).ends, [2, 4])


def test_no_interval_lies_behind_the_last_event():
    np.testing.assert_array_equal(choose(4, horizon=5.0).ends, [1, 2, 3, 5])
    np.testing.assert_array_equal(choose(8, horizon=2.5).ends, [1, 2.5])


def test_what_is_known_is_one_number():
    lived = TWO.encode(EVENT, TIME)
    np.testing.assert_allclose(lived, [1, 1, -1.25, 2, 2, -2])
    event, time = TWO.decode(lived)
    np.testing.assert_array_equal(event, EVENT)
    np.testing.assert_allclose(time, [2, 2, 2.5, 4, 4, 4])


def test_an_event_behind_the_horizon_is_not_seen():
    assert TWO.encode(np.array([True]), np.array([4.5])).tolist() == [-2]


def test_survival_is_the_product_of_what_hazards_leave():
    odds = logit(np.array([[0.2, 0.5]]))
    found = TWO.survive(odds, np.array([0, 1, 2, 3, 4]))
    expected = [1, 0.8**0.5, 0.8, 0.8 * 0.5**0.5, 0.4]
    np.testing.assert_allclose(found[0], expected)


def test_mean_time_is_the_area_below_survival():
    odds = logit(np.array([[0.2, 0.5], [1e-12, 1e-12], [0.9, 0.1]]))
    times = np.linspace(0, 4, 4001)
    area = trapezoid(TWO.survive(odds, times), times, axis=1)
    np.testing.assert_allclose(TWO.restricted_mean(odds), area, rtol=1e-6)
    assert TWO.restricted_mean(odds)[1] == pytest.approx(4)
