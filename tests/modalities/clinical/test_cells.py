"""Cells as they come, read as numbers or strings."""

from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from adestim.modalities.clinical.cells import (
    find_known_cells,
    is_plain,
    parse_numbers,
    plain_cells,
    write_cells,
)


def objects(*cells):
    array = np.empty(len(cells), dtype=object)
    array[:] = cells
    return array


def test_known_cells_are_those_that_hold_anything():
    cells = objects(1, "", "n/a", None, np.nan, pd.NA, pd.NaT, "x", False, 0)
    assert find_known_cells(cells).tolist() == [
        True, False, False, False, False, False, False, True, True, True,
    ]  # fmt: skip


def test_plain_cells_lose_outer_blanks_and_keep_objects():
    cells = plain_cells(pd.Series([" F ", 3, None, [1, 2]], dtype=object))
    assert cells[0] == "F"
    assert cells[1] == 3
    assert cells[2] is None
    assert cells[3] == [1, 2]


@pytest.mark.parametrize("cell", ["x", 1, 1.5, True, np.bool_(True), np.float32(1), Decimal("2")])
def test_numbers_truth_values_and_strings_are_plain(cell):
    assert is_plain(cell)


@pytest.mark.parametrize("cell", [None, 1j, np.complex64(1), [1], {"a": 1}, pd.Timestamp(0)])
def test_other_objects_are_not_plain(cell):
    assert not is_plain(cell)


def test_written_numbers_are_read():
    read = parse_numbers(objects("27", "-4.5", "1e3", Decimal("2.5"), 3, True))
    np.testing.assert_array_equal(read.values, [27, -4.5, 1000, 2.5, 3, 1])
    assert not read.is_unreadable.any()
    assert not read.is_limit.any()


def test_limits_of_detection_are_read_as_the_limit():
    read = parse_numbers(objects(">1700", "<80", "<= 8", "≥.5", "300"))
    np.testing.assert_array_equal(read.values, [1700, 80, 8, 0.5, 300])
    assert read.is_limit.tolist() == [True, True, True, True, False]


def test_decimal_comma_with_one_meaning_is_read_and_told():
    read = parse_numbers(objects(1.0, "1,5"))
    np.testing.assert_array_equal(read.values, [1, 1.5])
    assert read.unusual == "decimal commas"


def test_cells_in_writing_are_what_is_known():
    assert write_cells(objects("23,5", 2.5, None, "NA")) == ["23,5", "0", "", ""]


@pytest.mark.parametrize("cell", ["abc", "1,234", ">high", "27 years", [27], {"a": 1}, 1j])
def test_anything_else_is_unreadable(cell):
    read = parse_numbers(objects(1.0, cell))
    assert read.is_unreadable.tolist() == [False, True]
    assert np.isnan(read.values[1])
    assert not read.is_limit.any()


def test_missing_cells_and_the_word_nan_are_unknown_but_readable():
    read = parse_numbers(objects(None, "", "n/a", np.nan, "nan", "NaN"))
    assert np.isnan(read.values).all()
    assert not read.is_unreadable.any()
