"""Robust scales of regions, fitted to training rows, since none were released with the models."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from adestim._support.remarks import remark
from adestim.exceptions import InputError, TimeSeriesError
from adestim.modalities.fmri.models.resampling import require_usable
from adestim.modalities.fmri.models.training_series import usable_series
from adestim.modalities.fmri.timeseries import RoiSeries

SMALLEST_BASELINE = 1e-3
NORMALIZATIONS = ("scan", "robust", None)
Scale = tuple[np.ndarray, np.ndarray] | tuple[None, None]


def learn_baselines(raws: Iterable[RoiSeries], n_rois: int, model: str) -> Scale:
    """Return median and interquartile range, over subjects, of every region's mean over time.

    -> centre, spread (n_rois,).
    """

    def check(series: RoiSeries) -> None:
        """Refuse a row by which nothing can be scaled."""
        require_usable(series, n_rois, model)
        require_baseline(series.values[:, series.present])

    means = [
        np.where(series.present, series.values.mean(axis=0), np.nan)
        for series in usable_series(raws, check)
    ]
    if not means:
        return None, None
    low, middle, high = np.transpose([quartiles(column) for column in np.transpose(means)])
    return middle, usable_spread(high - low)


def require_normalization(normalization: str | None, model: str, default: str) -> None:
    """Refuse another way to normalise a run than those there are."""
    if normalization not in NORMALIZATIONS:
        raise InputError(
            f"'normalization' in backbone_params of {model} must be one of {NORMALIZATIONS}",
            got=repr(normalization),
            remedy=f"Leave it out for {default!r}",
        )


def normalise_values(
    series: RoiSeries, normalization: str | None, scale: Scale, model: str
) -> np.ndarray:
    """Return the values normalised, regions without a signal at a neutral one.

    -> (n_volumes, n_rois).
    """
    present = series.present
    known = series.values[:, present]
    if normalization is None:
        neutral = known.mean()
    elif normalization == "scan":
        neutral, known = 0.0, (known - known.mean()) / known.std()
    else:
        centre, spread = scale
        require_fitted(centre, model)
        neutral, known = 0.0, (known - centre[present]) / spread[present]
    filled = np.full(series.values.shape, neutral)
    filled[:, present] = known
    return filled


def quartiles(values: np.ndarray) -> np.ndarray:
    """Return lower quartile, median and upper quartile of the finite values; 0 where none is."""
    values = values[np.isfinite(values)]
    return np.quantile(values, [0.25, 0.5, 0.75]) if len(values) else np.zeros(3)


def lacks_baseline(values: np.ndarray) -> bool:
    """Tell whether the mean over time of series (n_volumes, n_rois) was taken away."""
    means = np.abs(values.mean(axis=0))
    return bool(np.median(means) <= SMALLEST_BASELINE * np.median(values.std(axis=0)))


def question_baseline(values: np.ndarray, model: str) -> None:
    """Remark on series that lost what one scale for all regions keeps: how bright each is."""
    if lacks_baseline(values):
        remark(
            f"the ROI series are without their mean, which {model} was trained to see: with "
            "normalization='scan' it is nearly all of a raw series' spread. Pass series that were "
            "neither standardised nor centred (filtered ones with their mean put back), or "
            "normalization=None where they are scaled as the model's training was."
        )


def require_baseline(values: np.ndarray) -> None:
    """Refuse series whose mean was taken away, by which nothing can be scaled."""
    if lacks_baseline(values):
        raise TimeSeriesError(
            "normalization='robust' scales by every region's mean over time, which the series "
            "must have kept",
            got="series whose means are 0",
            remedy="Pass series that were neither standardised nor filtered, or "
            "normalization='scan'",
        )


def usable_spread(spread: np.ndarray) -> np.ndarray:
    """Return a spread in which 0, of which nothing is known, is replaced by the others' median.

    spread (n_rois,) -> (n_rois,).
    """
    usable = spread > 0
    if not usable.any():
        raise InputError(
            "A robust scale needs training rows that differ",
            got="the same value in every training row, or a single row",
            remedy="Fit on more rows, or pass another 'normalization' where the model has one",
        )
    return np.where(usable, spread, np.median(spread[usable]))


def require_fitted(centre: np.ndarray | None, model: str) -> None:
    """Refuse to scale where no training row had the modality."""
    if centre is None:
        raise TimeSeriesError(
            f"The robust scale of {model} must have been fitted to training rows with fMRI",
            got="none",
            remedy="Fit on rows that have it",
        )
