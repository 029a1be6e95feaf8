"""What a report is made of is checked before anything is drawn."""

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression

from adestim.exceptions import InputError
from adestim.inspection.report.gather import gather_material
from tests.fusion_tables import quick
from tests.inspection.fitted import fitted_regressor, in_pipeline
from tests.inspection.reported import compared, reported


def test_a_pipeline_is_read_like_its_last_step():
    fusion, X, y = reported()
    pipeline = in_pipeline(fusion)
    pipeline[:-1].fit(X)
    found = gather_material(pipeline, X, y)
    assert found.fusion is fusion
    assert found.table.equals(X)


def test_an_anchor_that_is_not_there_is_refused():
    with pytest.raises(InputError, match=r"one of the fusion's anchors\. Got 'csf'"):
        gather_material(*reported(), anchor="csf")


def test_views_hold_the_rows_that_are_asked_for():
    fusion, X, y = reported()
    view = gather_material(fusion, X, y, anchor="gene").view(np.array([3, 1]))
    assert view.anchor == "gene"
    assert view.index.tolist() == X.index[[3, 1]].tolist()


def test_no_more_subjects_than_allowed_are_explained():
    fusion, X, y = reported()
    found = gather_material(fusion, X, y, groups=np.arange(80), max_subjects=10)
    assert len(found.explained) == len(found.explained_groups) == 10
    assert found.whom == "10 of 80 subjects, drawn at random"
    assert len(found.outcomes.y) == 80


def test_one_seed_draws_the_same_subjects():
    fusion, X, y = reported()
    first, second, third = (
        gather_material(fusion, X, y, max_subjects=10, random_state=seed).rows for seed in (0, 0, 1)
    )
    assert first.tolist() == second.tolist() != third.tolist()


def test_the_positive_class_of_a_comparison_is_explained():
    fusion, X, y = reported()
    found = gather_material(fusion, X, y, comparison=compared())
    assert found.target == compared().classes[-1]
    assert found.flow is compared().flow


def test_a_regressor_has_no_target():
    fusion, X = fitted_regressor()
    assert gather_material(fusion, X, np.arange(80.0)).target is None
    with pytest.raises(InputError, match="'target' names a class"):
        gather_material(fusion, X, np.arange(80.0), target="AD")


def test_numbers_that_are_none_are_refused():
    fusion, X = fitted_regressor()
    with pytest.raises(InputError, match=r"must be finite numbers\. Got 80 that are not"):
        gather_material(fusion, X, ["a"] * 80)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"target": "PD"}, r"'target' must name the class to explain\. Got 'PD'"),
        ({"groups": [1, 2]}, "'groups' must have a value for every subject"),
        ({"max_subjects": 0}, "'max_subjects' must be at least 1, or None"),
        ({"subjects": ["nobody"]}, "'subjects' must be labels of the table's index"),
        ({"comparison": "none"}, "'comparison' must be what adestim.evaluation.compare returned"),
    ],
)
def test_bad_settings_are_refused(wrong, message):
    with pytest.raises(InputError, match=message):
        gather_material(*reported(), **wrong)


def test_labels_of_another_study_are_refused_without_being_told():
    fusion, X, _ = reported()
    with pytest.raises(InputError, match=r"\['AD', 'CN'\]\. Got 80 that are not"):
        gather_material(fusion, X, ["secret"] * 80)


def test_too_few_labels_are_refused():
    fusion, X, y = reported()
    with pytest.raises(InputError, match=r"'y' must have a value for every .*79 values and 80"):
        gather_material(fusion, X, y[:-1])


def test_a_table_without_a_modality_is_refused():
    fusion, X, y = reported()
    with pytest.raises(ValueError, match="gene__a"):
        gather_material(fusion, X.drop(columns="gene__a"), y)


def test_an_unfitted_estimator_is_refused():
    _, X, y = reported()
    with pytest.raises(NotFittedError):
        gather_material(quick(), X, y)


def test_another_estimator_is_refused():
    _, X, y = reported()
    with pytest.raises(InputError, match="An anchored fusion, or a pipeline that ends in one"):
        gather_material(LogisticRegression(), X, y)
