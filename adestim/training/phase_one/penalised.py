"""Penalised linear heads: one a modality and one over all jointly, whatever they predict.

Their penalty is chosen by inner cross-validation, which also gives the scores of subjects that
a head has not seen.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from adestim.encoding.tokens import TokenTable, feature_moments

# Columns are scaled before the penalty: those of large blocks are made dearer to use, those that
# go with the target alone cheaper, as in adaptive penalties (Zou 2006, JASA 101). Half-way
# exponents did as well as or better than 0, 1 and a choice by cross-validation, on real and
# simulated tables.
SIZE_EXPONENT = 0.5
ASSOCIATION_EXPONENT = 0.5

Folds = Sequence[tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True, eq=False)
class LinearHead:
    """Standardisation and linear map from pooled features to scores."""

    mean: np.ndarray  # (n_features,); standardisation; a feature that is unknown counts as its mean
    scale: np.ndarray
    coef: np.ndarray  # (n_features, n_scores); weights of the standardised features

    def scores(self, features: np.ndarray) -> np.ndarray:
        """Return scores without intercept, shape (n_subjects, n_scores)."""
        return standardise(features, self.mean, self.scale) @ self.coef


class Scores(NamedTuple):
    """What phase 1 says of some subjects, before any modality is hidden."""

    # (n_subjects, n_modalities, 2, n_scores); every modality's separate and joint scores
    values: np.ndarray
    rows: np.ndarray  # (n_subjects,); the subjects' rows in the table that ``trees`` judges
    # takes rows and which modalities are shown of them, (n_rows, n_modalities); returns odds by a
    # forest, (n_rows, n_scores). None where there is no forest
    trees: Callable[[np.ndarray, np.ndarray], np.ndarray] | None = None

    @classmethod
    def of_all(
        cls,
        values: np.ndarray,
        trees: Callable[[np.ndarray, np.ndarray], np.ndarray] | None = None,
    ) -> Scores:
        """Return the scores of all rows of a table."""
        return cls(values, np.arange(len(values)), trees)

    def take(self, rows: np.ndarray) -> Scores:
        """Return the scores of some of the subjects."""
        return Scores(self.values[rows], self.rows[rows], self.trees)


@dataclass(frozen=True, eq=False)
class Heads:
    """All linear heads of one training set."""

    modalities: tuple[str, ...]  # names, in the order of every array here
    # one head a modality: fitted alone, and as part of the joint fit
    separate: tuple[LinearHead, ...]
    joint: tuple[LinearHead, ...]
    intercepts: np.ndarray  # (n_modalities, n_scores); intercepts of the separate heads
    joint_intercept: np.ndarray  # (n_scores,); intercept of the joint fit

    def scores(self, features: Sequence[np.ndarray]) -> Scores:
        """Return every modality's separate and joint scores.

        features (n_subjects, n_features).
        """
        separate = [
            head.scores(block) + intercept
            for head, block, intercept in zip(self.separate, features, self.intercepts, strict=True)
        ]
        joint = [head.scores(block) for head, block in zip(self.joint, features, strict=True)]
        return Scores.of_all(np.stack([np.stack(separate, 1), np.stack(joint, 1)], axis=2))

    def joint_scores(self, scores: Scores, present: np.ndarray) -> np.ndarray:
        """Sum the joint head's parts over the modalities a subject has.

        present (n_subjects, n_modalities) -> (n_subjects, n_scores).
        """
        return self.joint_intercept + (scores.values[:, :, 1] * present[:, :, None]).sum(axis=1)

    def only(self, modality: str, present: np.ndarray) -> np.ndarray:
        """Return who has what if nothing but one modality were shown.

        present (n_subjects, n_modalities) -> (n_subjects, n_modalities).
        """
        return present & (np.array(self.modalities) == modality)


class Fits(NamedTuple):
    """What came of fitting all linear heads to one training set."""

    heads: Heads  # the heads, fitted on all training subjects
    # (n_subjects, n_modalities, 2, n_scores); every modality's separate and joint scores of the
    # subjects, by heads that have not seen them
    unseen: np.ndarray
    present: np.ndarray  # (n_subjects, n_modalities); which modalities a subject has


def fit_all(tables: Mapping[str, TokenTable], problem: Problem, folds: Folds) -> Fits:
    """Fit one head a modality on those who have it, and one over all modalities jointly."""
    features = [table.pooled() for table in tables.values()]
    present = np.stack([table.present for table in tables.values()], axis=1)
    moments = [feature_moments(block) for block in features]
    blocks = [standardise(block, *moment) for block, moment in zip(features, moments, strict=True)]
    alone = [
        replace(problem, blocks=[block]).fit(subset_folds(folds, has), has)
        for block, has in zip(blocks, present.T, strict=True)
    ]
    everybody = np.ones(len(present), dtype=bool)
    many = len(blocks) > 1
    together = replace(problem, blocks=blocks).fit(folds, everybody) if many else alone[0]
    heads = Heads(
        modalities=tuple(tables),
        separate=as_heads(moments, [fit.coefs[0] for fit in alone]),
        joint=as_heads(moments, together.coefs),
        intercepts=np.array([fit.intercept for fit in alone]),
        joint_intercept=together.intercept,
    )
    unseen = np.stack([fit.unseen[:, 0] + fit.intercept for fit in alone], axis=1)
    return Fits(heads, np.stack([unseen, together.unseen], axis=2), present)


@dataclass(frozen=True, eq=False)
class BlockFit:
    """One regression over one or several blocks, and its cross-validated scores."""

    coefs: list[np.ndarray]
    intercept: np.ndarray
    unseen: np.ndarray


@dataclass(frozen=True, eq=False)
class Problem(ABC):
    """Penalised linear regression of a target on standardised blocks of columns.

    A subclass says which penalties are tried, and what is fitted and lost under one.
    """

    # (n_subjects, n_features); standardised columns, one array a modality
    blocks: Sequence[np.ndarray]
    y: np.ndarray  # (n_subjects,)
    weight: np.ndarray  # (n_subjects,); weights of the subjects

    @property
    @abstractmethod
    def n_scores(self) -> int:
        """Number of scores of a subject."""

    @abstractmethod
    def penalties(self) -> np.ndarray:
        """Return the penalties that are tried."""

    @abstractmethod
    def solution(
        self, features: np.ndarray, rows: np.ndarray, penalty: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return weights (n_features, n_scores) and intercepts, fitted on some rows."""

    @abstractmethod
    def strengths(self, features: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Return how strongly each column alone goes with the target of some rows."""

    @abstractmethod
    def losses(self, scores: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Return the losses (..., n_rows) of scores (..., n_rows, n_scores) of some rows."""

    def fit(self, folds: Folds, rows: np.ndarray) -> BlockFit:
        """Fit on the subjects of ``rows``, the penalty chosen over the folds."""
        penalty, unseen = cross_validate(self, folds)
        coef, intercept = self.solve(np.flatnonzero(rows), [penalty])[0]
        return BlockFit(self.split(coef), intercept, unseen)

    def split(self, coef: np.ndarray) -> list[np.ndarray]:
        """Split the weights of all columns by block."""
        return np.split(coef, np.cumsum([block.shape[1] for block in self.blocks])[:-1])

    def solve(self, rows, penalties) -> list[tuple[np.ndarray, np.ndarray]]:
        """Return weights and intercepts for every penalty, fitted on some rows."""
        features = np.hstack([block[rows] for block in self.blocks])
        factors = self._factors(features, rows)
        rotated, back = rotate(features * factors)
        solutions = [self.solution(rotated, rows, penalty) for penalty in penalties]
        return [(factors[:, None] * (back @ coef), intercept) for coef, intercept in solutions]

    def _factors(self, features, rows) -> np.ndarray:
        """Return one factor a column: large columns are cheap to use under the penalty."""
        sizes = np.array([block.shape[1] for block in self.blocks])
        by_block = np.repeat(sizes.astype(float) ** (-SIZE_EXPONENT / 2), sizes)
        factors = by_block * self.strengths(features, rows) ** ASSOCIATION_EXPONENT
        norm = np.sqrt(np.mean(factors**2)) if len(factors) else 1.0
        return factors / max(norm, 1e-12)


def cross_validate(problem: Problem, folds) -> tuple[float, np.ndarray]:
    """Return the penalty of least loss over the folds, and its scores block by block."""
    penalties = problem.penalties()
    n_subjects, n_scores = len(problem.y), problem.n_scores
    unseen = np.zeros((len(penalties), n_subjects, len(problem.blocks), n_scores))
    if not folds:
        return penalties[len(penalties) // 2], unseen[0]
    intercepts = np.zeros((len(penalties), n_subjects, n_scores))
    for train, test in folds:
        for number, (coef, intercept) in enumerate(problem.solve(train, penalties)):
            for place, part in enumerate(problem.split(coef)):
                unseen[number, test, place] = problem.blocks[place][test] @ part
            intercepts[number, test] = intercept
    tested = np.concatenate([test for _, test in folds])
    losses = problem.losses((unseen.sum(axis=2) + intercepts)[:, tested], tested)
    best = int(np.argmin(np.average(losses, axis=1, weights=problem.weight[tested])))
    return penalties[best], unseen[best]


def subset_folds(folds: Folds, has: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return the folds restricted to the subjects who have a modality.

    has (n_subjects,).
    """
    restricted = [(train[has[train]], test[has[test]]) for train, test in folds]
    return [(train, test) for train, test in restricted if len(train) and len(test)]


def standardise(features: np.ndarray, mean: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Return standard scores, 0 where a value is unknown or does not vary."""
    return np.nan_to_num((features - mean) / scale, nan=0.0)


def rotate(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return features in their row space and the way back.

    The L2 penalty does not feel a rotation, so nothing is lost and wide blocks become small.
    """
    n_subjects, n_features = features.shape
    if n_features <= n_subjects:
        return features, np.eye(n_features)
    values, vectors = np.linalg.eigh(features @ features.T)
    kept = values > 1e-10 * values.max(initial=0)
    roots = np.sqrt(values[kept])
    return vectors[:, kept] * roots, features.T @ (vectors[:, kept] / roots)


def as_heads(moments, coefs) -> tuple[LinearHead, ...]:
    """Pair standardisations with weights."""
    return tuple(
        LinearHead(mean, scale, coef) for (mean, scale), coef in zip(moments, coefs, strict=True)
    )
