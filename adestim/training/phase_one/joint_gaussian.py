"""Combination of the phase-1 predictions of a number, whatever modality is missing.

Target and scores are taken as jointly Gaussian. The best prediction from the modalities that a
subject has is then the conditional expectation of the target; a missing modality is integrated out
by leaving its row and column out, so every pattern of missing modalities has its own exact
rule and none needs imputation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from adestim.training.phase_one.covariance import (
    average_known,
    flatten,
    pairwise_covariance,
    shrink_covariance,
)

# Shares of the correlations that are taken away; the one that serves held-out subjects best.
SHRINKAGES = (0.02, 0.05, 0.1, 0.2, 0.4)
DEFAULT_SHRINKAGE = 0.1


@dataclass(frozen=True, eq=False)
class ConditionalGaussian:
    """Joint Gaussian of a target and of scores of which any may be missing.

    T. W. Anderson, "An Introduction to Multivariate Statistical Analysis", Wiley 2003, section 2.5
    (conditional expectation). O. Ledoit and M. Wolf, "A well-conditioned estimator for
    large-dimensional covariance matrices", Journal of Multivariate Analysis 88, 2004 (shrinkage,
    the amount of which is chosen by cross-validation here).
    """

    mean: np.ndarray  # (1 + n_modalities * n_scores,); means of the target and of the scores
    # (1 + n_modalities * n_scores, 1 + n_modalities * n_scores); their covariance, correlations
    # shrunk towards zero
    covariance: np.ndarray

    @classmethod
    def fit(
        cls,
        scores: np.ndarray,
        present: np.ndarray,
        targets: np.ndarray,
        weight: np.ndarray,
        shrinkage: float = DEFAULT_SHRINKAGE,
    ) -> ConditionalGaussian:
        """Estimate means and covariance from what is present together.

        scores (n_subjects, n_modalities, n_scores), present (n_subjects, n_modalities), targets
        (n_subjects,), weight (n_subjects,).
        """
        flat, known = flatten(scores, present)
        flat = np.column_stack([targets, flat])
        known = np.column_stack([np.ones(len(targets), dtype=bool), known])
        mean = average_known(flat, known, weight)
        residual = np.where(known, flat - mean, 0)
        return cls(mean, shrink_covariance(pairwise_covariance(residual, known, weight), shrinkage))

    def odds(self, scores: np.ndarray, present: np.ndarray) -> np.ndarray:
        """Return the expectation as one column; the name is that of the classes' twin."""
        return self.expectation(scores, present)[:, None]

    def expectation(self, scores: np.ndarray, present: np.ndarray) -> np.ndarray:
        """Return the target's expectation given what is known of a subject.

        scores (n_subjects, n_modalities, n_scores), present (n_subjects, n_modalities) ->
        (n_subjects,).
        """
        flat, known = flatten(scores, present)
        expected = np.full(len(flat), self.mean[0])
        patterns, pattern_of = np.unique(known, axis=0, return_inverse=True)
        for number, pattern in enumerate(patterns):
            places = 1 + np.flatnonzero(pattern)
            rows = np.flatnonzero(pattern_of.ravel() == number)
            centred = flat[np.ix_(rows, places - 1)] - self.mean[places]
            expected[rows] += centred @ self._slopes(places)
        return expected

    def _slopes(self, places):
        """Return the slopes of the target's regression on some scores."""
        own = self.covariance[np.ix_(places, places)]
        return np.linalg.solve(own, self.covariance[places, 0])


def choose_conditional(
    scores: np.ndarray,
    present: np.ndarray,
    targets: np.ndarray,
    weight: np.ndarray,
    folds: Sequence[tuple[np.ndarray, np.ndarray]],
) -> ConditionalGaussian:
    """Fit the joint Gaussian, its shrinkage chosen by squared error over the folds.

    scores (n_subjects, n_modalities, n_scores), present (n_subjects, n_modalities), targets
    (n_subjects,), weight (n_subjects,).
    """
    if not folds:
        return ConditionalGaussian.fit(scores, present, targets, weight)
    losses = [
        measure_gaussian_loss(scores, present, targets, weight, folds, each) for each in SHRINKAGES
    ]
    best = SHRINKAGES[int(np.argmin(losses))]
    return ConditionalGaussian.fit(scores, present, targets, weight, best)


def measure_gaussian_loss(scores, present, targets, weight, folds, shrinkage) -> float:
    """Return the weighted squared error over the validation parts of the folds."""
    total = 0.0
    for train, test in folds:
        model = ConditionalGaussian.fit(
            scores[train], present[train], targets[train], weight[train], shrinkage
        )
        error = targets[test] - model.expectation(scores[test], present[test])
        total += float(weight[test] @ error**2)
    return total
