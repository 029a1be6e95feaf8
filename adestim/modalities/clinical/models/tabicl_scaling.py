"""Scaling of columns as TabICL's classifier does it, without its power transform.

Facts: tabicl 2.2.0, the classes TransformToNumerical, CustomStandardScaler and OutlierRemover.
"""

from __future__ import annotations

from typing import Any

import numpy as np

LARGEST_SCORE = 100.0
SMALLEST_SPREAD = 1e-6
OUTLIER = 4.0


def learn_scaling(table: np.ndarray) -> dict[str, Any]:
    """Return what each column of the training rows is filled, centred, scaled and bounded with.

    table (n_rows, n_columns), NaN where unknown.
    """
    known = ~np.isnan(table)
    count = np.maximum(known.sum(axis=0), 1)
    fill = np.where(known, table, 0).sum(axis=0) / count
    filled = np.where(known, table, fill)
    kept = np.ptp(filled, axis=0) > 0
    # Of a table without a single column that varies the first is left, so that there is one.
    kept[0] |= not kept.any()
    centre, spread = filled.mean(axis=0), filled.std(axis=0) + SMALLEST_SPREAD
    scores = standardise_rows(filled, fill, centre, spread)
    low, high = bound_scores(scores)
    return {
        "fill": fill, "centre": centre, "spread": spread, "low": low, "high": high, "kept": kept,
    }  # fmt: skip


def bound_scores(scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the bounds of usual scores, found without the outliers: (n_columns,) each."""
    low, high = find_bounds(scores)
    return find_bounds(np.where((scores < low) | (scores > high), np.nan, scores))


def find_bounds(scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return mean minus and plus four standard deviations of the known scores."""
    known = ~np.isnan(scores)
    count = known.sum(axis=0)
    mean = np.where(known, scores, 0).sum(axis=0) / np.maximum(count, 1)
    squares = (np.where(known, scores - mean, 0) ** 2).sum(axis=0)
    lost = 1 if len(scores) > 1 else 0
    deviation = np.sqrt(squares / np.maximum(count - lost, 1))
    reach = OUTLIER * np.maximum(deviation, SMALLEST_SPREAD)
    return mean - reach, mean + reach


def standardise_rows(
    table: np.ndarray, fill: np.ndarray, centre: np.ndarray, spread: np.ndarray
) -> np.ndarray:
    """Return standard scores of rows, the unknown at their column's mean."""
    filled = np.where(np.isnan(table), fill, table)
    return np.clip((filled - centre) / spread, -LARGEST_SCORE, LARGEST_SCORE)


def scale_rows(
    table: np.ndarray,
    *,
    fill: np.ndarray,
    centre: np.ndarray,
    spread: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
    kept: np.ndarray,
) -> np.ndarray:
    """Return rows of the columns that vary, beyond their bounds drawn in by a logarithm.

    table (n_rows, n_columns) -> (n_rows, n_kept), float32.
    """
    scores = standardise_rows(table, fill, centre, spread)
    scores = np.maximum(low - np.log1p(np.abs(scores)), scores)
    scores = np.minimum(high + np.log1p(np.abs(scores)), scores)
    return scores[:, kept].astype(np.float32)
