"""A forest over all modalities' columns: what of the class no linear head can say.

Trees read an unknown value as one of its own kind, so the columns of a modality that is missing, or
hidden, are left unknown and nothing is imputed. What a missing modality means they learn from a
copy of every training subject, some of whose modalities are hidden at random.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from sklearn.ensemble import RandomForestClassifier

from adestim.encoding.tokens import feature_moments

N_COLUMNS = 100
SMALLEST_LEAF = 3
SHARE_OF_COLUMNS = 0.3
# Without copies a forest of complete subjects misleads on a real table where blocks are missing.
HIDDEN_SHARE = 0.3
# Jeffreys' prior, in trees, upon every class: what all trees agree on stays finite.
PRIOR_TREES = 0.5

Folds = Sequence[tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True, eq=False)
class ForestHead:
    """A random forest on the columns that go most with the class, of whatever modality.

    L. Breiman, "Random Forests", Machine Learning 45, 2001.
    """

    columns: tuple[np.ndarray, ...]  # the columns that it reads, one array a modality
    model: RandomForestClassifier
    n_classes: int  # number of classes, of which the forest may have seen fewer

    @property
    def places(self) -> np.ndarray:
        """Place of the modality of every column that is read."""
        return np.repeat(np.arange(len(self.columns)), [len(own) for own in self.columns])

    def select(self, features: Sequence[np.ndarray]) -> np.ndarray:
        """Return the columns that are read.

        features (n_subjects, n_features) -> (n_subjects, n_columns).
        """
        chosen = [block[:, own] for block, own in zip(features, self.columns, strict=True)]
        return np.hstack(chosen).astype(np.float32)

    def log_odds(self, features: np.ndarray, present: np.ndarray) -> np.ndarray:
        """Return log-odds of every class against class 0.

        features (n_subjects, n_columns), present (n_subjects, n_modalities) -> (n_subjects,
        n_classes - 1).
        """
        shown = np.where(present[:, self.places], features, np.float32(np.nan))
        counts = np.full((len(shown), self.n_classes), PRIOR_TREES)
        counts[:, self.model.classes_] += self.model.n_estimators * self.model.predict_proba(shown)
        return np.log(counts[:, 1:] / counts[:, :1])


class Grower(NamedTuple):
    """How a forest is grown."""

    n_trees: int
    seed: int  # seed of rows and columns that trees draw


def fit_forest(
    features: Sequence[np.ndarray],
    y: np.ndarray,
    weight: np.ndarray,
    n_classes: int,
    grower: Grower,
) -> ForestHead:
    """Grow a forest on the strongest columns, of subjects with and without some modalities.

    features (n_subjects, n_features), y (n_subjects,), weight (n_subjects,).
    """
    columns = strongest_columns(features, y, weight)
    shown = [block[:, own] for block, own in zip(features, columns, strict=True)]
    seen = [shown, hide_parts(shown, grower.seed)] if len(shown) > 1 else [shown]
    model = RandomForestClassifier(
        grower.n_trees,
        min_samples_leaf=SMALLEST_LEAF * len(seen),
        max_features=SHARE_OF_COLUMNS,
        random_state=grower.seed,
    )
    values = np.vstack([np.hstack(blocks) for blocks in seen])
    model.fit(values, np.tile(y, len(seen)), sample_weight=np.tile(weight, len(seen)))
    return ForestHead(columns, model, n_classes)


def hide_parts(blocks: Sequence[np.ndarray], seed: int) -> list[np.ndarray]:
    """Return blocks of columns of which every subject lacks some at random."""
    hidden = np.random.default_rng(seed).random((len(blocks), len(blocks[0]), 1)) < HIDDEN_SHARE
    return [
        np.where(lost, np.float32(np.nan), block)
        for lost, block in zip(hidden, blocks, strict=True)
    ]


def grow_on_folds(
    features: Sequence[np.ndarray],
    y: np.ndarray,
    weight: np.ndarray,
    folds: Folds,
    n_classes: int,
    grower: Grower,
) -> TreeOdds:
    """Return the odds of training subjects by forests that have not seen them.

    features (n_subjects, n_features), y (n_subjects,), weight (n_subjects,).
    """
    parts = []
    for train, test in folds:
        known = [block[train] for block in features]
        forest = fit_forest(known, y[train], weight[train], n_classes, grower)
        parts.append((forest, test))
    return TreeOdds(parts, features)


class TreeOdds:
    """Odds of some subjects by forests, whichever of their modalities are shown.

    Nothing is computed before it is asked for; what is hidden again, as training hides modalities
    over and over, is computed once for all subjects.

    features (n_subjects, n_features).
    """

    def __init__(
        self, parts: Sequence[tuple[ForestHead, np.ndarray]], features: Sequence[np.ndarray]
    ):
        self._shape = len(features[0]), parts[0][0].n_classes - 1
        self._parts = [
            (forest, rows, forest.select([block[rows] for block in features]))
            for forest, rows in parts
        ]
        self._known = self._known_modalities(len(features))
        self._by_hidden: dict[bytes, np.ndarray] = {}

    def __call__(self, rows: np.ndarray, present: np.ndarray) -> np.ndarray:
        """Return log-odds (n_rows, n_classes - 1) of some rows by the modalities shown."""
        odds = self._of_all[rows]
        hides = (self._known[rows] & ~present).any(axis=1)
        patterns, pattern_of = np.unique(present[hides], axis=0, return_inverse=True)
        for number, pattern in enumerate(patterns):
            asked = np.flatnonzero(hides)[pattern_of.ravel() == number]
            odds[asked] = self._hiding(~pattern)[rows[asked]]
        return odds

    @cached_property
    def _of_all(self) -> np.ndarray:
        """Odds of all rows by all that is known of them."""
        return self._odds(np.ones(self._known.shape[1], dtype=bool))

    def _hiding(self, hidden: np.ndarray) -> np.ndarray:
        """Return odds of all rows where some modalities are hidden."""
        hidden = hidden & self._known.any(axis=0)
        key = hidden.tobytes()
        if key not in self._by_hidden:
            self._by_hidden[key] = self._odds(~hidden)
        return self._by_hidden[key]

    def _odds(self, shown: np.ndarray) -> np.ndarray:
        """Return odds of all rows by the modalities shown, even ones of rows nobody judges."""
        odds = np.zeros(self._shape)
        for forest, rows, values in self._parts:
            odds[rows] = forest.log_odds(values, np.tile(shown, (len(rows), 1)))
        return odds

    def _known_modalities(self, n_modalities: int) -> np.ndarray:
        """Return of which modalities a forest reads anything, (n_subjects, n_modalities)."""
        known = np.zeros((self._shape[0], n_modalities), dtype=bool)
        for forest, rows, values in self._parts:
            for place in range(n_modalities):
                own = values[:, forest.places == place]
                known[rows, place] = ~np.isnan(own).all(axis=1)
        return known


def strongest_columns(
    features: Sequence[np.ndarray], y: np.ndarray, weight: np.ndarray
) -> tuple[np.ndarray, ...]:
    """Return which columns go most with the class, one array of numbers a modality."""
    strengths = [strengths_of(block, y, weight) for block in features]
    sizes = [len(own) for own in strengths]
    order = np.argsort(-np.concatenate(strengths), kind="stable")[:N_COLUMNS]
    chosen = np.zeros(sum(sizes), dtype=bool)
    chosen[order] = True
    return tuple(map(np.flatnonzero, np.split(chosen, np.cumsum(sizes)[:-1])))


def strengths_of(block: np.ndarray, y: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Return every column's association, an unknown value counting as the mean."""
    mean, scale = feature_moments(block)
    return association(np.nan_to_num((block - mean) / scale, nan=0.0), y, weight)


def association(features: np.ndarray, y: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Return how strongly each column alone goes with the class: the root of its F statistic.

    features (n_subjects, n_features), y (n_subjects,), weight (n_subjects,) -> (n_features,).
    """
    labels = np.unique(y)
    share = np.array([weight[y == label].sum() for label in labels]) / weight.sum()
    means = np.array(
        [np.average(features[y == label], axis=0, weights=weight[y == label]) for label in labels]
    )
    total = np.average(features, axis=0, weights=weight)
    between = (share[:, None] * (means - total) ** 2).sum(axis=0)
    variance = np.average((features - total) ** 2, axis=0, weights=weight)
    ratio = between / np.maximum(variance - between, 1e-12)
    return np.sqrt(np.maximum(ratio * len(y), 1e-6))
