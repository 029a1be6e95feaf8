"""Whom patients resemble, and what these had measured."""

import numpy as np
import pandas as pd
import pytest

from adestim.evaluation.measuring.alike import (
    find_alike,
    read_patients,
    read_reference,
    transplant_columns,
)
from adestim.exceptions import LeakageError


class Ignorant:
    """Says the same of all."""

    classes_ = np.array(["AD", "CN"])

    def predict_proba(self, X):
        return np.full((len(X), 2), 0.5)


def table(n_rows, label="r"):
    values = np.arange(2.0 * n_rows).reshape(n_rows, 2)
    index = [f"{label}{place}" for place in range(n_rows)]
    return pd.DataFrame(values, index=index, columns=["mri__a", "csf__tau"])


def reference(X):
    return read_reference(Ignorant(), X, None, None, 5)


def test_the_nearest_by_log_odds_come_first():
    others = np.array([[0.1, 0.9], [0.5, 0.5], [0.89, 0.11], [0.99, 0.01]])
    found = find_alike(np.array([[0.9, 0.1], [0.0, 1.0]]), others, 2)
    assert found.tolist() == [[2, 1], [0, 1]]


def test_columns_are_taken_row_by_row():
    own = pd.DataFrame({"a": [1.0, 2.0], "b": [None, None]}, index=["x", "y"])
    others = pd.DataFrame({"a": [7.0, 8.0], "b": ["p", "q"]}, index=["s", "s"])
    found = transplant_columns(own, others, [1])
    assert found.to_dict("list") == {"a": [1.0, 2.0], "b": ["p", "q"]}
    assert own["b"].isna().all()


def test_donors_have_the_pattern_and_the_modality():
    X = table(4)
    X.iloc[1, 0] = X.iloc[2, 1] = np.nan
    known = reference(X)
    assert known.find_donors(np.array([True, False]), 1).tolist() == [0, 3]
    alone = known.take_pattern(np.array([0, 3]), np.array([True, False]))
    assert alone["csf__tau"].isna().all()
    assert alone["mri__a"].tolist() == [0.0, 6.0]


def test_numbers_as_labels_are_no_sign_of_the_same_people():
    X = table(4).reset_index(drop=True)
    patients, present = read_patients(X, reference(X))
    assert len(patients) == len(present) == 4
    with pytest.raises(LeakageError):
        read_patients(table(2), reference(table(4)))
