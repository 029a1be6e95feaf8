"""Phase 1 for numbers: every modality's ridge regression, and their pattern-wise combination.

As for classes (``logistic.py``): one head a modality on the subjects who have it, and one over
all modalities jointly, penalties chosen by inner cross-validation. Separate heads are combined by
the conditional expectation of the target given their cross-validated scores, see
:mod:`adestim.training.phase_one.joint_gaussian`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from sklearn.model_selection import GroupKFold

from adestim._support.numbers import narrow_to_float32
from adestim.encoding.tokens import TokenTable
from adestim.training.phase_one.forest import Grower
from adestim.training.phase_one.joint_gaussian import choose_conditional
from adestim.training.phase_one.members import (
    MemberHeads,
    Recipe,
    join_members,
    name_members,
    weigh_members,
)
from adestim.training.phase_one.penalised import Folds, Problem, Scores, fit_all
from adestim.training.phase_one.shares import number_loss, residual_variance

PENALTIES = np.logspace(-1, 5, 10)
N_FOLDS = 5
MEMBERS = ("joint", "conditional", "forest", "late")
# The median absolute deviation of a Gaussian, in standard deviations.
GAUSSIAN_MEDIAN = 0.6745
SMALLEST_SCALE = 1e-3


@dataclass(frozen=True, eq=False)
class RidgePhaseOne(MemberHeads):
    """All phase-1 members of one training set whose targets are numbers."""

    mean: float  # weighted mean of the targets
    # robust standard deviation of the errors of ``start="stacked"`` on subjects not seen
    residual_scale: float

    def logits(
        self, scores: Scores, present: np.ndarray, start: str, anchor: str | None = None
    ) -> np.ndarray:
        """Return phase-1 predictions; the name is that of the classes' twin.

        present (n_subjects, n_modalities) -> (n_subjects, 1).
        """
        if start == "anchor":
            predicted = self._average(scores, self.only(anchor, present))
        elif start == "average":
            complete = present.all(axis=1, keepdims=True)
            joint = self.joint_scores(scores, present)
            predicted = np.where(complete, joint, self._average(scores, present))
        else:
            predicted = self.mix(scores, present)
        return narrow_to_float32(predicted)

    def _average(self, scores, present):
        """Average the separate heads over the modalities a subject has; the mean for none."""
        weight = present[:, :, None].astype(float)
        count = weight.sum(axis=1)
        mean = (scores.values[:, :, 0] * weight).sum(axis=1) / np.maximum(count, 1)
        return np.where(count > 0, mean, self.mean)


def fit_ridge_phase_one(
    tables: Mapping[str, TokenTable],
    targets: np.ndarray,
    weight: np.ndarray,
    folds: Folds,
    grower: Grower | None = None,
    members: Sequence[str] = MEMBERS,
    others: Sequence[tuple[str, Any]] = (),
) -> tuple[RidgePhaseOne, Scores]:
    """Fit all heads of phase 1 and its members to numbers, ``others`` being the user's regressors.

    targets (n_subjects,), weight (n_subjects,).
    """

    def loss(odds, rows):
        y, own = targets[rows], weight[rows]
        return number_loss(y, own, residual_variance(odds, y, own))

    problem = RidgeProblem([], targets, weight)
    combinations = {"conditional": choose_conditional}
    recipe = Recipe(problem, None, members, combinations, loss, grower, others)
    fits = fit_all(tables, problem, folds)
    joined = join_members(fits, recipe, folds)
    phase_one = RidgePhaseOne(
        **vars(fits.heads),
        combiners=joined.combiners,
        readers=joined.readers,
        shares=name_members(joined, recipe),
        mean=float(np.average(targets, weights=weight)),
        residual_scale=1.0,
    )
    scores = Scores.of_all(fits.unseen, joined.judges)
    phase_one = weigh_members(phase_one, scores, fits.present, recipe, folds)
    residuals = targets - phase_one.logits(scores, fits.present, "stacked")[:, 0]
    return replace(phase_one, residual_scale=robust_scale(residuals, weight)), scores


@dataclass(frozen=True, eq=False)
class RidgeProblem(Problem):
    """Ridge regression."""

    @property
    def n_scores(self) -> int:
        """Number of scores: the prediction."""
        return 1

    def penalties(self) -> np.ndarray:
        """Return the penalties that are tried."""
        return PENALTIES

    def solutions(self, features, factors, rows, penalties) -> tuple[np.ndarray, np.ndarray]:
        """Return weights and intercepts."""
        return fit_ridges(features, factors, self.y[rows], self.weight[rows], penalties)

    def strengths(self, features, rows) -> np.ndarray:
        """Return how strongly each column alone goes with the target."""
        return linear_association(features, self.y[rows], self.weight[rows])

    def losses(self, scores, rows) -> np.ndarray:
        """Return squared errors (..., n_rows) of scores (..., n_rows, 1)."""
        return (scores[..., 0] - self.y[rows]) ** 2


def fit_ridges(
    features: np.ndarray,
    factors: np.ndarray,
    y: np.ndarray,
    weight: np.ndarray,
    penalties: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Fit one ridge regression a penalty, on features of which factors multiply the columns.

    features (n_subjects, n_features), factors (n_fits, n_features), y (n_subjects,), weight
    (n_subjects,), penalties (n_fits,) -> coef (n_fits, n_features, 1), intercept (n_fits, 1).
    """
    mean, y_mean = np.average(features, axis=0, weights=weight), np.average(y, weights=weight)
    centred = features - mean
    gram, moment = centred.T @ (centred * weight[:, None]), centred.T @ (weight * (y - y_mean))
    coef = np.zeros(factors.shape)
    for number, (own, penalty) in enumerate(zip(factors, penalties, strict=True)):
        if len(gram):
            curved = gram * np.outer(own, own) + penalty * np.eye(len(gram))
            coef[number] = cho_solve(cho_factor(curved), own * moment)
    intercept = y_mean - (coef * factors) @ mean
    return coef[:, :, None], intercept[:, None]


def linear_association(features: np.ndarray, y: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Return the root of every column's F statistic in a regression on it alone."""
    centred = features - np.average(features, axis=0, weights=weight)
    residual = y - np.average(y, weights=weight)
    covariance = (weight * residual) @ centred
    spread = (weight @ centred**2) * (weight @ residual**2)
    explained = covariance**2 / np.maximum(spread, 1e-12)
    ratio = explained / np.maximum(1 - explained, 1e-12)
    return np.sqrt(np.maximum(ratio * len(y), 1e-6))


def robust_scale(residuals: np.ndarray, weight: np.ndarray) -> float:
    """Return the standard deviation that a Gaussian of the same median absolute residual has.

    residuals (n_subjects,), weight (n_subjects,).

    P. J. Huber, "Robust Statistics", Wiley 1981, section 5.1.
    """
    median = np.quantile(np.abs(residuals), 0.5, weights=weight, method="inverted_cdf")
    return max(float(median) / GAUSSIAN_MEDIAN, SMALLEST_SCALE)


def number_folds(
    targets: np.ndarray, groups: np.ndarray, seed: int, n_folds: int = N_FOLDS
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return folds of subjects whose targets are numbers, groups kept whole.

    targets (n_subjects,), groups (n_subjects,).
    """
    n_folds = min(n_folds, len(np.unique(groups)))
    if n_folds < 2:
        return []
    splitter = GroupKFold(n_folds, shuffle=True, random_state=seed)
    return list(splitter.split(np.zeros(len(targets)), targets, groups))
