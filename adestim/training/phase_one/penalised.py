"""Penalised linear heads: one a modality and one over all jointly, whatever they predict.

Their penalty is chosen by inner cross-validation, which also gives the scores of subjects that
a head has not seen.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import NamedTuple

import numpy as np

from adestim.encoding.tokens import TokenTable, feature_moments
from adestim.training.phase_one.distinct import DistinctColumns

# Columns are scaled before the penalty: those of large blocks are made dearer to use, those that
# go with the target alone cheaper, as in adaptive penalties (Zou 2006, JASA 101). Half-way
# exponents did as well as or better than 0, 1 and a choice by cross-validation, on real and
# simulated tables.
SIZE_EXPONENT = 0.5
# Heads with and without the latter are averaged: on real tables of proteins and of voices it
# helps, on omics and connectomes of real people it hurts. Shares by out-of-fold loss gave no more.
ASSOCIATION_EXPONENTS = (0.0, 0.5)

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
    rows: np.ndarray  # (n_subjects,); the subjects' rows in the table that ``judges`` know
    # by member of phase 1: takes such scores and which modalities are shown, (n_subjects,
    # n_modalities); returns its odds, (n_subjects, n_scores)
    judges: Mapping[str, Judge] = {}

    @classmethod
    def of_all(cls, values: np.ndarray, judges: Mapping[str, Judge] | None = None) -> Scores:
        """Return the scores of all rows of a table."""
        return cls(values, np.arange(len(values)), judges or {})

    def take(self, rows: np.ndarray) -> Scores:
        """Return the scores of some of the subjects."""
        return Scores(self.values[rows], self.rows[rows], self.judges)


Judge = Callable[[Scores, np.ndarray], np.ndarray]


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
    features: list[np.ndarray]  # (n_subjects, n_features); pooled columns, one array a modality
    distinct: list[DistinctColumns]  # which of them differ, one a modality


def fit_all(tables: Mapping[str, TokenTable], problem: Problem, folds: Folds) -> Fits:
    """Fit one head a modality on those who have it, and one over all modalities jointly."""
    features = [table.pooled() for table in tables.values()]
    present = np.stack([table.present for table in tables.values()], axis=1)
    moments = [feature_moments(block) for block in features]
    distinct = [
        DistinctColumns.find(block, np.isfinite(scale))
        for block, (_, scale) in zip(features, moments, strict=True)
    ]
    blocks = [
        standardise(block[:, own.first], mean[own.first], scale[own.first])
        for block, (mean, scale), own in zip(features, moments, distinct, strict=True)
    ]
    copies = [own.copies for own in distinct]
    alone = [
        replace(problem, blocks=[block], copies=[own]).fit(subset_folds(folds, has), has)
        for block, own, has in zip(blocks, copies, present.T, strict=True)
    ]
    everybody = np.ones(len(present), dtype=bool)
    together = alone[0]
    if len(blocks) > 1:
        together = replace(problem, blocks=blocks, copies=copies).fit(folds, everybody)
    heads = Heads(
        modalities=tuple(tables),
        separate=as_heads(moments, [fit.coefs[0] for fit in alone], distinct),
        joint=as_heads(moments, together.coefs, distinct),
        intercepts=np.array([fit.intercept for fit in alone]),
        joint_intercept=together.intercept,
    )
    unseen = np.stack([fit.unseen[:, 0] + fit.intercept for fit in alone], axis=1)
    return Fits(heads, np.stack([unseen, together.unseen], axis=2), present, features, distinct)


@dataclass(frozen=True, eq=False)
class BlockFit:
    """One regression over one or several blocks, and its cross-validated scores."""

    coefs: list[np.ndarray]
    intercept: np.ndarray
    unseen: np.ndarray


class Setting(NamedTuple):
    """One way to fit a regression."""

    exponent: float  # how far columns that go with the target are cheaper to use
    penalty: float


@dataclass(frozen=True, eq=False)
class Problem(ABC):
    """Penalised linear regression of a target on standardised blocks of columns.

    A subclass says which penalties are tried, and what is fitted and lost under one.
    """

    # (n_subjects, n_features); standardised columns, one array a modality
    blocks: Sequence[np.ndarray]
    y: np.ndarray  # (n_subjects,)
    weight: np.ndarray  # (n_subjects,); weights of the subjects
    # (n_features,); as how many a column counts, one array a modality; once each where not given
    copies: Sequence[np.ndarray] | None = field(default=None, kw_only=True)

    @property
    @abstractmethod
    def n_scores(self) -> int:
        """Number of scores of a subject."""

    @abstractmethod
    def penalties(self) -> np.ndarray:
        """Return the penalties that are tried."""

    @abstractmethod
    def solutions(
        self, features: np.ndarray, factors: np.ndarray, rows: np.ndarray, penalties: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return weights of multiplied columns, fitted on some rows, and intercepts.

        features (n_rows, n_features), factors (n_fits, n_features), penalties (n_fits,) -> coef
        (n_fits, n_features, n_scores), intercept (n_fits, n_scores).
        """

    @abstractmethod
    def strengths(self, features: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Return how strongly each column alone goes with the target of some rows."""

    @abstractmethod
    def losses(self, scores: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Return the losses (..., n_rows) of scores (..., n_rows, n_scores) of some rows."""

    def fit(self, folds: Folds, rows: np.ndarray) -> BlockFit:
        """Fit on the subjects of ``rows``, the mean over exponents, penalties chosen over folds."""
        settings, unseen = cross_validate(self, folds)
        coef, intercept = self.solve(np.flatnonzero(rows), settings)
        return BlockFit(self.split(coef.mean(axis=0)), intercept.mean(axis=0), unseen)

    def split(self, coef: np.ndarray) -> list[np.ndarray]:
        """Split the weights of all columns by block."""
        return np.split(coef, np.cumsum([block.shape[1] for block in self.blocks])[:-1])

    def solve(self, rows: np.ndarray, settings: Sequence[Setting]) -> tuple[np.ndarray, np.ndarray]:
        """Return weights (n_settings, n_features, n_scores) and intercepts, fitted on some rows."""
        features = np.hstack([block[rows] for block in self.blocks])
        exponents = np.array([setting.exponent for setting in settings])
        penalties = np.array([setting.penalty for setting in settings])
        factors = self.factors(features, rows, exponents)
        if features.shape[1] <= len(rows):
            coef, intercept = self.solutions(features, factors, rows, penalties)
            return coef * factors[:, :, None], intercept
        coef = np.zeros((*factors.shape, self.n_scores))
        intercept = np.zeros((len(settings), self.n_scores))
        for exponent in np.unique(exponents):
            places = np.flatnonzero(exponents == exponent)
            own = factors[places[0]]
            rotated, back = rotate(features * own)
            ones = np.ones((len(places), rotated.shape[1]))
            found, intercept[places] = self.solutions(rotated, ones, rows, penalties[places])
            coef[places] = own[:, None] * (back @ found)
        return coef, intercept

    def factors(self, features, rows, exponents: np.ndarray) -> np.ndarray:
        """Return one factor a column: large columns are cheap to use under the penalty.

        features (n_rows, n_features), exponents (n_fits,) -> (n_fits, n_features).
        """
        strengths = self.strengths(features, rows)
        factors = self._block_factors() * strengths ** exponents[:, None]
        norm = np.sqrt(np.mean(factors**2, axis=1, keepdims=True)) if factors.size else 1.0
        return factors / np.maximum(norm, 1e-12)

    def _block_factors(self) -> np.ndarray:
        """Return factors by which blocks of many columns are dearer, and copies cheaper."""
        copies = self.copies or [np.ones(block.shape[1]) for block in self.blocks]
        parts = [
            np.sqrt(own / own.mean()) * len(own) ** (-SIZE_EXPONENT / 2) if len(own) else own
            for own in copies
        ]
        return np.concatenate(parts)


def cross_validate(problem: Problem, folds) -> tuple[list[Setting], np.ndarray]:
    """Return the settings of least loss over the folds, one an exponent, and their mean scores.

    -> unseen (n_subjects, n_blocks, n_scores).
    """
    penalties = problem.penalties()
    n_subjects, n_scores, n_blocks = len(problem.y), problem.n_scores, len(problem.blocks)
    if not folds:
        middle = penalties[len(penalties) // 2]
        settings = [Setting(exponent, middle) for exponent in ASSOCIATION_EXPONENTS]
        return settings, np.zeros((n_subjects, n_blocks, n_scores))
    settings = [Setting(*pair) for pair in product(ASSOCIATION_EXPONENTS, penalties)]
    unseen = np.zeros((len(settings), n_subjects, n_blocks, n_scores))
    intercepts = np.zeros((len(settings), n_subjects, n_scores))
    for train, test in folds:
        coefs, intercept = problem.solve(train, settings)
        parts = problem.split(coefs.transpose(1, 0, 2))
        for place, (block, part) in enumerate(zip(problem.blocks, parts, strict=True)):
            unseen[:, test, place] = project(block[test], part)
        intercepts[:, test] = intercept[:, None]
    tested = np.concatenate([test for _, test in folds])
    losses = problem.losses((unseen.sum(axis=2) + intercepts)[:, tested], tested)
    losses = np.average(losses, axis=1, weights=problem.weight[tested])
    best = losses.reshape(-1, len(penalties)).argmin(axis=1)
    best += len(penalties) * np.arange(len(best))
    return [settings[place] for place in best], unseen[best].mean(axis=0)


def project(features: np.ndarray, coefs: np.ndarray) -> np.ndarray:
    """Return scores by several fits: coefs (n_features, n_fits, n_scores) -> (n_fits, n, ...)."""
    return np.tensordot(features, coefs, axes=1).swapaxes(0, 1)


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
    """Return wide features in their row space and the way back.

    The L2 penalty does not feel a rotation, so nothing is lost and wide blocks become small.
    """
    values, vectors = np.linalg.eigh(features @ features.T)
    kept = values > 1e-10 * values.max(initial=0)
    roots = np.sqrt(values[kept])
    return vectors[:, kept] * roots, features.T @ (vectors[:, kept] / roots)


def as_heads(moments, coefs, distinct) -> tuple[LinearHead, ...]:
    """Pair standardisations with weights, a weight split evenly between copies of a column."""
    return tuple(
        LinearHead(mean, scale, own.spread(coef))
        for (mean, scale), coef, own in zip(moments, coefs, distinct, strict=True)
    )
