"""Means and covariances of scores of which any may be missing.

A pair of scores is judged by the subjects who have both, so that nobody is left out and nothing is
imputed; correlations are shrunk, so that what comes of different subjects still is a covariance.
"""

from __future__ import annotations

import numpy as np

SHRINKAGE = 0.1


def flatten(scores: np.ndarray, present: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return scores side by side, 0 where missing, and which of them are known.

    scores (n_subjects, n_modalities, n_scores), present (n_subjects, n_modalities) -> flat
    (n_subjects, n_modalities * n_scores), known (n_subjects, n_modalities * n_scores).
    """
    known = np.repeat(present, scores.shape[2], axis=1)
    return np.where(known, scores.reshape(known.shape), 0), known


def average_known(flat: np.ndarray, known: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Return weighted means of the known scores; 0 where nobody of weight has one.

    flat (n_subjects, n_scores), known (n_subjects, n_scores), weight (n_subjects,) -> (n_scores,).
    """
    total = (known * weight[:, None]).sum(axis=0)
    return (flat * weight[:, None]).sum(axis=0) / np.where(total > 0, total, np.inf)


def pairwise_covariance(
    residual: np.ndarray, known: np.ndarray, weight: np.ndarray, prior: np.ndarray | None = None
) -> np.ndarray:
    """Return the covariance over jointly known pairs; a prior counts as one subject a score.

    residual (n_subjects, n_scores), known (n_subjects, n_scores), weight (n_subjects,), prior
    (n_scores, n_scores) -> (n_scores, n_scores).
    """
    pairs = (known * weight[:, None]).T @ known
    products = (residual * weight[:, None]).T @ residual
    if prior is not None:
        pairs, products = pairs + len(prior), products + len(prior) * prior
    return products / np.maximum(pairs, 1e-12)


def shrink_covariance(covariance: np.ndarray, shrinkage: float = SHRINKAGE) -> np.ndarray:
    """Shrink correlations towards zero, so that pairwise estimates stay positive definite.

    covariance (n_scores, n_scores) -> (n_scores, n_scores).
    """
    deviation = np.sqrt(np.maximum(np.diag(covariance), 1e-6))
    correlation = covariance / np.outer(deviation, deviation)
    correlation = (1 - shrinkage) * correlation + shrinkage * np.eye(len(correlation))
    return positive_definite(correlation, shrinkage) * np.outer(deviation, deviation)


def positive_definite(matrix: np.ndarray, shrinkage: float = SHRINKAGE) -> np.ndarray:
    """Lift small eigenvalues to half the shrinkage, as a share of the diagonal's mean.

    matrix (n, n) -> (n, n).
    """
    values, vectors = np.linalg.eigh(matrix)
    least = shrinkage / 2 * np.trace(matrix) / len(matrix)
    return (vectors * np.maximum(values, least)) @ vectors.T
