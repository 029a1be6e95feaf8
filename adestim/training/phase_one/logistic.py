"""Phase 1: every modality's linear head, fitted convexly, and the members that join them.

Two kinds of heads are fitted by L2-penalised logistic regression on pooled tokens, their penalty
chosen by inner cross-validation: one a modality, on the subjects who have it (the paper's
phase 1), and one over all modalities jointly, whose sum splits by modality. Separate heads
are combined by a discriminant of their cross-validated scores (``discriminant.py``) and by a
regression on them (``stack.py``). A forest over all columns (``forest.py``) adds what is not
linear.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from scipy.special import log_softmax, softmax
from sklearn.model_selection import StratifiedGroupKFold

from adestim._support.numbers import narrow_to_float32
from adestim.encoding.tokens import TokenTable
from adestim.training.phase_one.discriminant import choose_discriminant
from adestim.training.phase_one.forest import Grower
from adestim.training.phase_one.members import (
    MemberHeads,
    Recipe,
    join_members,
    name_members,
    weigh_members,
)
from adestim.training.phase_one.newton import solve_together
from adestim.training.phase_one.penalised import Folds, Problem, Scores, fit_all
from adestim.training.phase_one.shares import class_loss

PENALTIES = np.logspace(-4, 1.25, 8)
N_FOLDS = 5
LOG_ODDS_OF_ABSENT_CLASS = -8.0
MEMBERS = ("joint", "discriminant", "forest", "late")


@dataclass(frozen=True, eq=False)
class PhaseOne(MemberHeads):
    """All phase-1 members of one training set."""

    log_prior: np.ndarray  # (n_classes,); log of the class frequencies

    def logits(
        self, scores: Scores, present: np.ndarray, start: str, anchor: str | None = None
    ) -> np.ndarray:
        """Return phase-1 logits of all classes, class 0 at zero.

        present (n_subjects, n_modalities) -> (n_subjects, n_classes).
        """
        if start == "anchor":
            odds = self._average(scores, self.only(anchor, present))
        elif start == "late":
            odds = self._average(scores, present)
        elif start == "average":
            complete = present.all(axis=1, keepdims=True)
            joint = self.joint_scores(scores, present)
            odds = np.where(complete, joint, self._average(scores, present))
        else:
            odds = self.mix(scores, present)
        return narrow_to_float32(np.pad(odds, ((0, 0), (1, 0))))

    def _average(self, scores, present):
        """Average the separate heads' probabilities over the modalities a subject has."""
        probabilities = softmax(np.pad(scores.values[:, :, 0], ((0, 0), (0, 0), (1, 0))), axis=2)
        weight = present[:, :, None].astype(float)
        count = weight.sum(axis=1)
        mean = (probabilities * weight).sum(axis=1) / np.maximum(count, 1)
        mean = np.where(count > 0, mean, np.exp(self.log_prior))
        log_mean = np.log(np.maximum(mean, 1e-12))
        return log_mean[:, 1:] - log_mean[:, :1]


def fit_phase_one(
    tables: Mapping[str, TokenTable],
    y: np.ndarray,
    weight: np.ndarray,
    folds: Folds,
    n_classes: int,
    grower: Grower | None = None,
    members: Sequence[str] = MEMBERS,
    others: Sequence[tuple[str, Any]] = (),
) -> tuple[PhaseOne, Scores]:
    """Fit all heads of phase 1 and its members, ``others`` being the user's classifiers by name.

    y (n_subjects,), weight (n_subjects,).
    """
    problem = LogisticProblem([], y, weight, n_classes)
    recipe = Recipe(
        problem=problem,
        n_classes=n_classes,
        names=members,
        combinations={"discriminant": partial(choose_discriminant, n_classes=n_classes)},
        loss=lambda _, rows: class_loss(y[rows], weight[rows]),
        grower=grower,
        others=others,
    )
    fits = fit_all(tables, problem, folds)
    joined = join_members(fits, recipe, folds)
    frequency = np.bincount(y, weight, n_classes) / weight.sum()
    phase_one = PhaseOne(
        **vars(fits.heads),
        combiners=joined.combiners,
        readers=joined.readers,
        shares=name_members(joined, recipe),
        log_prior=np.log(np.maximum(frequency, 1e-12)),
    )
    scores = Scores.of_all(fits.unseen, joined.judges)
    return weigh_members(phase_one, scores, fits.present, recipe, folds), scores


