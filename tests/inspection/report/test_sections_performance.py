"""Sections about the cohort and the scores."""

import numpy as np
import pandas as pd
from sklearn.dummy import DummyRegressor

from adestim.evaluation import compare
from adestim.inspection.report.gather import gather_material
from adestim.inspection.report.sections_performance import (
    format_intervals,
    tabulate_flow,
    tabulate_pattern_scores,
    write_cohort,
    write_performance,
)
from tests.inspection.fitted import fitted_regressor
from tests.inspection.reported import compared, reported


def test_numbers_and_intervals_become_texts():
    texts = format_intervals(
        pd.Series([0.5, 0.5, np.nan]), pd.Series([0.4, np.nan, 0.1]), pd.Series([0.6, np.nan, 0.2])
    )
    assert texts.tolist() == ["0.500 [0.400, 0.600]", "0.500", "–"]


def test_flow_of_a_comparison_is_told():
    assert tabulate_flow(compared().flow)["analysed"] == 80
    html = write_cohort(gather_material(*reported(), comparison=compared(), n_resamples=20))
    assert 'alt="Flow of the cohort. in the table: 80' in html


def test_without_a_flow_the_table_is_counted():
    html = write_cohort(gather_material(*reported()))
    assert "<p>80 subjects.</p>" in html
    assert "How the subjects were chosen was not told" in html
    assert "Share of subjects who lack a modality: mri" in html


def test_apparent_scores_are_marked():
    html = write_performance(gather_material(*reported()))
    assert "these are apparent scores" in html
    assert html.count("<img") == 5
    assert "apparent." in html


def test_scores_of_a_comparison_have_intervals_and_a_threshold():
    html = write_performance(gather_material(*reported(), comparison=compared(), n_resamples=20))
    assert "apparent" not in html
    assert "areas in legends are those of what is drawn" in html
    assert "fusion minus that of the others" in html
    assert "threshold chosen on training rows" in html


def test_scores_by_pattern_are_of_patterns_alone():
    table = tabulate_pattern_scores(compared(), n_resamples=20)
    assert "all" not in table.index
    assert table["n"].sum() == 80


def test_three_classes_have_no_decision_curve():
    html = write_performance(gather_material(*reported(3)))
    assert "Decision curve" not in html
    assert html.count("<img") == 4


def test_a_class_without_subjects_leaves_curves_out():
    fusion, X, y = reported()
    controls = y == "CN"
    html = write_performance(gather_material(fusion, X[controls], y[controls]))
    assert "Curves need subjects of every class" in html


def test_scores_of_a_compared_regression():
    fusion, X = fitted_regressor()
    y = 100 + 10 * X["mri__a"].fillna(0)
    comparison = compare({"mean": DummyRegressor()}, X, y, cv=2, random_state=0)
    material = gather_material(fusion, X, y, comparison=comparison, n_resamples=20)
    html = write_performance(material)
    assert '<th scope="row">MAE</th>' in html
    assert "By pattern of modalities" in html
    assert "Not shown" not in html


def test_numbers_are_shown_beside_their_predictions():
    fusion, X = fitted_regressor()
    html = write_performance(gather_material(fusion, X, np.linspace(80, 120, 80)))
    assert "mean absolute error" in html
    assert html.count("<img") == 1
