import numpy as np
import pandas as pd
import pytest

from adestim.evaluation.scores.checks import read_membership, read_values
from adestim.exceptions import InputError


def test_the_positive_class_is_that_of_the_patients_or_the_one_named():
    y = pd.Series(["CN", "AD", "CN"], dtype="category")
    assert read_membership(y, None).tolist() == [False, True, False]
    assert read_membership(y, "CN").tolist() == [True, False, True]


def test_classes_of_too_few_are_refused():
    with pytest.raises(InputError, match=r"each of 2 subject\(s\) or more. Got 1 of 'AD', 2 of"):
        read_membership(["CN", "AD", "CN"], None, least=2)


def test_a_missing_label_is_refused():
    with pytest.raises(InputError, match="one label a subject"):
        read_membership(np.array(["CN", None, "AD"], dtype=object), None)


def test_a_table_where_a_column_is_due_is_refused():
    with pytest.raises(InputError, match="Pass one column of predict_proba"):
        read_values([[0.75, 0.25]] * 3, 3)
