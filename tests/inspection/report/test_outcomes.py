"""Predictions beside the truth."""

import numpy as np
import pytest

from adestim._support.predictions import Predictions
from adestim.exceptions import InputError
from adestim.inspection.report.outcomes import (
    apparent_scores,
    predict_outcomes,
    read_outcomes,
)
from tests.inspection.reported import compared, reported


def outcomes(y, positive, cuts=np.nan):
    """Predictions of two classes."""
    values = np.column_stack([1 - np.asarray(positive), positive])
    return Predictions(np.asarray(y), values, ("CN", "AD"), np.full(len(y), cuts))


def test_without_a_threshold_the_likelier_class_is_predicted():
    assert outcomes(["CN", "AD"], [0.4, 0.6]).decisions.tolist() == ["CN", "AD"]


def test_a_threshold_decides_from_itself_on():
    assert outcomes(["CN", "AD"], [0.1, 0.2], cuts=0.2).decisions.tolist() == ["CN", "AD"]


def test_scores_are_those_of_known_predictions():
    scores = apparent_scores(outcomes(["CN", "CN", "AD", "AD"], [0.1, 0.6, 0.4, 0.9]))
    assert scores[["roc_auc", "balanced_accuracy"]].tolist() == [0.75, 0.5]
    assert scores["brier"] == pytest.approx((0.01 + 0.36 + 0.36 + 0.01) / 4)
    assert scores["log_loss"] == pytest.approx(-np.log([0.9, 0.4, 0.4, 0.9]).mean())


def test_scores_that_need_both_classes_are_nan_where_one_is_missing():
    scores = apparent_scores(outcomes(["AD", "AD"], [0.6, 0.9]))
    assert scores.isna().to_dict() == {
        "roc_auc": True, "balanced_accuracy": True, "brier": False, "log_loss": False,
    }  # fmt: skip


def test_scores_of_numbers():
    found = Predictions(np.array([1.0, 3.0]), np.array([2.0, 3.0]), ())
    assert apparent_scores(found).round(3).tolist() == [0.5, 0.707, 0.5]


def test_of_a_constant_truth_no_share_is_explained():
    found = Predictions(np.ones(3), np.array([1.0, 2.0, 0.0]), ())
    assert apparent_scores(found).isna().tolist() == [False, False, True]


def test_of_several_classes_scores_are_against_the_rest():
    fusion, X, y = reported(3)
    found = predict_outcomes(fusion, X, y, "AD")
    assert found.values.shape == (80, 3)
    assert apparent_scores(found).notna().all()


def test_the_explained_of_two_classes_comes_last():
    fusion, X, y = reported()
    found = predict_outcomes(fusion, X, y, "AD")
    assert found.classes == ("CN", "AD")
    np.testing.assert_allclose(found.values[:, 1], fusion.predict_proba(X)[:, 0])


def test_a_comparison_gives_each_subject_once_and_its_threshold():
    found = read_outcomes(compared(), reported()[0])
    assert len(found.y) == 80
    assert np.isfinite(found.thresholds).all()


def test_what_is_no_comparison_is_refused():
    with pytest.raises(InputError, match=r"must be what adestim.evaluation.compare .*Got a dict"):
        read_outcomes({}, reported()[0])


def test_a_comparison_of_other_classes_is_refused():
    with pytest.raises(InputError, match="must be of the classes that the model was fitted on"):
        read_outcomes(compared(), reported(3)[0])
