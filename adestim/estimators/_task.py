"""What is predicted: how targets are split, what phase 1 fits to them, how outputs are scored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from torch import Tensor

from adestim.heads import PhaseOne, fit_phase_one, inner_folds
from adestim.tokens import TokenTable
from adestim.training import class_losses

__all__ = ["Classification", "Task"]

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
    ) -> tuple[Any, np.ndarray]:
        """Return the heads of phase 1, and the training subjects' scores by unseen heads."""

    def losses(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return every subject's loss, (n_subjects,)."""

    def labels(self, targets: np.ndarray) -> np.ndarray:
        """Return targets as the user gave them."""


@dataclass(frozen=True, eq=False)
class Classification:
    """Classes, in any number.

    Parameters
    ----------
    classes : ndarray of shape (n_classes,)
        Class labels.
    """

    classes: np.ndarray

    folds = staticmethod(inner_folds)
    losses = staticmethod(class_losses)

    @property
    def n_outputs(self) -> int:
        """Number of classes."""
        return len(self.classes)

    def fit_phase_one(self, tables, targets, weight, folds) -> tuple[PhaseOne, np.ndarray]:
        """Return logistic heads and their cross-validated scores."""
        return fit_phase_one(tables, targets, weight, folds, self.n_outputs)

    def labels(self, targets: np.ndarray) -> np.ndarray:
        """Return class labels."""
        return self.classes[targets]
