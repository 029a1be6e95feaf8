"""Combination of the phase-1 scores of several modalities, whatever is missing.

Scores are taken as Gaussian within each class. A missing modality is then integrated out by leaving
its rows out, so every pattern of missing modalities has its own exact rule and none needs
imputation. Class covariances of their own let two modalities mean more together than apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import log_softmax

from adestim.training.phase_one.covariance import (
    average_known,
    flatten,
    pairwise_covariance,
    positive_definite,
    shrink_covariance,
)

# Shares of the classes' own covariances that are tried; 0 is the linear discriminant.
OWN_SHARES = (0.0, 0.25, 0.5, 0.75)


@dataclass(frozen=True, eq=False)
class PatternDiscriminant:
    """Regularised Gaussian discriminant of scores of which any may be missing.

    J. H. Friedman, "Regularized Discriminant Analysis", Journal of the American Statistical
    Association 84, 1989.
    """

    means: np.ndarray  # (n_classes, n_modalities * n_scores); class means of the scores
    # (n_classes, n_modalities * n_scores, n_modalities * n_scores); class covariances, shrunk
    # towards the pooled one
    covariances: np.ndarray
    log_prior: np.ndarray  # (n_classes,); log of the class frequencies

    @classmethod
    def fit(
        cls,
        scores: np.ndarray,
        present: np.ndarray,
        y: np.ndarray,
        weight: np.ndarray,
        n_classes: int,
        own_share: float,
    ) -> PatternDiscriminant:
        """Estimate means and covariances from the scores that are present together.

        scores (n_subjects, n_modalities, n_scores), present (n_subjects, n_modalities), y
        (n_subjects,), weight (n_subjects,).
        """
        flat, known = flatten(scores, present)
        by_class = [weight * (y == label) for label in range(n_classes)]
        means = np.array([average_known(flat, known, share) for share in by_class])
        residual = np.where(known, flat - means[y], 0)
        pooled = shrink_covariance(pairwise_covariance(residual, known, weight))
        own = [pairwise_covariance(residual, known, share, pooled) for share in by_class]
        covariances = np.array(
            [
                positive_definite((1 - own_share) * pooled + own_share * shrink_covariance(c))
                for c in own
            ]
        )
        frequency = np.array([share.sum() for share in by_class])
        log_prior = np.log(np.maximum(frequency / frequency.sum(), 1e-12))
        return cls(means, covariances, log_prior)

    def odds(self, scores: np.ndarray, present: np.ndarray) -> np.ndarray:
        """Return log-odds of every class against class 0.

        scores (n_subjects, n_modalities, n_scores), present (n_subjects, n_modalities) ->
        (n_subjects, n_classes - 1).
        """
        flat, known = flatten(scores, present)
        log_joint = np.tile(self.log_prior, (len(flat), 1))
        patterns, pattern_of = np.unique(known, axis=0, return_inverse=True)
        for number, pattern in enumerate(patterns):
            places = np.flatnonzero(pattern)
            rows = np.flatnonzero(pattern_of.ravel() == number)
            if len(places):
                log_joint[rows] += self._log_density(flat[np.ix_(rows, places)], places)
        return log_joint[:, 1:] - log_joint[:, :1]

    def _log_density(self, values, places):
        """Return Gaussian log-densities (n_rows, n_classes), up to a constant."""
        density = np.empty((len(values), len(self.means)))
        for label, (mean, covariance) in enumerate(zip(self.means, self.covariances, strict=True)):
            root = np.linalg.cholesky(covariance[np.ix_(places, places)])
            standard = np.linalg.solve(root, (values - mean[places]).T)
            density[:, label] = -0.5 * (standard**2).sum(axis=0) - np.log(np.diag(root)).sum()
        return density


def choose_discriminant(
    scores: np.ndarray,
    present: np.ndarray,
    y: np.ndarray,
    weight: np.ndarray,
    folds: Sequence[tuple[np.ndarray, np.ndarray]],
    n_classes: int,
) -> PatternDiscriminant:
    """Fit the discriminant, the share of own covariances chosen by log-loss over the folds."""
    losses = [
        measure_discriminant_loss(scores, present, y, weight, folds, n_classes, share)
        if folds
        else share
        for share in OWN_SHARES
    ]
    best = OWN_SHARES[int(np.argmin(losses))]
    return PatternDiscriminant.fit(scores, present, y, weight, n_classes, best)


def measure_discriminant_loss(scores, present, y, weight, folds, n_classes, own_share) -> float:
    """Return the weighted log-loss over the validation parts of the folds."""
    total = 0.0
    for train, test in folds:
        model = PatternDiscriminant.fit(
            scores[train], present[train], y[train], weight[train], n_classes, own_share
        )
        odds = np.pad(model.odds(scores[test], present[test]), ((0, 0), (1, 0)))
        total -= (log_softmax(odds, axis=1)[np.arange(len(test)), y[test]] * weight[test]).sum()
    return total
