"""Tables found by name and read by the names of their columns."""

import pickle

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adestim.datasets.tables.read_table import find_table, read_table, settle_duplicates
from adestim.exceptions import DataWarning, InputError, TableError

COLUMNS = {
    "subject": ("PTID", "RID"),
    "phase": ("COLPROT", "PHASE", "Phase"),
    "date": "EXAMDATE",
    "mmse": ("MMSCORE", "MMSE"),
    "abeta": "ABETA",
}
KINDS = {"ids": ["subject"], "dates": ["date"], "numeric": ["mmse"], "censored": ["abeta"]}


@pytest.fixture
def write(tmp_path):
    def write(text, name="TABLE.csv"):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return write


# Finding


@pytest.mark.parametrize("name", ["DXSUM.csv", "dxsum_23Dec2025.csv", "sub/DXSUM_20251223.tsv"])
def test_table_is_found_whatever_case_and_date(tmp_path, name):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("RID\n")
    assert find_table(tmp_path, "DXSUM") == path


def test_table_is_found_by_an_alias(tmp_path):
    path = tmp_path / "DXSUM_PDXCONV_ADNIALL.csv"
    path.write_text("RID\n")
    assert find_table(tmp_path, "DXSUM", ["DXSUM_PDXCONV_ADNIALL"]) == path
    assert find_table(tmp_path, "DXSUM*") == path


def test_name_is_preferred_to_an_alias(tmp_path):
    for name in ("DXSUM.csv", "PDXCONV_23Dec2025.csv"):
        (tmp_path / name).write_text("RID\n")
    assert find_table(tmp_path, "DXSUM", ["PDXCONV"]).name == "DXSUM.csv"


def test_table_may_be_named_itself(tmp_path):
    path = tmp_path / "DXSUM.csv"
    path.write_text("RID\n")
    assert find_table(path, "DXSUM") == path


def test_missing_table_names_the_nearest_and_where_to_download_it(tmp_path):
    (tmp_path / "DXSUMM_23Dec2025.csv").write_text("RID\n")
    with pytest.raises(TableError, match=r"'DXSUM'.*nor 'PDXCONV'; nearest: 'DXSUMM_23Dec2025.csv'"
                       r".*Download it: Study data"):  # fmt: skip
        find_table(tmp_path, "DXSUM", ["PDXCONV"], where="Study data")


def test_missing_table_in_another_folder_says_how_many_there_are(tmp_path):
    with pytest.raises(TableError, match="among 0 tables"):
        find_table(tmp_path, "DXSUM")


def test_missing_table_may_be_none(tmp_path):
    assert find_table(tmp_path, "DXSUM", required=False) is None


def test_missing_folder_is_refused(tmp_path):
    with pytest.raises(TableError, match="The folder of a study exists"):
        find_table(tmp_path / "none", "DXSUM")


# Reading


def test_columns_come_under_our_names_with_their_types(write):
    path = write("RID,Phase,EXAMDATE,MMSE,ABETA\n31,ADNI1,2005-09-08,29,>1700\n10898,ADNI4,,,\n")
    table = read_table(path, COLUMNS, **KINDS)
    assert list(table) == ["subject", "phase", "date", "mmse", "abeta", "abeta_censored"]
    assert list(table["subject"]) == ["31", "10898"]
    assert table["date"][0] == pd.Timestamp(2005, 9, 8)
    assert table["mmse"].dtype == table["abeta"].dtype == np.float64
    assert (table["abeta"][0], table["abeta_censored"][0]) == (1700, ">")
    assert table.loc[1, ["date", "mmse", "abeta"]].isna().all()


def test_spelling_found_is_told(write):
    table = read_table(write("RID,Phase\n31,ADNI1\n"), COLUMNS)
    assert table.attrs["found"] == {"subject": "RID", "phase": "Phase"}


def test_column_that_is_not_there_is_all_missing(write):
    table = read_table(write("RID\n31\n32\n"), COLUMNS, **KINDS)
    assert table.drop(columns=["subject", "abeta_censored"]).isna().all(axis=None)
    assert len(table) == 2


