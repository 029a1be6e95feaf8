"""Cohorts: real ones read and labelled, and simulated ones to try things on.

:func:`make_cohort` simulates one, with real files if asked for. Performance on it says nothing
about patients.
"""

from adestim.datasets.acknowledgement import acknowledgement
from adestim.datasets.cohort import FlowTable
from adestim.datasets.describe import describe
from adestim.datasets.labels import baseline_labels, diagnosis_labels, progression_labels
from adestim.datasets.matching import match_visits
from adestim.datasets.simulate import make_cohort

__all__ = [
    "FlowTable",
    "acknowledgement",
    "baseline_labels",
    "describe",
    "diagnosis_labels",
    "make_cohort",
    "match_visits",
    "progression_labels",
]
