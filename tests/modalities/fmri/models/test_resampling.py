"""Frames a fixed time apart, and what a model refuses."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adestim.exceptions import InputError, TimeSeriesError
from adestim.modalities.fmri.models.brain_jepa import STEP
from adestim.modalities.fmri.models.resampling import (
    frames_within,
    require_known_params,
    require_usable,
    resample,
)
from tests.modalities.fmri.model_files import series_of


def wave(times):
    return np.sin(2 * np.pi * 0.02 * times)[:, None]


@pytest.mark.parametrize("t_r", [0.6, 0.735, 1.5, 2.0, 2.5, 3.0])
def test_frames_are_the_fixed_time_apart_whatever_the_repetition_time(t_r):
    times = np.arange(0, 480, t_r)
    frames = resample(wave(times), t_r, step=2.2, n_frames=160)
    # The window begins at a whole volume, and volumes are picked up to one before their time.
    start = (times[-1] - 159 * 2.2) / 2 // t_r * t_r
    late = t_r if t_r < 2.2 else 0
    fastest = 2 * np.pi * 0.02
    wanted = wave(start + 2.2 * np.arange(160))
    np.testing.assert_allclose(frames, wanted, atol=0.02 + fastest * (late + t_r * (late > 0)))


@pytest.mark.parametrize("n_volumes", [480, 481, 490])
def test_volumes_of_a_fast_run_are_those_that_pre_training_picks(n_volumes):
    volumes = np.arange(float(n_volumes))[:, None]
    first = (n_volumes - 480) // 2
    wanted = np.linspace(first, first + 479, 160).astype(int)
    np.testing.assert_array_equal(resample(volumes, 0.735, STEP, 160)[:, 0], wanted)


@settings(max_examples=40, deadline=None)
@given(
    t_r=st.floats(0.3, 4.0) | st.sampled_from([0.72, 0.735, 0.75, 2.0, 2.2, 2.25, 3.0]),
    n_volumes=st.integers(120, 600),
    model=st.sampled_from([(STEP, 160, 16), (0.735, 200, 20), (0.735, 200, 16)]),
)
def test_white_noise_keeps_its_spread_in_every_time_patch(t_r, n_volumes, model):
    step, n_frames, patch = model
    noise = np.random.default_rng(n_volumes).normal(size=(n_volumes, 500))
    n_real = min(n_frames, frames_within(n_volumes, t_r, step))
    frames = resample(noise, t_r, step, n_frames)[:n_real]
    whole = frames[: n_real // patch * patch].reshape(-1, patch * 500)
    np.testing.assert_allclose(whole.std(axis=1), 1, atol=0.1)


@settings(max_examples=40, deadline=None)
@given(t_r=st.floats(0.3, STEP), n_volumes=st.integers(1, 600))
def test_what_is_picked_are_volumes_in_their_order(t_r, n_volumes):
    volumes = np.arange(1.0, n_volumes + 1)[:, None]
    picked = resample(volumes, t_r, STEP, 160)[: frames_within(n_volumes, t_r, STEP), 0]
    assert (np.diff(picked) > 0).all()
    assert set(picked) <= set(volumes[:, 0])
    # As many are left out before the first as behind the last.
    assert abs((picked[0] - 1) - (n_volumes - picked[-1])) <= STEP / t_r


@pytest.mark.parametrize("t_r", [0.735, 0.7350000143051147, 0.73499998])
def test_rounded_header_does_not_change_the_rate(t_r):
    values = np.random.default_rng(0).normal(size=(201, 3))
    np.testing.assert_array_equal(resample(values, t_r, 0.735, 200), values[:200])


@pytest.mark.parametrize("n_volumes", [164, 163, 162, 161])
def test_window_begins_at_a_whole_volume_whatever_the_length(n_volumes):
    values = np.random.default_rng(0).normal(size=(n_volumes, 3))
    first = (n_volumes - 160) // 2
    np.testing.assert_array_equal(resample(values, 2.2, 2.2, 160), values[first : first + 160])


def test_constant_stays_constant_between_volumes():
    np.testing.assert_allclose(resample(np.full((9, 2), 1000.0), 3.0, 0.735, 30), 1000)


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
