"""Frames a fixed time apart, and what a model refuses."""

import numpy as np
import pytest

from adestim.exceptions import InputError, TimeSeriesError
from adestim.modalities.fmri.models.resampling import require_known_params, require_usable, resample
from tests.modalities.fmri.model_files import series_of


def wave(times):
    return np.sin(2 * np.pi * 0.02 * times)[:, None]


@pytest.mark.parametrize("t_r", [0.6, 0.735, 1.5, 3.0])
def test_frames_are_the_fixed_time_apart_whatever_the_repetition_time(t_r):
    times = np.arange(0, 480, t_r)
    frames = resample(wave(times), t_r, step=2.2, n_frames=160)
    start = (times[-1] - 159 * 2.2) / 2
    np.testing.assert_allclose(frames, wave(start + 2.2 * np.arange(160)), atol=0.02)


def test_same_rate_gives_the_middle_volumes():
    values = np.random.default_rng(0).normal(size=(11, 2))
    np.testing.assert_allclose(resample(values, 2.0, 2.0, 5), values[3:8])


def test_run_that_lasts_exactly_as_long_as_the_frames_is_whole():
    values = np.random.default_rng(0).normal(size=(200, 2))
    np.testing.assert_allclose(resample(values, 0.735, 0.735, 200), values, atol=1e-9)


def test_short_run_is_followed_by_its_mean():
    values = np.random.default_rng(0).normal(size=(7, 2))
    frames = resample(values, 2.0, 2.0, 10)
    np.testing.assert_allclose(frames[:7], values)
    np.testing.assert_allclose(frames[7:], np.tile(values.mean(axis=0), (3, 1)))


def test_single_volume_is_its_own_mean():
    np.testing.assert_allclose(resample(np.full((1, 2), 3.0), 2.0, 1.0, 3), 3.0)


@pytest.mark.parametrize(
    ("t_r", "n_rois", "absent", "words"),
    [
        (None, 20, 0, "repetition time must be known.*Pass t_r="),
        (2.0, 19, 0, "brain-jepa reads 20 regions. Got 19"),
        (2.0, 20, 3, "At most 10% of the 20 regions.*Got 3.*interpolate censored rows"),
    ],
)
def test_unusable_series_are_refused(t_r, n_rois, absent, words):
    series = series_of(np.random.default_rng(0).normal(size=(30, n_rois)), t_r, range(absent))
    with pytest.raises(TimeSeriesError, match=words):
        require_usable(series, 20, "brain-jepa")


def test_a_tenth_of_the_regions_may_lack_a_signal():
    series = series_of(np.random.default_rng(0).normal(size=(30, 20)), absent=[1, 2])
    assert require_usable(series, 20, "brain-jepa") is None


def test_unknown_params_are_named():
    assert require_known_params({}, "m", "'a'") is None
    with pytest.raises(InputError, match=r"of m may hold 'a'. Got 'b', 'c'"):
        require_known_params({"c": 1, "b": 2}, "m", "'a'")
