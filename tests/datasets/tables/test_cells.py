"""Cells of a study's tables."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adestim.datasets.tables.cells import (
    as_dates,
    as_identifiers,
    as_text,
    compute_ages,
    convert_cells,
    drop_codes,
    extract_signs,
    find_lost,
    make_empty_column,
    read_birth_dates,
    take_first_known,
    take_lasting,
    translate_codes,
)
from adestim.exceptions import DataWarning, TableError

SEXES = {"0": "F", "1": "M"}


def text(*cells):
    return pd.Series(list(cells), dtype="str")


def test_missing_value_is_no_word():
    assert as_text(pd.Series([1, None], dtype=object)).isna().tolist() == [False, True]


@pytest.mark.parametrize("cell", ["-4", "-4.0", "-4.00"])
def test_code_is_missing_however_a_number_is_written(cell):
    assert drop_codes(text(cell, "4"), ["-4"]).isna().tolist() == [True, False]


def test_code_that_is_a_word_is_missing():
    assert drop_codes(text("unknown", "4"), ["unknown"]).isna().tolist() == [True, False]


def test_negative_number_that_is_no_code_stays():
    assert list(drop_codes(text("-2", "-1"), ["-4"])) == ["-2", "-1"]


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
    [
        (">1700", 1700, ">"),
        ("<8", 8, "<"),
        (">= 80", 80, ">"),
        ("≤.5", 0.5, "<"),
        ("203.1", 203.1, ""),
    ],
)
def test_limit_of_an_assay_is_a_number_with_its_sign(cell, limit, sign):
    assert list(convert_cells(text(cell), "censored")) == [limit]
    assert list(extract_signs(text(cell))) == [sign]


def test_missing_cell_has_no_sign():
    assert list(extract_signs(make_empty_column(1))) == [""]


@pytest.mark.parametrize(
    "cell",
    ["2005-09-08", "9/8/2005", "09/08/2005", "2005-09-08 10:11:12", "8-Sep-2005", "08Sep2005",
     "20050908", "2005-09-08T10:11"],
)  # fmt: skip
def test_day_is_read_in_every_spelling(cell):
    assert list(as_dates(text(cell))) == [pd.Timestamp(2005, 9, 8)]


def test_day_above_12_tells_the_order_of_the_column():
    with pytest.warns(DataWarning, match="read as day/month/year"):
        read = as_dates(text("13/1/2005", "2/1/2005"))
    assert list(read) == [pd.Timestamp(2005, 1, 13), pd.Timestamp(2005, 1, 2)]
    assert list(as_dates(text("13/1/2005"), day_first=True)) == [pd.Timestamp(2005, 1, 13)]


def test_month_and_year_are_the_first_of_the_month():
    assert list(as_dates(text("03/2012"))) == [pd.Timestamp(2012, 3, 1)]


@pytest.mark.parametrize(
    "cell", ["2005-02-30", "13/13/2005", "1805-01-01", "2999-01-01", "2005", "x"]
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
    np.testing.assert_array_equal(find_lost(before, convert_cells(before, "number")), [2])


def test_column_of_nothing_is_all_missing():
    assert make_empty_column(3).isna().tolist() == [True] * 3


def test_codes_become_words_and_missing_ones_stay_so():
    cells = pd.Series(["0", "1.0", " 1", None], dtype="str")
    assert translate_codes(cells, SEXES, "SEX", "table").fillna("").tolist() == ["F", "M", "M", ""]


def test_code_of_another_study_is_refused():
    with pytest.raises(
        TableError, match=r"'SEX' of 'table.csv' is coded 0 = F, 1 = M. Got another"
    ):
        translate_codes(pd.Series(["1", "2"], dtype="str"), SEXES, "SEX", "table.csv")


def test_first_known_cell_counts():
    table = pd.DataFrame({"subject": ["b", "a", "a"], "sex": [None, None, "F"]})
    assert take_first_known(table, "sex").to_dict() == {"a": "F"}


@pytest.mark.parametrize(
    ("text", "birth"),
    [
        ("05/1932", "1932-05-01"),
        ("1932-05-20", "1932-05-20"),
        ("/1932", "1932-07-01"),
        ("19320520", "1932-05-20"),
        ("20.5.1932", "1932-05-20"),
        ("1932", "1932-07-01"),
        (None, None),
    ],
)
def test_as_much_of_the_birth_as_is_told_counts(text, birth):
    found = read_birth_dates(pd.Series([text], dtype="str"))[0]
    assert pd.isna(found) if birth is None else found == pd.Timestamp(birth)


def test_year_and_month_in_columns_of_their_own_count():
    text = pd.Series([None, None], dtype="str")
    found = read_birth_dates(text, pd.Series([1940.0, 1941.0]), pd.Series([3.0, None]))
    assert found.dt.strftime("%Y-%m").tolist() == ["1940-03", "1941-07"]


def test_age_is_in_years_to_one_decimal():
    births = pd.to_datetime(pd.Series(["1940-01-01"]))
    assert compute_ages(births, pd.to_datetime(pd.Series(["2010-07-02"]))).tolist() == [70.5]


def test_no_age_is_told_where_a_visit_lies_before_the_birth():
    births = pd.to_datetime(pd.Series(["1940-01-01", "2012-01-01"]))
    visits = pd.to_datetime(pd.Series(["2010-01-01", "2010-01-01"]))
    with pytest.warns(DataWarning, match="1 visits are dated before the birth"):
        assert compute_ages(births, visits).fillna(-1).tolist() == [70, -1]


def test_change_of_what_lasts_is_told():
    table = pd.DataFrame({"subject": ["a", "b", "b", None], "sex": ["F", "M", "F", "M"]})
    with pytest.warns(DataWarning, match="'T' has differing cells of 'sex', .* for 'b'"):
        assert take_lasting(table, "sex", "T").to_dict() == {"a": "F", "b": "M"}
    assert take_lasting(table.iloc[:2], "sex", "T").to_dict() == {"a": "F", "b": "M"}
