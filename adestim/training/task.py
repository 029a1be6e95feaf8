"""What is predicted: how targets are split, what phase 1 fits to them, how outputs are scored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from adestim._support.survival_targets import make_survival
from adestim.encoding.tokens import TokenTable
from adestim.training.intervals import TimeIntervals
from adestim.training.net import Losses, NumberLoss, class_losses, hazard_losses
from adestim.training.phase_one import hazard, logistic, ridge
from adestim.training.phase_one.forest import Grower
from adestim.training.phase_one.hazard import HazardPhaseOne, fit_hazard_phase_one, hazard_folds
from adestim.training.phase_one.hazard_loss import hazard_loss
from adestim.training.phase_one.logistic import PhaseOne, fit_phase_one, inner_folds
from adestim.training.phase_one.penalised import Scores
from adestim.training.phase_one.remembered import recall_phase_one
from adestim.training.phase_one.ridge import RidgePhaseOne, fit_ridge_phase_one, number_folds
from adestim.training.phase_one.shares import Loss, class_loss, number_loss, residual_variance
from adestim.training.scaling import logits_of

Folds = Sequence[tuple[np.ndarray, np.ndarray]]


class Task(Protocol):
    """What a fusion predicts."""

    members: Sequence[str]  # built-in members of phase 1
    split_unit: str  # what must have two groups for there to be inner folds

    @property
    def n_outputs(self) -> int:
        """Number of outputs of a net."""

    def folds(self, targets: np.ndarray, groups: np.ndarray, seed: int, n_folds: int = 5) -> Folds:
        """Return inner folds that keep groups whole; empty where there are too few."""

    def fit_phase_one(
        self,
        tables: Mapping[str, TokenTable],
        targets: np.ndarray,
        weight: np.ndarray,
        folds: Folds,
        grower: Grower | None = None,
        members: Sequence[str] | None = None,
        others: Sequence[tuple[str, Any]] = (),
        *,
        remembered: bool = False,
    ) -> tuple[Any, Scores]:
        """Return the members of phase 1, and the training subjects' scores by unseen ones.

        ``members`` names those that may join, all for None; ``others`` are estimators by name. What
        may be ``remembered`` is not fitted again to the same.
        """

    def losses(self, phase_one: Any) -> Losses:
        """Return what takes outputs and targets and returns every subject's loss."""

    def labels(self, targets: np.ndarray) -> np.ndarray:
        """Return targets as the user gave them."""

    def odds_of_outputs(self, outputs: np.ndarray) -> np.ndarray:
        """Return what nets say as members say it.

        outputs (n_subjects, n_outputs) -> (n_subjects, n_scores).
        """

    def odds_of_values(self, values: np.ndarray) -> np.ndarray:
        """Return combined predictions as members say them.

        values (n_subjects, n_outputs) -> (n_subjects, n_scores).
        """

    def share_loss(self, odds: np.ndarray, targets: np.ndarray, weight: np.ndarray) -> Loss:
        """Return the loss by which shares are chosen, ``odds`` being a first guess.

        odds (n_subjects, n_scores), targets (n_subjects,), weight (n_subjects,).
        """


@dataclass(frozen=True, eq=False)
class Classification:
    """Classes, in any number."""

    classes: np.ndarray  # (n_classes,)

    folds = staticmethod(inner_folds)
    members = logistic.MEMBERS
    split_unit = "A class"

    @property
    def n_outputs(self) -> int:
        """Number of classes."""
        return len(self.classes)

    def fit_phase_one(
        self,
        tables,
        targets,
        weight,
        folds,
        grower=None,
        members=None,
        others=(),
        *,
        remembered=False,
    ) -> tuple[PhaseOne, Scores]:
        """Return logistic heads and members, and unseen scores."""
        names = logistic.MEMBERS if members is None else members
        given = tables, targets, weight, folds, self.n_outputs, grower, names, others
        return recall_phase_one(fit_phase_one, *given) if remembered else fit_phase_one(*given)

    def losses(self, phase_one: PhaseOne) -> Losses:
        """Return the cross-entropy."""
        return class_losses

    def labels(self, targets: np.ndarray) -> np.ndarray:
        """Return class labels."""
        return self.classes[targets]

    def odds_of_outputs(self, outputs: np.ndarray) -> np.ndarray:
        """Return log-odds against class 0."""
        return outputs[:, 1:] - outputs[:, :1]

    def odds_of_values(self, values: np.ndarray) -> np.ndarray:
        """Return log-odds of probabilities."""
        return self.odds_of_outputs(logits_of(values))

    def share_loss(self, odds: np.ndarray, targets: np.ndarray, weight: np.ndarray) -> Loss:
        """Return the log-loss."""
        return class_loss(targets, weight)


