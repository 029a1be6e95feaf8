"""Calibration of probabilities: logistic regression of the outcome on their logits."""

from __future__ import annotations

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit, logit

MAX_STEPS = 100
MAX_HALVINGS = 40
# Of Newton's decrement a subject: coefficients are then right to nine digits.
TOLERANCE = 1e-18
# Nearer the maximum than this the likelihood differs by rounding alone, and Newton's step is right.
NEAR = 1e-9


def calibration_slope(y: np.ndarray, log_odds: np.ndarray, weight: np.ndarray) -> float:
    """Return the slope of a logistic regression of ``y`` on log-odds (Cox 1958).

    y (n_subjects,), log_odds (n_subjects,), weight (n_subjects,).
    """
    if not overlap(log_odds[y], log_odds[~y]):
        return np.nan
    scale = log_odds.std()
    design = np.stack([np.ones(len(y)), (log_odds - log_odds.mean()) / scale])
    start = np.array([logit(weight @ y / weight.sum()), 0.0])
    return float(logistic_fit(design, y, weight, start)[1] / scale)


def calibration_intercept(y: np.ndarray, log_odds: np.ndarray, weight: np.ndarray) -> float:
    """Return calibration in the large: what added to log-odds gives the observed frequency.

    y (n_subjects,), log_odds (n_subjects,), weight (n_subjects,).
    """
    if y.all() or not y.any():
        return np.nan
    frequency = weight @ y / weight.sum()

    def excess(shift: float) -> float:
        return weight @ expit(log_odds + shift) / weight.sum() - frequency

    # Beyond these all predictions are below, or above, the frequency; 1 is for rounding.
    low, high = logit(frequency) - log_odds.max() - 1, logit(frequency) - log_odds.min() + 1
    return float(brentq(excess, low, high))


def overlap(first: np.ndarray, second: np.ndarray) -> bool:
    """Return whether two classes overlap; if not, the likelihood has no maximum."""
    if not len(first) or not len(second):
        return False
    return bool(first.min() < second.max() and second.min() < first.max())


def logistic_fit(
    design: np.ndarray, y: np.ndarray, weight: np.ndarray, start: np.ndarray
) -> np.ndarray:
    """Return the coefficients of greatest likelihood by Newton's method, NaN where it fails."""
    beta = start
    # Flat places need an invertible matrix; it alters the path, not where the gradient is zero.
    ridge = 1e-12 * weight.sum() * np.eye(len(start))
    for _ in range(MAX_STEPS):
        p = expit(beta @ design)
        gradient = design @ (weight * (y - p))
        step = np.linalg.solve((design * (weight * p * (1 - p))) @ design.T + ridge, gradient)
        decrement = gradient @ step / weight.sum()
        if decrement <= TOLERANCE:
            return beta
        beta = beta + step if decrement < NEAR else uphill(beta, step, design, y, weight)
    return np.full_like(start, np.nan)


def uphill(
    beta: np.ndarray, step: np.ndarray, design: np.ndarray, y: np.ndarray, weight: np.ndarray
) -> np.ndarray:
    """Go a step, halved until the likelihood does not fall."""
    before = log_likelihood(beta, design, y, weight)
    for share in 0.5 ** np.arange(MAX_HALVINGS):
        if log_likelihood(beta + share * step, design, y, weight) >= before:
            return beta + share * step
    return beta


def log_likelihood(
    beta: np.ndarray, design: np.ndarray, y: np.ndarray, weight: np.ndarray
) -> float:
    """Return the log-likelihood of logistic regression."""
    log_odds = beta @ design
    return weight @ (y * log_odds - np.logaddexp(0, log_odds))
