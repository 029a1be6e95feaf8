"""Penalised regressions of hazards: one line of columns shifts the log-odds of all intervals."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.special import expit

from adestim.training.phase_one.hazard_loss import PRIOR_EVENTS, Periods

MAX_STEPS, MAX_HALVINGS = 50, 12
TOLERANCE = 1e-6


class HazardRegression(NamedTuple):
    """One regression under one penalty."""

    features: np.ndarray  # (n_subjects, n_features); multiplied by their factors
    periods: Periods
    weight: np.ndarray  # (n_subjects,)
    penalty: float  # inverse strength, as ``C`` of scikit-learn
    baseline: np.ndarray  # (n_intervals,); log-odds to which each interval's are drawn

    def odds(self, values: np.ndarray) -> np.ndarray:
        """Return log-odds (n_subjects, n_intervals) of weights and intercepts, one after another.

        values (n_features + n_intervals,).
        """
        coef, intercept = np.split(values, [self.features.shape[1]])
        return (self.features @ coef)[:, None] + intercept

    def loss(self, values: np.ndarray) -> float:
        """Return what is minimised."""
        coef, intercept = np.split(values, [self.features.shape[1]])
        own = self.weight @ self.periods.losses(self.odds(values))
        drawn = np.logaddexp(0, intercept) - expit(self.baseline) * intercept
        return float(own + coef @ coef / 2 / self.penalty + self.prior * drawn.sum())

    @property
    def prior(self) -> float:
        """How many intervals lived at the baseline's hazard every interval has beside."""
        return PRIOR_EVENTS * float(self.weight.mean())

    def slope(self, values: np.ndarray) -> np.ndarray:
        """Return the gradient of the loss, of the shape of values."""
        coef, intercept = np.split(values, [self.features.shape[1]])
        own = self.weight[:, None] * self.periods.slopes(self.odds(values))
        drawn = self.prior * (expit(intercept) - expit(self.baseline))
        by_column = own.sum(axis=1) @ self.features + coef / self.penalty
        return np.append(by_column, own.sum(axis=0) + drawn)

    def curvature(self, values: np.ndarray) -> np.ndarray:
        """Return the second derivatives of the loss, a square matrix."""
        intercept = values[self.features.shape[1] :]
        hazard, drawn = expit(self.odds(values)), expit(intercept)
        own = self.weight[:, None] * self.periods.observed * hazard * (1 - hazard)
        by_column = self.features.T @ (self.features * own.sum(axis=1)[:, None])
        by_column += np.eye(len(by_column)) / self.penalty
        crossed = self.features.T @ own
        by_interval = np.diag(own.sum(axis=0) + self.prior * drawn * (1 - drawn))
        return np.block([[by_column, crossed], [crossed.T, by_interval]])


def fit_hazards(
    features: np.ndarray,
    factors: np.ndarray,
    periods: Periods,
    weight: np.ndarray,
    penalties: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Fit one regression of hazards a penalty, on features of which factors multiply the columns.

    features (n_subjects, n_features), factors (n_fits, n_features), weight (n_subjects,),
    penalties (n_fits,) -> coef (n_fits, n_features), intercept (n_fits, n_intervals).
    """
    baseline, n_features = periods.baseline(weight), features.shape[1]
    values, found = np.append(np.zeros(n_features), baseline), []
    for own, penalty in zip(factors, penalties, strict=True):
        problem = HazardRegression(features * own, periods, weight, float(penalty), baseline)
        # Penalties follow in their order, so that the last answer is near the next.
        values = minimise_hazard_loss(problem, values)
        found.append(values)
    answers = np.array(found)
    return answers[:, :n_features], answers[:, n_features:]


def minimise_hazard_loss(problem: HazardRegression, values: np.ndarray) -> np.ndarray:
    """Return the values of least loss, by Newton's method from some on."""
    loss, goal = problem.loss(values), TOLERANCE * problem.weight.sum()
    for _ in range(MAX_STEPS):
        slope = problem.slope(values)
        if np.abs(slope).max() <= goal:
            break
        step = -cho_solve(cho_factor(problem.curvature(values)), slope)
        for halving in range(MAX_HALVINGS):
            tried = values + step / 2**halving
            reached = problem.loss(tried)
            if reached < loss:
                values, loss = tried, reached
                break
        else:
            break
    return values
