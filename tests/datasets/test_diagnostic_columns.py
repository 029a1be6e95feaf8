"""What cohorts declare diagnostic is what the clinical extractor warns of: one list for both."""

import pytest

from adestim.datasets.loaders import adni_tables, aibl, nacc, oasis, ppmi
from adestim.datasets.simulation.clinical import list_clinical_columns, list_score_columns
from adestim.datasets.simulation.tasks import TASKS
from adestim.modalities.clinical import diagnostic_columns as known_columns

STUDIES = [adni_tables, aibl, nacc, oasis, ppmi]


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_declared_columns_are_those_that_the_extractor_knows(task):
    assert list(known_columns(list_score_columns(task))) == list_score_columns(task)
    assert known_columns(list_clinical_columns(task)) == {}


@pytest.mark.parametrize("study", STUDIES, ids=lambda study: study.__name__)
def test_loaders_declare_what_the_extractor_knows(study):
    assert list(known_columns(study.DIAGNOSTIC)) == list(study.DIAGNOSTIC)
    assert known_columns(study.CLINICAL) == {}
