"""A forest over all modalities' columns: what of the target no linear head can say.

Trees read an unknown value as one of its own kind, so the columns of a modality that is missing, or
hidden, are left unknown and nothing is imputed. What a missing modality means they learn from a
copy of every training subject, some of whose modalities are hidden at random.

Every tree leaves one inner fold out, so that one forest says both what is said of new subjects and,
by the trees that have not seen them, what is said of the training subjects.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from joblib import Parallel, delayed
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

from adestim.encoding.tokens import feature_moments
from adestim.training.phase_one.distinct import DistinctColumns
from adestim.training.phase_one.penalised import Folds, Problem

N_COLUMNS = 100
SMALLEST_LEAF = 3
SHARE_OF_COLUMNS = 0.3
# Without copies a forest of complete subjects misleads on a real table where blocks are missing.
HIDDEN_SHARE = 0.3
# Jeffreys' prior, in trees, upon every class: what all trees agree on stays finite.
PRIOR_TREES = 0.5
# Trees that draw more subjects than this are hardly better and take longer to grow.
LARGEST_SAMPLE = 2000


class Grower(NamedTuple):
    """How a forest is grown."""

    n_trees: int
    seed: int  # seed of rows and columns that trees draw
    n_jobs: int | None = None  # number of threads that grow it


class Grove(NamedTuple):
    """Trees that have left out the same fold, and chosen columns without it."""

    own: np.ndarray  # (n_read,); the columns that they read, as numbers of the forest's columns
    model: Any  # the scikit-learn forest of these trees
    tested: np.ndarray  # (n_tested,); the training subjects that they have left out


@dataclass(frozen=True, eq=False)
class ForestHead:
    """A random forest on the columns that go most with the target, of whatever modality.

    L. Breiman, "Random Forests", Machine Learning 45, 2001.
    """

    columns: tuple[np.ndarray, ...]  # the columns that it reads, one array a modality
    groves: tuple[Grove, ...]
    # number of classes, of which the forest may have seen fewer; None for numbers
    n_classes: int | None

    @property
    def places(self) -> np.ndarray:
        """Place of the modality of every column that is read."""
        return np.repeat(np.arange(len(self.columns)), [len(own) for own in self.columns])

    @property
    def n_trees(self) -> int:
        """Number of trees."""
        return sum(len(grove.model.estimators_) for grove in self.groves)

    @property
    def n_values(self) -> int:
        """Number of values in a leaf: shares of the classes, or one number."""
        return self.n_classes or 1

    def select(self, features: Sequence[np.ndarray]) -> np.ndarray:
        """Return the columns that are read.

        features (n_subjects, n_features) -> (n_subjects, n_columns).
        """
        chosen = [block[:, own] for block, own in zip(features, self.columns, strict=True)]
        return np.hstack(chosen).astype(np.float32)

    def odds(self, features: np.ndarray, present: np.ndarray) -> np.ndarray:
        """Return log-odds of every class against class 0, or numbers.

        features (n_subjects, n_columns), present (n_subjects, n_modalities) -> (n_subjects,
        n_scores).
        """
        shown = np.where(present[:, self.places], features, np.float32(np.nan))
        votes = np.zeros((len(shown), self.n_values))
        for grove in self.groves:
            read = np.ascontiguousarray(shown[:, grove.own])
            for tree in grove.model.estimators_:
                votes += self.leaf_values(grove, tree.tree_.predict(read))
        return self.judge(votes)

    def leaf_values(self, grove: Grove, values: np.ndarray) -> np.ndarray:
        """Return a tree's values (n, n_values), 0 for classes that it has not seen."""
        values = values.reshape(len(values), -1)
        if self.n_classes is None:
            return values
        found = np.zeros((len(values), self.n_classes))
        found[:, grove.model.classes_] = values
        return found

    def judge(self, votes: np.ndarray) -> np.ndarray:
        """Return what sums (n, n_values) of the trees' values say, (n, n_scores)."""
        if self.n_classes is None:
            return votes / self.n_trees
        counts = votes + PRIOR_TREES
        return np.log(counts[:, 1:] / counts[:, :1])

    def parts(self) -> list[tuple[ForestHead, np.ndarray]]:
        """Return for every fold that was left out the trees of it, and whom they have not seen."""
        return [(replace(self, groves=(grove,)), grove.tested) for grove in self.groves]


