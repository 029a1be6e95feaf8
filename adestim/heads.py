"""Phase 1: every modality's linear head, fitted convexly, and their pattern-wise combination.

Two kinds of heads are fitted by L2-penalised logistic regression on pooled tokens, their penalty
chosen by inner cross-validation: one a modality, on the subjects who have it (the paper's
phase 1), and one over all modalities jointly, whose sum splits by modality. Separate heads
are combined by a discriminant of their cross-validated scores, see
:mod:`adestim.discriminant`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import log_softmax, softmax
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold

from adestim.discriminant import PatternDiscriminant, choose_discriminant
from adestim.tokens import TokenTable, feature_moments

__all__ = ["PhaseOne", "fit_phase_one", "inner_folds"]

PENALTIES = np.logspace(-4, 1.25, 8)
N_FOLDS = 5
# Columns are scaled before the penalty: those of large blocks are made dearer to use, those that
# go with the class alone cheaper, as in adaptive penalties (Zou 2006, JASA 101). Half-way
# exponents did as well as or better than 0, 1 and a choice by cross-validation, on real and
# simulated tables.
SIZE_EXPONENT = 0.5
ASSOCIATION_EXPONENT = 0.5
LOG_ODDS_OF_ABSENT_CLASS = -8.0


@dataclass(frozen=True, eq=False)
class LinearHead:
    """Standardisation and linear map from pooled features to log-odds against class 0.

    Parameters
    ----------
    mean, scale : ndarray of shape (n_features,)
        Standardisation; a feature that is unknown counts as its mean.
    coef : ndarray of shape (n_features, n_classes - 1)
        Weights of the standardised features.
    """

    mean: np.ndarray
    scale: np.ndarray
    coef: np.ndarray

    def scores(self, features: np.ndarray) -> np.ndarray:
        """Return log-odds without intercept, shape (n_subjects, n_classes - 1)."""
        return standardise(features, self.mean, self.scale) @ self.coef


@dataclass(frozen=True, eq=False)
class PhaseOne:
    """All phase-1 heads of one training set.

    Parameters
    ----------
    modalities : tuple of str
        Names, in the order of every array here.
    separate, joint : tuple of LinearHead
        One head a modality: fitted alone, and as part of the joint fit.
    intercepts : ndarray of shape (n_modalities, n_classes - 1)
        Intercepts of the separate heads.
    joint_intercept : ndarray of shape (n_classes - 1,)
        Intercept of the joint fit.
    discriminant : PatternDiscriminant
        Combination of the separate heads.
    """

    modalities: tuple[str, ...]
    separate: tuple[LinearHead, ...]
    joint: tuple[LinearHead, ...]
    intercepts: np.ndarray
    joint_intercept: np.ndarray
    discriminant: PatternDiscriminant

    def scores(self, features: Sequence[np.ndarray]) -> np.ndarray:
        """Return every modality's separate and joint scores.

        Parameters
        ----------
        features : sequence of ndarray of shape (n_subjects, n_features)
            Pooled features, one array a modality.

        Returns
        -------
        ndarray of shape (n_subjects, n_modalities, 2, n_classes - 1)
        """
        separate = [
            head.scores(block) + intercept
            for head, block, intercept in zip(self.separate, features, self.intercepts, strict=True)
        ]
        joint = [head.scores(block) for head, block in zip(self.joint, features, strict=True)]
        return np.stack([np.stack(separate, 1), np.stack(joint, 1)], axis=2)

    def logits(
        self, scores: np.ndarray, present: np.ndarray, start: str, anchor: str | None = None
    ) -> np.ndarray:
        """Return phase-1 logits of all classes, class 0 at zero.

        Parameters
        ----------
        scores : ndarray of shape (n_subjects, n_modalities, 2, n_classes - 1)
            As :meth:`scores` returns them.
        present : ndarray of shape (n_subjects, n_modalities), dtype bool
            Which modalities a subject has.
        start : {"stacked", "average", "late", "anchor"}
            How the heads are combined, see :class:`adestim.AnchoredFusionClassifier`. ``"late"``
            averages the separate heads' probabilities over what is observed, for complete
            subjects as for others.
        anchor : str, default=None
            The anchor, where ``start="anchor"``.

        Returns
        -------
        ndarray of shape (n_subjects, n_classes), dtype float32
        """
        if start == "anchor":
            place = self.modalities.index(anchor)
            only = np.zeros_like(present)
            only[:, place] = present[:, place]
            odds = self._average(scores, only)
        elif start == "late":
            odds = self._average(scores, present)
        elif start == "average":
            complete = present.all(axis=1, keepdims=True)
            odds = np.where(complete, self._joint(scores, present), self._average(scores, present))
        else:
            discriminant = self.discriminant.log_odds(scores[:, :, 0], present)
            odds = (self._joint(scores, present) + discriminant) / 2
        return np.pad(odds, ((0, 0), (1, 0))).astype(np.float32)

    def _joint(self, scores, present):
        """Sum the joint head's parts over the modalities a subject has."""
        return self.joint_intercept + (scores[:, :, 1] * present[:, :, None]).sum(axis=1)

    def _average(self, scores, present):
        """Average the separate heads' probabilities over the modalities a subject has."""
        log_prior = self.discriminant.log_prior
        probabilities = softmax(np.pad(scores[:, :, 0], ((0, 0), (0, 0), (1, 0))), axis=2)
        weight = present[:, :, None].astype(float)
        count = weight.sum(axis=1)
        mean = (probabilities * weight).sum(axis=1) / np.maximum(count, 1)
        mean = np.where(count > 0, mean, np.exp(log_prior))
        log_mean = np.log(np.maximum(mean, 1e-12))
        return log_mean[:, 1:] - log_mean[:, :1]


