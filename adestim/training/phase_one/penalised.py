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

__all__ = [
    "Fits",
    "Heads",
    "LinearHead",
    "Problem",
    "Scores",
    "fit_all",
    "rotate",
    "standardise",
    "subset_folds",
]

# Columns are scaled before the penalty: those of large blocks are made dearer to use, those that
# go with the target alone cheaper, as in adaptive penalties (Zou 2006, JASA 101). Half-way
# exponents did as well as or better than 0, 1 and a choice by cross-validation, on real and
# simulated tables.
SIZE_EXPONENT = 0.5
ASSOCIATION_EXPONENT = 0.5

Folds = Sequence[tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True, eq=False)
class LinearHead:
    """Standardisation and linear map from pooled features to scores.

    Parameters
    ----------
    mean, scale : ndarray of shape (n_features,)
        Standardisation; a feature that is unknown counts as its mean.
    coef : ndarray of shape (n_features, n_scores)
        Weights of the standardised features.
    """

    mean: np.ndarray
    scale: np.ndarray
    coef: np.ndarray

    def scores(self, features: np.ndarray) -> np.ndarray:
        """Return scores without intercept, shape (n_subjects, n_scores)."""
        return standardise(features, self.mean, self.scale) @ self.coef


class Scores(NamedTuple):
    """What phase 1 says of some subjects, before any modality is hidden.

    Parameters
    ----------
    values : ndarray of shape (n_subjects, n_modalities, 2, n_scores)
        Every modality's separate and joint scores.
    rows : ndarray of int of shape (n_subjects,)
        The subjects' rows in the table that ``trees`` judges.
    trees : callable or None, default=None
        Takes rows and which modalities are shown of them, (n_rows, n_modalities); returns
        odds by a forest, (n_rows, n_scores). None where there is no forest.
    """

    values: np.ndarray
    rows: np.ndarray
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
    """All linear heads of one training set.

    Parameters
    ----------
    modalities : tuple of str
        Names, in the order of every array here.
    separate, joint : tuple of LinearHead
        One head a modality: fitted alone, and as part of the joint fit.
    intercepts : ndarray of shape (n_modalities, n_scores)
        Intercepts of the separate heads.
    joint_intercept : ndarray of shape (n_scores,)
        Intercept of the joint fit.
    """

    modalities: tuple[str, ...]
    separate: tuple[LinearHead, ...]
    joint: tuple[LinearHead, ...]
    intercepts: np.ndarray
    joint_intercept: np.ndarray

    def scores(self, features: Sequence[np.ndarray]) -> Scores:
        """Return every modality's separate and joint scores.

        Parameters
        ----------
        features : sequence of ndarray of shape (n_subjects, n_features)
            Pooled features, one array a modality.

        Returns
        -------
        Scores
        """
        separate = [
            head.scores(block) + intercept
            for head, block, intercept in zip(self.separate, features, self.intercepts, strict=True)
        ]
        joint = [head.scores(block) for head, block in zip(self.joint, features, strict=True)]
        return Scores.of_all(np.stack([np.stack(separate, 1), np.stack(joint, 1)], axis=2))

    def joint_scores(self, scores: Scores, present: np.ndarray) -> np.ndarray:
        """Sum the joint head's parts over the modalities a subject has.

        Parameters
        ----------
        scores : Scores
            As :meth:`scores` returns them.
        present : ndarray of shape (n_subjects, n_modalities), dtype bool
            Which modalities a subject has.

        Returns
        -------
        ndarray of shape (n_subjects, n_scores)
        """
        return self.joint_intercept + (scores.values[:, :, 1] * present[:, :, None]).sum(axis=1)

    def only(self, modality: str, present: np.ndarray) -> np.ndarray:
        """Return who has what if nothing but one modality were shown.

        Parameters
        ----------
        modality : str
            Its name.
        present : ndarray of shape (n_subjects, n_modalities), dtype bool
            Which modalities a subject has.

        Returns
        -------
        ndarray of shape (n_subjects, n_modalities), dtype bool
        """
        return present & (np.array(self.modalities) == modality)


class Fits(NamedTuple):
    """What came of fitting all linear heads to one training set.

    Parameters
    ----------
    heads : Heads
        The heads, fitted on all training subjects.
    unseen : ndarray of shape (n_subjects, n_modalities, 2, n_scores)
        Every modality's separate and joint scores of the subjects, by heads that have not seen
        them.
    present : ndarray of shape (n_subjects, n_modalities), dtype bool
        Which modalities a subject has.
    """

    heads: Heads
    unseen: np.ndarray
    present: np.ndarray


def fit_all(tables: Mapping[str, TokenTable], problem: Problem, folds: Folds) -> Fits:
    """Fit one head a modality on those who have it, and one over all modalities jointly.

    Parameters
    ----------
    tables : mapping of str to TokenTable
        Training subjects' tokens.
    problem : Problem
        What is fitted, without blocks.
    folds : sequence of (train, validation) arrays of row numbers
        Inner folds, by group, for the penalties and the cross-validated scores.

    Returns
    -------
    Fits
    """
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

    Parameters
    ----------
    blocks : sequence of ndarray of shape (n_subjects, n_features)
        Standardised columns, one array a modality.
    y : ndarray of shape (n_subjects,)
        Targets.
    weight : ndarray of shape (n_subjects,)
        Weights of the subjects.
    """

    blocks: Sequence[np.ndarray]
    y: np.ndarray
    weight: np.ndarray

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

    Parameters
    ----------
    folds : sequence of (train, validation) arrays of row numbers
        Folds of all subjects.
    has : ndarray of shape (n_subjects,), dtype bool
        Who has the modality.

    Returns
    -------
    list of (train, validation) arrays of row numbers
        Without folds of which a part would be empty.
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
