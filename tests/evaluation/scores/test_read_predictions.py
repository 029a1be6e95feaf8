import numpy as np
import pandas as pd
import pytest

from adestim.evaluation.scores.read_predictions import read_membership, read_outcome, read_values
from adestim.exceptions import InputError

P = [[0.75, 0.25], [0.25, 0.75], [0.5, 0.5]]


def test_labels_become_places_among_the_classes():
    outcome = read_outcome(["b", "a", "b"], P, ["b", "a"], None, None)
    assert outcome.codes.tolist() == [0, 1, 0]
    assert outcome.predicted.tolist() == [0, 1, 0]


def test_labels_and_classes_may_be_numbers_of_other_types():
    outcome = read_outcome([0.0, 1.0, True], P, np.array([0, 1], dtype="int8"), None, None)
    assert outcome.codes.tolist() == [0, 1, 1]


def test_two_classes_are_one_contrast_and_three_are_three():
    two = read_outcome([0, 1, 1], P, [0, 1], None, None)
    (contrast,) = two.contrasts
    assert contrast.y.tolist() == [False, True, True]
    assert contrast.probability.tolist() == [0.25, 0.75, 0.5]
    three = read_outcome([0, 1, 2], np.eye(3), [0, 1, 2], None, None)
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
    outcome = read_outcome([0, 1], np.eye(2, dtype=dtype), [0, 1], None, None)
    assert np.isfinite(outcome.contrasts[0].log_odds).all()


def test_probabilities_in_half_precision_may_miss_the_sum():
    thirds = np.full((3, 3), 1 / 3, dtype=np.float16)
    assert read_outcome([0, 1, 2], thirds, [0, 1, 2], None, None).probabilities.dtype == float


def test_the_positive_class_is_the_last_of_the_sorted_two():
    y = pd.Series(["CN", "AD", "CN"], dtype="category")
    assert read_membership(y, None).tolist() == [True, False, True]
    assert read_membership(y, "AD").tolist() == [False, True, False]


def test_classes_of_too_few_are_refused():
    with pytest.raises(InputError, match=r"each of 2 subject\(s\) or more. Got 1 of 'AD', 2 of"):
        read_membership(["CN", "AD", "CN"], None, least=2)


def test_a_missing_label_is_refused():
    with pytest.raises(InputError, match="one label a subject"):
        read_membership(np.array(["CN", None, "AD"], dtype=object), None)


def test_a_table_where_a_column_is_due_is_refused():
    with pytest.raises(InputError, match="Pass one column of predict_proba"):
        read_values(P, 3)
