"""How the predictions of several anchors become one, whoever lacks which of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
import torch
from scipy.special import log_softmax, softmax, xlogy

from adestim.training.net import Losses
from adestim.training.phase_one.logistic import fit_logistic

SMALLEST_PROBABILITY = 1e-12
# Log-odds have a scale of their own, so scikit-learn's default penalty suits any number of rows.
STACKING_PENALTY = 1.0


class Validated(NamedTuple):
    """What the anchors' nets say of subjects whose outcome they were not fitted to."""

    outputs: np.ndarray  # (n_subjects, n_anchors, n_outputs); the nets' outputs
    present: np.ndarray  # (n_subjects, n_anchors); which anchors a subject has
    targets: np.ndarray  # (n_subjects,); classes as integers from 0, or numbers
    weight: np.ndarray  # (n_subjects,); weights of the subjects

    def take(self, rows: np.ndarray) -> Validated:
        """Return the same of some of the subjects."""
        return Validated(*(each[rows] for each in self))


class Aggregation(Protocol):
    """A rule that combines the predictions of several anchors."""

    def combine(self, values: np.ndarray, present: np.ndarray) -> np.ndarray:
        """Return one prediction a subject.

        values (n_subjects, n_anchors, n_values), present (n_subjects, n_anchors) -> (n_subjects,
        n_values).
        """


@dataclass(frozen=True)
class Mean:
    """The mean over the anchors that a subject has."""

    def combine(self, values: np.ndarray, present: np.ndarray) -> np.ndarray:
        """Return means (n_subjects, n_values)."""
        return average_weighted(values, np.ones(present.shape), present)


@dataclass(frozen=True)
class ByConfidence:
    """The mean, an anchor counting the more the surer it is of the subject.

    The weight is one minus the entropy of the anchor's probabilities, as a share of the largest
    possible one.
    """

    def combine(self, values: np.ndarray, present: np.ndarray) -> np.ndarray:
        """Return weighted means (n_subjects, n_classes)."""
        entropy = -xlogy(values, values).sum(axis=2) / np.log(values.shape[2])
        return average_weighted(values, np.maximum(1 - entropy, 0), present)


@dataclass(frozen=True, eq=False)
class BySkill:
    """The mean, an anchor counting as much as it was better than knowing nothing."""

    # (n_anchors,); weights, at least 0; who has only anchors of weight 0 gets their plain mean
    skill: np.ndarray

    @classmethod
    def learn(
        cls, losses: np.ndarray, reference: np.ndarray, present: np.ndarray, weight: np.ndarray
    ) -> BySkill:
        """Weigh anchors by how far their loss lies below a reference.

        losses (n_subjects, n_anchors), reference (n_subjects,), present (n_subjects, n_anchors),
        weight (n_subjects,).
        """
        having = present * weight[:, None]
        total = having.sum(axis=0)
        gain = (having * (reference[:, None] - losses)).sum(axis=0)
        skill = np.maximum(gain / np.where(total > 0, total, 1), 0)
        unknown = total == 0
        skill[unknown] = skill[~unknown].mean() if not unknown.all() else 1.0
        return cls(skill)

    def combine(self, values: np.ndarray, present: np.ndarray) -> np.ndarray:
        """Return weighted means (n_subjects, n_values)."""
        return average_weighted(values, np.broadcast_to(self.skill, present.shape), present)


@dataclass(frozen=True, eq=False)
class Stacked:
    """Logistic regression on the anchors' log-odds, those of an absent anchor being 0.

    D. H. Wolpert, "Stacked generalization", Neural Networks 5, 1992.
    """

    # (n_anchors * (n_classes - 1), n_classes - 1); weights, as log-odds against class 0
    coef: np.ndarray
    intercept: np.ndarray  # (n_classes - 1,)

    @classmethod
    def learn(cls, probabilities, present, targets, weight) -> Stacked:
        """Fit to anchors' probabilities of subjects that they were not trained on.

        probabilities (n_subjects, n_anchors, n_classes), present (n_subjects, n_anchors), targets
        (n_subjects,), weight (n_subjects,).
        """
        features = stacking_features(probabilities, present)
        n_classes = probabilities.shape[2]
        return cls(*fit_logistic(features, targets, weight, STACKING_PENALTY, n_classes))

    def combine(self, values: np.ndarray, present: np.ndarray) -> np.ndarray:
        """Return probabilities (n_subjects, n_classes)."""
        odds = stacking_features(values, present) @ self.coef + self.intercept
        return softmax(np.pad(odds, ((0, 0), (1, 0))), axis=1)


def weigh_by_log_loss(unseen: Validated, frequencies: np.ndarray) -> BySkill:
    """Weigh anchors by their log-loss, beside that of the class frequencies.

    frequencies (n_classes,).
    """
    rows = np.arange(len(unseen.targets))
    losses = -log_softmax(unseen.outputs, axis=2)[rows, :, unseen.targets]
    reference = -np.log(np.maximum(frequencies, SMALLEST_PROBABILITY))[unseen.targets]
    return BySkill.learn(losses, reference, unseen.present, unseen.weight)


def weigh_by_error(unseen: Validated, losses: Losses) -> BySkill:
    """Weigh anchors by their loss, beside that of the training mean, which is 0 here."""
    targets = torch.from_numpy(unseen.targets)
    by_anchor = [
        losses(torch.from_numpy(outputs), targets).numpy()
        for outputs in np.moveaxis(unseen.outputs, 1, 0)
    ]
    reference = losses(torch.zeros(len(targets), 1, dtype=targets.dtype), targets).numpy()
    return BySkill.learn(np.stack(by_anchor, 1), reference, unseen.present, unseen.weight)


def average_weighted(values: np.ndarray, weight: np.ndarray, present: np.ndarray) -> np.ndarray:
    """Return means over the anchors that count, equal ones where all weights are 0."""
    counted = count_anchors(present)
    shares = weight * counted
    shares = np.where(shares.sum(axis=1, keepdims=True) > 0, shares, counted)
    shares = shares / shares.sum(axis=1, keepdims=True)
    return np.einsum("nak,na->nk", values, shares)


def count_anchors(present: np.ndarray) -> np.ndarray:
    """Return 1.0 for anchors that judge a subject: those it has, or all where it has none."""
    return np.where(present.any(axis=1, keepdims=True), present, True).astype(float)


def stacking_features(probabilities: np.ndarray, present: np.ndarray) -> np.ndarray:
    """Return the anchors' log-odds side by side, 0 where an anchor does not judge."""
    odds = log_odds(probabilities) * count_anchors(present)[:, :, None]
    return odds.reshape(len(odds), -1)


def log_odds(probabilities: np.ndarray) -> np.ndarray:
    """Return log-odds against class 0; the last axis is shorter by one."""
    logs = np.log(np.maximum(probabilities, SMALLEST_PROBABILITY))
    return logs[..., 1:] - logs[..., :1]


def add_class_zero(odds: np.ndarray) -> np.ndarray:
    """Return log-odds against class 0 with that class's own zero before them."""
    return np.pad(odds, ((0, 0),) * (odds.ndim - 1) + ((1, 0),))


def to_probabilities(odds: np.ndarray) -> np.ndarray:
    """Return the probabilities of all classes from log-odds against class 0."""
    return softmax(add_class_zero(odds), axis=-1)
