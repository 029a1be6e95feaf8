"""Cleaning in seconds and hertz."""

import numpy as np
import pandas as pd
import pytest
from nilearn.signal import clean

from adestim.exceptions import TimeSeriesError
from adestim.modalities.fmri.cleaning import Cleaning
from adestim.modalities.fmri.confounds import DEFAULT_CONFOUNDS, read_confounds
from adestim.modalities.fmri.timeseries import RoiSeries
from tests.counting import calls_into

PLAIN = {"high_pass": None, "low_pass": None, "min_duration": None}


def series_of(values, t_r=2.0):
    return RoiSeries(np.asarray(values, float), np.ones(values.shape[1], dtype=bool), t_r)


def noise(n_volumes=200, n_rois=3, t_r=2.0, seed=0):
    return series_of(np.random.default_rng(seed).normal(size=(n_volumes, n_rois)), t_r)


def power_at(frequency, values, t_r):
    """Share of a series' power within 0.003 Hz of a frequency."""
    spectrum = abs(np.fft.rfft(values)) ** 2
    near = abs(np.fft.rfftfreq(len(values), t_r) - frequency) < 0.003
    return spectrum[near].sum() / spectrum.sum()


@pytest.mark.parametrize("t_r", [0.6, 1.5, 3.0])
@pytest.mark.parametrize("outside", [0.004, 0.14])
def test_band_pass_is_in_hertz_whatever_the_repetition_time(t_r, outside):
    times = np.arange(0, 600, t_r)
    wanted, unwanted = np.sin(2 * np.pi * 0.05 * times), 3 * np.sin(2 * np.pi * outside * times)
    raw = series_of(np.column_stack([wanted + unwanted, wanted + 2 * unwanted]), t_r)
    assert power_at(outside, raw.values[:, 0], t_r) > 0.7
    cleaned = Cleaning(window=400.0)(raw).values[:, 0]
    assert power_at(outside, cleaned, t_r) < 0.05
    assert power_at(0.05, cleaned, t_r) > 0.9


def test_agrees_with_nilearn():
    series = noise()
    expected = clean(
        series.values, standardize=None, high_pass=0.01, low_pass=0.1, t_r=2.0, detrend=True
    )
    expected = (expected - expected.mean(axis=0)) / expected.std(axis=0)
    np.testing.assert_allclose(Cleaning()(series).values, expected, atol=1e-10)


def test_all_regions_are_filtered_in_one_call():
    series = [noise(n_rois=n_rois) for n_rois in (3, 40)]
    Cleaning()(series[0])
    few, many = (calls_into("scipy", lambda raw=raw: Cleaning()(raw)) for raw in series)
    assert many == few


def test_linear_trend_is_removed_without_a_filter():
    series = noise()
    trend = np.arange(200.0)[:, None] * [1, -2, 5]
    drifting = series_of(series.values + trend)
    np.testing.assert_allclose(
        Cleaning(**PLAIN)(drifting).values, Cleaning(**PLAIN)(series).values, atol=1e-8
    )


@pytest.mark.parametrize("t_r", [0.6, 3.0])
def test_windows_last_the_same_whatever_the_repetition_time(t_r):
    cleaned = Cleaning(window=300.0, skip=12.0)(noise(int(480 / t_r), t_r=t_r))
    assert cleaned.duration == pytest.approx(300.0)


def test_window_is_the_middle_of_what_skip_leaves():
    series = noise(60)
    cut = Cleaning(window=40.0, skip=7.0, **PLAIN)(series)
    whole = Cleaning(skip=7.0, **PLAIN)(series).values
    middle = whole[18:38]
    np.testing.assert_allclose(cut.values, (middle - middle.mean(0)) / middle.std(0))


def test_run_shorter_than_the_window_is_used_whole():
    assert Cleaning(window=1000.0)(noise(100)).duration == 200.0


