"""Columns of a clinical table that deserve a look."""

import numpy as np
import pandas as pd
import pytest

from adestim.modalities.clinical.suspects import odd_columns
from adestim.modalities.clinical.table import Declarations, learn_column

NOTHING = Declarations({}, {})


def remarks_on(frame, declared=()):
    columns = [
        learn_column(frame[name], name, place, NOTHING, 2) for place, name in enumerate(frame)
    ]
    return odd_columns(frame, columns, declared)


def test_columns_that_cannot_help_are_remarked_on():
    frame = pd.DataFrame(
        {"site": list("aab"), "patient": ["p1", "p2", "p3"], "gone": [None, None, None]}
    )
    missing, identifier = remarks_on(frame)
    assert missing.startswith("Column 'gone' is missing for every training subject")
    assert identifier.startswith("Column 'patient' has another category for every")


def test_numbers_that_name_the_rows_are_remarked_on_unless_declared():
    frame = pd.DataFrame({"RID": [4010, 4003, 4021], "age": [70.5, 71, 68]})
    (remark,) = remarks_on(frame)
    assert remark.startswith("Column 'RID' has the name of an identifier or a row number; leave it")
    assert not remarks_on(frame, ["RID"])


@pytest.mark.parametrize("dtype", ["float64", "Int64", "str"])
def test_codes_for_missing_are_remarked_on_with_their_number(dtype):
    cells = pd.Series([12, 16, 18, 8, 999, 20, -4]).astype(dtype)
    (remark,) = remarks_on(pd.DataFrame({"education": cells}))
    assert remark.startswith("Column 'education' holds -4, 999 in 2 cell(s), far outside its other")


def test_numbers_among_words_are_remarked_on_with_the_place_of_the_words():
    cells = ["not done"] * 7 + ["12.5", "13.1", "9.9", "8.7", "7.1"]
    (remark,) = remarks_on(pd.DataFrame({"tau": cells}))
    assert remark.startswith(
        "Column 'tau' holds numbers in 5 cell(s) and words in rows 1, 2, 3, 4,"
    )


@pytest.mark.parametrize("form", ["${:.2f}", "{} ± 2", "{}:30", "({})", "{}/80"])
def test_amounts_that_are_no_numbers_are_remarked_on(form):
    cells = [form.format(number) for number in range(11, 19)]
    (remark,) = odd_columns(
        pd.DataFrame({"x": cells}), [learn_column(pd.Series(cells), "x", 0, NOTHING, 20)]
    )
    assert remark.startswith("Column 'x' holds digits within words, different for most subjects")


@pytest.mark.parametrize("cells", [["3/4", "3/3", "2/3", "4/4", "2/4", "2/2"] * 3, ["1a", "2b"]])
def test_codes_with_digits_are_not_remarked_on(cells):
    column = learn_column(pd.Series(cells), "x", 0, NOTHING, 20)
    assert not odd_columns(pd.DataFrame({"x": cells}), [column])


def test_codes_among_words_that_say_that_nothing_is_known_are_remarked_on():
    (remark,) = remarks_on(pd.DataFrame({"sex": ["F", "M", "-9", "F", "M"]}))
    assert remark.startswith("Column 'sex' holds -9 among words, as codes for missing values are")


def test_numbers_with_leading_zeros_are_remarked_on():
    (remark,) = remarks_on(pd.DataFrame({"code": ["0031", "0007", "1205", "0931"]}))
    assert remark.startswith("Column 'code' is written with leading zeros, as identifiers")


def test_few_words_that_name_the_subjects_are_remarked_on():
    (remark,) = remarks_on(pd.DataFrame({"PTID": ["011_S_0002", "011_S_0003"]}))
    assert remark.startswith("Column 'PTID' has another category for every training subject")


def test_codes_of_a_categorical_type_are_taken_as_they_are():
    assert not remarks_on(pd.DataFrame({"site": pd.Series(list(range(9)) * 2, dtype="category")}))


@pytest.mark.parametrize("cells", [["1", "2", "other", "none", "both"] * 2, list("aabb")])
def test_codes_among_words_are_not_remarked_on(cells):
    assert not remarks_on(pd.DataFrame({"stage": cells}))


def test_ordinary_table_is_not_remarked_on():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {"age": rng.integers(55, 99, 60), "score": rng.integers(0, 31, 60),
         "birth_year": rng.integers(1920, 1960, 60), "z": rng.normal(size=60)}
    )  # fmt: skip
    assert not remarks_on(frame)