def grow_forest(
    features: Sequence[np.ndarray],
    distinct: Sequence[DistinctColumns],
    problem: Problem,
    n_classes: int | None,
    folds: Folds,
    grower: Grower,
) -> ForestHead:
    """Grow a forest, every tree without one of the folds and on the strongest distinct columns.

    features (n_subjects, n_features).
    """
    sizes = np.diff(np.linspace(0, grower.n_trees, len(folds) + 1).astype(int))
    seeds = np.random.SeedSequence(grower.seed).generate_state(len(folds))
    jobs = [
        delayed(grow_grove)(features, distinct, problem, n_classes, fold, int(size), int(seed))
        for fold, size, seed in zip(folds, sizes, seeds, strict=True)
        if size
    ]
    return join_groves(Parallel(grower.n_jobs, require="sharedmem")(jobs), n_classes)


def grow_grove(
    features, distinct, problem: Problem, n_classes, fold, n_trees: int, seed: int
) -> tuple[tuple[np.ndarray, ...], Any, np.ndarray]:
    """Return the columns chosen without a fold, the trees that read them, and the fold."""
    train, tested = fold
    known = [block[train] for block in features]
    columns = strongest_columns(known, distinct, problem, train)
    shown = [block[:, own].astype(np.float32) for block, own in zip(known, columns, strict=True)]
    seen = [shown, hide_parts(shown, seed)] if len(shown) > 1 else [shown]
    forest = RandomForestRegressor if n_classes is None else RandomForestClassifier
    model = forest(
        n_trees,
        min_samples_leaf=SMALLEST_LEAF,
        max_features=SHARE_OF_COLUMNS,
        # A number: scikit-learn takes a share by the weights, of which only the ratios count.
        max_samples=min(len(train), LARGEST_SAMPLE),
        random_state=seed,
    )
    y, weight = (np.tile(values[train], len(seen)) for values in (problem.y, problem.weight))
    model.fit(np.vstack([np.hstack(blocks) for blocks in seen]), y, sample_weight=weight)
    return columns, model, tested


def join_groves(grown, n_classes: int | None) -> ForestHead:
    """Return one forest that reads the columns of all its groves."""
    by_modality = zip(*(columns for columns, *_ in grown), strict=True)
    columns = tuple(np.unique(np.concatenate(own)) for own in by_modality)
    starts = np.cumsum([0, *map(len, columns)])[:-1]
    groves = []
    for chosen, model, tested in grown:
        parts = [
            start + np.searchsorted(known, own)
            for start, known, own in zip(starts, columns, chosen, strict=True)
        ]
        groves.append(Grove(np.concatenate(parts), model, tested))
    return ForestHead(columns, tuple(groves), n_classes)


def hide_parts(blocks: Sequence[np.ndarray], seed: int) -> list[np.ndarray]:
    """Return blocks of columns of which every subject lacks some at random."""
    hidden = np.random.default_rng(seed).random((len(blocks), len(blocks[0]), 1)) < HIDDEN_SHARE
    return [
        np.where(lost, np.float32(np.nan), block)
        for lost, block in zip(hidden, blocks, strict=True)
    ]


def strongest_columns(
    features: Sequence[np.ndarray],
    distinct: Sequence[DistinctColumns],
    problem: Problem,
    rows: np.ndarray,
) -> tuple[np.ndarray, ...]:
    """Return which columns go most with the target, one array of numbers a modality.

    features (n_rows, n_features) of some of the problem's subjects.
    """
    strengths = [
        problem.strengths(fill_unknown(block[:, own.first]), rows)
        for block, own in zip(features, distinct, strict=True)
    ]
    sizes = [len(own) for own in strengths]
    order = np.argsort(-np.concatenate(strengths), kind="stable")[:N_COLUMNS]
    chosen = np.zeros(sum(sizes), dtype=bool)
    chosen[order] = True
    parts = np.split(chosen, np.cumsum(sizes)[:-1])
    return tuple(own.first[part] for own, part in zip(distinct, parts, strict=True))


def fill_unknown(block: np.ndarray) -> np.ndarray:
    """Return standard scores, an unknown value counting as the mean."""
    mean, scale = feature_moments(block)
    return np.nan_to_num((block - mean) / scale, nan=0.0)