@dataclass(frozen=True)
class Regression:
    """Numbers, standardised for the nets."""

    mean: float  # what is taken off the numbers, and what they are then divided by
    scale: float
    loss: str  # loss of the nets

    folds = staticmethod(number_folds)
    members = ridge.MEMBERS
    split_unit = "The training set"
    n_outputs = 1

    def fit_phase_one(
        self,
        tables,
        targets,
        weight,
        folds,
        grower=None,
        members=None,
        others=(),
        *,
        remembered=False,
    ) -> tuple[RidgePhaseOne, Scores]:
        """Return ridge heads and members, and their cross-validated scores."""
        names = ridge.MEMBERS if members is None else members
        given = tables, targets, weight, folds, grower, names, others
        fit = fit_ridge_phase_one
        return recall_phase_one(fit, *given) if remembered else fit(*given)

    def losses(self, phase_one: RidgePhaseOne) -> Losses:
        """Return the loss; Huber's is linear beyond what phase 1 commonly errs by."""
        return NumberLoss(self.loss, phase_one.residual_scale if self.loss == "huber" else 1.0)

    def labels(self, targets: np.ndarray) -> np.ndarray:
        """Return numbers in the user's units."""
        return targets * self.scale + self.mean

    def odds_of_outputs(self, outputs: np.ndarray) -> np.ndarray:
        """Return the numbers themselves."""
        return outputs

    def odds_of_values(self, values: np.ndarray) -> np.ndarray:
        """Return the numbers themselves."""
        return values

    def share_loss(self, odds: np.ndarray, targets: np.ndarray, weight: np.ndarray) -> Loss:
        """Return a Gaussian's loss, of the first guess's errors."""
        return number_loss(targets, weight, residual_variance(odds[None], targets, weight))


@dataclass(frozen=True, eq=False)
class Hazards:
    """Time to an event, as the log-odds of the hazard in every interval."""

    intervals: TimeIntervals
    baseline: np.ndarray  # (n_intervals,); log-odds of the hazard, whoever it is

    folds = staticmethod(hazard_folds)
    members = hazard.MEMBERS
    split_unit = "The part of the training set that had the event"

    @property
    def n_outputs(self) -> int:
        """Number of intervals."""
        return self.intervals.n_intervals

    def fit_phase_one(
        self,
        tables,
        targets,
        weight,
        folds,
        grower=None,
        members=None,
        others=(),
        *,
        remembered=False,
    ) -> tuple[HazardPhaseOne, Scores]:
        """Return regressions of hazards and members, and their cross-validated scores."""
        names = hazard.MEMBERS if members is None else members
        given = tables, targets, weight, folds, self.n_outputs, grower, names
        fit = fit_hazard_phase_one
        return recall_phase_one(fit, *given) if remembered else fit(*given)

    def losses(self, phase_one: HazardPhaseOne) -> Losses:
        """Return the negative log-likelihood."""
        return hazard_losses

    def labels(self, targets: np.ndarray) -> np.ndarray:
        """Return events and times as the intervals know them."""
        return make_survival(*self.intervals.decode(targets))

    def odds_of_outputs(self, outputs: np.ndarray) -> np.ndarray:
        """Return log-odds relative to the baseline."""
        return outputs - self.baseline

    def odds_of_values(self, values: np.ndarray) -> np.ndarray:
        """Return log-odds relative to the baseline."""
        return values - self.baseline

    def share_loss(self, odds: np.ndarray, targets: np.ndarray, weight: np.ndarray) -> Loss:
        """Return the negative log-likelihood of log-odds relative to the baseline."""
        return hazard_loss(targets, weight, self.baseline)