def fit_phase_one(
    tables: dict[str, TokenTable],
    y: np.ndarray,
    weight: np.ndarray,
    folds: Sequence[tuple[np.ndarray, np.ndarray]],
    n_classes: int,
) -> tuple[PhaseOne, np.ndarray]:
    """Fit all heads of phase 1.

    Parameters
    ----------
    tables : dict of str to TokenTable
        Training subjects' tokens.
    y : ndarray of shape (n_subjects,)
        Classes as integers from 0.
    weight : ndarray of shape (n_subjects,)
        Weights of the subjects.
    folds : sequence of (train, validation) arrays of row numbers
        Inner folds, by group, for the penalties and the cross-validated scores.
    n_classes : int
        Number of classes.

    Returns
    -------
    phase_one : PhaseOne
        The heads, fitted on all training subjects.
    scores : ndarray of shape (n_subjects, n_modalities, 2, n_classes - 1)
        Scores of the training subjects by heads that have not seen them; phase 2 trains on
        these, since it will meet unseen subjects.
    """
    features = [table.pooled() for table in tables.values()]
    present = np.stack([table.present for table in tables.values()], axis=1)
    moments = [feature_moments(block) for block in features]
    blocks = [standardise(block, *moment) for block, moment in zip(features, moments, strict=True)]
    alone = [
        fit_block([block], y, weight, subset_folds(folds, has), has, n_classes)
        for block, has in zip(blocks, present.T, strict=True)
    ]
    everybody = np.ones(len(y), dtype=bool)
    together = (
        fit_block(blocks, y, weight, folds, everybody, n_classes) if len(blocks) > 1 else alone[0]
    )
    unseen = np.stack([fit.unseen[:, 0] + fit.intercept for fit in alone], axis=1)
    discriminant = choose_discriminant(unseen, present, y, weight, folds, n_classes)
    phase_one = PhaseOne(
        modalities=tuple(tables),
        separate=as_heads(moments, [fit.coefs[0] for fit in alone]),
        joint=as_heads(moments, together.coefs),
        intercepts=np.array([fit.intercept for fit in alone]),
        joint_intercept=together.intercept,
        discriminant=discriminant,
    )
    return phase_one, np.stack([unseen, together.unseen], axis=2)


@dataclass(frozen=True, eq=False)
class BlockFit:
    """One logistic regression over one or several blocks, and its cross-validated scores."""

    coefs: list[np.ndarray]
    intercept: np.ndarray
    unseen: np.ndarray


def fit_block(blocks, y, weight, folds, rows, n_classes) -> BlockFit:
    """Fit on the subjects of ``rows``, the penalty chosen over the folds."""
    problem = Problem(blocks, y, weight, n_classes)
    penalty, unseen = cross_validate(problem, folds)
    coef, intercept = problem.solve(np.flatnonzero(rows), [penalty])[0]
    return BlockFit(problem.split(coef), intercept, unseen)


