"""What cohorts declare diagnostic is what the clinical extractor warns of: one list for both."""

import pytest

from adestim.clinical import diagnostic_columns
from adestim.datasets import make_cohort
from adestim.datasets._tasks import TASKS


@pytest.mark.parametrize("task", TASKS)
def test_declared_columns_are_those_that_the_extractor_knows(task):
    columns = make_cohort(8, task=task, random_state=0).columns
    assert list(diagnostic_columns(columns["diagnostic"])) == list(columns["diagnostic"])
    assert diagnostic_columns(columns["clinical"]) == {}
