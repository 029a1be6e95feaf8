"""ROI series at the rate a foundation model was trained on, in seconds, and what it may lack."""

from __future__ import annotations

from collections.abc import Mapping
from math import floor
from typing import Any

import numpy as np

from adestim.exceptions import InputError, TimeSeriesError
from adestim.modalities.fmri.timeseries import RoiSeries

__all__ = ["LARGEST_ABSENT_SHARE", "require_known_params", "require_usable", "resample"]

LARGEST_ABSENT_SHARE = 0.1
ROUNDING = 1e-6


def resample(values: np.ndarray, t_r: float, step: float, n_frames: int) -> np.ndarray:
    """Return frames a fixed time apart from the middle of a run, by linear interpolation.

    Nothing is drawn at random. A run too short for all frames gives as many as it lasts for,
    and every region's mean over the run after them.

    Parameters
    ----------
    values : ndarray of shape (n_volumes, n_rois)
        Signals.
    t_r : float
        Repetition time, in s.
    step : float
        Time between frames, in s.
    n_frames : int
        Number of frames.

    Returns
    -------
    ndarray of shape (n_frames, n_rois)

    Examples
    --------
    >>> import numpy as np
    >>> from adestim.modalities.fmri.models.resampling import resample
    >>> ramp = np.arange(6.0)[:, None]
    >>> resample(ramp, t_r=3.0, step=1.5, n_frames=3).ravel().tolist()
    [2.0, 2.5, 3.0]
    >>> resample(ramp, t_r=1.0, step=2.0, n_frames=4).ravel().tolist()
    [0.5, 2.5, 4.5, 2.5]
    """
    n_real = min(n_frames, frames_within(len(values), t_r, step))
    start = ((len(values) - 1) * t_r - (n_real - 1) * step) / 2
    place = np.clip((start + step * np.arange(n_real)) / t_r, 0, len(values) - 1)
    before = np.minimum(place.astype(int), max(len(values) - 2, 0))
    share = (place - before)[:, None]
    after = np.minimum(before + 1, len(values) - 1)
    frames = values[before] * (1 - share) + values[after] * share
    padding = np.tile(values.mean(axis=0), (n_frames - n_real, 1))
    return np.concatenate([frames, padding])


def frames_within(n_volumes: int, t_r: float, step: float) -> int:
    """Return how many frames ``step`` s apart a run has."""
    return floor((n_volumes - 1) * t_r / step + ROUNDING) + 1


def require_usable(series: RoiSeries, n_rois: int, model: str) -> None:
    """Refuse series that a model cannot read.

    Parameters
    ----------
    series : RoiSeries
        One subject's series.
    n_rois : int
        Number of regions the model reads.
    model : str
        Its name, for messages.

    Raises
    ------
    TimeSeriesError
        When the repetition time is unknown, there are more or fewer regions, or more than a
        tenth of them have no signal.
    """
    if series.t_r is None:
        raise TimeSeriesError(
            f"The repetition time must be known, since {model} reads frames a fixed time apart",
            got="none in the header, a JSON sidecar or a 'time' column",
            remedy="Pass t_r= in seconds",
        )
    if len(series.present) != n_rois:
        raise TimeSeriesError(
            f"{model} reads {n_rois} regions",
            got=str(len(series.present)),
            remedy="Parcellate all runs with the atlas of the model",
        )
    n_absent = int((~series.present).sum())
    if n_absent > LARGEST_ABSENT_SHARE * n_rois:
        raise TimeSeriesError(
            f"At most {LARGEST_ABSENT_SHARE:.0%} of the {n_rois} regions that {model} reads may "
            "lack a finite signal that varies",
            got=str(n_absent),
            remedy="Drop or interpolate censored rows before, and check that the atlas overlaps "
            "the run; or leave the cell empty",
        )


def require_known_params(unknown: Mapping[str, Any], model: str, known: str) -> None:
    """Refuse options that a model does not have.

    Parameters
    ----------
    unknown : mapping
        Options left over.
    model : str
        Name of the model, for messages.
    known : str
        The options it has, for messages.

    Raises
    ------
    InputError
        When there are any.
    """
    if unknown:
        raise InputError(
            f"backbone_params of {model} may hold {known}",
            got=", ".join(map(repr, sorted(unknown))),
            remedy="Correct or remove it",
        )
