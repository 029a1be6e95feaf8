"""What is published about the groups of a cohort, and the model of disease built upon it.

Aggregates only: means, standard deviations and counts of groups. Where nothing is published
(how subtypes depend on the apolipoprotein E genotype and on education) the numbers are
assumptions, chosen so that every single variable separates the groups as it does in the
literature; the tests of this package hold them to that.

References
----------
ADNI aggregates: public summary tables of the ADNIMERGE2 package (all phases, 3032 people).
Hippocampus: Shi et al., Hippocampus 19 (2009) 1055; Tanpitukpongse et al., AJNR 38 (2017) 546.
Parkinson's disease: Laansma et al., Movement Disorders 36 (2021) 2583.
Subtypes: Ferreira et al., Neurology 94 (2020) 436. Body-first and brain-first: Horsager et al.,
Brain 143 (2020) 3077.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

MEASURES = (
    "age",
    "hippocampus",
    "temporoparietal",
    "ventricles",
    "putamen",
    "dmn",
    "somatomotor",
    "frontoparietal",
    "memory_complaint",
    "gds",
)
BLOCK_OF = {
    "age": "clinical",
    "memory_complaint": "clinical",
    "gds": "clinical",
    "hippocampus": "smri",
    "temporoparietal": "smri",
    "ventricles": "smri",
    "putamen": "smri",
    "dmn": "fmri",
    "somatomotor": "fmri",
    "frontoparietal": "fmri",
}
APOE = ("2/2", "2/3", "2/4", "3/3", "3/4", "4/4")
APOE_CARRIER = np.array(["4" in genotype for genotype in APOE])

REFERENCE_AGE = 72.0
REFERENCE_EDUCATION = (16.0, 2.7)
EDUCATION_RANGE = (6, 20)

AGE_SLOPE = {
    "hippocampus": -0.060,
    "temporoparietal": -0.040,
    "ventricles": 0.080,
    "putamen": -0.030,
    "dmn": -0.020,
}
FACTORS: tuple[Mapping[str, float], ...] = (
    {"hippocampus": 0.55, "temporoparietal": 0.60, "ventricles": -0.45, "putamen": 0.35},
    {"dmn": 0.35, "frontoparietal": 0.60, "memory_complaint": -0.30, "gds": -0.20},
    {"dmn": 0.30, "somatomotor": 0.40, "frontoparietal": 0.35},
)
EDUCATION_SLOPE = {"frontoparietal": 0.25, "dmn": 0.15, "memory_complaint": -0.10}
CONTROL_AGE_SD = 7.1


@dataclass(frozen=True)
class Subtype:
    """One form that a group's disease (or health) takes."""

    name: str
    # share of the form among the group's members without and with the gate
    rates: tuple[float, float]
    # mean of the measures, in standard deviations of controls
    shift: Mapping[str, float] = field(default_factory=dict)
    # change of that mean per standard deviation of education
    by_education: Mapping[str, float] = field(default_factory=dict)
    # change of that mean in those with the gate
    by_gate: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Group:
    """One diagnostic group: its label, its published aggregates, its subtypes."""

    label: str
    share: float
    age: tuple[float, float]
    female: float
    education: tuple[float, float]
    apoe: tuple[float, ...]
    family_history: float
    scores: Mapping[str, tuple[float, float]]
    subtypes: tuple[Subtype, ...]
    gate: float | None = None
    snp_effect: float = 0.0

    @property
    def apoe_probabilities(self) -> np.ndarray:
        """Probability of the six genotypes, in the order of ``APOE``."""
        return np.array(self.apoe, dtype=float) / sum(self.apoe)

    @property
    def gate_rate(self) -> float:
        """Share of members with the gate: e4 carriers, unless told otherwise."""
        return (
            float(self.apoe_probabilities[APOE_CARRIER].sum()) if self.gate is None else self.gate
        )


@dataclass(frozen=True)
class Task:
    """Two groups to tell apart."""

    name: str
    groups: tuple[Group, Group]
    gate: str = "apoe4"  # the observed variable upon which the meaning of the images depends
    disease: str = "ad"  # which polygenic effects apply


def tilted(frequencies: tuple[float, ...], per_e4: float) -> tuple[float, ...]:
    """Multiply genotype frequencies by ``per_e4`` for every e4 allele."""
    tilt = np.array([per_e4 ** genotype.count("4") for genotype in APOE])
    weights = np.array(frequencies, dtype=float) * tilt
    return tuple(weights / weights.sum())


def remainder(whole: tuple[float, ...], part: tuple[float, ...], share: float) -> tuple[float, ...]:
    """Return the frequencies that, mixed with ``part`` at its share, make ``whole``."""
    total = np.array(whole, dtype=float) / sum(whole)
    rest = total - share * np.array(part) / sum(part)
    return tuple(rest / rest.sum())
