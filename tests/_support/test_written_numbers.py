"""Numbers as people write them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adestim._support.written_numbers import (
    Spelling,
    learn_spelling,
    name_rows,
    read_written_numbers,
)
from adestim.exceptions import TableError, TimeSeriesError


def read(*texts):
    return read_written_numbers(texts, learn_spelling(texts)).values.tolist()


@pytest.mark.parametrize(
    ("texts", "numbers"),
    [
        (["23.5", "24"], [23.5, 24]),
        (["23,5", "24"], [23.5, 24]),
        (["23,5", "1,234"], [23.5, 1.234]),
        (["0,512", "1,234"], [0.512, 1.234]),
        (["1,2345"], [1.2345]),
        (["1.234", "2.345"], [1.234, 2.345]),
        (["1,234.5", "1,234", "7"], [1234.5, 1234, 7]),
        (["1.234,5", "1.234", "7"], [1234.5, 1234, 7]),
        (["1,234,567", "12,345"], [1234567, 12345]),
        (["1 234,5", "2\N{NO-BREAK SPACE}000"], [1234.5, 2000]),
        (["1'234.5", "1\N{RIGHT SINGLE QUOTATION MARK}000"], [1234.5, 1000]),
        (["\N{MINUS SIGN}5", "+3", "\N{EN DASH}2,5"], [-5, 3, -2.5]),
        (["1e3", "1,5e-3"], [1000, 0.0015]),
        (["5,", ",5"], [5, 0.5]),
        (["45 %", "50%"], [45, 50]),
        (["72 kg", "80,5 KG"], [72, 80.5]),
        (["1.2 mg/dl", "3 mg/dL"], [1.2, 3]),
        (["1 year", "2 years"], [1, 2]),
        (["<5", ">= 90", "89+"], [5, 90, 89]),
        (["<0,5", "1,5"], [0.5, 1.5]),
    ],
)
def test_numbers_are_read_in_every_spelling(texts, numbers):
    assert read(*texts) == numbers


@pytest.mark.parametrize(
    ("texts", "got"),
    [
        (["7", "23.5", "23,5"], "a decimal comma in row 3, and a decimal point in row 2"),
        (["1,234.5", "1.234,5"], "a decimal comma in row 2, and a decimal point in row 1"),
        (["1,234", "2,345"], "either, in rows 1, 2"),
        (["1,234", "12.5"], "either, in row 1"),
        (["1.234", "12,5"], "either, in row 1"),
        (["45 %", "0.45"], "'%' in row 1, none in row 2"),
        (["72 kg", "158 lbs"], "'kg' in row 1, 'lb' in row 2"),
    ],
)
def test_spelling_that_is_open_is_refused_by_row(texts, got):
    with pytest.raises(TimeSeriesError, match=rf"of column 'tau' .*\. Got {got}\."):
        learn_spelling(texts, "column 'tau'", TimeSeriesError)


@pytest.mark.parametrize(
    "cell",
    ["abc", "12,34,567", "3/4", "120/80", "2010-02-13", "12:30", "1_000", "0x10", "12 5", "70-80",
     "\N{FULLWIDTH DIGIT ONE}", ">high", "1" * 99 + "x", ",", "5 %%", "~5", "True"],
)  # fmt: skip
def test_what_is_no_number_is_unreadable(cell):
    texts = ["1.5", cell]
    read = read_written_numbers(texts, learn_spelling(texts))
    assert read.is_unreadable.tolist() == [False, True]


@pytest.mark.parametrize("texts", [["1a", "2b"], ["1 never", "2 former"], ["3T", "7"]])
def test_codes_are_no_numbers_with_units(texts):
    assert not learn_spelling(texts).unit


@pytest.mark.parametrize("word", ["", " ", "NA", "n/a", "-", ".", "None"])
def test_word_for_missing_is_neither_number_nor_unreadable(word):
    texts = ["23,5", word]
    read = read_written_numbers(texts, learn_spelling(texts))
    assert np.isnan(read.values[1])
    assert not read.is_unreadable.any()


def test_limits_are_told():
    read = read_written_numbers(["<5", "5", "90+"], Spelling())
    assert read.is_limit.tolist() == [True, False, True]


@pytest.mark.parametrize(
    ("text", "spelling", "number"),
    [
        ("23,5", Spelling(), 23.5),
        ("23.5", Spelling(","), 23.5),
        ("1,234", Spelling(","), 1.234),
        ("1,234", Spelling(), np.nan),
        ("1,234", Spelling(groups=","), 1234),
        ("1.234", Spelling(","), np.nan),
        ("1.234", Spelling(",", "."), 1234),
        ("72 kg", Spelling(unit="kg"), 72),
        ("72", Spelling(unit="kg"), np.nan),
        ("72 kg", Spelling(), np.nan),
    ],
)
def test_cell_is_read_by_itself_where_it_has_one_meaning(text, spelling, number):
    np.testing.assert_equal(read_written_numbers([text], spelling).values[0], number)


@pytest.mark.parametrize(
    ("spelling", "said"),
    [
        (Spelling(), ""),
        (Spelling(",", ".", "%"), "decimal commas and '.' between thousands and the unit '%'"),
    ],
)
def test_what_is_unusual_is_said(spelling, said):
    assert spelling.describe() == said


def spelled(number, decimal, groups, unit):
    return f"{number:,.3f}".translate(str.maketrans({".": decimal, ",": groups})) + unit


@settings(deadline=None, max_examples=100)
@given(
    st.lists(st.integers(-(10**8), 10**8), min_size=1, max_size=5),
    st.sampled_from([(".", ""), (".", ","), (",", ""), (",", "."), (",", " "), (".", "'")]),
    st.sampled_from(["", " %", " kg", "mg/l"]),
)
def test_column_in_any_spelling_is_refused_or_read_right(thousandths, marks, unit):
    numbers = [number / 1000 for number in thousandths]
    texts = [spelled(number, *marks, unit) for number in numbers]
    try:
        found = read(*texts)
    except TableError:
        return
    assert found == pytest.approx(numbers)


@pytest.mark.parametrize(
    ("places", "named"),
    [([0], "row 1"), ([0, 2], "rows 1, 3"), (range(9), "rows 1, 2, 3, 4, 5, ...")],
)
def test_rows_are_named_from_one_on(places, named):
    assert name_rows(places) == named
