"""Cleaning of ROI series, in physical units: seconds and hertz, never volumes."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil, floor
from typing import Any

import numpy as np
import pandas as pd

from adestim.encoding import is_missing
from adestim.exceptions import TimeSeriesError
from adestim.modalities.fmri._tables import NumericTable, read_table
from adestim.modalities.fmri.timeseries import RoiSeries, find_varying, require_enough_regions

MOTION = ("trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z")
TISSUE = ("white_matter", "csf")
DEFAULT_CONFOUNDS = (*MOTION, *(f"{name}_derivative1" for name in MOTION), *TISSUE)
FILTER_SECTIONS = 5
ROUNDING = 1e-6
SMALLEST_SPREAD = 1e-9
MIN_FREE_VOLUMES = 10


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
    """Refuse a run with hardly more volumes than confounds."""
    n_confounds = 0 if nuisance is None else nuisance.shape[1]
    if n_volumes - n_confounds < MIN_FREE_VOLUMES:
        raise TimeSeriesError(
            f"A run must have at least {MIN_FREE_VOLUMES} volumes more than confounds",
            got=f"{n_volumes} volumes and {n_confounds} confounds",
            remedy="Name fewer confounds=, pass a longer window=, or leave the cell empty",
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


def read_confounds(source: Any, names: Sequence[str] | None, n_volumes: int) -> np.ndarray | None:
    """Return the confounds to regress out of a run; None where there is no table.

    -> (n_volumes, n_confounds).

    Friston et al. (1996). Movement-related effects in fMRI time-series. Magnetic Resonance in
    Medicine 35, 346-355.
    """
    if not isinstance(source, (np.ndarray, pd.DataFrame)) and is_missing(source):
        return None
    table = open_confounds(source)
    if len(table.values) != n_volumes:
        raise TimeSeriesError(
            f"A confounds table must have one row a volume, {n_volumes} for this run",
            got=f"{len(table.values)} rows",
            remedy="Pass the confounds of this very run",
        )
    chosen = choose_columns(table, names)
    filled = pd.DataFrame(table.values[:, chosen]).bfill(limit_area="outside")
    if not np.isfinite(filled.to_numpy()).all():
        raise TimeSeriesError(
            "A confound may be 'n/a' in its first rows only",
            got="gaps or infinities further down",
            remedy="Name complete columns with confounds=, or mend the table",
        )
    values = filled.to_numpy()
    values = np.ascontiguousarray(values[:, find_varying(values)])
    return values if values.shape[1] else None


def open_confounds(source: Any) -> NumericTable:
    """Return a table or an array of confounds."""
    if isinstance(source, (str, os.PathLike, pd.DataFrame)):
        return read_table(source, what="confounds")
    values = np.asarray(source)
    if values.ndim != 2 or not np.issubdtype(values.dtype, np.number):
        raise TimeSeriesError(
            "Confounds are a path, a DataFrame or an array of shape (time, confound)",
            got=f"{type(source).__name__} of shape {values.shape}",
            remedy="Pass the path of the confounds table, or leave the cell empty",
        )
    return NumericTable(values.astype(np.float64), None, None)


def choose_columns(table: NumericTable, names: Sequence[str] | None) -> list[int]:
    """Return the positions of the confounds to use."""
    own = table.names or ()
    if names is None:
        default = [place for place, name in enumerate(own) if name in DEFAULT_CONFOUNDS]
        return default or list(range(table.values.shape[1]))
    absent = [name for name in names if name not in own]
    if absent:
        raise TimeSeriesError(
            f"The confounds table must have the columns named by confounds={list(names)}",
            got=f"a table without {absent}; it has {list(own)[:12]}",
            remedy="Correct the names, or pass confounds=None for the default set",
        )
    return [own.index(name) for name in names]
