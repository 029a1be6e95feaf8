"""Cohorts: real ones read and labelled, and simulated ones to try things on.

:func:`make_cohort` simulates one, with real files if asked for. Performance on it says nothing
about patients.
"""

from adestim._support.visits import Visits
from adestim.datasets.cohort import FlowTable
from adestim.datasets.harmonisation.confounds import ConfoundRegressor
from adestim.datasets.harmonisation.harmonize import SiteHarmonizer
from adestim.datasets.images.index import choose_images, index_images
from adestim.datasets.labelling.conversions import conversion_labels
from adestim.datasets.labelling.histories import gather_visits
from adestim.datasets.labelling.labels import baseline_labels, diagnosis_labels, progression_labels
from adestim.datasets.labelling.matching import match_visits
from adestim.datasets.loaders.acknowledgement import acknowledgement
from adestim.datasets.loaders.adni import load_adni
from adestim.datasets.loaders.aibl import load_aibl
from adestim.datasets.loaders.bids import load_bids
from adestim.datasets.loaders.nacc import load_nacc
from adestim.datasets.loaders.oasis import load_oasis3, oasis3_diagnoses
from adestim.datasets.loaders.ppmi import load_ppmi
from adestim.datasets.simulation.make_cohort import make_cohort
from adestim.datasets.simulation.make_survival_cohort import make_survival_cohort
from adestim.datasets.split_files.clinicadl import SubjectSplits, read_clinicadl_split
from adestim.datasets.split_files.manifest import (
    new_salt,
    read_manifest,
    split_manifest,
    splits_from_manifest,
    verify_manifest,
)
from adestim.datasets.tables.describe import describe
from adestim.datasets.tables.freesurfer_tables import read_freesurfer_tables

__all__ = [
    "ConfoundRegressor",
    "FlowTable",
    "SiteHarmonizer",
    "SubjectSplits",
    "Visits",
    "acknowledgement",
    "baseline_labels",
    "choose_images",
    "conversion_labels",
    "describe",
    "diagnosis_labels",
    "gather_visits",
    "index_images",
    "load_adni",
    "load_aibl",
    "load_bids",
    "load_nacc",
    "load_oasis3",
    "load_ppmi",
    "make_cohort",
    "make_survival_cohort",
    "match_visits",
    "new_salt",
    "oasis3_diagnoses",
    "progression_labels",
    "read_clinicadl_split",
    "read_freesurfer_tables",
    "read_manifest",
    "split_manifest",
    "splits_from_manifest",
    "verify_manifest",
]
