"""Logistic regressions of the same rows under many penalties, solved together.

All of them read one matrix, so that a step of all costs little more than a step of one: Newton's
method, its steps found by conjugate gradients (S. G. Nash, "A survey of truncated-Newton methods",
Journal of Computational and Applied Mathematics 124, 2000). Regressions that have converged drop
out.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import expit, logsumexp, softmax

# Largest slope of the mean loss at the end, as scikit-learn's ``LogisticRegression`` has it.
TOLERANCE = 1e-4
MAX_STEPS, MAX_INNER_STEPS, MAX_HALVINGS = 50, 40, 12
# How far a step's equation is solved, as a share of its right side.
INNER_TOLERANCE = 0.1


class Batch(NamedTuple):
    """Regressions that differ in the factors of columns and in the penalty."""

    columns: np.ndarray  # (n_rows, 1 + n_features); the first is of ones
    factors: np.ndarray  # (1 + n_features, n_fits, 1); what columns are multiplied by
    ridge: np.ndarray  # (1 + n_features, n_fits, 1); strength of the penalty, 0 for the first
    targets: np.ndarray  # (n_rows, 1, n_logits); 1 where the row is of the logit's class
    weight: np.ndarray  # (n_rows, 1, 1)

    def take(self, places: np.ndarray) -> Batch:
        """Return some of the regressions."""
        return self._replace(factors=self.factors[:, places], ridge=self.ridge[:, places])

    def project(self, coef: np.ndarray) -> np.ndarray:
        """Return logits: coef (1 + n_features, n_fits, n_logits) -> (n_rows, n_fits, n_logits)."""
        moved = (self.factors * coef).reshape(len(coef), -1)
        return (self.columns @ moved).reshape(len(self.columns), *coef.shape[1:])

    def collect(self, values: np.ndarray) -> np.ndarray:
        """Return weighted sums over rows, the transpose of ``project``."""
        flat = (self.weight * values).reshape(len(values), -1)
        sums = self.columns.T @ flat
        return self.factors * sums.reshape(len(sums), *values.shape[1:])

    def losses(self, coef: np.ndarray, logits: np.ndarray) -> np.ndarray:
        """Return what is minimised, (n_fits,)."""
        if logits.shape[2] == 1:
            by_row = np.logaddexp(0, logits) - self.targets * logits
        else:
            by_row = logsumexp(logits, axis=2, keepdims=True) - (self.targets * logits).sum(
                axis=2, keepdims=True
            )
        return (self.weight * by_row).sum(axis=(0, 2)) + (self.ridge * coef**2).sum(axis=(0, 2)) / 2

    def diagonal(self) -> np.ndarray:
        """Return about the curvature along every coefficient, of its shape."""
        share = np.clip((self.weight * self.targets).sum(axis=0) / self.weight.sum(), 0.05, 0.95)
        squares = np.einsum("ij,ij,i->j", self.columns, self.columns, self.weight[:, 0, 0])
        return self.factors**2 * squares[:, None, None] * (share * (1 - share)) + self.ridge


def solve_together(
    features: np.ndarray,
    factors: np.ndarray,
    targets: np.ndarray,
    weight: np.ndarray,
    penalties: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Fit one logistic regression a penalty, on features of which factors multiply the columns.

    One logit is a class against the other, several are those of all classes. Penalties are inverse
    strengths, as ``C`` of scikit-learn; weights are of the multiplied columns.

    features (n_rows, n_features), factors (n_fits, n_features), targets (n_rows, n_logits), weight
    (n_rows,), penalties (n_fits,) -> coef (n_fits, n_features, n_logits), intercept (n_fits,
    n_logits).
    """
    ones = np.ones((len(features), 1))
    strength = np.broadcast_to(1 / np.asarray(penalties), (features.shape[1], len(penalties)))
    batch = Batch(
        columns=np.hstack([ones, features]),
        factors=np.vstack([np.ones(len(penalties)), np.transpose(factors)])[:, :, None],
        ridge=np.vstack([np.zeros(len(penalties)), strength])[:, :, None],
        targets=targets[:, None, :].astype(float),
        weight=weight[:, None, None],
    )
    coef = minimise(batch).transpose(1, 0, 2)
    return coef[:, 1:], coef[:, 0]


def minimise(batch: Batch) -> np.ndarray:
    """Return the coefficients of least loss, (1 + n_features, n_fits, n_logits)."""
    n_logits = batch.targets.shape[2]
    coef = np.zeros((*batch.factors.shape[:2], n_logits))
    logits = np.zeros((len(batch.columns), len(batch.ridge[0]), n_logits))
    diagonal, total = batch.diagonal(), batch.weight.sum()
    left = np.arange(coef.shape[1])
    for _ in range(MAX_STEPS):
        part, own = batch.take(left), logits[:, left]
        probability = softmax(own, axis=2) if n_logits > 1 else expit(own)
        slope = part.collect(probability - batch.targets) + part.ridge * coef[:, left]
        going = np.abs(slope).max(axis=(0, 2)) > TOLERANCE * total
        if not going.any():
            break
        left, part = left[going], part.take(going)
        step = find_step(part, probability[:, going], slope[:, going], diagonal[:, left])
        coef[:, left], logits[:, left] = take_step(part, coef[:, left], logits[:, left], step)
    return coef


def find_step(
    batch: Batch, probability: np.ndarray, slope: np.ndarray, diagonal: np.ndarray
) -> np.ndarray:
    """Return Newton's step, found by conjugate gradients; all arrays of the slope's shape."""
    step, residual = np.zeros_like(slope), -slope
    conditioned = residual / diagonal
    direction, size = conditioned, dot(residual, conditioned)
    goal = INNER_TOLERANCE**2 * size
    for _ in range(MAX_INNER_STEPS):
        bent = bend(batch, probability, direction)
        length = size / np.maximum(dot(direction, bent), 1e-300)
        length = np.where(size > goal, length, 0)[:, None]
        step, residual = step + length * direction, residual - length * bent
        conditioned = residual / diagonal
        before, size = size, np.where(size > goal, dot(residual, conditioned), size)
        if (size <= goal).all():
            break
        direction = conditioned + (size / np.maximum(before, 1e-300))[:, None] * direction
    return step


def bend(batch: Batch, probability: np.ndarray, direction: np.ndarray) -> np.ndarray:
    """Return the curvature's product with a direction."""
    moved = batch.project(direction)
    if probability.shape[2] == 1:
        return batch.collect(probability * (1 - probability) * moved) + batch.ridge * direction
    mean = (probability * moved).sum(axis=2, keepdims=True)
    return batch.collect(probability * (moved - mean)) + batch.ridge * direction


def take_step(
    batch: Batch, coef: np.ndarray, logits: np.ndarray, step: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return coefficients and logits after the step, halved where the whole one leads up."""
    moved, before = batch.project(step), batch.losses(coef, logits)
    length = np.ones((coef.shape[1], 1))
    for _ in range(MAX_HALVINGS):
        after = batch.losses(coef + length * step, logits + length * moved)
        worse = after > before + 1e-12 * np.abs(before)
        if not worse.any():
            break
        length = np.where(worse[:, None], length / 2, length)
    return coef + length * step, logits + length * moved


def dot(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the products of every regression's coefficients, (n_fits,)."""
    return np.einsum("pbs,pbs->b", first, second)
