"""What the columns of a clinical table hold."""

import datetime

import numpy as np
import pandas as pd
import pytest

from adestim._support.missing import MISSING_WORDS
from adestim.exceptions import TableError
from adestim.modalities.clinical.table import (
    Column,
    Declarations,
    column_names,
    infer_kind,
    learn_column,
)

NOTHING = Declarations({}, {})


def learned(cells, *, declarations=NOTHING, max_levels=20, dtype=None):
    return learn_column(pd.Series(cells, dtype=dtype), "c", 0, declarations, max_levels)


def declared(**kinds):
    lists = dict.fromkeys(("numeric", "categorical", "ordinal", "text")) | kinds
    return Declarations.of(["c", "d", "x0"], **lists)


NOTES = [
    "forgets the names of friends",
    "tremor of the right hand",
    "loses the way home",
    "sleeps badly since last year",
]


@pytest.mark.parametrize(
    ("cells", "dtype", "kind"),
    [
        ([1, 2, 3], "int64", "numeric"),
        ([1.5, np.nan, 3], "float32", "numeric"),
        ([1, None, 3], "Int64", "numeric"),
        ([1.5, None, 3], "Float64", "numeric"),
        ([1, 2.5, None], object, "numeric"),
        (["27", "29", None], "str", "numeric"),
        ([">1700", "<80", "900"], "str", "numeric"),
        (["27", "28", "abc"], "str", "numeric"),
        ([True, False], "bool", "categorical"),
        ([True, None], "boolean", "categorical"),
        ([True, None, False], object, "categorical"),
        (["F", "M", None], "str", "categorical"),
        (["F", "M", None], "string", "categorical"),
        ([1, 2, 1], "category", "categorical"),
        (["3/4", "3/3", "2/4"], object, "categorical"),
        (NOTES, "str", "text"),
        (["Not Hispanic or Latino"] * 4, "str", "categorical"),
        (["low", "high"], pd.CategoricalDtype(["low", "high"], ordered=True), "ordinal"),
        ([None, None], object, "empty"),
        ([np.nan, np.nan], "float64", "empty"),
        (["", "n/a"], "str", "empty"),
    ],
)
def test_the_kind_follows_from_dtype_and_cells(cells, dtype, kind):
    assert learned(cells, dtype=dtype).kind == kind


@pytest.mark.parametrize(
    "cells",
    [
        pd.Series(pd.to_datetime(["2011-03-04", None])),
        pd.Series(pd.to_datetime(["2011-03-04"]).tz_localize("UTC")),
        pd.Series(pd.to_timedelta([3], unit="D")),
        pd.Series(pd.period_range("2011-01", periods=2, freq="M")),
        pd.Series([datetime.date(2011, 3, 4), None], dtype=object),
        pd.Series(["2011-03-04", "2012-01-02"]),
        pd.Series(["3/4/2011", "11/24/2012"]),
        pd.Series(["07/2019", None]),
        pd.Series(["04.03.2011", "2.1.2012"]),
        pd.Series(["4-Mar-2011", "02JAN2012"]),
        pd.Series(["2011/03/04 10:11", "2012/01/02 11:12"]),
        pd.Series(["20110304", "20120102"]),
        pd.Series([20110304, 20120102]),
        pd.Series([20110304.0, None]),
        pd.Series(["3/4/11", "11/24/12"]),
    ],
)
def test_dates_are_refused_with_the_remedy(cells):
    with pytest.raises(TableError, match=r"Column 'visit' holds dates.*an age or a duration in ye"):
        infer_kind(cells, cells.dropna().astype(object).to_numpy(), "visit")


@pytest.mark.parametrize("kind", ["numeric", "categorical", "text"])
def test_declarations_come_before_inference(kind):
    assert learned([1, 2, 1], declarations=declared(**{kind: ["c"]})).kind == kind


def test_declared_levels_are_kept_in_their_order():
    column = learned(["mild", "none"], declarations=declared(ordinal={"c": ["none", "mild", "hi"]}))
    assert column == Column("c", 0, "ordinal", ("none", "mild", "hi"))


def test_levels_of_an_ordered_dtype_are_kept_in_their_order():
    dtype = pd.CategoricalDtype(["none", "mild", "severe"], ordered=True)
    assert learned(["severe", "none"], dtype=dtype).levels == ("none", "mild", "severe")


def test_intervals_are_levels_in_writing():
    ages = pd.cut(pd.Series([61, 72, 85]), [60, 70, 80, 90])
    assert learned(ages).levels == ("(60, 70]", "(70, 80]", "(80, 90]")


@pytest.mark.parametrize("levels", [[], ["a", "a"], ["a", "a "], [["a"]], [None, "a"], "ab"])
def test_levels_without_order_are_refused(levels):
    with pytest.raises(TableError, match="ordinal column 'c' must be a list of strings or numbers"):
        learned(["a"], declarations=declared(ordinal={"c": levels}))


