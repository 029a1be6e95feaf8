"""What is predicted: how targets are split, what phase 1 fits to them, how outputs are scored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from adestim.encoding.tokens import TokenTable
from adestim.training.net import Losses, NumberLoss, class_losses
from adestim.training.phase_one import logistic, ridge
from adestim.training.phase_one.forest import Grower
from adestim.training.phase_one.logistic import PhaseOne, fit_phase_one, inner_folds
from adestim.training.phase_one.penalised import Scores
from adestim.training.phase_one.ridge import RidgePhaseOne, fit_ridge_phase_one, number_folds

Folds = Sequence[tuple[np.ndarray, np.ndarray]]


class Task(Protocol):
    """What a fusion predicts."""

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
    ) -> tuple[Any, Scores]:
        """Return the members of phase 1, and the training subjects' scores by unseen ones.

        ``members`` names those that may join, all for None; ``others`` are estimators by name.
        """

    def losses(self, phase_one: Any) -> Losses:
        """Return what takes outputs and targets and returns every subject's loss."""

    def labels(self, targets: np.ndarray) -> np.ndarray:
        """Return targets as the user gave them."""


@dataclass(frozen=True, eq=False)
class Classification:
    """Classes, in any number."""

    classes: np.ndarray  # (n_classes,)

    folds = staticmethod(inner_folds)

    @property
    def n_outputs(self) -> int:
        """Number of classes."""
        return len(self.classes)

    def fit_phase_one(
        self, tables, targets, weight, folds, grower=None, members=None, others=()
    ) -> tuple[PhaseOne, Scores]:
        """Return logistic heads and members, and unseen scores."""
        names = logistic.MEMBERS if members is None else members
        given = tables, targets, weight, folds, self.n_outputs
        return fit_phase_one(*given, grower, names, others)

    def losses(self, phase_one: PhaseOne) -> Losses:
        """Return the cross-entropy."""
        return class_losses

    def labels(self, targets: np.ndarray) -> np.ndarray:
        """Return class labels."""
        return self.classes[targets]


@dataclass(frozen=True)
class Regression:
    """Numbers, standardised for the nets."""

    mean: float  # what is taken off the numbers, and what they are then divided by
    scale: float
    loss: str  # loss of the nets

    folds = staticmethod(number_folds)
    n_outputs = 1

    def fit_phase_one(
        self, tables, targets, weight, folds, grower=None, members=None, others=()
    ) -> tuple[RidgePhaseOne, Scores]:
        """Return ridge heads and members, and their cross-validated scores."""
        names = ridge.MEMBERS if members is None else members
        return fit_ridge_phase_one(tables, targets, weight, folds, grower, names, others)

    def losses(self, phase_one: RidgePhaseOne) -> Losses:
        """Return the loss; Huber's is linear beyond what phase 1 commonly errs by."""
        return NumberLoss(self.loss, phase_one.residual_scale if self.loss == "huber" else 1.0)

    def labels(self, targets: np.ndarray) -> np.ndarray:
        """Return numbers in the user's units."""
        return targets * self.scale + self.mean
