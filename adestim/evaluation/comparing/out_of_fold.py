"""Scores of predictions of rows that a model was not trained on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from adestim.evaluation.scores.metrics import score_outcome, score_predictions
from adestim.evaluation.scores.read_predictions import read_outcome
from adestim.evaluation.scores.significance import delong

# Ranks compare subjects with each other, which is fair within a fold alone (Forman & Scholz 2010).
RANKINGS = frozenset({"roc_auc", "pr_auc"})

# Takes row numbers and names of scores, returns scores by name.
Scorer = Callable[[np.ndarray, Sequence[str]], dict[str, float]]


def score_rows(table: pd.DataFrame, classes: tuple, scores: Sequence[str]) -> dict[str, float]:
    """Score rows of a table of predictions."""
    if table.empty:
        return dict.fromkeys(scores, np.nan)
    return scorer_of(table, classes)(np.arange(len(table)), scores)


def scorer_of(table: pd.DataFrame, classes: tuple) -> Scorer:
    """Return what scores some rows of a table of predictions, which is checked once."""
    y = table["y"].to_numpy()
    if not classes:
        values = table["prediction"].to_numpy()
        return lambda rows, scores: score_predictions(y[rows], values[rows], scores)
    values = table[[f"p_{label}" for label in classes]].to_numpy()
    threshold = table["threshold"].to_numpy(dtype=float)
    cut = None if np.isnan(threshold).any() else threshold
    outcome = read_outcome(y, values, classes, cut, None)
    return lambda rows, scores: score_outcome(outcome.take(rows), scores)


class Repeat(NamedTuple):
    """One repeat's out-of-fold predictions."""

    places: np.ndarray
    fold: np.ndarray
    scorer: Scorer


@dataclass(frozen=True, eq=False)
class Pool:
    """All out-of-fold predictions of an estimator, row by row in every repeat."""

    groups: np.ndarray
    repeats: list[Repeat]

    def score(self, names: Sequence[str], rows: np.ndarray) -> np.ndarray:
        """Return scores of some rows, drawn once or more, averaged over repeats."""
        return np.mean([self._score(names, repeat, rows) for repeat in self.repeats], axis=0)

    def _score(self, names: Sequence[str], repeat: Repeat, rows: np.ndarray) -> list[float]:
        """Return one repeat's scores."""
        drawn = repeat.places[rows]
        # A row whose fold failed is not there.
        drawn = drawn[drawn >= 0]
        plain = [name for name in names if name not in RANKINGS]
        if not len(drawn):
            return [np.nan] * len(names)
        scored = repeat.scorer(drawn, plain)
        rankings = [name for name in names if name in RANKINGS]
        if rankings:
            scored |= within_folds(repeat, drawn, rankings)
        return [scored[name] for name in names]


def within_folds(repeat: Repeat, drawn: np.ndarray, names: Sequence[str]) -> dict[str, float]:
    """Return scores of ranks, averaged over folds by their size; models differ in level."""
    folds = repeat.fold[drawn]
    parts = [drawn[folds == fold] for fold in np.unique(folds)]
    scores = np.array([list(repeat.scorer(part, names).values()) for part in parts])
    size = np.array([len(part) for part in parts])[:, None] * ~np.isnan(scores)
    total = size.sum(axis=0)
    mean = np.nansum(scores * size, axis=0) / np.where(total > 0, total, np.nan)
    return dict(zip(names, mean.tolist(), strict=True))


def pooled(predictions: pd.DataFrame, classes: tuple) -> Pool:
    """Gather an estimator's predictions."""
    first = predictions.drop_duplicates("row").sort_values("row")
    rows = first["row"].to_numpy()
    repeats = []
    for _, table in predictions.groupby("repeat"):
        places = np.full(len(rows), -1)
        places[np.searchsorted(rows, table["row"])] = np.arange(len(table))
        repeats.append(Repeat(places, table["fold"].to_numpy(), scorer_of(table, classes)))
    return Pool(pd.factorize(first["group"])[0], repeats)


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
