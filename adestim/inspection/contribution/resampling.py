"""How far a cohort's means would vary with the subjects who are in it."""

from __future__ import annotations

from typing import Any

import numpy as np

from adestim._support.sklearn import draw_seeds
from adestim.exceptions import InputError


def mean_of(values: np.ndarray, present: np.ndarray) -> np.ndarray:
    """Return column means over those who are present.

    values (n_subjects, n_columns), present (n_subjects, n_columns) -> (n_columns,).
    """
    count = present.sum(axis=0)
    total = (values * present).sum(axis=0)
    return np.divide(total, count, out=np.full(len(count), np.nan), where=count > 0)


def mean_intervals(
    values: np.ndarray,
    present: np.ndarray,
    groups: np.ndarray,
    n_resamples: int,
    level: float,
    random_state: Any,
) -> np.ndarray:
    """Return percentile intervals of column means over resampled groups.

    values (n_subjects, n_columns), present (n_subjects, n_columns), groups (n_subjects,) -> (2,
    n_columns).

    Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13.
    """
    if not 0 < level < 1:
        raise InputError("'level' must lie between 0 and 1", got=repr(level))
    ends = np.full((2, values.shape[1]), np.nan)
    n_groups = int(groups.max()) + 1
    if n_resamples < 1 or n_groups < 2:
        return ends
    sums, counts = np.zeros((2, n_groups, values.shape[1]))
    np.add.at(sums, groups, values * present)
    np.add.at(counts, groups, present)
    generator = np.random.default_rng(draw_seeds(random_state, 1)[0])
    draws = generator.multinomial(n_groups, np.full(n_groups, 1 / n_groups), size=n_resamples)
    drawn, count = draws @ sums, draws @ counts
    means = np.divide(drawn, count, out=np.full(drawn.shape, np.nan), where=count > 0)
    somebody = present.any(axis=0)
    cuts = [(1 - level) / 2, (1 + level) / 2]
    ends[:, somebody] = np.nanquantile(means[:, somebody], cuts, axis=0)
    return ends
