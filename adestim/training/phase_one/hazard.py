"""Phase 1 for time to event: every modality's regression of hazards, and members that join them.

As for classes (``logistic.py``): one head a modality on the subjects who have it, one over all
jointly, penalties chosen by inner cross-validation. A head's columns shift the log-odds of the
hazard in all intervals alike (proportional odds); a forest over all columns and the interval, and
a regression on the heads' scores, join them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit
from sklearn.model_selection import GroupKFold, StratifiedGroupKFold

from adestim._support.numbers import narrow_to_float32
from adestim.encoding.tokens import TokenTable
from adestim.training.phase_one.forest import Grower
from adestim.training.phase_one.hazard_forest import grow_hazard_forest
from adestim.training.phase_one.hazard_loss import Periods, hazard_loss
from adestim.training.phase_one.hazard_newton import fit_hazards
from adestim.training.phase_one.judges import ColumnOdds
from adestim.training.phase_one.logistic import N_FOLDS, PENALTIES
from adestim.training.phase_one.members import (
    FOREST,
    MemberHeads,
    Recipe,
    join_members,
    name_members,
    weigh_members,
)
from adestim.training.phase_one.penalised import Folds, Problem, Scores, fit_all
from adestim.training.phase_one.ridge import linear_association

MEMBERS = ("joint", "forest", "late")


@dataclass(frozen=True, eq=False)
class HazardPhaseOne(MemberHeads):
    """All phase-1 members of one training set whose targets are lived intervals."""

    baseline: np.ndarray  # (n_intervals,); log-odds of the hazard, whoever it is

    def logits(
        self, scores: Scores, present: np.ndarray, start: str, anchor: str | None = None
    ) -> np.ndarray:
        """Return log-odds of the hazard in every interval.

        present (n_subjects, n_modalities) -> (n_subjects, n_intervals).
        """
        if start == "anchor":
            odds = self._average(scores, self.only(anchor, present))
        elif start == "average":
            complete = present.all(axis=1, keepdims=True)
            joint = self.joint_scores(scores, present)
            odds = np.where(complete, joint, self._average(scores, present))
        else:
            odds = self.mix(scores, present)
        return narrow_to_float32(odds)

    def _average(self, scores, present):
        """Average the separate heads' hazards over the modalities a subject has."""
        weight = present[:, :, None].astype(float)
        count = weight.sum(axis=1)
        mean = (expit(scores.values[:, :, 0]) * weight).sum(axis=1) / np.maximum(count, 1)
        known = logit(np.clip(mean, 1e-12, 1 - 1e-12))
        return np.where(count > 0, known, self.baseline)


def fit_hazard_phase_one(
    tables: Mapping[str, TokenTable],
    lived: np.ndarray,
    weight: np.ndarray,
    folds: Folds,
    n_intervals: int,
    grower: Grower | None = None,
    members: Sequence[str] = MEMBERS,
) -> tuple[HazardPhaseOne, Scores]:
    """Fit all heads of phase 1 and its members to lived intervals.

    lived (n_subjects,), weight (n_subjects,).
    """
    problem = HazardProblem([], lived, weight, n_intervals)
    recipe = Recipe(
        problem=problem,
        n_classes=None,
        names=[name for name in members if name != FOREST],
        combinations={},
        loss=lambda _, rows: hazard_loss(lived[rows], weight[rows], np.zeros(n_intervals)),
    )
    fits = fit_all(tables, problem, folds)
    joined = join_members(fits, recipe, folds)
    if folds and FOREST in members and grower is not None and grower.n_trees > 0:
        forest = grow_hazard_forest(fits.features, fits.distinct, problem, folds, grower)
        joined.readers[FOREST] = forest
        joined.judges[FOREST] = ColumnOdds(forest.parts(), fits.features, n_intervals)
    phase_one = HazardPhaseOne(
        **vars(fits.heads),
        combiners=joined.combiners,
        readers=joined.readers,
        shares=name_members(joined, recipe),
        baseline=problem.periods(np.arange(len(lived))).baseline(weight),
    )
    scores = Scores.of_all(fits.unseen, joined.judges)
    return weigh_members(phase_one, scores, fits.present, recipe, folds), scores


@dataclass(frozen=True, eq=False)
class HazardProblem(Problem):
    """L2-penalised regression of the hazards of lived intervals."""

    n_intervals: int

    @property
    def n_scores(self) -> int:
        """Number of log-odds: one an interval."""
        return self.n_intervals

    def penalties(self) -> np.ndarray:
        """Return the penalties that are tried."""
        return PENALTIES

    def periods(self, rows: np.ndarray) -> Periods:
        """Return what is known of some rows in every interval."""
        return Periods.of(self.y[rows], self.n_intervals)

    def solutions(self, features, factors, rows, penalties) -> tuple[np.ndarray, np.ndarray]:
        """Return weights, the same for all intervals, and intercepts."""
        given = features, factors, self.periods(rows), self.weight[rows], penalties
        coef, intercept = fit_hazards(*given)
        return np.repeat(coef[:, :, None], self.n_intervals, axis=2), intercept

    def strengths(self, features, rows) -> np.ndarray:
        """Return how strongly each column alone goes with the events that nothing foretells.

        T. M. Therneau, P. M. Grambsch and T. R. Fleming, "Martingale-based residuals for survival
        models", Biometrika 77, 1990.
        """
        periods, weight = self.periods(rows), self.weight[rows]
        expected = periods.observed @ expit(periods.baseline(weight))
        return linear_association(features, periods.seen.sum(axis=1) - expected, weight)

    def losses(self, scores, rows) -> np.ndarray:
        """Return negative log-likelihoods (..., n_rows) of scores (..., n_rows, n_intervals)."""
        return self.periods(rows).losses(scores)


def hazard_folds(
    targets: np.ndarray, groups: np.ndarray, seed: int, n_folds: int = N_FOLDS
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return folds that keep groups whole, with events in every training part.

    targets (n_subjects,), groups (n_subjects,).
    """
    seen = targets > 0
    n_seen, n_censored = (len(np.unique(groups[own])) for own in (seen, ~seen))
    n_folds = min(n_folds, n_seen)
    if n_folds < 2:
        return []
    # Where hardly anybody is censored there is nothing to share out evenly.
    kind = StratifiedGroupKFold if n_censored >= n_folds else GroupKFold
    splitter = kind(n_folds, shuffle=True, random_state=seed)
    splits = splitter.split(np.zeros(len(seen)), seen.astype(int), groups)
    return [(train, test) for train, test in splits if seen[train].any()]
