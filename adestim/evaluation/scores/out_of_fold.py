"""Scores of predictions of rows that a model was not trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from adestim._support.checks import require_count
from adestim._support.predictions import (
    Predictions,
    name_probabilities,
    read_predictions,
    require_predictions,
)
from adestim._support.scores import score_rows
from adestim.evaluation.scores.checks import require_share
from adestim.evaluation.scores.intervals import count_draws, take_percentiles
from adestim.evaluation.scores.proportions import (
    PROPORTIONS,
    bound_average,
    bound_perfect_area,
    count_members,
    measure_proportion,
)
from adestim.evaluation.scores.resampled import divide_known, score_draws, split_draws
from adestim.evaluation.scores.significance import delong

# Ranks compare subjects with each other, which is fair within a fold alone (Forman & Scholz 2010).
RANKINGS = frozenset({"roc_auc", "pr_auc"})
ROUNDING = 1e-12


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

    def find_interval(
        self,
        names: Sequence[str],
        rows: np.ndarray,
        *,
        n_resamples: int,
        level: float,
        random_state: Any,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return both ends of the scores' intervals; groups of rows are drawn anew, or counted.

        rows (n_rows,) -> (n_scores,), (n_scores,).
        """
        require_share(level)
        require_count(n_resamples, "'n_resamples' is a whole number from 1")
        groups = pd.factorize(self.groups[rows])[0]
        counted = [name for name in names if name in PROPORTIONS]
        drawn = [name for name in names if name not in PROPORTIONS]
        ends = {name: self._bound_share(name, rows, groups, level) for name in counted}
        if drawn:
            values = self._score_resamples(drawn, rows, groups, n_resamples, random_state)
            low, high = take_percentiles(values, level)
            ends |= {name: (low[place], high[place]) for place, name in enumerate(drawn)}
        for name, value in zip(drawn, self.score(drawn, rows) if drawn else (), strict=True):
            if name in RANKINGS and is_extreme(value):
                ends[name] = self._bound_extreme(name, value, rows, groups, level)
        low, high = np.array([ends[name] for name in names]).T
        return low, high

    def _score_resamples(
        self,
        names: Sequence[str],
        rows: np.ndarray,
        groups: np.ndarray,
        n_resamples: int,
        random_state: Any,
    ) -> np.ndarray:
        """Return scores of resamples, averaged over repeats, (n_resamples, n_scores)."""
        counts = count_draws(groups, n_resamples, random_state)
        parts = []
        for part in split_draws(n_resamples, len(rows)):
            weight = counts[part][:, groups].astype(float)
            repeats = [score_draws_of_repeat(each, names, rows, weight) for each in self.repeats]
            parts.append(np.mean(repeats, axis=0))
        return np.concatenate(parts)

    def _bound_share(
        self, name: str, rows: np.ndarray, groups: np.ndarray, level: float
    ) -> tuple[float, float]:
        """Return the interval of a share of subjects, or of an average of shares."""
        counts = np.array([count_groups(each, name, rows, groups) for each in self.repeats])
        parts = [
            measure_proportion(events, totals, name)
            for events, totals in counts.transpose(1, 2, 0, 3)
        ]
        return bound_average(parts, level)

    def _bound_extreme(
        self, name: str, value: float, rows: np.ndarray, groups: np.ndarray, level: float
    ) -> tuple[float, float]:
        """Return the interval of an area that is 1 or 0 in every resample, NaN where none is known.

        Groups count as one subject of each class that they have.
        """
        if name != "roc_auc":
            return np.nan, np.nan
        sizes = [size for each in self.repeats for size in count_sides(each, rows, groups)]
        low = float(np.mean([bound_perfect_area(size, level) for size in sizes]))
        return (low, 1.0) if value > 0.5 else (0.0, 1 - low)


def is_extreme(value: float) -> bool:
    """Tell whether an area is as large, or as small, as can be."""
    return bool(min(abs(value), abs(1 - value)) < ROUNDING)


def count_groups(
    repeat: Repeat, name: str, rows: np.ndarray, groups: np.ndarray
) -> list[list[np.ndarray]]:
    """Return how many of every group count, and among how many, for all shares of a score.

    rows (n_rows,), groups (n_rows,) -> n_shares times two times (n_groups,).
    """
    drawn, present = find_drawn(repeat, rows)
    outcome, own = repeat.predictions.outcome, groups[present]
    n_classes = outcome.probabilities.shape[1]
    members = count_members(name, outcome.codes[drawn], outcome.predicted[drawn], n_classes)
    return [
        [np.bincount(own, each, minlength=groups.max() + 1) for each in pair] for pair in members
    ]


def count_sides(repeat: Repeat, rows: np.ndarray, groups: np.ndarray) -> list[np.ndarray]:
    """Return how many groups have members, and others, for every contrast: (n_folds, 2) each."""
    drawn, present = find_drawn(repeat, rows)
    folds = np.zeros(len(drawn), dtype=int) if repeat.fold is None else repeat.fold[drawn]
    table = pd.DataFrame({"fold": folds, "group": groups[present]})
    sizes = []
    for contrast in repeat.predictions.outcome.take(drawn).contrasts:
        pairs = table.assign(side=contrast.y).groupby(["fold", "side"])["group"].nunique()
        by_side = pairs.unstack(fill_value=0).reindex(columns=[True, False], fill_value=0)
        sizes.append(by_side[(by_side > 0).all(axis=1)].to_numpy())
    return sizes


def find_drawn(repeat: Repeat, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return places of rows among a repeat's predictions, and which rows are there at all."""
    places = repeat.places[rows]
    # A row whose fold failed is not there.
    present = places >= 0
    return places[present], present


def score_draws_of_repeat(
    repeat: Repeat, names: Sequence[str], rows: np.ndarray, weight: np.ndarray
) -> np.ndarray:
    """Return one repeat's scores of resamples: (n_draws, n_rows) -> (n_draws, n_scores)."""
    drawn, present = find_drawn(repeat, rows)
    weight = weight if present.all() else weight[:, present]
    if not len(drawn):
        return np.full((len(weight), len(names)), np.nan)
    rankings = [name for name in names if name in RANKINGS and repeat.fold is not None]
    others = [name for name in names if name not in rankings]
    found = {}
    if others:
        found |= dict(
            zip(others, score_draws(repeat.predictions, others, drawn, weight).T, strict=True)
        )
    if rankings:
        ranked = rank_draws_within_folds(repeat, rankings, drawn, weight)
        found |= dict(zip(rankings, ranked.T, strict=True))
    return np.stack([found[name] for name in names], axis=1)


def rank_draws_within_folds(
    repeat: Repeat, names: Sequence[str], drawn: np.ndarray, weight: np.ndarray
) -> np.ndarray:
    """Return scores of ranks of resamples, averaged over folds by their size.

    drawn (n_rows,), weight (n_draws, n_rows) -> (n_draws, n_scores).
    """
    folds = repeat.fold[drawn]
    scores, sizes = [], []
    for fold in np.unique(folds):
        own = folds == fold
        part = weight[:, own]
        values = score_draws(repeat.predictions, names, drawn[own], part)
        scores.append(values)
        sizes.append(part.sum(axis=1)[:, None] * ~np.isnan(values))
    total = np.sum(sizes, axis=0)
    summed = np.nansum(np.multiply(scores, sizes), axis=0)
    return divide_known(summed, total)


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
