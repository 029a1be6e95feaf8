"""Scores of predictions of rows that a model was not trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from adestim.evaluation.metrics import score_predictions, score_probabilities
from adestim.evaluation.significance import delong

__all__ = ["Pool", "delong_columns", "pooled", "score_rows"]

# Ranks compare subjects with each other, which is fair within a fold alone (Forman & Scholz 2010).
RANKINGS = frozenset({"roc_auc", "pr_auc"})


def score_rows(table: pd.DataFrame, classes: tuple, scores: Sequence[str]) -> dict[str, float]:
    """Score rows of a table of predictions.

    Parameters
    ----------
    table : DataFrame
        Rows of :attr:`Comparison.predictions`.
    classes : tuple
        The classes; empty for a regression.
    scores : sequence of str
        Names of the scores.

    Returns
    -------
    dict of str to float
    """
    y, values, threshold = arrays_of(table, classes)
    return score_arrays(y, values, threshold, classes, scores)


def arrays_of(table: pd.DataFrame, classes: tuple) -> tuple:
    """Return labels, predictions and thresholds of a table of predictions."""
    if not classes:
        return table["y"].to_numpy(), table["prediction"].to_numpy(), None
    values = table[[f"p_{label}" for label in classes]].to_numpy()
    threshold = table["threshold"].to_numpy(dtype=float)
    return table["y"].to_numpy(), values, None if np.isnan(threshold).any() else threshold


def score_arrays(
    y: np.ndarray, values: np.ndarray, threshold: Any, classes: tuple, scores: Sequence[str]
) -> dict[str, float]:
    """Score predictions; what cannot be computed is NaN."""
    if not len(y):
        return dict.fromkeys(scores, np.nan)
    if not classes:
        return score_predictions(y, values, scores)
    return score_probabilities(y, values, classes, scores=scores, threshold=threshold)


class Repeat(NamedTuple):
    """One repeat's out-of-fold predictions."""

    places: np.ndarray
    fold: np.ndarray
    arrays: tuple


@dataclass(frozen=True, eq=False)
class Pool:
    """All out-of-fold predictions of an estimator, row by row in every repeat."""

    groups: np.ndarray
    repeats: list[Repeat]
    classes: tuple

    def score(self, names: Sequence[str], rows: np.ndarray) -> np.ndarray:
        """Return scores of some rows, drawn once or more, averaged over repeats."""
        return np.mean([self._score(names, repeat, rows) for repeat in self.repeats], axis=0)

    def _score(self, names: Sequence[str], repeat: Repeat, rows: np.ndarray) -> list[float]:
        """Return one repeat's scores."""
        drawn = repeat.places[rows]
        # A row whose fold failed is not there.
        drawn = drawn[drawn >= 0]
        plain = [name for name in names if name not in RANKINGS]
        scored = self._scored(repeat, drawn, plain)
        rankings = [name for name in names if name in RANKINGS]
        if rankings:
            scored |= self._within_folds(rankings, repeat, drawn)
        return [scored[name] for name in names]

    def _scored(self, repeat: Repeat, rows: np.ndarray, names) -> dict[str, float]:
        """Return scores of some rows at once."""
        y, values, threshold = repeat.arrays
        cut = None if threshold is None else threshold[rows]
        return score_arrays(y[rows], values[rows], cut, self.classes, names)

    def _within_folds(self, names, repeat: Repeat, drawn: np.ndarray) -> dict[str, float]:
        """Return scores of ranks, averaged over folds by their size; models differ in level."""
        folds, number = np.unique(repeat.fold[drawn], return_inverse=True)
        parts = [drawn[number == place] for place in range(len(folds))]
        scored = pd.DataFrame(
            [self._scored(repeat, part, names) for part in parts],
            columns=names,
        )
        size = scored.notna().mul([len(part) for part in parts], axis=0)
        return (scored * size).sum(min_count=1).div(size.sum()).to_dict()


def pooled(predictions: pd.DataFrame, classes: tuple) -> Pool:
    """Gather an estimator's predictions."""
    first = predictions.drop_duplicates("row").sort_values("row")
    rows = first["row"].to_numpy()
    repeats = []
    for _, table in predictions.groupby("repeat"):
        places = np.full(len(rows), -1)
        places[np.searchsorted(rows, table["row"])] = np.arange(len(table))
        repeats.append(Repeat(places, table["fold"].to_numpy(), arrays_of(table, classes)))
    return Pool(pd.factorize(first["group"])[0], repeats, classes)


def delong_columns(
    first: pd.DataFrame, second: pd.DataFrame, classes: tuple, level: float
) -> dict[str, float]:
    """Return DeLong's test of two tables of the same rows, NaN where it does not apply."""
    names = ["delong", "delong_low", "delong_high", "delong_p"]
    column = f"p_{classes[1]}"
    table = pd.DataFrame(
        {
            "y": first["y"].to_numpy(),
            "group": first["group"].to_numpy(),
            "first": first[column].to_numpy(),
            "second": second[column].to_numpy(),
        }
    ).groupby(first["row"].to_numpy())
    rows = table[["y", "group"]].first().join(table[["first", "second"]].mean())
    is_positive = (rows["y"] == classes[1]).to_numpy()
    if rows["group"].duplicated().any() or min(is_positive.sum(), (~is_positive).sum()) < 2:
        return dict.fromkeys(names, np.nan)
    test = delong(is_positive, rows["first"], rows["second"], level=level)
    return dict(zip(names, [test.difference, test.low, test.high, test.p], strict=True))
