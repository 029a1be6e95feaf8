"""A forest of hazards: what of the time to an event no linear head can say.

Every subject is a row in each interval that it began, whose class is whether the event was in it,
and the interval a further column. M. Schmid, T. Welchowski, M. N. Wright and M. Berger,
"Discrete-time survival forests with Hellinger distance decision trees", Data Mining and Knowledge
Discovery 34, 2020 (here with Gini's criterion). A subject's rows are in the same fold.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from joblib import Parallel, delayed
from sklearn.ensemble import RandomForestClassifier

from adestim.training.phase_one.forest import (
    LARGEST_SAMPLE,
    PRIOR_TREES,
    SHARE_OF_COLUMNS,
    Grower,
    hide_parts,
    strongest_columns,
)

# Rows in which a subject of a leaf lives on are many: leaves as small as a class's are all of one.
SMALLEST_LEAF = 10


class HazardGrove(NamedTuple):
    """Trees that have left out the same fold, and chosen columns without it."""

    own: np.ndarray  # (n_read,); the columns that they read, as numbers of the forest's columns
    model: Any  # the scikit-learn forest of these trees
    tested: np.ndarray  # (n_tested,); the training subjects that they have left out


@dataclass(frozen=True, eq=False)
class HazardForest:
    """A random forest on the columns that go most with the event, and the interval."""

    columns: tuple[np.ndarray, ...]  # the columns that it reads, one array a modality
    groves: tuple[HazardGrove, ...]
    n_intervals: int

    @property
    def places(self) -> np.ndarray:
        """Place of the modality of every column that is read."""
        return np.repeat(np.arange(len(self.columns)), [len(own) for own in self.columns])

    @property
    def n_trees(self) -> int:
        """Number of trees."""
        return sum(len(grove.model.estimators_) for grove in self.groves)

    def select(self, features: Sequence[np.ndarray]) -> np.ndarray:
        """Return the columns that are read.

        features (n_subjects, n_features) -> (n_subjects, n_columns).
        """
        chosen = [block[:, own] for block, own in zip(features, self.columns, strict=True)]
        return np.hstack(chosen).astype(np.float32)

    def odds(self, features: np.ndarray, present: np.ndarray) -> np.ndarray:
        """Return log-odds of the hazard in every interval.

        features (n_subjects, n_columns), present (n_subjects, n_modalities) -> (n_subjects,
        n_intervals).
        """
        shown = np.where(present[:, self.places], features, np.float32(np.nan))
        votes = np.zeros((len(shown), self.n_intervals))
        for grove in self.groves:
            for interval in range(self.n_intervals):
                read = append_interval(shown[:, grove.own], np.full(len(shown), interval))
                for tree in grove.model.estimators_:
                    votes[:, interval] += tree.tree_.predict(read)[:, -1]
        return np.log((votes + PRIOR_TREES) / (self.n_trees - votes + PRIOR_TREES))

    def parts(self) -> list[tuple[HazardForest, np.ndarray]]:
        """Return for every fold that was left out the trees of it, and whom they have not seen."""
        return [(replace(self, groves=(grove,)), grove.tested) for grove in self.groves]


def grow_hazard_forest(features, distinct, problem, folds, grower: Grower) -> HazardForest:
    """Grow a forest, every tree without one of the folds and on the strongest distinct columns.

    features (n_subjects, n_features).
    """
    sizes = np.diff(np.linspace(0, grower.n_trees, len(folds) + 1).astype(int))
    seeds = np.random.SeedSequence(grower.seed).generate_state(len(folds))
    jobs = [
        delayed(grow_hazard_grove)(features, distinct, problem, fold, int(size), int(seed))
        for fold, size, seed in zip(folds, sizes, seeds, strict=True)
        if size
    ]
    grown = Parallel(grower.n_jobs, require="sharedmem")(jobs)
    by_modality = zip(*(columns for columns, *_ in grown), strict=True)
    columns = tuple(np.unique(np.concatenate(own)) for own in by_modality)
    starts = np.cumsum([0, *map(len, columns)])[:-1]
    groves = []
    for chosen, model, tested in grown:
        pairs = zip(starts, columns, chosen, strict=True)
        own = [start + np.searchsorted(known, part) for start, known, part in pairs]
        groves.append(HazardGrove(np.concatenate(own), model, tested))
    return HazardForest(columns, tuple(groves), problem.n_intervals)


def grow_hazard_grove(
    features, distinct, problem, fold, n_trees: int, seed: int
) -> tuple[tuple[np.ndarray, ...], Any, np.ndarray]:
    """Return the columns chosen without a fold, the trees that read them, and the fold."""
    train, tested = fold
    known = [block[train] for block in features]
    columns = strongest_columns(known, distinct, problem, train)
    shown = [block[:, own].astype(np.float32) for block, own in zip(known, columns, strict=True)]
    seen = [shown, hide_parts(shown, seed)] if len(shown) > 1 else [shown]
    periods, weight = problem.periods(train), problem.weight[train]
    rows, interval = np.nonzero(periods.observed)
    at_risk = weight[rows] * periods.observed[rows, interval]
    model = RandomForestClassifier(
        n_trees,
        min_samples_leaf=SMALLEST_LEAF,
        max_features=SHARE_OF_COLUMNS,
        max_samples=min(len(rows), LARGEST_SAMPLE),
        random_state=seed,
    )
    table = [append_interval(np.hstack(blocks)[rows], interval) for blocks in seen]
    y = np.tile(periods.seen[rows, interval].astype(int), len(seen))
    model.fit(np.vstack(table), y, sample_weight=np.tile(at_risk, len(seen)))
    return columns, model, tested


def append_interval(columns: np.ndarray, interval: np.ndarray) -> np.ndarray:
    """Return columns with the number of the interval behind them, as trees read them.

    columns (n_rows, n_columns), interval (n_rows,) -> (n_rows, n_columns + 1).
    """
    return np.column_stack([columns, interval]).astype(np.float32)
