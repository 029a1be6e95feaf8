"""Thresholds of conformal prediction, one for each pattern of missing modalities."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from adestim.training.scaling import Pattern, pattern_keys, shrinkage_share

# No score is larger: at this threshold every class is in every set.
LARGEST_SCORE = 1.0


@dataclass(frozen=True, eq=False)
class PatternThresholds:
    """Largest scores of classes in a set, by pattern of missing modalities and by class."""

    common: np.ndarray  # (n_classes,); those of patterns that were not seen
    # (n_classes,); those of the patterns, shrunk towards the common ones
    by_pattern: Mapping[Pattern, np.ndarray]

    @classmethod
    def fit(cls, scores, targets, weight, present, alpha, shrinkage, by_class) -> PatternThresholds:
        """Learn thresholds from subjects that the classifier was not trained on.

        scores (n_subjects, n_classes), targets (n_subjects,), weight (n_subjects,), present
        (n_subjects, n_modalities).
        """
        own, n_classes = scores[np.arange(len(targets)), targets], scores.shape[1]
        members = [targets == label if by_class else targets >= 0 for label in range(n_classes)]
        common = np.array([conformal_quantile(own[m], weight[m], alpha) for m in members])
        by_pattern = {}
        for pattern, rows in pattern_keys(present).items():
            places = [rows[member[rows]] for member in members]
            found = [conformal_quantile(own[each], weight[each], alpha) for each in places]
            share = np.array([shrinkage_share(weight[each], shrinkage) for each in places])
            # In this form equal thresholds stay what they are, to the last digit.
            by_pattern[pattern] = common + share * (np.array(found) - common)
        return cls(common, by_pattern)

    def of(self, present: np.ndarray) -> np.ndarray:
        """Return every subject's thresholds, (n_subjects, n_classes)."""
        thresholds = np.empty((len(present), len(self.common)))
        for pattern, rows in pattern_keys(present).items():
            thresholds[rows] = self.by_pattern.get(pattern, self.common)
        return thresholds


def nonconformity(probabilities: np.ndarray, kind: str) -> np.ndarray:
    """Return how little every class fits a subject.

    probabilities (n_subjects, n_classes) -> (n_subjects, n_classes).
    """
    if kind == "lac":
        return np.clip(1 - probabilities, 0, LARGEST_SCORE)
    at_least = probabilities[:, None, :] >= probabilities[:, :, None]
    return np.minimum((probabilities[:, None, :] * at_least).sum(axis=2), LARGEST_SCORE)


def conformal_quantile(scores: np.ndarray, weight: np.ndarray, alpha: float) -> float:
    """Return the score that a new subject's exceeds with a probability of ``alpha`` at most.

    With weights of 1 it is the k-th smallest of n, k being (n + 1)(1 - alpha) rounded up; with
    others, a subject counts as often as its weight says, and the new one once.

    scores (n_subjects,), weight (n_subjects,).

    R. J. Tibshirani, R. Foygel Barber, E. J. Candès and A. Ramdas, "Conformal Prediction Under
    Covariate Shift", NeurIPS 2019 (weights).
    """
    if not len(scores):
        return LARGEST_SCORE
    order = np.argsort(scores, kind="stable")
    reached = np.cumsum(weight[order]) / (weight.sum() + 1)
    # Rounding of the sums must not cost a rank.
    place = np.searchsorted(reached, 1 - alpha - 1e-12)
    return float(scores[order[place]]) if place < len(scores) else LARGEST_SCORE
