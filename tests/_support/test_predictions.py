import numpy as np
import pandas as pd
import pytest

from adestim._support.predictions import (
    Predictions,
    align_probabilities,
    read_outcome,
    read_predictions,
    require_predictions,
    tabulate_predictions,
)
from adestim.exceptions import InputError

P = [[0.75, 0.25], [0.25, 0.75], [0.5, 0.5]]


def test_labels_become_places_among_the_classes():
    outcome = read_outcome(["b", "a", "b"], P, ["b", "a"])
    assert outcome.codes.tolist() == [0, 1, 0]
    assert outcome.predicted.tolist() == [0, 1, 0]


def test_labels_and_classes_may_be_numbers_of_other_types():
    outcome = read_outcome([0.0, 1.0, True], P, np.array([0, 1], dtype="int8"))
    assert outcome.codes.tolist() == [0, 1, 1]


def test_two_classes_are_one_contrast_and_three_are_three():
    two = read_outcome([0, 1, 1], P, [0, 1])
    (contrast,) = two.contrasts
    assert contrast.y.tolist() == [False, True, True]
    assert contrast.probability.tolist() == [0.25, 0.75, 0.5]
    three = read_outcome([0, 1, 2], np.eye(3), [0, 1, 2])
    assert [each.y.tolist() for each in three.contrasts] == np.eye(3, dtype=bool).tolist()


def test_subjects_without_weight_are_left_out():
    outcome = read_outcome([0, 1, 1], P, [0, 1], 0.5, [1, 0, 2])
    assert outcome.codes.tolist() == [0, 1]
    assert outcome.predicted.tolist() == [0, 1]
    assert outcome.weight.tolist() == [1, 2]


def test_weights_are_summed_at_every_probability():
    outcome = read_outcome([0, 1, 1, 0], [*P, [0.5, 0.5]], [0, 1], None, [1, 2, 3, 4])
    members, others = outcome.contrasts[0].by_value
    assert members.tolist() == [0, 3, 2]
    assert others.tolist() == [1, 4, 0]


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, int])
def test_log_odds_are_finite_in_every_precision(dtype):
    outcome = read_outcome([0, 1], np.eye(2, dtype=dtype), [0, 1])
    assert np.isfinite(outcome.contrasts[0].log_odds).all()


def test_probabilities_in_half_precision_may_miss_the_sum():
    thirds = np.full((3, 3), 1 / 3, dtype=np.float16)
    assert read_outcome([0, 1, 2], thirds, [0, 1, 2]).probabilities.dtype == float


def two_classes(thresholds=None):
    """Predictions of four rows."""
    p = np.array([0.1, 0.6, 0.4, 0.9])
    y = np.array(["CN", "CN", "AD", "AD"])
    return Predictions(y, np.c_[1 - p, p], ("CN", "AD"), thresholds)


def test_a_table_is_read_as_it_was_written():
    given = two_classes(np.full(4, 0.3))
    table = tabulate_predictions(given, list("abcd"), estimator="m", repeat=2, fold=1)
    assert table.columns.tolist() == [
        "estimator", "repeat", "fold", "row", "subject", "group", "y", "threshold", "p_CN", "p_AD",
    ]  # fmt: skip
    assert table["group"].tolist() == list("abcd")
    found = read_predictions(table, ("CN", "AD"))
    np.testing.assert_array_equal(found.values, given.values)
    np.testing.assert_array_equal(found.outcome.predicted, given.outcome.predicted)


def test_a_table_of_numbers_has_a_prediction_a_row():
    given = Predictions(np.array([1.0, 2.0]), np.array([1.5, 2.5]), ())
    rows, groups = np.array([4, 7]), np.array(["g", "h"])
    table = tabulate_predictions(given, [0, 1], estimator="m", rows=rows, groups=groups)
    assert table["prediction"].tolist() == [1.5, 2.5]
    assert table["row"].tolist() == [4, 7]
    assert table["group"].tolist() == ["g", "h"]
    assert read_predictions(table).classes == ()


def test_classes_that_are_not_told_are_read_as_texts():
    table = pd.DataFrame({"y": [0, 1], "p_0": [0.9, 0.2], "p_1": [0.1, 0.8]})
    found = read_predictions(table)
    assert found.classes == ("0", "1")
    assert found.outcome.codes.tolist() == [0, 1]


def test_a_row_without_a_threshold_is_of_the_likelier_class():
    thresholds = np.array([0.05, np.nan, np.nan, 0.95])
    assert two_classes(thresholds).decisions.tolist() == ["AD", "AD", "CN", "CN"]
    assert two_classes(np.full(4, np.nan)).decisions.tolist() == ["CN", "AD", "CN", "AD"]


def test_of_two_classes_the_last_is_set_against_the_other():
    [(label, contrast)] = two_classes().contrasts
    assert label == "AD"
    assert contrast.y.tolist() == [False, False, True, True]
    three = Predictions(np.array([0, 1, 2]), np.eye(3), (0, 1, 2))
    assert [label for label, _ in three.contrasts] == [0, 1, 2]
    assert three.has_all_classes
    assert not Predictions(np.array([0, 1]), np.eye(3)[:2], (0, 1, 2)).has_all_classes


def test_a_class_that_a_model_does_not_know_has_no_probability():
    found = align_probabilities(np.array([[0.3, 0.7]]), np.array(["b", "c"]), ("a", "c", "b"))
    assert found.tolist() == [[0.0, 0.7, 0.3]]


def test_what_is_no_table_of_predictions_is_refused():
    with pytest.raises(InputError, match="Got a dict"):
        require_predictions({}, ["y"])
    with pytest.raises(InputError, match=r"columns 'y', 'p_CN', 'p_AD'. Got none named 'p_AD'"):
        read_predictions(pd.DataFrame({"y": ["CN"], "p_CN": [1.0]}), ("CN", "AD"))
