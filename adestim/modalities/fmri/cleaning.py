"""Cleaning of ROI series, in physical units: seconds and hertz, never volumes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil, floor
from typing import Any

import numpy as np

from adestim._support.remarks import remark
from adestim.exceptions import TimeSeriesError
from adestim.modalities.fmri.confounds import read_confounds
from adestim.modalities.fmri.timeseries import RoiSeries, require_enough_regions

FILTER_SECTIONS = 5
ROUNDING = 1e-6
SMALLEST_SPREAD = 1e-9
MIN_FREE_VOLUMES = 10
# With more confounds a volume, hardly a signal of some hundred volumes is left.
MAX_CONFOUNDS_A_VOLUME = 0.25


@dataclass(frozen=True)
class Cleaning:
    """Detrends, filters, regresses confounds out, cuts a window and standardises.

    The order is that of :func:`nilearn.signal.clean`, after the first ``skip`` seconds are
    dropped and before the window is cut, so that the filter's edges fall outside it.
    """

    high_pass: float | None = 0.01  # lowest frequency kept, in Hz
    low_pass: float | None = 0.1  # highest frequency kept, in Hz
    # names of the confounds to regress out; None for the default set
    confounds: tuple[str, ...] | None = None
    skip: float = 0.0  # time dropped at the start, in s
    window: float | None = None  # longest time kept, in s, from the middle of the run; None for all
    min_duration: float | None = 100.0  # shortest run accepted after ``skip``, in s
    # whether the series keep their mean, trend and scale, as foundation models read them
    raw: bool = False

    def __call__(self, series: RoiSeries, confounds: Any = None) -> RoiSeries:
        """Clean one subject's series."""
        self._require_time(series)
        nuisance = self._nuisance(confounds, series.n_volumes)
        first = 0 if not self.skip else ceil(self.skip / series.t_r - ROUNDING)
        series = replace(series, values=series.values[first:])
        nuisance = None if nuisance is None else nuisance[first:]
        self._require_length(series)
        window = self._window(series)
        require_free_volumes(len(series.values[window]), nuisance)
        if self.raw:
            return replace(series, values=self._around_mean(series, nuisance)[window])
        values = self._filtered(series, nuisance)[window]
        return standardise_series(replace(series, values=values), abs(series.values).max(axis=0))

    def _require_time(self, series: RoiSeries) -> None:
        """Refuse series without a repetition time, or too slow for the filter."""
        timed = (self.high_pass, self.low_pass, self.window, self.min_duration, self.skip or None)
        if series.t_r is None and (self.raw or any(value is not None for value in timed)):
            without = "high_pass=None, low_pass=None, window=None, skip=0 and min_duration=None"
            raise TimeSeriesError(
                "The repetition time must be known, since filters are in Hz and windows in s",
                got="none in the header, a JSON sidecar or a 'time' column",
                remedy="Pass t_r= in seconds" + ("" if self.raw else f", or {without}"),
            )
        for name in ("high_pass", "low_pass"):
            require_below_nyquist(name, getattr(self, name), series.t_r)

    def _require_length(self, series: RoiSeries) -> None:
        """Refuse a run that is too short to say anything."""
        if self.min_duration is not None and series.duration < self.min_duration - 1e-6:
            raise TimeSeriesError(
                f"A run must last at least min_duration={self.min_duration:g} s",
                got=f"{series.n_volumes} volumes of {series.t_r:g} s, that is "
                f"{series.duration:g} s, after skip={self.skip:g} s",
                remedy="Leave the cell empty, or pass a shorter min_duration",
            )

    def _window(self, series: RoiSeries) -> slice:
        """Return the volumes of the centred window."""
        if self.window is None:
            return slice(None)
        length = floor(self.window / series.t_r + ROUNDING)
        start = max(0, (series.n_volumes - length) // 2)
        return slice(start, start + length)

    def _nuisance(self, confounds: Any, n_volumes: int) -> np.ndarray | None:
        """Return the confounds to regress out; of raw series, only those asked for by name."""
        if self.raw and self.confounds is None:
            return None
        return read_confounds(confounds, self.confounds, n_volumes)

    def _around_mean(self, series: RoiSeries, nuisance: np.ndarray | None) -> np.ndarray:
        """Filter and regress where asked for, and give every region its mean back."""
        if nuisance is None and self.high_pass is None and self.low_pass is None:
            return series.values
        mean = series.values.mean(axis=0)
        values = self._filtered(replace(series, values=series.values - mean), nuisance)
        return values - values.mean(axis=0) + mean

    def _filtered(self, series: RoiSeries, nuisance: np.ndarray | None) -> np.ndarray:
        """Detrend, filter and regress the confounds out of the present regions."""
        from nilearn.signal import clean

        values = np.zeros_like(series.values)
        values[:, series.present] = clean(
            series.values[:, series.present],
            detrend=not self.raw,
            standardize=None,
            confounds=nuisance,
            low_pass=self.low_pass,
            high_pass=self.high_pass,
            t_r=series.t_r,
            butterworth__padlen=choose_pad_length(series.n_volumes),
            # A copy is filtered in one call, the array itself region by region.
            butterworth__copy=True,
        )
        return values


def choose_pad_length(n_volumes: int) -> int:
    """Return the volumes mirrored at each end for the filter, fewer than the run has."""
    return min(3 * (2 * FILTER_SECTIONS + 1), n_volumes - 1)


def require_below_nyquist(name: str, frequency: float | None, t_r: float | None) -> None:
    """Refuse a filter that a run sampled every ``t_r`` seconds cannot have."""
    if frequency is not None and t_r is not None and frequency >= 0.5 / t_r:
        raise TimeSeriesError(
            f"{name} must be below the Nyquist frequency, {0.5 / t_r:.4g} Hz for a repetition "
            f"time of {t_r:g} s",
            got=f"{name}={frequency:g} Hz",
            remedy=f"Lower {name}, or pass {name}=None; check the repetition time",
        )


def require_free_volumes(n_volumes: int, nuisance: np.ndarray | None) -> None:
    """Refuse a run with hardly more volumes than confounds; remark on one with many of them."""
    n_confounds = 0 if nuisance is None else nuisance.shape[1]
    if n_volumes - n_confounds < MIN_FREE_VOLUMES:
        raise TimeSeriesError(
            f"A run must have at least {MIN_FREE_VOLUMES} volumes more than confounds",
            got=f"{n_volumes} volumes and {n_confounds} confounds",
            remedy="Name fewer confounds=, pass a longer window=, or leave the cell empty",
        )
    if n_confounds > MAX_CONFOUNDS_A_VOLUME * n_volumes:
        remark(
            f"{n_confounds} confounds are regressed out of {n_volumes} volumes, which takes much "
            "of the signal along. Name fewer with confounds=."
        )


def standardise_series(series: RoiSeries, scale: np.ndarray) -> RoiSeries:
    """Return series of mean 0 and standard deviation 1.

    A region of which cleaning left nothing but rounding errors, measured against the ``scale`` of
    its raw signal, is no longer present.
    """
    centred = series.values - series.values.mean(axis=0)
    spread = centred.std(axis=0)
    present = series.present & (spread > SMALLEST_SPREAD * scale)
    require_enough_regions(present, from_run=False)
    spread = np.where(present, spread, 1.0)
    return replace(series, values=np.where(present, centred / spread, 0.0), present=present)
