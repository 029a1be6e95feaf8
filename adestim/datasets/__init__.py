"""Cohorts: real ones read and labelled, and simulated ones to try things on.

:func:`make_cohort` simulates one, with real files if asked for. Performance on it says nothing
about patients.
"""

from adestim.datasets.acknowledgement import acknowledgement
from adestim.datasets.adni import load_adni
from adestim.datasets.aibl import load_aibl
from adestim.datasets.bids import load_bids
from adestim.datasets.clinicadl import SubjectSplits, read_clinicadl_split
from adestim.datasets.cohort import FlowTable
from adestim.datasets.confounds import ConfoundRegressor
from adestim.datasets.describe import describe
from adestim.datasets.harmonize import SiteHarmonizer
from adestim.datasets.index import choose_images, index_images
from adestim.datasets.labels import baseline_labels, diagnosis_labels, progression_labels
from adestim.datasets.manifest import (
    new_salt,
    read_manifest,
    split_manifest,
    splits_from_manifest,
    verify_manifest,
)
from adestim.datasets.matching import match_visits
from adestim.datasets.oasis import load_oasis3, oasis3_diagnoses
from adestim.datasets.ppmi import load_ppmi
from adestim.datasets.simulate import make_cohort

__all__ = [
    "ConfoundRegressor",
    "FlowTable",
    "SiteHarmonizer",
    "SubjectSplits",
    "acknowledgement",
    "baseline_labels",
    "choose_images",
    "describe",
    "diagnosis_labels",
    "index_images",
    "load_adni",
    "load_aibl",
    "load_bids",
    "load_oasis3",
    "load_ppmi",
    "make_cohort",
    "match_visits",
    "new_salt",
    "oasis3_diagnoses",
    "progression_labels",
    "read_clinicadl_split",
    "read_manifest",
    "split_manifest",
    "splits_from_manifest",
    "verify_manifest",
]