@dataclass(frozen=True, eq=False)
class Problem:
    """Logistic regression over standardised blocks of columns."""

    blocks: Sequence[np.ndarray]
    y: np.ndarray
    weight: np.ndarray
    n_classes: int

    def split(self, coef: np.ndarray) -> list[np.ndarray]:
        """Split the weights of all columns by block."""
        return np.split(coef, np.cumsum([block.shape[1] for block in self.blocks])[:-1])

    def solve(self, rows, penalties) -> list[tuple[np.ndarray, np.ndarray]]:
        """Return weights and intercepts for every penalty, fitted on some rows."""
        features = np.hstack([block[rows] for block in self.blocks])
        factors = self._factors(features, rows)
        rotated, back = rotate(features * factors)
        y, weight = self.y[rows], self.weight[rows]
        solutions = [
            fit_logistic(rotated, y, weight, penalty, self.n_classes) for penalty in penalties
        ]
        return [(factors[:, None] * (back @ coef), odds) for coef, odds in solutions]

    def _factors(self, features, rows) -> np.ndarray:
        """Return one factor a column: large columns are cheap to use under the penalty."""
        sizes = np.array([block.shape[1] for block in self.blocks])
        by_block = np.repeat(sizes.astype(float) ** (-SIZE_EXPONENT / 2), sizes)
        strength = association(features, self.y[rows], self.weight[rows])
        factors = by_block * strength**ASSOCIATION_EXPONENT
        norm = np.sqrt(np.mean(factors**2)) if len(factors) else 1.0
        return factors / max(norm, 1e-12)


def cross_validate(problem: Problem, folds) -> tuple[float, np.ndarray]:
    """Return the penalty of least log-loss over the folds, and its scores block by block."""
    n_subjects, n_odds = len(problem.y), problem.n_classes - 1
    unseen = np.zeros((len(PENALTIES), n_subjects, len(problem.blocks), n_odds))
    if not folds:
        return PENALTIES[len(PENALTIES) // 2], unseen[0]
    intercepts = np.zeros((len(PENALTIES), n_subjects, n_odds))
    for train, test in folds:
        for number, (coef, odds) in enumerate(problem.solve(train, PENALTIES)):
            for place, part in enumerate(problem.split(coef)):
                unseen[number, test, place] = problem.blocks[place][test] @ part
            intercepts[number, test] = odds
    tested = np.concatenate([test for _, test in folds])
    log_odds = np.pad(unseen.sum(axis=2) + intercepts, ((0, 0), (0, 0), (1, 0)))[:, tested]
    own = log_softmax(log_odds, axis=2)[:, np.arange(len(tested)), problem.y[tested]]
    losses = -np.average(own, axis=1, weights=problem.weight[tested])
    best = int(np.argmin(losses))
    return PENALTIES[best], unseen[best]


def fit_logistic(features, y, weight, penalty, n_classes):
    """Fit one logistic regression; return weights and intercepts as log-odds against class 0."""
    labels = np.unique(y)
    coef = np.zeros((features.shape[1], n_classes))
    intercept = np.full(n_classes, LOG_ODDS_OF_ABSENT_CLASS)
    intercept[labels] = 0
    if len(labels) > 1 and features.shape[1]:
        model = LogisticRegression(C=penalty, max_iter=1000, tol=1e-4)
        model.fit(features, y, sample_weight=weight)
        used = labels[1:] if len(labels) == 2 else labels
        coef[:, used] = model.coef_.T
        intercept[used] = model.intercept_
    return coef[:, 1:] - coef[:, :1], intercept[1:] - intercept[:1]


def inner_folds(
    y: np.ndarray, groups: np.ndarray, seed: int, n_folds: int = N_FOLDS
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return stratified folds that keep groups whole and every class in every training part.

    Parameters
    ----------
    y : ndarray of shape (n_subjects,)
        Classes as integers.
    groups : ndarray of shape (n_subjects,)
        Subjects that belong together carry the same value.
    seed : int
        Seed of the shuffling.
    n_folds : int, default=5
        Number of folds, fewer where a class has fewer groups.

    Returns
    -------
    list of (train, validation) arrays of row numbers
        Empty where no class can be split.
    """
    smallest = min(len(np.unique(groups[y == label])) for label in np.unique(y))
    n_folds = min(n_folds, smallest)
    if n_folds < 2:
        return []
    splitter = StratifiedGroupKFold(n_folds, shuffle=True, random_state=seed)
    n_classes = len(np.unique(y))
    return [
        (train, test)
        for train, test in splitter.split(np.zeros(len(y)), y, groups)
        if len(np.unique(y[train])) == n_classes
    ]


def subset_folds(folds, has):
    """Return the folds restricted to the subjects who have a modality."""
    restricted = [(train[has[train]], test[has[test]]) for train, test in folds]
    return [(train, test) for train, test in restricted if len(train) and len(test)]


def standardise(features: np.ndarray, mean: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Return standard scores, 0 where a value is unknown or does not vary."""
    return np.nan_to_num((features - mean) / scale, nan=0.0)


def association(features: np.ndarray, y: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Return how strongly each column alone goes with the class: the root of its F statistic."""
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
