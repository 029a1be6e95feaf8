"""Scores of predictions of rows that a model was not trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from adestim._support.predictions import (
    Predictions,
    name_probabilities,
    read_predictions,
    require_predictions,
)
from adestim._support.scores import score_rows
from adestim.evaluation.scores.intervals import BootstrapInterval, bootstrap_interval
from adestim.evaluation.scores.significance import delong

# Ranks compare subjects with each other, which is fair within a fold alone (Forman & Scholz 2010).
RANKINGS = frozenset({"roc_auc", "pr_auc"})


def score_table(table: pd.DataFrame, classes: tuple, scores: Sequence[str]) -> dict[str, float]:
    """Return scores of all rows of a table of predictions, NaN where it has none."""
    if table.empty:
        return dict.fromkeys(scores, np.nan)
    return score_rows(read_predictions(table, classes), scores)


class Repeat(NamedTuple):
    """One repeat's predictions of rows that a model was not trained on."""

    places: np.ndarray  # (n_rows,); where each row of the study is among those tested, -1 if not
    predictions: Predictions  # of n_tested rows
    fold: np.ndarray | None  # (n_tested,); None ranks rows of different folds together


@dataclass(frozen=True, eq=False)
class Pool:
    """All out-of-fold predictions of an estimator, row by row in every repeat."""

    groups: np.ndarray  # (n_rows,); rows that are drawn together
    repeats: list[Repeat]

    @property
    def rows(self) -> np.ndarray:
        """Positions of the rows that were tested at all."""
        return np.flatnonzero(np.max([repeat.places for repeat in self.repeats], axis=0) >= 0)

    def score(self, names: Sequence[str], rows: np.ndarray) -> np.ndarray:
        """Return scores of some rows, drawn once or more, averaged over repeats."""
        return np.mean([score_repeat(repeat, names, rows) for repeat in self.repeats], axis=0)

    def draw_interval(
        self, names: Sequence[str], rows: np.ndarray, **settings: Any
    ) -> BootstrapInterval:
        """Return the scores' intervals over groups drawn anew."""
        groups = self.groups[rows]
        return bootstrap_interval(lambda drawn: self.score(names, rows[drawn]), groups, **settings)


def score_repeat(repeat: Repeat, names: Sequence[str], rows: np.ndarray) -> list[float]:
    """Return one repeat's scores of some rows."""
    drawn = repeat.places[rows]
    # A row whose fold failed is not there.
    drawn = drawn[drawn >= 0]
    if not len(drawn):
        return [np.nan] * len(names)
    rankings = [name for name in names if name in RANKINGS and repeat.fold is not None]
    scored = score_rows(repeat.predictions, [each for each in names if each not in rankings], drawn)
    if rankings:
        scored |= rank_within_folds(repeat, rankings, drawn)
    return [scored[name] for name in names]


def rank_within_folds(repeat: Repeat, names: Sequence[str], drawn: np.ndarray) -> dict[str, float]:
    """Return scores of ranks, averaged over folds by their size; models differ in level."""
    folds = repeat.fold[drawn]
    parts = [drawn[folds == fold] for fold in np.unique(folds)]
    scores = np.array(
        [list(score_rows(repeat.predictions, names, part).values()) for part in parts]
    )
    size = np.array([len(part) for part in parts])[:, None] * ~np.isnan(scores)
    total = size.sum(axis=0)
    mean = np.nansum(scores * size, axis=0) / np.where(total > 0, total, np.nan)
    return dict(zip(names, mean.tolist(), strict=True))


def gather_pool(predictions: pd.DataFrame, classes: tuple) -> Pool:
    """Return a table of an estimator's predictions, every row of it in all repeats."""
    require_predictions(predictions, ["repeat", "fold", "row", "group"])
    first = predictions.drop_duplicates("row").sort_values("row")
    rows = first["row"].to_numpy()
    repeats = []
    for _, table in predictions.groupby("repeat"):
        places = np.full(len(rows), -1)
        places[np.searchsorted(rows, table["row"])] = np.arange(len(table))
        found = read_predictions(table, classes)
        repeats.append(Repeat(places, found, table["fold"].to_numpy()))
    return Pool(pd.factorize(first["group"])[0], repeats)


def compare_by_delong(
    first: pd.DataFrame, second: pd.DataFrame, classes: tuple, level: float
) -> dict[str, float]:
    """Return DeLong's test of two tables of the same rows, NaN where it does not apply."""
    names = ["delong", "delong_low", "delong_high", "delong_p"]
    column = name_probabilities(classes)[1]
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
