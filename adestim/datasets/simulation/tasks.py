"""What is published about the groups of a cohort, the model of disease on it, and the four tasks.

Aggregates only: means, standard deviations and counts of groups. Stable and progressive MCI are set
so that their mixture is the published MCI group. Where nothing is published (family history,
depression, complaints, gates; how subtypes depend on the apolipoprotein E genotype and on
education) the numbers are assumptions, chosen so that every single variable separates the groups
as it does in the literature; the tests of this package hold them to that.

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
from dataclasses import dataclass, field, replace

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


def tilt_frequencies(frequencies: tuple[float, ...], per_e4: float) -> tuple[float, ...]:
    """Multiply genotype frequencies by ``per_e4`` for every e4 allele."""
    tilt = np.array([per_e4 ** genotype.count("4") for genotype in APOE])
    weights = np.array(frequencies, dtype=float) * tilt
    return tuple(weights / weights.sum())


def subtract_share(
    whole: tuple[float, ...], part: tuple[float, ...], share: float
) -> tuple[float, ...]:
    """Return the frequencies that, mixed with ``part`` at its share, make ``whole``."""
    total = np.array(whole, dtype=float) / sum(whole)
    rest = total - share * np.array(part) / sum(part)
    return tuple(rest / rest.sum())


CN_APOE = (5, 117, 22, 577, 271, 37)
MCI_APOE = (3, 67, 29, 537, 430, 124)
AD_APOE = (1, 14, 11, 129, 195, 87)
CONVERSION_AT_36_MONTHS = 0.38
CONVERTER_APOE = tilt_frequencies(MCI_APOE, per_e4=1.45)
STABLE_APOE = subtract_share(MCI_APOE, CONVERTER_APOE, CONVERSION_AT_36_MONTHS)


def make_limbic(rates: tuple[float, float], hippocampus: float, **more: float) -> Subtype:
    """Loss of hippocampus, connectivity kept or raised, complaints that follow education."""
    return Subtype(
        "limbic",
        rates,
        {
            "hippocampus": hippocampus,
            "temporoparietal": 0.30 * hippocampus,
            "ventricles": -0.40 * hippocampus,
            "memory_complaint": 0.1,
            "gds": 0.1,
            **more,
        },
        by_education={"hippocampus": 0.2 * hippocampus, "memory_complaint": 0.5},
    )


def make_sparing(rates: tuple[float, float], dmn: float, **more: float) -> Subtype:
    """Loss of connectivity within the default mode network, hippocampus nearly spared."""
    return Subtype(
        "hippocampal-sparing",
        rates,
        {
            "hippocampus": -0.1,
            "temporoparietal": 0.35 * dmn,
            "ventricles": -0.20 * dmn,
            "dmn": dmn,
            "memory_complaint": 0.5,
            "gds": 0.3,
            **more,
        },
        by_education={"memory_complaint": 0.5},
    )


def make_other(rates: tuple[float, float], hippocampus: float, **more: float) -> Subtype:
    """Impairment suspected not to be of the Alzheimer type."""
    return Subtype(
        "suspected non-Alzheimer",
        rates,
        {
            "hippocampus": hippocampus,
            "ventricles": 0.2,
            "memory_complaint": 0.4,
            "gds": 0.4,
            **more,
        },
        by_education={"memory_complaint": 0.3},
    )


NORMAL = Group(
    label="CN",
    share=1215 / (1215 + 477),
    age=(71.0, 7.1),
    female=0.605,
    education=(16.5, 2.6),
    apoe=CN_APOE,
    family_history=0.40,
    scores={
        "mmse": (29.0, 1.2),
        "cdrsb": (0.04, 0.2),
        "adas13": (8.9, 4.4),
        "faq": (0.2, 1.0),
        "moca": (26.0, 2.6),
    },
    subtypes=(Subtype("none", (1.0, 1.0), by_gate={"dmn": 0.35, "memory_complaint": 0.1}),),
)
DEMENTIA = Group(
    label="AD",
    share=477 / (1215 + 477),
    age=(74.6, 8.0),
    female=0.444,
    education=(15.2, 2.9),
    apoe=AD_APOE,
    family_history=0.50,
    scores={
        "mmse": (23.1, 2.3),
        "cdrsb": (4.4, 1.7),
        "adas13": (29.8, 8.2),
        "faq": (13.0, 6.9),
        "moca": (17.5, 4.3),
    },
    subtypes=(
        make_limbic((0.10, 0.45), -2.6, dmn=0.6),
        replace(make_limbic((0.20, 0.45), -2.6, dmn=-0.4, temporoparietal=-1.3), name="typical"),
        make_sparing((0.70, 0.10), -1.5, hippocampus=-0.5),
    ),
    snp_effect=1.0,
)
IMPAIRED = Group(
    label="MCI",
    share=1338 / (1215 + 1338),
    age=(72.4, 7.7),
    female=0.435,
    education=(15.9, 2.8),
    apoe=MCI_APOE,
    family_history=0.45,
    scores={
        "mmse": (27.5, 1.9),
        "cdrsb": (1.5, 1.0),
        "adas13": (16.4, 6.7),
        "faq": (3.2, 4.1),
        "moca": (23.2, 3.1),
    },
    subtypes=(
        make_limbic((0.10, 0.70), -1.75, dmn=0.6),
        make_sparing((0.60, 0.10), -1.2),
        make_other((0.30, 0.20), -0.9),
    ),
    snp_effect=0.8,
)
STABLE = replace(
    IMPAIRED,
    label="sMCI",
    share=1 - CONVERSION_AT_36_MONTHS,
    age=(71.8, 7.7),
    education=(15.95, 2.8),
    apoe=STABLE_APOE,
    scores={
        "mmse": (27.9, 1.8),
        "cdrsb": (1.25, 0.85),
        "adas13": (14.2, 6.0),
        "faq": (1.9, 3.1),
        "moca": (23.9, 2.9),
    },
    subtypes=(
        make_limbic((0.05, 0.30), -1.1, dmn=0.6),
        make_sparing((0.25, 0.10), -0.7),
        make_other((0.70, 0.60), -0.5),
    ),
    snp_effect=0.4,
)
PROGRESSIVE = replace(
    IMPAIRED,
    label="pMCI",
    share=CONVERSION_AT_36_MONTHS,
    age=(73.4, 7.6),
    education=(15.8, 2.8),
    apoe=CONVERTER_APOE,
    scores={
        "mmse": (26.9, 1.9),
        "cdrsb": (1.9, 1.1),
        "adas13": (20.0, 6.4),
        "faq": (5.3, 4.8),
        "moca": (22.0, 3.1),
    },
    subtypes=(
        make_limbic((0.15, 0.85), -1.9, dmn=0.6),
        make_sparing((0.75, 0.10), -1.3, hippocampus=-0.4),
        make_other((0.10, 0.05), -0.8),
    ),
    snp_effect=1.1,
)
HEALTHY_PPMI = Group(
    label="CN",
    share=50 / (50 + 122),
    age=(60.6, 11.0),
    female=0.36,
    education=(16.0, 2.9),
    apoe=CN_APOE,
    family_history=0.06,
    scores={"moca": (28.3, 1.1), "updrs3": (0.6, 1.5), "hoehn_yahr": (0.0, 0.0)},
    subtypes=(Subtype("none", (1.0, 1.0)),),
    gate=0.18,
)
PARKINSON = replace(
    HEALTHY_PPMI,
    label="PD",
    share=122 / (50 + 122),
    age=(60.5, 9.0),
    female=0.35,
    education=(15.6, 3.0),
    family_history=0.14,
    scores={"moca": (27.5, 2.1), "updrs3": (20.4, 9.0), "hoehn_yahr": (1.6, 0.5)},
    subtypes=(
        Subtype(
            "body-first",
            (0.20, 0.90),
            {
                "somatomotor": -1.0,
                "putamen": 0.25,
                "temporoparietal": -0.1,
                "gds": 0.4,
                "memory_complaint": 0.2,
            },
        ),
        Subtype(
            "brain-first",
            (0.80, 0.10),
            {
                "somatomotor": 0.25,
                "putamen": -0.55,
                "temporoparietal": -0.1,
                "gds": 0.2,
                "memory_complaint": 0.1,
            },
        ),
    ),
    gate=0.40,
    snp_effect=1.0,
)

# In both groups alike, so that images must be read together with education and e4.
READ_TOGETHER: Mapping[str, Mapping[str, float]] = {
    "by_education": {"hippocampus": -0.6},
    "by_gate": {"dmn": 0.8},
}
TEACHING_CONTROL = replace(
    NORMAL, share=0.5, subtypes=(Subtype("none", (1.0, 1.0), **READ_TOGETHER),)
)
TEACHING_PATIENT = replace(
    DEMENTIA,
    share=0.5,
    subtypes=(
        Subtype(
            "made up",
            (1.0, 1.0),
            {
                "hippocampus": -1.2,
                "temporoparietal": -0.4,
                "ventricles": 0.3,
                "dmn": -1.8,
                "memory_complaint": 1.0,
                "gds": 0.4,
            },
            **READ_TOGETHER,
        ),
    ),
    snp_effect=1.5,
)

TASKS = {
    "nc_ad": Task("nc_ad", (NORMAL, DEMENTIA)),
    "nc_mci": Task("nc_mci", (replace(NORMAL, share=1215 / (1215 + 1338)), IMPAIRED)),
    "smci_pmci": Task("smci_pmci", (STABLE, PROGRESSIVE)),
    "nc_pd": Task("nc_pd", (HEALTHY_PPMI, PARKINSON), gate="rbd", disease="pd"),
    "teaching": Task("teaching", (TEACHING_CONTROL, TEACHING_PATIENT)),
}