def test_table_without_rows_keeps_its_types(write):
    table = read_table(write("RID,EXAMDATE\n"), COLUMNS, key=["subject"], **KINDS)
    assert len(table) == 0
    assert pd.api.types.is_datetime64_any_dtype(table["date"])


def test_sheet_already_read_is_taken_as_well():
    cells = pd.DataFrame({"PTID": ["011_S_0002"]}, index=[7], dtype="str")
    assert list(read_table(cells, COLUMNS, ids=["subject"])["subject"]) == ["011_S_0002"]


def test_codes_of_every_column_spare_identifiers(write):
    table = read_table(write("RID,MMSE\n-4,-4\n"), COLUMNS, sentinels=["-4", "-1"], **KINDS)
    assert table["subject"][0] == "-4"
    assert np.isnan(table["mmse"][0])


def test_codes_may_differ_by_column(write):
    path = write("RID,MMSE,Phase\n1,99,99\n2,-4,-4\n")
    table = read_table(path, COLUMNS, sentinels={"*": ["-4"], "mmse": ["99"]}, **KINDS)
    assert table["mmse"].isna().all()
    assert table["phase"].isna().tolist() == [False, True]


def test_missing_required_column_suggests_the_nearest(write):
    with pytest.raises(TableError, match=r"'TABLE.csv' has a column 'MMSCORE' or 'MMSE'.*'MMSE2'"):
        read_table(write("RID,MMSE2\n1,29\n"), COLUMNS, required=["mmse"])


def test_missing_expected_column_is_missing_values_and_a_warning(write):
    with pytest.warns(DataWarning, match="'TABLE.csv' lacks columns.*nearest: 'MMSE2'"):
        table = read_table(write("RID,MMSE2\n1,29\n"), COLUMNS, expected=["mmse"])
    assert table["mmse"].isna().all()


@pytest.mark.parametrize(
    ("text", "rule"),
    [("RID,MMSE\n1,29\n2,secret\n", "column 'mmse' of 'TABLE.csv' are numbers"),
     ("RID,EXAMDATE\n1,\n2,2005-02-31\n", "column 'date' of 'TABLE.csv' are possible dates")],
)  # fmt: skip
def test_unreadable_cell_is_refused_by_its_row_and_not_its_value(write, text, rule):
    with pytest.raises(TableError, match=rf"{rule}\. Got 1 .* data rows 2") as caught:
        read_table(write(text), COLUMNS, **KINDS)
    assert "secret" not in str(caught.value)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_unreadable_cell_may_count_as_missing(write):
    with pytest.warns(DataWarning, match=r"1 cells of column 'mmse' .* data rows 1"):
        table = read_table(write("RID,MMSE\n1,x\n"), COLUMNS, unreadable="missing", **KINDS)
    assert table["mmse"].isna().all()


def read_column(cells, kind):
    """Read one column of a kind, given as words of a file."""
    table = pd.DataFrame({"MMSE": cells, "EXAMDATE": cells}, dtype="str")
    return read_table(table, COLUMNS, **{kind: ["date" if kind == "dates" else "mmse"]})[
        "date" if kind == "dates" else "mmse"
    ]


@pytest.mark.parametrize(
    ("cells", "numbers", "said"),
    [
        (["23,5", "", "1,25"], [23.5, np.nan, 1.25], "decimal commas"),
        (["1,234.5", "-", "7"], [1234.5, np.nan, 7], "',' between thousands"),
        (["45 %", "NA", "50%"], [45, np.nan, 50], "the unit '%'"),
    ],
)
def test_numbers_of_another_spelling_are_read_with_a_warning(cells, numbers, said):
    with pytest.warns(DataWarning, match=f"of column 'mmse' of 'table' are written with {said}"):
        np.testing.assert_array_equal(read_column(cells, "numeric"), numbers)


