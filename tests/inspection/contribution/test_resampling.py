"""Intervals of a cohort's means."""

import numpy as np
import pytest

from adestim.exceptions import InputError
from adestim.inspection.contribution.resampling import mean_intervals, mean_of


@pytest.fixture
def values():
    return np.random.default_rng(0).normal(3, 2, size=(200, 1))


def ends(values, present=None, groups=None, n_resamples=2000, level=0.95, seed=0):
    present = np.ones(values.shape, dtype=bool) if present is None else present
    groups = np.arange(len(values)) if groups is None else groups
    return mean_intervals(values, present, groups, n_resamples, level, seed)


def test_intervals_are_as_wide_as_the_normal_ones(values):
    low, high = ends(values)[:, 0]
    expected = 2 * 1.96 * values.std() / np.sqrt(len(values))
    assert high - low == pytest.approx(expected, rel=0.1)
    assert low < values.mean() < high


def test_rows_of_one_group_are_drawn_together(values):
    alone, together = ends(values), ends(np.repeat(values, 4, axis=0), groups=np.arange(800) // 4)
    np.testing.assert_allclose(together, alone)


def test_only_those_present_count(values):
    present = np.arange(200)[:, None] < 100
    expected = ends(values[:100], n_resamples=4000)
    np.testing.assert_allclose(ends(values, present, n_resamples=4000), expected, atol=0.1)
    assert mean_of(values, present)[0] == pytest.approx(values[:100].mean())


def test_nobody_present_has_no_interval(values):
    nobody = np.zeros(values.shape, dtype=bool)
    assert np.isnan(ends(values, nobody)).all()
    assert np.isnan(mean_of(values, nobody)).all()


@pytest.mark.parametrize("settings", [{"n_resamples": 0}, {"groups": np.zeros(200, dtype=int)}])
def test_what_cannot_be_resampled_has_no_interval(values, settings):
    assert np.isnan(ends(values, **settings)).all()


def test_one_seed_gives_one_interval(values):
    np.testing.assert_array_equal(ends(values, seed=3), ends(values, seed=3))


def test_a_level_that_is_no_share_is_refused(values):
    with pytest.raises(InputError, match=r"'level' must lie between 0 and 1\. Got 95\."):
        ends(values, level=95)
