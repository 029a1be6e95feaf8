"""Draw subjects from the model: diagnosis, subtype, covariates, low-dimensional measurements.

Given diagnosis, subtype, gate and education, the measurements are jointly normal. That makes
the posterior of the diagnosis a finite sum, which ``oracle.py`` evaluates.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import betabinom

from adestim.datasets.simulation.tasks import (
    AGE_SLOPE,
    APOE,
    APOE_CARRIER,
    CONTROL_AGE_SD,
    EDUCATION_RANGE,
    EDUCATION_SLOPE,
    FACTORS,
    MEASURES,
    REFERENCE_AGE,
    REFERENCE_EDUCATION,
    Group,
    Subtype,
    Task,
)


@dataclass(frozen=True, eq=False)
class Latent:
    """What is true of every subject, and what an ideal reader measures."""

    y: np.ndarray  # (n_subjects,); 0 or 1: which of the task's two groups
    subtype: np.ndarray  # (n_subjects,); place in the group's subtypes
    education: np.ndarray  # (n_subjects,)
    female: np.ndarray  # (n_subjects,)
    family_history: np.ndarray
    gate: np.ndarray
    apoe: np.ndarray  # (n_subjects,); place in ``APOE``
    # (n_subjects, n_measures); age in years, the others in standard deviations of controls; order
    # of ``MEASURES``
    measures: np.ndarray
    # (n_subjects,); standard normal within each group; what the diagnostic scores follow
    severity: np.ndarray

    def measure(self, name: str) -> np.ndarray:
        """Return one measurement of everybody, shape (n_subjects,)."""
        return self.measures[:, MEASURES.index(name)]

    def apoe_names(self) -> np.ndarray:
        """Return everybody's APOE genotype as text, shape (n_subjects,)."""
        return np.array(APOE)[self.apoe]


def beta_binomial(low: float, high: float, step: float, mean: float, sd: float):
    """Return the beta-binomial of given mean and SD on the grid ``low, low + step, ..., high``."""
    n = round((high - low) / step)
    share = (mean - low) / (high - low)
    binomial = n * share * (1 - share)
    excess = (sd / step) ** 2 / binomial
    overlap = min(max((excess - 1) / max(n - 1, 1), 1e-6), 1 - 1e-6)
    total = 1 / overlap - 1
    grid = np.arange(n + 1)
    probabilities = betabinom.pmf(grid, n, share * total, (1 - share) * total)
    return low + step * grid, probabilities / probabilities.sum()


def education_probabilities(group: Group) -> tuple[np.ndarray, np.ndarray]:
    """Return the years of education and their probabilities in a group."""
    return beta_binomial(*EDUCATION_RANGE, 1, *group.education)


def as_vector(values) -> np.ndarray:
    """Lay a mapping out in the order of ``MEASURES``; zero where it says nothing."""
    return np.array([values.get(name, 0.0) for name in MEASURES])


def compute_mean_measures(
    group: Group, subtype: Subtype, gate: np.ndarray, education: np.ndarray
) -> np.ndarray:
    """Return the mean of the measurements, shape (n, n_measures); inputs broadcast."""
    centre, spread = REFERENCE_EDUCATION
    years = ((np.asarray(education, dtype=float) - centre) / spread)[..., None]
    gated = np.asarray(gate, dtype=float)[..., None]
    ageing = (group.age[0] - REFERENCE_AGE) * as_vector(AGE_SLOPE)
    mean = as_vector(subtype.shift) + ageing + gated * as_vector(subtype.by_gate)
    mean = mean + years * (as_vector(EDUCATION_SLOPE) + as_vector(subtype.by_education))
    mean[..., MEASURES.index("age")] = group.age[0]
    return mean


def compute_covariance(group: Group) -> np.ndarray:
    """Return the covariance of the measurements, shape (n_measures, n_measures).

    Ageing, one structural factor, reserve and arousal are shared; the rest is each measure's
    own, such that a control's total variance is one.
    """
    shared = np.array([as_vector(factor) for factor in FACTORS])
    slope = as_vector(AGE_SLOPE)
    own = 1 - (slope * CONTROL_AGE_SD) ** 2 - (shared**2).sum(axis=0)
    slope[MEASURES.index("age")] = 1.0
    own[MEASURES.index("age")] = 0.0
    return np.diag(own) + shared.T @ shared + group.age[1] ** 2 * np.outer(slope, slope)


def draw_latent(task: Task, n_subjects: int, random_state: np.random.Generator) -> Latent:
    """Draw subjects; both groups are there, in the proportions of the task."""
    y = draw_classes(task, n_subjects, random_state)
    parts = [
        draw_group(task, group, int((y == place).sum()), random_state)
        for place, group in enumerate(task.groups)
    ]
    order = np.argsort(np.argsort(y, kind="stable"), kind="stable")
    drawn = {name: np.concatenate([part[name] for part in parts])[order] for name in parts[0]}
    return Latent(y=y, **drawn)


def draw_classes(task: Task, n_subjects: int, random_state: np.random.Generator) -> np.ndarray:
    """Return shuffled labels 0 and 1, at least two of each."""
    n_second = round(task.groups[1].share * n_subjects)
    n_second = min(max(n_second, 2), n_subjects - 2)
    return random_state.permutation(np.repeat([0, 1], [n_subjects - n_second, n_second]))


def draw_group(task: Task, group: Group, n: int, random_state: np.random.Generator) -> dict:
    """Draw the members of one group, as columns."""
    apoe = random_state.choice(len(APOE), size=n, p=group.apoe_probabilities)
    carrier = APOE_CARRIER[apoe]
    gate = carrier if task.gate == "apoe4" else random_state.random(n) < group.gate_rate
    education = random_state.choice(
        education_probabilities(group)[0], size=n, p=education_probabilities(group)[1]
    )
    subtype = draw_subtypes(group, gate, random_state)
    measures, severity = draw_measures(group, subtype, gate, education, random_state)
    return {
        "subtype": subtype,
        "education": education.astype(int),
        "female": random_state.random(n) < group.female,
        "family_history": random_state.random(n) < group.family_history,
        "gate": gate,
        "apoe": apoe,
        "measures": measures,
        "severity": severity,
    }


def draw_subtypes(group: Group, gate: np.ndarray, random_state: np.random.Generator) -> np.ndarray:
    """Draw a subtype for everybody, given the gate."""
    rates = np.array([subtype.rates for subtype in group.subtypes])
    bounds = np.cumsum(rates, axis=0)[:, gate.astype(int)]
    return (random_state.random(len(gate)) > bounds[:-1]).sum(axis=0)


def draw_measures(
    group: Group,
    subtype: np.ndarray,
    gate: np.ndarray,
    education: np.ndarray,
    random_state: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Draw the measurements, and how severe each member's disease is within the group."""
    root = np.linalg.cholesky(compute_covariance(group))
    noise = random_state.standard_normal((len(gate), len(MEASURES))) @ root.T
    means = np.array(
        [compute_mean_measures(group, kind, gate, education) for kind in group.subtypes]
    )
    measures = means[subtype, np.arange(len(gate))] + noise
    burden = (
        noise
        @ SEVERITY_WEIGHTS
        / np.sqrt(SEVERITY_WEIGHTS @ compute_covariance(group) @ SEVERITY_WEIGHTS)
    )
    return measures, burden


SEVERITY_WEIGHTS = as_vector({"hippocampus": -1.0, "temporoparietal": -1.0, "dmn": -0.7})
