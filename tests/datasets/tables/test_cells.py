"""Cells of a study's tables."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adestim.datasets.tables.cells import (
    as_dates,
    as_identifiers,
    censoring,
    converted,
    lost,
    nothing,
    text_of,
    without_codes,
)


def text(*cells):
    return pd.Series(list(cells), dtype="str")


def test_missing_value_is_no_word():
    assert text_of(pd.Series([1, None], dtype=object)).isna().tolist() == [False, True]


@pytest.mark.parametrize("cell", ["-4", "-4.0", "-4.00"])
def test_code_is_missing_however_a_number_is_written(cell):
    assert without_codes(text(cell, "4"), ["-4"]).isna().tolist() == [True, False]


def test_code_that_is_a_word_is_missing():
    assert without_codes(text("unknown", "4"), ["unknown"]).isna().tolist() == [True, False]


def test_negative_number_that_is_no_code_stays():
    assert list(without_codes(text("-2", "-1"), ["-4"])) == ["-2", "-1"]


@pytest.mark.parametrize(
    ("cell", "identifier"),
    [("31", "31"), ("31.0", "31"), ("10898", "10898"), ("0031", "0031"), ("011_S_0002",) * 2],
)
def test_identifier_is_what_it_was_before_a_table_program(cell, identifier):
    assert list(as_identifiers(text(cell))) == [identifier]


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10**12))
def test_identifier_of_digits_survives(number):
    assert list(as_identifiers(text(str(number)))) == [str(number)]


@pytest.mark.parametrize(
    ("cell", "limit", "sign"),
    [(">1700", 1700, ">"), ("<8", 8, "<"), (">= 80", 80, ">"), ("203.1", 203.1, "")],
)
def test_limit_of_an_assay_is_a_number_with_its_sign(cell, limit, sign):
    assert list(converted(text(cell), "censored")) == [limit]
    assert list(censoring(text(cell))) == [sign]


def test_missing_cell_has_no_sign():
    assert list(censoring(nothing(1))) == [""]


@pytest.mark.parametrize(
    "cell",
    ["2005-09-08", "9/8/2005", "09/08/2005", "2005-09-08 10:11:12", "8-Sep-2005", "08Sep2005",
     "20050908", "2005-09-08T10:11"],
)  # fmt: skip
def test_day_is_read_in_every_spelling(cell):
    assert list(as_dates(text(cell))) == [pd.Timestamp(2005, 9, 8)]


def test_month_and_year_are_the_first_of_the_month():
    assert list(as_dates(text("03/2012"))) == [pd.Timestamp(2012, 3, 1)]


@pytest.mark.parametrize(
    "cell", ["2005-02-30", "13/1/2005", "1805-01-01", "2999-01-01", "2005", "x"]
)
def test_impossible_date_is_missing(cell):
    assert as_dates(text(cell)).isna().all()


@settings(deadline=None, max_examples=30)
@given(st.dates(pd.Timestamp(1900, 1, 1).date(), pd.Timestamp(2025, 12, 31).date()))
def test_american_and_iso_dates_agree(day):
    iso, american = as_dates(text(f"{day:%Y-%m-%d}", f"{day.month}/{day.day}/{day.year}"))
    assert iso == american == pd.Timestamp(day)


def test_lost_cells_are_those_that_were_there():
    before = text("1", None, "x")
    np.testing.assert_array_equal(lost(before, converted(before, "number")), [2])


def test_column_of_nothing_is_all_missing():
    assert nothing(3).isna().tolist() == [True] * 3
