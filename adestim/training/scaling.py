"""Recalibration of probabilities by a temperature and a bias, one for each missing pattern."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax

SMALLEST_PROBABILITY = 1e-12
# Of the inverse temperature: beyond these, probabilities are certain or flat whatever it is.
SHARPNESS_BOUNDS = (0.05, 20.0)

Pattern = tuple[bool, ...]


@dataclass(frozen=True, eq=False)
class Scaling:
    """Logits divided by a temperature, plus a bias for every class.

    C. Guo, G. Pleiss, Y. Sun and K. Q. Weinberger, "On Calibration of Modern Neural Networks",
    ICML 2017 (the temperature). J. C. Platt, "Probabilistic Outputs for Support Vector Machines",
    1999 (with a bias, two classes). A. Alexandari, A. Kundaje and A. Shrikumar, "Maximum
    Likelihood with Bias-Corrected Calibration is Hard-To-Beat at Label Shift Adaptation",
    ICML 2020 (with a bias, any number of classes).
    """

    log_temperature: float  # log of the temperature; 0 changes nothing
    bias: np.ndarray  # (n_classes,); what is added to the logits

    @classmethod
    def fit(
        cls, probabilities: np.ndarray, targets: np.ndarray, weight: np.ndarray, with_bias: bool
    ) -> Scaling:
        """Fit by log-loss, with the weight of about one subject on changing nothing.

        Without that, subjects of a single class, or all judged rightly, have no finite answer.

        probabilities (n_subjects, n_classes), targets (n_subjects,), weight (n_subjects,).
        """
        n_classes = probabilities.shape[1]
        n_biases = n_classes - 1 if with_bias else 0
        problem = (logits_of(probabilities), targets, weight)
        bounds = [SHARPNESS_BOUNDS, *[(None, None)] * n_biases]
        start = np.array([1.0, *[0.0] * n_biases])
        found = minimize(
            compute_penalised_loss, start, problem, "L-BFGS-B", jac=True, bounds=bounds
        ).x
        return cls(-np.log(found[0]), bias_of(found, n_classes))

    def apply(self, probabilities: np.ndarray) -> np.ndarray:
        """Return recalibrated probabilities, shape (n_subjects, n_classes)."""
        sharpness = np.exp(-self.log_temperature)
        return softmax(sharpness * logits_of(probabilities) + self.bias, axis=1)

    def shrink_to(self, common: Scaling, share: float) -> Scaling:
        """Return a mixture of this scaling and a common one, ``share`` being this one's."""
        return Scaling(
            share * self.log_temperature + (1 - share) * common.log_temperature,
            share * self.bias + (1 - share) * common.bias,
        )


@dataclass(frozen=True, eq=False)
class PatternScaling:
    """A scaling for every pattern of missing modalities, and a common one for patterns not seen."""

    common: Scaling  # fitted to all subjects
    by_pattern: Mapping[Pattern, Scaling]  # those of the patterns, shrunk towards the common one

    @classmethod
    def fit(cls, probabilities, targets, weight, present, with_bias, shrinkage) -> PatternScaling:
        """Fit the common scaling and those of the patterns.

        probabilities (n_subjects, n_classes), targets (n_subjects,), weight (n_subjects,), present
        (n_subjects, n_modalities).
        """
        common = Scaling.fit(probabilities, targets, weight, with_bias)
        by_pattern = {}
        for pattern, rows in pattern_keys(present).items():
            own = Scaling.fit(probabilities[rows], targets[rows], weight[rows], with_bias)
            by_pattern[pattern] = own.shrink_to(common, shrinkage_share(weight[rows], shrinkage))
        return cls(common, by_pattern)

    def apply(self, probabilities: np.ndarray, present: np.ndarray) -> np.ndarray:
        """Return recalibrated probabilities, shape (n_subjects, n_classes)."""
        scaled = np.empty(probabilities.shape)
        for pattern, rows in pattern_keys(present).items():
            scaled[rows] = self.by_pattern.get(pattern, self.common).apply(probabilities[rows])
        return scaled


def pattern_keys(present: np.ndarray) -> dict[Pattern, np.ndarray]:
    """Return the rows of every pattern of missing modalities.

    present (n_subjects, n_modalities).
    """
    patterns, pattern_of = np.unique(present, axis=0, return_inverse=True)
    return {
        tuple(pattern.tolist()): np.flatnonzero(pattern_of.ravel() == number)
        for number, pattern in enumerate(patterns)
    }


def shrinkage_share(weight: np.ndarray, shrinkage: float) -> float:
    """Return how much the estimate of some subjects counts beside that of all."""
    n_subjects = weight.sum()
    return n_subjects / (n_subjects + shrinkage) if n_subjects else 0.0


def logits_of(probabilities: np.ndarray) -> np.ndarray:
    """Return logs of probabilities, finite ones."""
    return np.log(np.maximum(probabilities, SMALLEST_PROBABILITY))


def bias_of(parameters: np.ndarray, n_classes: int) -> np.ndarray:
    """Return the bias of every class, that of class 0 being 0."""
    bias = np.zeros(n_classes)
    bias[1 : len(parameters)] = parameters[1:]
    return bias


def compute_penalised_loss(
    parameters: np.ndarray, logits: np.ndarray, targets: np.ndarray, weight: np.ndarray
) -> tuple[float, np.ndarray]:
    """Return the log-loss and its gradient by sharpness and biases, a standard normal prior on."""
    change = parameters - np.eye(len(parameters))[0]
    logs = log_softmax(parameters[0] * logits + bias_of(parameters, logits.shape[1]), axis=1)
    truth = np.eye(logits.shape[1])[targets]
    excess = weight[:, None] * (np.exp(logs) - truth)
    gradient = np.array([(excess * logits).sum(), *excess.sum(axis=0)[1 : len(parameters)]])
    loss = -(weight * (logs * truth).sum(axis=1)).sum() + change @ change / 2
    return loss, gradient + change
