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
# Exponents of a block's size by which its columns are scaled down in the joint head: 0 treats
# all columns alike, 1 gives every modality the same weight whatever its number of columns.
BLOCK_EXPONENTS = (0.0, 1.0)
N_FOLDS = 5


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
        start : {"stacked", "average", "anchor"}
            How the heads are combined, see :class:`adestim.AnchoredFusionClassifier`.
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
        fit_block([block], y, weight, subset_folds(folds, has), has, n_classes, (0.0,))
        for block, has in zip(blocks, present.T, strict=True)
    ]
    everybody = np.ones(len(y), dtype=bool)
    together = (
        fit_block(blocks, y, weight, folds, everybody, n_classes, BLOCK_EXPONENTS)
        if len(blocks) > 1
        else alone[0]
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


def fit_block(blocks, y, weight, folds, rows, n_classes, exponents) -> BlockFit:
    """Fit on the subjects of ``rows``, the penalty and block scaling chosen over the folds."""
    sizes = np.array([max(block.shape[1], 1) for block in blocks])
    trials = [
        cross_validate(scaled_blocks(blocks, sizes, exponent), y, weight, folds, rows, n_classes)
        for exponent in exponents
    ]
    best = int(np.argmin([trial[0] for trial in trials]))
    _, penalty, unseen = trials[best]
    scales = block_scales(sizes, exponents[best])
    stacked = np.hstack([block * scale for block, scale in zip(blocks, scales, strict=True)])
    coef, intercept = fit_logistic(stacked, y, weight, rows, penalty, n_classes)
    parts = np.split(coef, np.cumsum(sizes_of(blocks))[:-1])
    return BlockFit(
        [part * scale for part, scale in zip(parts, scales, strict=True)], intercept, unseen
    )


def cross_validate(blocks, y, weight, folds, rows, n_classes):
    """Return the least cross-validated log-loss, its penalty, and the scores block by block."""
    rotated, back = rotate(np.hstack(blocks))
    edges = np.cumsum(sizes_of(blocks))[:-1]
    best = (np.inf, PENALTIES[len(PENALTIES) // 2], None)
    no_scores = np.zeros((len(y), len(blocks), n_classes - 1))
    for penalty in PENALTIES if folds else ():
        unseen, intercepts = no_scores.copy(), np.zeros((len(y), n_classes - 1))
        for train, test in folds:
            coef, intercept = fit_logistic(rotated, y, weight, train, penalty, n_classes)
            for place, (block, part) in enumerate(
                zip(blocks, np.split(back @ coef, edges), strict=True)
            ):
                unseen[test, place] = block[test] @ part
            intercepts[test] = intercept
        odds = np.pad(unseen.sum(axis=1) + intercepts, ((0, 0), (1, 0)))
        tested = np.concatenate([test for _, test in folds])
        loss = -np.average(log_softmax(odds, axis=1)[tested, y[tested]], weights=weight[tested])
        if loss < best[0]:
            best = (loss, penalty, unseen)
    return best if best[2] is not None else (best[0], best[1], no_scores)


def fit_logistic(features, y, weight, rows, penalty, n_classes):
    """Fit one logistic regression; return weights and intercepts as log-odds against class 0."""
    rows = rows if rows.dtype != bool else np.flatnonzero(rows)
    labels = np.unique(y[rows][weight[rows] > 0])
    coef = np.zeros((features.shape[1], n_classes))
    intercept = np.full(n_classes, -8.0)
    intercept[labels] = 0
    if len(labels) > 1:
        # Newton's line search finds nothing to do where no feature varies, and warns.
        small = features.shape[1] * len(labels) <= 600 and features[rows].any()
        solver = "newton-cholesky" if small else "lbfgs"
        model = LogisticRegression(C=penalty, solver=solver, max_iter=1000, tol=1e-5)
        model.fit(features[rows], y[rows], sample_weight=weight[rows])
        if len(labels) == 2:
            coef[:, labels[1]] = model.coef_[0]
            intercept[labels[1]] = model.intercept_[0]
        else:
            coef[:, labels] = model.coef_.T
            intercept[labels] = model.intercept_
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


def rotate(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return features in their row space and the way back.

    The L2 penalty does not feel a rotation, so nothing is lost and wide blocks become small.
    """
    n_subjects, n_features = features.shape
    if n_features <= n_subjects:
        return features, np.eye(n_features)
    u, s, vt = np.linalg.svd(features, full_matrices=False)
    return u * s, vt.T


def block_scales(sizes: np.ndarray, exponent: float) -> np.ndarray:
    """Return the factor of every block's columns."""
    return (sizes.mean() / sizes) ** (exponent / 2)


def scaled_blocks(blocks, sizes, exponent):
    """Return the blocks, scaled by their sizes."""
    return [
        block * scale for block, scale in zip(blocks, block_scales(sizes, exponent), strict=True)
    ]


def sizes_of(blocks) -> list[int]:
    """Return the numbers of columns."""
    return [block.shape[1] for block in blocks]


def as_heads(moments, coefs) -> tuple[LinearHead, ...]:
    """Pair standardisations with weights."""
    return tuple(
        LinearHead(mean, scale, coef) for (mean, scale), coef in zip(moments, coefs, strict=True)
    )
