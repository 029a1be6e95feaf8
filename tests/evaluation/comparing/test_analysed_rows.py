"""Rows that are analysed, and those that are not."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from adestim.evaluation.comparing.analysed_rows import (
    find_kept_rows,
    infer_label_dtype,
    put_positive_last,
    read_cohort,
)
from adestim.evaluation.comparing.candidates import Candidate
from adestim.exceptions import InputError
from tests.fusion_tables import numeric_table, with_missing

EVERYTHING = {"m": Candidate(LogisticRegression())}


def cohort_of(X, y, **settings):
    settings = {"groups": None, "candidates": EVERYTHING, "positive": None} | settings
    return read_cohort(X, y, **settings)


def test_rows_without_label_or_modality_are_counted_once():
    y = np.array(["AD", None, "CN", None], dtype=object)
    present = pd.DataFrame({"mri": [True, True, False, False]})
    kept, left_out = find_kept_rows(y, present)
    assert kept.tolist() == [True, False, False, False]
    assert left_out == (("no label", 2), ("no modality", 1))


def test_labels_lose_the_dtype_of_the_missing_ones():
    assert infer_label_dtype(np.array(["AD", "CN"], dtype=object)).dtype.kind == "U"
    assert infer_label_dtype(np.array([1, 0], dtype=object)).dtype.kind == "i"


def test_numbers_whose_missing_ones_made_them_floats_are_classes():
    X, _ = numeric_table(40)
    y = np.where(np.arange(40) % 2, 1.0, 0.0)
    y[3] = np.nan
    cohort = cohort_of(X, y)
    assert cohort.classes == (0, 1)
    assert len(cohort.table) == 39


def test_the_positive_class_comes_last():
    assert put_positive_last(("AD", "CN"), "AD") == ("CN", "AD")
    assert put_positive_last(("AD", "CN"), "CN") == ("AD", "CN")
    assert put_positive_last(("AD", "CN"), None) == ("CN", "AD")
    assert put_positive_last(("AD", "CN", "MCI"), None) == ("AD", "CN", "MCI")
    assert put_positive_last((0, 1), 0) == (1, 0)
    with pytest.raises(InputError, match=r"one of two classes. Got 'AD' of 'AD', 'CN', 'MCI'"):
        put_positive_last(("AD", "CN", "MCI"), "AD")


def test_a_control_reads_who_has_what_as_numbers():
    X, y = numeric_table(40)
    cohort = cohort_of(with_missing(X), y)
    table = cohort.select_table(Candidate(LogisticRegression(), reads_presence=True))
    assert list(table.columns) == ["mri__present", "csf__present", "gene__present"]
    np.testing.assert_array_equal(table.notna(), cohort.present)
    assert (table.fillna(1) == 1).all(axis=None)


def test_a_candidate_of_some_modalities_reads_their_columns_and_their_subjects():
    X, y = numeric_table(40)
    cohort = cohort_of(with_missing(X), y)
    candidate = Candidate(LogisticRegression(), modalities=("csf",), columns=(2, 3))
    assert list(cohort.select_table(candidate).columns) == ["csf__a", "csf__b"]
    np.testing.assert_array_equal(cohort.find_readable(candidate), cohort.present["csf"])
    assert cohort.count_flow({"csf alone": candidate}).left_out_by_estimator == {"csf alone": 10}


def test_groups_follow_the_rows():
    X, y = numeric_table(40)
    y = y.astype(object)
    y[:2] = None
    cohort = cohort_of(X, y, groups=np.arange(40))
    assert cohort.groups.tolist() == list(range(2, 40))


def test_labels_and_table_are_of_one_length():
    X, y = numeric_table(40)
    with pytest.raises(ValueError, match=r"inconsistent numbers of samples"):
        cohort_of(X, y[:10])
