"""What members of a mixture are worth, by what they say of subjects that they have not seen.

Shares minimise the loss of the weighted sum of the members' outputs. They are drawn to a prior,
which clear evidence leaves: what is estimated on few subjects stays close to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax

# Strength of the prior, in units of loss (nats) a squared difference of logs.
DRAW = 1.0
SHARPNESS_DRAW = 10.0
SMALLEST_SHARE = 0.01
# A member goes where the loss without it is lower by this much. Chosen, as is the draw, on two
# sets of people with AD (CSF proteins, omics), complete and with blocks missing.
MARGIN = 0.5


class Loss(Protocol):
    """What a mixture of outputs (n_subjects, n_outputs) loses."""

    def __call__(self, outputs: np.ndarray) -> tuple[float, np.ndarray]:
        """Return the sum of losses, and its gradient by outputs."""

    def by_subject(self, outputs: np.ndarray) -> np.ndarray:
        """Return every subject's weighted loss (n_subjects,)."""


class Mixture(NamedTuple):
    """A weighing of members."""

    shares: np.ndarray  # (n_members,); at least 0, of sum 1
    sharpness: float = 1.0  # what the weighted sum is multiplied by


class Members(NamedTuple):
    """What members say of subjects."""

    outputs: np.ndarray  # (n_members, n_subjects, n_outputs)
    counts: np.ndarray  # (n_members, n_subjects); whether a member judges a subject
    kinds: np.ndarray  # (n_members, n_members); whether two members are of one kind

    @classmethod
    def of(
        cls,
        outputs: np.ndarray,
        counts: np.ndarray | None = None,
        kinds: np.ndarray | None = None,
    ) -> Members:
        """Return members, by default each of its own kind and judging everybody.

        outputs (n_members, n_subjects, n_outputs), counts (n_members, n_subjects), kinds
        (n_members,).
        """
        kinds = np.arange(len(outputs)) if kinds is None else np.asarray(kinds)
        alike = kinds[:, None] == kinds[None, :]
        counts = np.ones(outputs.shape[:2], dtype=bool) if counts is None else counts
        return cls(outputs, counts | ~(alike @ counts), alike)

    def within(self, shares: np.ndarray) -> np.ndarray:
        """Return every member's share of its kind, by subject, (n_members, n_subjects).

        Where a kind's members of some share do not judge a subject, its others count alike.
        """
        own = shares[:, None] * self.counts
        total = self.kinds @ own
        counted = self.counts / (self.kinds @ self.counts.astype(float))
        return np.where(total > 0, own / np.where(total > 0, total, 1), counted)

    def mix(self, shares: np.ndarray) -> np.ndarray:
        """Return weighted sums (n_subjects, n_outputs)."""
        weight = (self.kinds @ shares)[:, None] * self.within(shares)
        return np.einsum("mn,mnk->nk", weight, self.outputs)

    def slopes(self, shares: np.ndarray, gradient: np.ndarray) -> np.ndarray:
        """Return the slope of a loss by the logs of shares that sum to 1, (n_members,).

        gradient (n_subjects, n_outputs).
        """
        own = self.within(shares)
        by_member = np.einsum("nk,mnk->mn", gradient, self.outputs)
        by_kind = self.kinds @ (own * by_member)
        mixed = (shares[:, None] * by_kind).sum(axis=0)
        whole = (self.kinds @ shares)[:, None]
        moved = shares[:, None] * (by_kind - mixed) + whole * own * (by_member - by_kind)
        return moved.sum(axis=1)


def mix_members(
    outputs: np.ndarray,
    mixture: Mixture,
    counts: np.ndarray | None = None,
    kinds: np.ndarray | None = None,
) -> np.ndarray:
    """Return the mixture's outputs (n_subjects, n_outputs) of what members say.

    outputs (n_members, n_subjects, n_outputs), counts (n_members, n_subjects), kinds (n_members,).
    """
    return mixture.sharpness * Members.of(outputs, counts, kinds).mix(mixture.shares)


def choose_shares(
    outputs: np.ndarray,
    loss: Loss,
    prior: np.ndarray | None = None,
    counts: np.ndarray | None = None,
    kinds: np.ndarray | None = None,
    *,
    draw: float = DRAW,
    margin: float = MARGIN,
    sharpness_draw: float | None = None,
) -> Mixture:
    """Return the shares of least loss, drawn to a prior; members that do harm get none.

    The draw alone would leave a share to any member, so that one after the other goes without
    which the loss is lower by ``margin``.

    A member that does not judge a subject leaves its share to the others of its kind; where none
    of a kind does, all do. The sharpness is 1 unless ``sharpness_draw`` is given: how strongly it
    is drawn to that.

    outputs (n_members, n_subjects, n_outputs), prior (n_members,), counts (n_members, n_subjects),
    kinds (n_members,).
    """
    given = np.full(len(outputs), 1.0) if prior is None else np.asarray(prior, dtype=float)
    members, left = Members.of(outputs, counts, kinds), np.arange(len(outputs))
    while True:
        mixture = fit_mixture(members, loss, given[left], draw, sharpness_draw)
        harmful = find_harmful(members, loss, mixture, margin)
        if harmful is None:
            break
        left = np.delete(left, harmful)
        members = Members.of(
            outputs[left],
            None if counts is None else counts[left],
            None if kinds is None else np.asarray(kinds)[left],
        )
    shares = np.zeros(len(outputs))
    shares[left] = drop_small(mixture.shares)
    return Mixture(shares, mixture.sharpness)


