import pickle

import pandas as pd
import pytest

from adestim.datasets import make_cohort
from adestim.datasets.cohort_bunch import CohortBunch


@pytest.fixture(scope="module")
def cohort():
    return make_cohort(6, missing=None, resolution=12, random_state=0)


def test_a_cohort_says_in_a_few_lines_what_it_holds(cohort):
    lines = repr(cohort).splitlines()
    assert lines[0] == "Synthetic cohort, task nc_ad: 6 subjects, 4 CN, 2 AD."
    assert "  target: 4 CN, 2 AD" in lines
    assert f"  frame: DataFrame of 6 rows and {cohort.frame.shape[1]} columns" in lines
    assert len(lines) < 12


@pytest.mark.parametrize("show", [repr, CohortBunch._repr_html_])
def test_nobody_and_nobodys_values_are_shown(cohort, show):
    assert not any(subject in show(cohort) for subject in cohort.groups)
    assert len(show(cohort)) < 3000


def test_a_page_folds_the_description_away_as_text(cohort):
    changed = CohortBunch(**{**cohort, "description": "<b>bold</b>\nand more"})
    page = changed._repr_html_()
    assert "&lt;b&gt;bold" in page
    assert "<b>" not in page
    assert "<details>" in page


def test_many_values_are_counted(cohort):
    changed = CohortBunch(**cohort, site=pd.Series([*"abcdef"]))
    assert "  site: Series of 6 values, 6 of them different" in repr(changed)


def test_parts_are_reached_as_in_any_bunch_after_a_pickle_too(cohort):
    again = pickle.loads(pickle.dumps(cohort))
    assert again.target.equals(again["target"])
    assert repr(again) == repr(cohort)
