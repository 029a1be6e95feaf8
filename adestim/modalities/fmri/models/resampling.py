"""ROI series at the rate a foundation model was trained on, in seconds, and what it may lack."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil, floor
from typing import Any

import numpy as np

from adestim.exceptions import InputError, TimeSeriesError
from adestim.modalities.fmri.timeseries import RoiSeries

LARGEST_ABSENT_SHARE = 0.1
# In volumes: headers round times.
ROUNDING = 1e-4
# Volumes on either side of a moment that its value is made of.
REACH = 16


def resample(values: np.ndarray, t_r: float, step: float, n_frames: int) -> np.ndarray:
    """Return frames a fixed time apart, from the middle of a run and from a whole volume on.

    Of a run that is fast enough, volumes are picked; a slower one is interpolated. Nothing is drawn
    at random. A run too short for all frames gives as many as it lasts for, and every region's mean
    over the run after them.

    values (n_volumes, n_rois) -> (n_frames, n_rois).
    """
    n_real = min(n_frames, frames_within(len(values), t_r, step))
    place = place_frames(len(values), t_r, step, n_real)
    whole = place.astype(int)
    frames = values[whole] if (place == whole).all() else interpolate_volumes(values, place)
    padding = np.tile(values.mean(axis=0), (n_frames - n_real, 1))
    return np.concatenate([frames, padding])


def frames_within(n_volumes: int, t_r: float, step: float) -> int:
    """Return how many frames ``step`` s apart a run has."""
    apart = count_volumes_between(t_r, step)
    if apart >= 1:
        return ceil((n_volumes - ROUNDING) / apart)
    return floor((n_volumes - 1) / apart + ROUNDING) + 1


def count_volumes_between(t_r: float, step: float) -> float:
    """Return how many volumes frames are apart, one where only a header's rounding differs."""
    apart = step / t_r
    return 1.0 if abs(apart - 1) < ROUNDING else apart


def place_frames(n_volumes: int, t_r: float, step: float, n_frames: int) -> np.ndarray:
    """Return where in a run, in volumes, its middle frames are; the first is at a whole one.

    -> (n_frames,).
    """
    apart = count_volumes_between(t_r, step)
    place = np.arange(n_frames) * apart
    if apart >= 1:
        # As the authors of the models do: an even row of times, cut down to whole volumes.
        place = np.floor(place + ROUNDING)
    return place + floor((n_volumes - 1 - place[-1]) / 2 + ROUNDING)


def interpolate_volumes(values: np.ndarray, place: np.ndarray) -> np.ndarray:
    """Return values between volumes, by a windowed sine cardinal that keeps a signal's spread.

    Linear interpolation would halve the variance of noise midway between two volumes.

    values (n_volumes, n_rois), place (n_frames,) -> (n_frames, n_rois).
    """
    taps = place.astype(int)[:, None] + np.arange(1 - REACH, 1 + REACH)
    distance = place[:, None] - taps
    shares = np.sinc(distance) * np.sinc(distance / REACH)
    mixing = np.zeros((len(place), len(values) + 2 * REACH))
    np.put_along_axis(mixing, taps + REACH, shares / shares.sum(axis=1, keepdims=True), axis=1)
    # Mirrored at its ends, a run goes on for as long as it is looked at.
    return mixing @ np.pad(values, ((REACH, REACH), (0, 0)), mode="reflect")


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
