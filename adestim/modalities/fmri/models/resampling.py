"""ROI series at the rate a foundation model was trained on, in seconds, and what it may lack."""

from __future__ import annotations

from collections.abc import Mapping
from math import floor
from typing import Any

import numpy as np

from adestim.exceptions import InputError, TimeSeriesError
from adestim.modalities.fmri.timeseries import RoiSeries

LARGEST_ABSENT_SHARE = 0.1
ROUNDING = 1e-6


def resample(values: np.ndarray, t_r: float, step: float, n_frames: int) -> np.ndarray:
    """Return frames a fixed time apart from the middle of a run, by linear interpolation.

    Nothing is drawn at random. A run too short for all frames gives as many as it lasts for,
    and every region's mean over the run after them.

    values (n_volumes, n_rois) -> (n_frames, n_rois).
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
    """Refuse series that a model cannot read."""
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
    """Refuse options that a model does not have."""
    if unknown:
        raise InputError(
            f"backbone_params of {model} may hold {known}",
            got=", ".join(map(repr, sorted(unknown))),
            remedy="Correct or remove it",
        )