def log_losses(logits: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return log-losses (..., n_subjects) of logits (..., n_subjects, n_classes)."""
    return -log_softmax(logits, axis=-1)[..., np.arange(len(y)), y]


@dataclass(frozen=True, eq=False)
class LogisticProblem(Problem):
    """L2-penalised multinomial logistic regression."""

    n_classes: int

    @property
    def n_scores(self) -> int:
        """Number of log-odds against class 0."""
        return self.n_classes - 1

    def penalties(self) -> np.ndarray:
        """Return the penalties that are tried."""
        return PENALTIES

    def solutions(self, features, factors, rows, penalties) -> tuple[np.ndarray, np.ndarray]:
        """Return weights and intercepts as log-odds against class 0."""
        y, weight = self.y[rows], self.weight[rows]
        return fit_logistics(features, factors, y, weight, penalties, self.n_classes)

    def strengths(self, features, rows) -> np.ndarray:
        """Return how strongly each column alone goes with the class."""
        return association(features, self.y[rows], self.weight[rows])

    def losses(self, scores, rows) -> np.ndarray:
        """Return log-losses (..., n_rows) of scores (..., n_rows, n_classes - 1)."""
        log_odds = np.pad(scores, ((0, 0),) * (scores.ndim - 1) + ((1, 0),))
        return log_losses(log_odds, self.y[rows])


def fit_logistics(
    features: np.ndarray,
    factors: np.ndarray,
    y: np.ndarray,
    weight: np.ndarray,
    penalties: np.ndarray,
    n_classes: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Fit one logistic regression a penalty, on features of which factors multiply the columns.

    features (n_subjects, n_features), factors (n_fits, n_features), y (n_subjects,), weight
    (n_subjects,), penalties (n_fits,) -> coef (n_fits, n_features, n_classes - 1), intercept
    (n_fits, n_classes - 1).
    """
    labels = np.unique(y)
    coef = np.zeros((*factors.shape, n_classes))
    intercept = np.full((len(penalties), n_classes), LOG_ODDS_OF_ABSENT_CLASS)
    intercept[:, labels] = 0
    if len(labels) > 1:
        used = labels[1:] if len(labels) == 2 else labels
        found = solve_together(features, factors, y[:, None] == used, weight, penalties)
        coef[:, :, used], intercept[:, used] = found
    return coef[..., 1:] - coef[..., :1], intercept[:, 1:] - intercept[:, :1]


def fit_logistic(
    features: np.ndarray, y: np.ndarray, weight: np.ndarray, penalty: float, n_classes: int
) -> tuple[np.ndarray, np.ndarray]:
    """Fit one logistic regression.

    features (n_subjects, n_features), y (n_subjects,), weight (n_subjects,) -> coef (n_features,
    n_classes - 1), intercept (n_classes - 1,).
    """
    factors, penalties = np.ones((1, features.shape[1])), np.array([penalty])
    coef, intercept = fit_logistics(features, factors, y, weight, penalties, n_classes)
    return coef[0], intercept[0]


def association(features: np.ndarray, y: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Return how strongly each column alone goes with the class: the root of its F statistic.

    features (n_subjects, n_features), y (n_subjects,), weight (n_subjects,) -> (n_features,).
    """
    member = (y[:, None] == np.unique(y)) * weight[:, None] / weight.sum()
    share = member.sum(axis=0)
    total = member.sum(axis=1) @ features
    means = (member.T @ features) / share[:, None]
    between = share @ (means - total) ** 2
    variance = member.sum(axis=1) @ (features - total) ** 2
    ratio = between / np.maximum(variance - between, 1e-12)
    return np.sqrt(np.maximum(ratio * len(y), 1e-6))


def inner_folds(
    y: np.ndarray, groups: np.ndarray, seed: int, n_folds: int = N_FOLDS
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return stratified folds that keep groups whole and every class in every training part.

    y (n_subjects,), groups (n_subjects,).
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
