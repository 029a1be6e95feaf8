"""Columns found by their name."""

import warnings

import pytest

from adestim.datasets.tables.columns import check_required, find_columns, fold_name, warn_of_absent
from adestim.exceptions import DataWarning, TableError


@pytest.mark.parametrize("name", ["age at visit", "Age_at_Visit", "AGE-AT-VISIT", "age.at.visit"])
def test_case_and_marks_do_not_matter(name):
    assert find_columns([name], {"age": "age at visit"}) == {"age": name}
    assert fold_name(name) == "ageatvisit"


def test_first_of_the_accepted_spellings_is_preferred():
    columns = {"visit": ("VISCODE2", "VISCODE")}
    assert find_columns(["VISCODE", "VISCODE2"], columns) == {"visit": "VISCODE2"}
    assert find_columns(["VISCODE"], columns) == {"visit": "VISCODE"}


def test_column_that_is_not_there_is_not_found():
    assert find_columns(["RID"], {"age": "AGE"}) == {}


def test_missing_column_suggests_the_nearest():
    with pytest.raises(TableError, match=r"'DXSUM.csv' has a column 'DIAGNOSIS' or 'DXCURREN'.*"
                       r"nearest: 'DIAGNOSIS_V2'.*describe"):  # fmt: skip
        check_required(
            ["RID", "DIAGNOSIS_V2"], {"dx": ("DIAGNOSIS", "DXCURREN")}, {}, ["dx"], "DXSUM.csv"
        )


def test_missing_column_without_a_near_one_says_how_many_there_are():
    with pytest.raises(TableError, match="none among 1 columns"):
        check_required(["q"], {"dx": "DIAGNOSIS"}, {}, ["dx"], "DXSUM.csv")


def test_absent_columns_are_warned_of_with_the_nearest():
    columns = {"mmse": "MMSCORE", "sex": ("SEX", "GENDER")}
    with pytest.warns(DataWarning, match=r"'MMSE.csv' lacks columns.*'MMSCORE' .none; nearest: "
                      r"'MMSCOR'.; 'SEX' or 'GENDER' .none among 2"):  # fmt: skip
        warn_of_absent(["RID", "MMSCOR"], columns, {}, ["mmse", "sex"], "MMSE.csv")


def test_any_of_several_columns_will_do():
    columns = {"old": "DXCURREN", "new": "DIAGNOSIS"}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_of_absent(["DIAGNOSIS"], columns, {"new": "DIAGNOSIS"}, [("old", "new")], "DXSUM.csv")
    with pytest.raises(TableError, match="has a column 'DXCURREN' or 'DIAGNOSIS'"):
        check_required(["RID"], columns, {}, [("old", "new")], "DXSUM.csv")