def test_series_are_standardised():
    values = Cleaning()(noise()).values
    np.testing.assert_allclose(values.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(values.std(axis=0), 1)


def test_too_short_a_run_is_refused_in_seconds():
    with pytest.raises(TimeSeriesError, match=r"min_duration=100 s.*40 volumes of 2 s.*80 s"):
        Cleaning()(noise(40))
    with pytest.raises(TimeSeriesError, match="after skip=60 s"):
        Cleaning(skip=60.0)(noise(70))
    assert Cleaning(min_duration=80.0)(noise(40)).n_volumes == 40


def test_window_of_hardly_any_volumes_is_refused():
    with pytest.raises(TimeSeriesError, match="longer window="):
        Cleaning(window=10.0)(noise())


def test_low_pass_above_nyquist_is_refused():
    with pytest.raises(TimeSeriesError, match=r"Nyquist frequency, 0\.08333 Hz.*Lower low_pass"):
        Cleaning()(noise(t_r=6.0))


def test_unknown_repetition_time_is_refused_where_it_matters():
    with pytest.raises(TimeSeriesError, match="Pass t_r= in seconds"):
        Cleaning()(noise(t_r=None))
    assert Cleaning(**PLAIN)(noise(t_r=None)).n_volumes == 200


def test_region_of_which_nothing_is_left_is_no_longer_present():
    series = noise()
    series.values[:, 1] = 3.0 * np.arange(200) + 7
    cleaned = Cleaning()(series)
    np.testing.assert_array_equal(cleaned.present, [True, False, True])
    assert (cleaned.values[:, 1] == 0).all()


def test_confounds_are_regressed_out():
    series, confound = noise(), np.random.default_rng(9).normal(size=(200, 1))
    moved = series_of(series.values + 4 * confound)
    cleaned = Cleaning(**PLAIN)(moved, confound).values
    assert abs(np.corrcoef(cleaned[:, 0], confound[:, 0])[0, 1]) < 1e-2
    assert np.corrcoef(cleaned[:, 0], series.values[:, 0])[0, 1] > 0.98


def test_skipped_rows_of_the_confounds_are_skipped_too():
    series, confound = noise(), np.random.default_rng(9).normal(size=(200, 1))
    moved = series_of(series.values + 4 * confound)
    later = series_of(moved.values[50:])
    np.testing.assert_allclose(
        Cleaning(skip=100.0)(moved, confound).values, Cleaning()(later, confound[50:]).values
    )


@pytest.fixture
def fmriprep():
    rng = np.random.default_rng(0)
    names = [*DEFAULT_CONFOUNDS, "global_signal", "framewise_displacement"]
    table = pd.DataFrame(rng.normal(size=(20, len(names))), columns=names)
    derivatives = [name for name in names if "derivative" in name]
    table.loc[0, [*derivatives, "framewise_displacement"]] = np.nan
    return table


def test_default_confounds_are_motion_its_derivatives_and_tissue(fmriprep, tmp_path):
    fmriprep.to_csv(tmp_path / "c.tsv", sep="\t", na_rep="n/a", index=False)
    values = read_confounds(tmp_path / "c.tsv", None, 20)
    expected = fmriprep[list(DEFAULT_CONFOUNDS)].bfill().to_numpy()
    np.testing.assert_allclose(values, expected)
    assert values.shape == (20, 14)


def test_named_confounds_alone_are_used(fmriprep):
    values = read_confounds(fmriprep, ["global_signal"], 20)
    np.testing.assert_array_equal(values[:, 0], fmriprep["global_signal"])


def test_table_of_other_names_is_used_whole():
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(9, 2)), columns=["a", "b"])
    assert read_confounds(frame, None, 9).shape == (9, 2)


@pytest.mark.parametrize("missing", [None, np.nan, "", "n/a"])
def test_no_confounds_table(missing):
    assert read_confounds(missing, None, 9) is None


def test_constant_confounds_are_left_out():
    assert read_confounds(np.ones((9, 2)), None, 9) is None


@pytest.mark.parametrize(
    ("names", "n_volumes", "words"),
    [
        (None, 19, "one row a volume, 19 for this run. Got 20 rows"),
        (["cosine00"], 20, r"without \['cosine00'\].*Correct the names"),
    ],
)
def test_confounds_that_do_not_fit_are_refused(fmriprep, names, n_volumes, words):
    with pytest.raises(TimeSeriesError, match=words):
        read_confounds(fmriprep, names, n_volumes)


def test_confounds_with_gaps_are_refused(fmriprep):
    fmriprep.loc[7, "csf"] = np.nan
    with pytest.raises(TimeSeriesError, match="in its first rows only"):
        read_confounds(fmriprep, None, 20)


def test_confounds_of_a_wrong_kind_are_refused():
    with pytest.raises(TimeSeriesError, match="shape \\(time, confound\\)"):
        read_confounds(np.zeros(5), None, 5)


def test_more_confounds_than_volumes_are_refused():
    with pytest.raises(TimeSeriesError, match="fewer confounds="):
        Cleaning()(noise(60), np.random.default_rng(0).normal(size=(60, 55)))


def baseline_noise(t_r=2.0):
    """Series that drift around a mean of 1000."""
    series = noise(t_r=t_r)
    return series_of(series.values + 1000 + np.arange(200.0)[:, None], t_r)


RAW = {"high_pass": None, "low_pass": None, "raw": True}


def test_raw_series_stay_as_they_are():
    series = baseline_noise()
    cleaned = Cleaning(**RAW)(series, np.random.default_rng(9).normal(size=(200, 1)))
    np.testing.assert_array_equal(cleaned.values, series.values)


def test_raw_series_are_skipped_and_windowed():
    series = baseline_noise()
    cut = Cleaning(**RAW, skip=10.0, window=300.0)(series)
    np.testing.assert_array_equal(cut.values, series.values[27:177])


def test_filter_of_raw_series_leaves_their_mean():
    series = baseline_noise()
    cleaned = Cleaning(raw=True)(series).values
    np.testing.assert_allclose(cleaned.mean(axis=0), series.values.mean(axis=0))
    assert (cleaned.std(axis=0) < 0.1 * series.values.std(axis=0)).all()


def test_confounds_of_raw_series_are_regressed_out_by_name_only():
    series = noise()
    table = pd.DataFrame({"csf": np.random.default_rng(9).normal(size=200)})
    moved = series_of(series.values + 500 + 4 * table.to_numpy())
    kept = Cleaning(**RAW)(moved, table).values
    np.testing.assert_array_equal(kept, moved.values)
    cleaned = Cleaning(**RAW, confounds=("csf",))(moved, table).values
    assert abs(np.corrcoef(cleaned[:, 0], table["csf"])[0, 1]) < 1e-2
    np.testing.assert_allclose(cleaned.mean(axis=0), moved.values.mean(axis=0))


def test_raw_series_need_their_repetition_time():
    with pytest.raises(TimeSeriesError, match=r"Pass t_r= in seconds\.$"):
        Cleaning(**RAW, min_duration=None)(noise(t_r=None))