def fit_mixture(
    members: Members, loss: Loss, prior: np.ndarray, draw: float, sharpness_draw: float | None
) -> Mixture:
    """Return the weighing of least loss, all shares above 0."""
    start = np.log(prior / prior.sum())

    def measure(values):
        logs, sharpness = values[:-1], np.exp(values[-1])
        shares = softmax(start + logs)
        mixed = sharpness * members.mix(shares)
        total, gradient = loss(mixed)
        slopes = members.slopes(shares, sharpness * gradient) + 2 * draw * logs
        tilt = (gradient * mixed).sum() + 2 * (sharpness_draw or 0) * values[-1]
        penalty = draw * logs @ logs + (sharpness_draw or 0) * values[-1] ** 2
        return total + penalty, np.append(slopes, 0 if sharpness_draw is None else tilt)

    found = minimize(measure, np.zeros(len(prior) + 1), jac=True, method="L-BFGS-B").x
    return Mixture(softmax(start + found[:-1]), float(np.exp(found[-1])))


def find_harmful(members: Members, loss: Loss, mixture: Mixture, margin: float) -> int | None:
    """Return the member without which the loss is lowest, None where it is not lower."""
    if len(mixture.shares) < 2:
        return None
    others = np.where(np.eye(len(mixture.shares), dtype=bool), 0, mixture.shares)
    others /= others.sum(axis=1, keepdims=True)
    without = [loss(mixture.sharpness * members.mix(shares))[0] for shares in others]
    whole = loss(mixture.sharpness * members.mix(mixture.shares))[0]
    worst = int(np.argmin(without))
    return worst if without[worst] < whole - margin else None


def drop_small(shares: np.ndarray) -> np.ndarray:
    """Return shares of which small ones are 0, of sum 1."""
    kept = np.where(shares < min(SMALLEST_SHARE, shares.max()), 0, shares)
    return kept / kept.sum()


@dataclass(frozen=True, eq=False)
class ClassLoss:
    """The log-loss of log-odds against class 0."""

    y: np.ndarray  # (n_subjects,); classes as integers from 0
    weight: np.ndarray  # (n_subjects,); of mean 1

    def __call__(self, outputs: np.ndarray) -> tuple[float, np.ndarray]:
        """Return the sum of losses, and its gradient by outputs (n_subjects, n_outputs)."""
        rows, logs = np.arange(len(self.y)), self._logs(outputs)
        gradient = np.exp(logs)
        gradient[rows, self.y] -= 1
        return -(self.weight @ logs[rows, self.y]), (self.weight[:, None] * gradient)[:, 1:]

    def by_subject(self, outputs: np.ndarray) -> np.ndarray:
        """Return every subject's weighted loss (n_subjects,)."""
        return -self.weight * self._logs(outputs)[np.arange(len(self.y)), self.y]

    def _logs(self, outputs: np.ndarray) -> np.ndarray:
        """Return logs of probabilities (n_subjects, n_classes)."""
        return log_softmax(np.pad(outputs, ((0, 0), (1, 0))), axis=1)


@dataclass(frozen=True, eq=False)
class NumberLoss:
    """The loss of a Gaussian of a given variance."""

    y: np.ndarray  # (n_subjects,)
    weight: np.ndarray  # (n_subjects,); of mean 1
    variance: float

    def __call__(self, outputs: np.ndarray) -> tuple[float, np.ndarray]:
        """Return the sum of losses, and its gradient by outputs (n_subjects, 1)."""
        error = outputs - self.y[:, None]
        scaled = self.weight[:, None] * error / self.variance
        return float((scaled * error).sum() / 2), scaled

    def by_subject(self, outputs: np.ndarray) -> np.ndarray:
        """Return every subject's weighted loss (n_subjects,)."""
        return self.weight * (outputs[:, 0] - self.y) ** 2 / self.variance / 2


def class_loss(y: np.ndarray, weight: np.ndarray) -> ClassLoss:
    """Return the log-loss of log-odds against class 0; weights count relative to their mean.

    y (n_subjects,), weight (n_subjects,).
    """
    return ClassLoss(y, weight / weight.mean())


def number_loss(y: np.ndarray, weight: np.ndarray, variance: float) -> NumberLoss:
    """Return the loss of a Gaussian of a given variance; weights count relative to their mean.

    y (n_subjects,), weight (n_subjects,).
    """
    return NumberLoss(y, weight / weight.mean(), variance)


def residual_variance(
    outputs: np.ndarray, y: np.ndarray, weight: np.ndarray, prior: np.ndarray | None = None
) -> float:
    """Return the mean squared error of the mixture that the prior makes.

    outputs (n_members, n_subjects, 1), y (n_subjects,), weight (n_subjects,), prior (n_members,).
    """
    mixed = np.average(outputs[:, :, 0], axis=0, weights=prior)
    return max(float(np.average((mixed - y) ** 2, weights=weight)), 1e-12)
