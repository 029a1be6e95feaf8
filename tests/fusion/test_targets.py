"""Checking what a fusion is trained on."""

import numpy as np
import pandas as pd
import pytest

from adestim import (
    AnchoredFusionClassifier,
    AnchoredFusionRegressor,
    AnchoredFusionSurvival,
    make_survival,
)
from adestim.exceptions import InputError
from adestim.fusion._targets import check_classes, check_numbers, check_survival

LABELS = np.array(["CN", "AD", "CN", "AD"])


@pytest.fixture
def frame():
    return pd.DataFrame({"csf__tau": [1.0, 2.0, 3.0, 4.0]}, index=list("abcd"))


def check(frame, y=LABELS, groups=None, sample_weight=None, class_weight=None):
    return check_classes(AnchoredFusionClassifier(), frame, y, groups, sample_weight, class_weight)


def test_labels_become_codes_in_sorted_order(frame):
    data, classes = check(frame)
    np.testing.assert_array_equal(classes, ["AD", "CN"])
    np.testing.assert_array_equal(data.targets, [1, 0, 1, 0])


def test_subjects_of_weight_zero_are_left_out(frame):
    data, _ = check(frame, sample_weight=[1.0, 0.0, 2.0, 1.0])
    assert list(data.frame.index) == ["a", "c", "d"]
    np.testing.assert_array_equal(data.weight, [1.0, 2.0, 1.0])


def test_class_weights_multiply_sample_weights(frame):
    data, _ = check(frame, sample_weight=[1.0, 2.0, 1.0, 2.0], class_weight={"AD": 3.0, "CN": 1.0})
    np.testing.assert_array_equal(data.weight, [1.0, 6.0, 1.0, 6.0])


def test_groups_become_integers(frame):
    data, _ = check(frame, groups=["x", "y", "x", "z"])
    np.testing.assert_array_equal(data.groups, [0, 1, 0, 2])


def test_rows_of_one_label_are_a_group_by_default(frame):
    data, _ = check(frame.set_axis(list("abab")))
    assert data.groups[0] == data.groups[2] != data.groups[1]


def test_groups_of_another_length_are_refused(frame):
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        check(frame, groups=["x"])


def test_one_class_is_refused(frame):
    with pytest.raises(InputError, match=r"at least 2 classes in y.*Got 1 class"):
        check(frame, y=["CN"] * 4)


def test_a_missing_target_is_refused(frame):
    with pytest.raises(ValueError, match="requires y to be passed"):
        check(frame, y=None)


# Numbers


def check_ages(frame, y=(61, 72, 83, 94), groups=None, sample_weight=None):
    return check_numbers(AnchoredFusionRegressor(), frame, y, groups, sample_weight)


def test_numbers_become_floats(frame):
    data = check_ages(frame)
    assert data.targets.dtype == np.float64
    np.testing.assert_array_equal(data.targets, [61, 72, 83, 94])


def test_numbers_may_stand_in_an_object_array(frame):
    np.testing.assert_array_equal(
        check_ages(frame, np.array([1, 2.5, 3, 4], object)).targets[1], 2.5
    )


def test_subjects_of_weight_zero_and_their_numbers_are_left_out(frame):
    data = check_ages(frame, sample_weight=[1.0, 0.0, 2.0, 1.0], groups=["x", "y", "x", "z"])
    np.testing.assert_array_equal(data.targets, [61, 83, 94])
    np.testing.assert_array_equal(data.weight, [1, 2, 1])
    np.testing.assert_array_equal(data.groups, [0, 0, 1])


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (["a", "b", "c", "d"], r"y must hold numbers\. Got dtype <U1"),
        ([1.0, np.nan, 2.0, 3.0], "Input y contains NaN"),
        ([1.0, np.inf, 2.0, 3.0], "Input y contains infinity"),
        ([1.0, 2.0], "inconsistent numbers of samples"),
        (None, "requires y to be passed"),
    ],
)
def test_what_is_no_finite_number_is_refused(frame, y, message):
    with pytest.raises(ValueError, match=message):
        check_ages(frame, y)


def test_a_single_subject_is_refused(frame):
    with pytest.raises(InputError, match=r"at least 2 subjects.*Got n_samples=1"):
        check_ages(frame, sample_weight=[1.0, 0.0, 0.0, 0.0])


# Times


def check_times(frame, y, groups=None, sample_weight=None):
    return check_survival(AnchoredFusionSurvival(), frame, y, groups, sample_weight)


def test_events_and_times_of_weight_zero_are_left_out(frame):
    y = make_survival([1, 0, 1, 0], [1, 2, 3, 4])
    data = check_times(frame, y, groups=list("xyxz"), sample_weight=[1.0, 0.0, 2.0, 1.0])
    assert (data.event.tolist(), data.time.tolist()) == ([True, True, False], [1, 3, 4])
    assert (data.weight.tolist(), data.groups.tolist()) == ([1, 2, 1], [0, 0, 1])
    targets = data.with_targets(np.arange(3.0))
    assert targets.frame is data.frame
    assert targets.targets.tolist() == [0, 1, 2]


def test_times_without_an_event_of_some_weight_are_refused(frame):
    y = make_survival([1, 0, 0, 0], [1, 2, 3, 4])
    with pytest.raises(InputError, match="the event was seen"):
        check_times(frame, y, sample_weight=[0, 1, 1, 1])
    with pytest.raises(InputError, match="at least 2 subjects"):
        check_times(frame, y, sample_weight=[1, 0, 0, 0])
