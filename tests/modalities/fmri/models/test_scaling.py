"""Robust scales fitted to training rows."""

import numpy as np
import pytest

from adestim.exceptions import InputError, TimeSeriesError
from adestim.modalities.fmri.models.scaling import (
    learn_baselines,
    normalise_values,
    quartiles,
    require_fitted,
    require_normalization,
    usable_spread,
)
from tests.modalities.fmri.model_files import baselines, series_of


def rows_of(n, absent=(), first=0):
    seeds = range(first, first + n)
    return [series_of(baselines(seed, 30, 20), absent=absent) for seed in seeds]


def test_baselines_are_quartiles_of_means_over_time():
    rows = rows_of(6)
    centre, spread = learn_baselines(rows, 20, "m")
    means = np.stack([row.values.mean(axis=0) for row in rows])
    low, middle, high = np.quantile(means, [0.25, 0.5, 0.75], axis=0)
    np.testing.assert_allclose(centre, middle)
    np.testing.assert_allclose(spread, high - low)


def test_rows_without_a_region_do_not_count_for_it():
    rows = [*rows_of(5), *rows_of(2, absent=[4], first=5)]
    centre, spread = learn_baselines(rows, 20, "m")
    expected, _ = learn_baselines(rows[:5], 20, "m")
    assert centre[4] == expected[4]
    assert centre[3] != expected[3]
    assert (spread > 0).all()


def test_region_that_no_row_has_gets_a_usable_scale():
    centre, spread = learn_baselines(rows_of(5, absent=[4]), 20, "m")
    assert centre[4] == 0
    assert spread[4] == np.median(np.delete(spread, 4))


def test_no_rows_give_no_scale():
    assert learn_baselines([], 20, "m") == (None, None)
    with pytest.raises(TimeSeriesError, match="robust scale of m must have been fitted"):
        require_fitted(None, "m")
    assert require_fitted(np.zeros(3), "m") is None


def test_series_without_their_mean_are_refused():
    values = baselines(0, 30, 20)
    with pytest.raises(TimeSeriesError, match=r"must have kept.*normalization='scan'"):
        learn_baselines([series_of(values - values.mean(axis=0))], 20, "m")


def test_single_row_is_refused():
    with pytest.raises(InputError, match="needs training rows that differ"):
        learn_baselines(rows_of(1), 20, "m")


def test_spread_of_nothing_is_that_of_the_others():
    np.testing.assert_array_equal(usable_spread(np.array([0.0, 2.0, 4.0])), [3.0, 2.0, 4.0])


def test_quartiles_leave_gaps_out():
    np.testing.assert_array_equal(quartiles(np.array([np.nan, 1, 2, 3])), [1.5, 2.0, 2.5])
    np.testing.assert_array_equal(quartiles(np.array([np.nan])), [0, 0, 0])


@pytest.mark.parametrize("normalization", ["scan", "robust", None])
def test_a_run_is_normalised_and_absent_regions_are_neutral(normalization):
    series = series_of(baselines(0, 30, 20), absent=[4])
    scale = (np.full(20, 900.0), np.full(20, 50.0))
    known = np.delete(series.values, 4, axis=1)
    expected = {
        "scan": (known - known.mean()) / known.std(), "robust": (known - 900) / 50, None: known,
    }  # fmt: skip
    values = normalise_values(series, normalization, scale, "m")
    np.testing.assert_allclose(np.delete(values, 4, axis=1), expected[normalization])
    np.testing.assert_allclose(values[:, 4], 0 if normalization else known.mean())


def test_another_normalization_is_refused():
    assert require_normalization("scan", "m", "robust") is None
    with pytest.raises(InputError, match=r"of m must be one of .* Leave it out for 'robust'"):
        require_normalization("zscore", "m", "robust")
