"""Checking what a fusion classifier is trained on."""

import numpy as np
import pandas as pd
import pytest

from adestim import AnchoredFusionClassifier
from adestim.exceptions import InputError
from adestim.targets import check_classes

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
