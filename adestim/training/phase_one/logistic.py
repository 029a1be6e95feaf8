"""Phase 1: every modality's linear head, fitted convexly, and their pattern-wise combination.

Two kinds of heads are fitted by L2-penalised logistic regression on pooled tokens, their penalty
chosen by inner cross-validation: one a modality, on the subjects who have it (the paper's
phase 1), and one over all modalities jointly, whose sum splits by modality. Separate heads
are combined by a discriminant of their cross-validated scores, see
``discriminant.py``. A forest over all columns (``forest.py``) adds what is not linear.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import log_softmax, softmax
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold

from adestim.encoding.tokens import TokenTable
from adestim.training.phase_one.discriminant import PatternDiscriminant, choose_discriminant
from adestim.training.phase_one.forest import (
    ForestHead,
    Grower,
    TreeOdds,
    association,
    fit_forest,
    grow_on_folds,
)
from adestim.training.phase_one.penalised import Heads, Problem, Scores, fit_all

PENALTIES = np.logspace(-4, 1.25, 8)
N_FOLDS = 5
LOG_ODDS_OF_ABSENT_CLASS = -8.0
# Joint head, discriminant and forest count alike: shares chosen over inner folds, in several ways,
# lost more by being uncertain than they gained, on a real table and on three simulated tasks.
FOREST_SHARE = 1 / 3


@dataclass(frozen=True, eq=False)
class PhaseOne(Heads):
    """All phase-1 heads of one training set."""

    discriminant: PatternDiscriminant  # combination of the separate heads
    # forest over all modalities' columns, which joins in ``start="stacked"``
    forest: ForestHead | None = None

    def scores(self, features: Sequence[np.ndarray]) -> Scores:
        """Return every modality's separate and joint scores, and the forest's odds.

        features (n_subjects, n_features).
        """
        scores = super().scores(features)
        if self.forest is None:
            return scores
        return scores._replace(trees=TreeOdds([(self.forest, scores.rows)], features))

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
            odds = self._stacked(scores, present)
        return np.pad(odds, ((0, 0), (1, 0))).astype(np.float32)

    def _stacked(self, scores, present):
        """Average joint head, discriminant and, where there is one, forest."""
        discriminant = self.discriminant.log_odds(scores.values[:, :, 0], present)
        odds = (self.joint_scores(scores, present) + discriminant) / 2
        if scores.trees is None:
            return odds
        trees = scores.trees(scores.rows, present)
        return (1 - FOREST_SHARE) * odds + FOREST_SHARE * trees

    def _average(self, scores, present):
        """Average the separate heads' probabilities over the modalities a subject has."""
        log_prior = self.discriminant.log_prior
        probabilities = softmax(np.pad(scores.values[:, :, 0], ((0, 0), (0, 0), (1, 0))), axis=2)
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
    grower: Grower | None = None,
) -> tuple[PhaseOne, Scores]:
    """Fit all heads of phase 1.

    y (n_subjects,), weight (n_subjects,).
    """
    fits = fit_all(tables, LogisticProblem([], y, weight, n_classes), folds)
    unseen, present = fits.unseen[:, :, 0], fits.present
    discriminant = choose_discriminant(unseen, present, y, weight, folds, n_classes)
    phase_one = PhaseOne(**vars(fits.heads), discriminant=discriminant)
    scores = Scores.of_all(fits.unseen)
    if grower is None or not folds:
        return phase_one, scores
    features = [table.pooled() for table in tables.values()]
    trees = grow_on_folds(features, y, weight, folds, n_classes, grower)
    forest = fit_forest(features, y, weight, n_classes, grower)
    return replace(phase_one, forest=forest), scores._replace(trees=trees)


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

    def solution(self, features, rows, penalty) -> tuple[np.ndarray, np.ndarray]:
        """Return weights and intercepts as log-odds against class 0."""
        return fit_logistic(features, self.y[rows], self.weight[rows], penalty, self.n_classes)

    def strengths(self, features, rows) -> np.ndarray:
        """Return how strongly each column alone goes with the class."""
        return association(features, self.y[rows], self.weight[rows])

    def losses(self, scores, rows) -> np.ndarray:
        """Return log-losses (..., n_rows) of scores (..., n_rows, n_classes - 1)."""
        log_odds = np.pad(scores, ((0, 0),) * (scores.ndim - 1) + ((1, 0),))
        return log_losses(log_odds, self.y[rows])


def fit_logistic(
    features: np.ndarray, y: np.ndarray, weight: np.ndarray, penalty: float, n_classes: int
) -> tuple[np.ndarray, np.ndarray]:
    """Fit one logistic regression.

    features (n_subjects, n_features), y (n_subjects,), weight (n_subjects,) -> coef (n_features,
    n_classes - 1), intercept (n_classes - 1,).
    """
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