def test_categories_are_those_of_the_training_rows_sorted():
    dtype = pd.CategoricalDtype(["M", "F", "X"])
    assert learned(["M", "F", "M"], dtype=dtype).levels == ("F", "M")
    assert learned([2, "b", 1, "a"], declarations=declared(categorical=["c"])).levels == (
        1, 2, "a", "b",
    )  # fmt: skip


def test_rare_categories_share_the_last_slot():
    column = learned(list("aaabbbccd"), max_levels=3)
    assert column.levels == ("a", "b")
    assert column.has_other
    assert column.n_slots == 3


def test_ties_among_rare_categories_do_not_depend_on_the_order_of_rows():
    cells = list("dcbaa")
    forth, back = learned(cells, max_levels=3), learned(cells[::-1], max_levels=3)
    assert forth.levels == back.levels == ("a", "b")


def test_names_of_numbered_columns_begin_with_x():
    assert column_names(pd.RangeIndex(2)) == ["x0", "x1"]
    assert column_names(["age", "sex"]) == ["age", "sex"]


@pytest.mark.parametrize("labels", [["age", "sex", "age"], [0, "x0"]])
def test_two_columns_of_one_name_are_refused(labels):
    with pytest.raises(TableError, match=r"a name of its own.*more than once.*Rename or drop"):
        column_names(labels)


def test_a_declared_column_must_be_in_the_table():
    with pytest.raises(TableError, match="'weight', absent from it"):
        declared(numeric=["weight"])


def test_a_column_may_be_declared_once():
    with pytest.raises(TableError, match=r"declared once.*'c' more than once"):
        declared(numeric=["c"], text=["c"])


def test_numbered_columns_may_be_declared_by_number():
    assert declared(categorical=[0]).kinds == {"x0": "categorical"}


@pytest.mark.parametrize(
    "cells",
    [
        ["23,5", "24,1"],
        ["45 %", "50 %"],
        ["72 kg", "80.5 kg"],
        ["<5", ">90", "12"],
        ["1.5", "NA", "-", "."],
        [1.5, "2,5", None],
    ],
)
def test_numbers_in_any_spelling_are_numeric(cells):
    assert learned(cells, dtype=object).kind == "numeric"


@pytest.mark.parametrize(
    ("cells", "got"),
    [
        (["23.5", None, "23,5"], "a decimal comma in row 3, and a decimal point in row 1"),
        (["NA", "1,234", "2,345"], "either, in rows 2, 3"),
        (["72 kg", "158 lbs", "80 kg"], "'kg' in row 1, 'lb' in row 2"),
        (["45 %", "0.45"], "'%' in row 1, none in row 2"),
        (["72 kg", 80.0], "'kg' in row 1, none in row 2"),
    ],
)
@pytest.mark.parametrize("declarations", [NOTHING, declared(numeric=["c"])])
def test_numbers_whose_spelling_is_open_are_refused_by_column_and_row(cells, got, declarations):
    with pytest.raises(TableError, match=f"of column 'c' .*Got {got}"):
        learned(cells, dtype=object, declarations=declarations)


@pytest.mark.parametrize("word", sorted(MISSING_WORDS))
def test_word_for_missing_is_no_level(word):
    assert learned(["F", word, "M"], dtype=object).levels == ("F", "M")


@pytest.mark.parametrize(
    ("cells", "levels"), [(["a", "-", "b"], ("a", "b")), (["+", "-", "+"], ("+", "-"))]
)
def test_dash_is_a_level_beside_a_plus_alone(cells, levels):
    assert learned(cells, dtype=object).levels == levels


@pytest.mark.parametrize("cells", [["1a", "2b", "1a"], ["1 never", "2 former"], ["IIIa", "IV"]])
def test_codes_of_digits_and_letters_are_categories(cells):
    assert learned(cells, dtype=object).kind == "categorical"


def learn_categories(cells, index=None, declarations=NOTHING):
    column = pd.Series(cells, index=index, dtype=object)
    return learn_column(column, "diagnosis", 0, declarations, max_levels=20)


def test_levels_of_one_to_four_subjects_are_rare():
    assert learn_categories(["a"] * 5 + ["b"] * 4 + ["c"]).rare == (1, 2)


def test_visits_are_not_people():
    assert learn_categories(["a"] * 6, index=["s1"] * 3 + ["s2"] * 3).rare == (0,)


def test_declared_levels_are_nobodys_secret():
    declared = Declarations.of(
        ["diagnosis"], numeric=None, categorical=None, ordinal={"diagnosis": ["a", "b"]}, text=None
    )
    assert learn_categories(["a", "b"], declarations=declared).rare == ()


def test_levels_of_an_ordered_dtype_that_nobody_has_are_not_rare():
    stages = pd.Series(pd.Categorical(["low"] * 5, categories=["low", "high"], ordered=True))
    assert learn_column(stages, "stage", 0, NOTHING, max_levels=20).rare == ()
