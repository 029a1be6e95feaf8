import re

import pandas as pd
import pytest

from adestim.datasets.loaders.bids_labels import groups_by_name, labels_of, target_column
from adestim.exceptions import InputError, TableError

SUBJECTS = pd.Index(["sub-CTL01", "sub-ODP02", "sub-03"])


def codes_of(*codes):
    """Codes by subject."""
    return pd.Series(codes, index=SUBJECTS, dtype="str", name="Group")


@pytest.mark.parametrize("column", ["diagnosis", "Group", "DX", "diagnosis_sc"])
def test_column_of_groups_is_found_under_its_usual_names(column):
    assert target_column(pd.Index(["age", column]), None) == column


def test_column_of_groups_is_the_one_named_in_whatever_case():
    assert target_column(pd.Index(["diagnosis", "Amyloid"]), "amyloid") == "Amyloid"
    with pytest.raises(TableError, match=r"has a column 'amiloid'\. Got none; nearest: 'Amyloid'"):
        target_column(pd.Index(["diagnosis", "Amyloid"]), "amiloid")


def test_table_without_groups_says_which_columns_it_has():
    with pytest.raises(TableError, match=r"among the columns 'age', 'sex'\. Name the column"):
        target_column(pd.Index(["age", "sex"]), None)


@pytest.mark.parametrize("group", ["[A-Z]+", r"^([A-Z]+)\d+", re.compile("[A-Z]{3}")])
def test_expression_finds_the_group_in_the_identifier(group):
    codes = groups_by_name(SUBJECTS, group)
    assert list(codes[:2]) == ["CTL", "ODP"]
    assert pd.isna(codes["sub-03"])


def test_function_finds_the_group_in_the_identifier():
    codes = groups_by_name(SUBJECTS, {"CTL01": "CN", "ODP02": "PD"}.get)
    assert list(codes[:2]) == ["CN", "PD"]
    assert pd.isna(codes["sub-03"])


def test_labels_are_what_codes_mean():
    target, reasons = labels_of(codes_of("C", "A", None), {"Group": {"C": "Healthy"}}, None)
    assert dict(target) == {"sub-CTL01": "Healthy", "sub-ODP02": "A"}
    assert dict(reasons) == {"sub-03": "no group is told"}


def test_labels_are_by_code_or_by_meaning_and_others_have_a_reason():
    levels = {"Group": {"C": "Healthy", "A": "Alzheimer"}}
    codes = codes_of("C", "A", "F")
    assert dict(labels_of(codes, levels, {"Healthy": "CN"})[0]) == {"sub-CTL01": "CN"}
    target, reasons = labels_of(codes, levels, {"C": "CN"})
    assert dict(target) == {"sub-CTL01": "CN"}
    assert reasons["sub-ODP02"] == "group Alzheimer is not asked for"
    assert reasons["sub-03"] == "group F is not asked for"


def test_number_as_a_key_is_the_code_as_text():
    assert dict(labels_of(codes_of("1", "2", "2"), {}, {1: "CN"})[0]) == {"sub-CTL01": "CN"}


def test_labels_that_nobody_gets_are_refused():
    with pytest.raises(InputError, match=r"Got only the groups 'A', 'C'.*\{'code': 'label'\}"):
        labels_of(codes_of("C", "A", "C"), {}, {"X": "Y"})
