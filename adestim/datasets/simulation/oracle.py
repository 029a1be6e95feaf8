"""The Bayes-optimal probability of the diagnosis, computed exactly."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from scipy.linalg import solve_triangular
from scipy.special import logsumexp

from adestim.datasets.simulation.latent import (
    Latent,
    compute_covariance,
    compute_mean_measures,
    education_probabilities,
)
from adestim.datasets.simulation.tasks import APOE_CARRIER, BLOCK_OF, MEASURES, Group, Task


@dataclass(frozen=True, eq=False)
class Seen:
    """Which blocks are known of each subject; every field has shape (n_subjects,), dtype bool."""

    smri: np.ndarray
    fmri: np.ndarray
    clinical: np.ndarray
    apoe: np.ndarray
    snps: np.ndarray

    def patterns(self) -> np.ndarray:
        """Return one number a subject, equal for subjects of whom the same is known."""
        gaussian = np.stack([self.smri, self.fmri, self.clinical, self.apoe])
        return (gaussian * np.array([1, 2, 4, 8])[:, None]).sum(axis=0)


def compute_posterior(
    task: Task, latent: Latent, snp_evidence: np.ndarray, seen: Seen
) -> np.ndarray:
    """Return P(second group | everything seen), shape (n_subjects,).

    Summed over the hidden states: subtype; the gate and the education where they are not seen.
    Given these, the measurements are normal, and those missing are left out of the density.

    snp_evidence (n_subjects,).
    """
    odds = np.empty(len(latent.y))
    patterns = seen.patterns()
    for pattern in np.unique(patterns):
        rows = np.flatnonzero(patterns == pattern)
        first, second = (weigh_evidence(task, group, latent, rows, seen) for group in task.groups)
        odds[rows] = second - first
    odds += np.where(seen.snps, snp_evidence, 0.0)
    return 1 / (1 + np.exp(-odds))


def weigh_evidence(
    task: Task, group: Group, latent: Latent, rows: np.ndarray, seen: Seen
) -> np.ndarray:
    """Return log P(group, what is seen) of subjects of whom the same is known."""
    clinical, apoe = bool(seen.clinical[rows[0]]), bool(seen.apoe[rows[0]])
    gate_seen = apoe if task.gate == "apoe4" else clinical
    columns = [
        place for place, name in enumerate(MEASURES) if getattr(seen, BLOCK_OF[name])[rows[0]]
    ]
    total = np.full(len(rows), np.log(group.share))
    if clinical:
        total += log_bernoulli(latent.female[rows], group.female)
        total += log_bernoulli(latent.family_history[rows], group.family_history)
    if apoe and task.gate == "apoe4":
        log_genotype = np.log(group.apoe_probabilities)[latent.apoe[rows]]
        total += log_genotype - log_bernoulli(APOE_CARRIER[latent.apoe[rows]], group.gate_rate)
    gates = list_gate_states(group, latent.gate[rows], gate_seen)
    educations = list_education_states(group, latent.education[rows], clinical)
    states = [
        log_gate
        + log_years
        + log_subtype(kind, gate)
        + log_normal(
            latent.measures[rows][:, columns],
            compute_mean_measures(group, kind, gate, years)[..., columns],
            compute_covariance(group)[np.ix_(columns, columns)],
        )
        for kind, (gate, log_gate), (years, log_years) in product(group.subtypes, gates, educations)
    ]
    return total + logsumexp(states, axis=0)


def list_gate_states(group: Group, gate: np.ndarray, seen: bool) -> list[tuple]:
    """Return what the gate may be, each with its log-probability."""
    if seen:
        return [(gate, log_bernoulli(gate, group.gate_rate))]
    return [
        (np.full(len(gate), value), log_bernoulli(np.array(value), group.gate_rate))
        for value in (False, True)
    ]


def list_education_states(group: Group, education: np.ndarray, seen: bool) -> list[tuple]:
    """Return what the years of education may be, each with its log-probability."""
    years, probabilities = education_probabilities(group)
    with np.errstate(divide="ignore"):
        logs = np.log(probabilities)
    if seen:
        return [(education, logs[education - years[0]])]
    return [(np.full(len(education), value), log) for value, log in zip(years, logs, strict=True)]


def log_subtype(kind, gate: np.ndarray) -> np.ndarray:
    """Return the log-probability of a subtype, given the gate."""
    return np.log(np.where(gate, kind.rates[1], kind.rates[0]))


def log_bernoulli(value: np.ndarray, rate: float) -> np.ndarray:
    """Return the log-probability of a yes or a no."""
    return np.log(np.where(value, rate, 1 - rate))


def log_normal(x: np.ndarray, mean: np.ndarray, cov: np.ndarray) -> np.ndarray:
    """Return the log-density of rows of x, shape (n,); zero where x has no column."""
    if x.shape[1] == 0:
        return np.zeros(len(x))
    root = np.linalg.cholesky(cov)
    scaled = solve_triangular(root, (x - mean).T, lower=True)
    log_volume = np.log(np.diag(root)).sum() + 0.5 * len(root) * np.log(2 * np.pi)
    return -0.5 * (scaled**2).sum(axis=0) - log_volume
