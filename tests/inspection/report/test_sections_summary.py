"""The first section of a report."""

import re

import numpy as np
import pandas as pd
import pytest

from adestim.exceptions import InputError
from adestim.inspection.report.gather import gather_material
from adestim.inspection.report.sections_summary import write_summary
from tests.inspection.fitted import fitted_regressor
from tests.inspection.reported import compared, reported


def test_it_begins_with_scores_of_unseen_subjects():
    material = gather_material(*reported(), comparison=compared(), n_resamples=20)
    html = write_summary(material)
    value = compared().summary(n_resamples=0).loc["fusion", ("roc_auc", "estimate")]
    assert f"<dt>ROC AUC</dt><dd>{value:.3f}<small>[" in html
    assert "80 subjects, each judged by models that did not see them: 2 folds." in html
    assert "apparent" not in html


def test_controls_are_no_rivals():
    html = write_summary(gather_material(*reported(), comparison=compared(), n_resamples=20))
    assert "the best of the others" not in html
    assert compared().controls == ("mask only",)


def test_scores_of_the_table_itself_are_marked():
    html = write_summary(gather_material(*reported()))
    assert "these scores are apparent" in html
    assert "<small>" not in html


def test_who_the_subjects_are_is_told_by_class():
    fusion, X, y = reported()
    people = pd.DataFrame({"age": np.linspace(60, 80, len(X))})
    html = write_summary(gather_material(fusion, X, y, characteristics=people))
    assert "Who the subjects are" in html
    assert '<th scope="row">age</th>' in html
    assert "No column is called age" in write_summary(gather_material(fusion, X, y))


@pytest.mark.parametrize("given", [pd.DataFrame({"age": [1.0]}), [70.0]])
def test_characteristics_have_a_row_for_everybody(given):
    with pytest.raises(InputError, match="'characteristics' must be a DataFrame with a row"):
        gather_material(*reported(), characteristics=given)


def test_numbers_have_errors():
    fusion, X = fitted_regressor()
    html = write_summary(gather_material(fusion, X, np.arange(len(X), dtype=float)))
    assert re.search(r"<dt>mean absolute error</dt><dd>[\d.]+</dd>", html)