@pytest.mark.parametrize(
    ("cells", "kind", "got"),
    [
        (["7", "7", "23.5", "23,5"], "numeric", "a decimal comma in row 4, and a decimal point in"),
        (["7", "7", "1,234"], "numeric", "either, in row 3"),
        (["7 kg", "7 kg", "8 lb"], "numeric", "'kg' in row 1, 'lb' in row 3"),
        (["<5", "7"], "numeric", "1 that are not, in data rows 1"),
        (["1/1/2010", "1/1/2010", "13/2/2010", "2/13/2010"], "dates", "the day first in row 3"),
        (["3/4/10"], "dates", "1 that are not, in data rows 1"),
    ],
)
def test_what_is_left_open_is_refused_by_column_and_row(cells, kind, got):
    with pytest.raises(TableError, match=rf"olumn '(mmse|date)' of 'table'.*Got {got}"):
        read_column(cells, kind)


def test_order_of_day_and_month_that_no_cell_tells_is_said_unless_stated():
    table = pd.DataFrame({"EXAMDATE": ["3/4/2010", "5/6/2010"]}, dtype="str")
    with pytest.warns(DataWarning, match=r"'date' of 'table' tells.*read as month/day/year"):
        read = read_table(table, COLUMNS, dates=["date"])["date"]
    assert list(read.dt.month) == [3, 5]
    stated = read_table(table, COLUMNS, dates=["date"], day_first=True)["date"]
    assert list(stated.dt.month) == [4, 6]


@pytest.mark.parametrize("name", ["duplicates", "unreadable"])
def test_unknown_choice_is_refused(name):
    with pytest.raises(InputError, match=rf"The '{name}' parameter must be one of .*'guess'"):
        read_table(pd.DataFrame({"RID": ["1"]}), COLUMNS, **{name: "guess"})


@pytest.mark.parametrize("name", ["ids", "dates", "numeric", "censored", "key", "required"])
def test_name_of_no_column_is_refused(name):
    with pytest.raises(InputError, match=r"name columns that it reads. Got 'moca' besides"):
        read_table(pd.DataFrame({"RID": ["1"]}), COLUMNS, **{name: ["moca"]})


@settings(deadline=None, max_examples=30)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False, width=32), min_size=1))
def test_numbers_come_back_as_written(numbers):
    cells = pd.DataFrame({"MMSE": [repr(number) for number in numbers]}, dtype="str")
    read = read_table(cells, COLUMNS, numeric=["mmse"])["mmse"]
    np.testing.assert_allclose(read, numbers, rtol=1e-12)


# Duplicates


def test_equal_rows_are_one(write):
    path = write("RID,Phase,MMSE\n1,A,29\n1,A,29\n2,A,28\n")
    assert list(read_table(path, COLUMNS, key=["subject", "phase"], **KINDS)["mmse"]) == [29, 28]


def test_differing_rows_of_one_key_are_refused_by_subject(write):
    path = write("RID,Phase,MMSE\n1,A,29\n1,A,27\n2,A,28\n")
    with pytest.raises(TableError, match=r"one row for each subject and phase.*rows for '1'"):
        read_table(path, COLUMNS, key=["subject", "phase"], **KINDS)


@pytest.mark.parametrize(("duplicates", "kept"), [("first", 29), ("last", 27)])
def test_differing_rows_are_settled_as_asked(duplicates, kept):
    table = pd.DataFrame({"subject": ["1", "1", "2"], "mmse": [29, 27, 28]})
    with pytest.warns(DataWarning, match=rf"the {duplicates} of each was kept, 1 were dropped"):
        assert list(settle_duplicates(table, ["subject"], duplicates)["mmse"]) == [kept, 28]


def test_duplicates_may_be_left_alone():
    table = pd.DataFrame({"subject": ["1", "1"]})
    assert len(settle_duplicates(table, ["subject"], "keep")) == 2


def test_rows_without_a_key_do_not_conflict():
    table = pd.DataFrame({"subject": ["1", "1"], "visit": [None, None], "mmse": [29, 27]})
    assert len(settle_duplicates(table, ["subject", "visit"])) == 2
