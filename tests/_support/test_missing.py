"""The words for a missing value, and who takes which of them."""

import pandas as pd
import pytest

from adestim._support.missing import (
    DASHES,
    MISSING_WORDS,
    NUMBER_WORDS,
    is_unknown,
    mask_missing,
)
from adestim.encoding import is_missing
from adestim.modalities.clinical.cells import find_known_cells, parse_numbers, plain_cells
from adestim.modalities.fmri._tables import read_table


def text(*cells):
    return pd.Series(list(cells), dtype="str")


@pytest.mark.parametrize("cell", sorted(MISSING_WORDS))
def test_what_says_that_nothing_is_there_is_missing(cell):
    assert mask_missing(text(f" {cell} ")).isna().all()


def test_white_space_around_a_cell_is_no_part_of_it():
    assert list(mask_missing(text(" 29 "))) == ["29"]


@pytest.mark.parametrize("cell", sorted(MISSING_WORDS))
def test_words_of_cells_are_missing_for_every_reader(cell):
    assert is_unknown(f" {cell} ")
    assert not find_known_cells(plain_cells(pd.Series([cell], dtype=object)))[0]
    assert cell in NUMBER_WORDS


@pytest.mark.parametrize("cell", sorted(NUMBER_WORDS))
def test_words_among_numbers_are_missing_in_tables_over_time(cell):
    table = read_table(pd.DataFrame({"A": ["1", cell], "B": ["1", "2"]}), "ROI series")
    assert pd.isna(table.values[1, 0])


@pytest.mark.parametrize("cell", sorted(NUMBER_WORDS))
def test_words_are_unknown_and_not_unreadable_among_clinical_numbers(cell):
    assert not parse_numbers(plain_cells(pd.Series(["1", cell]))).is_unreadable.any()


@pytest.mark.parametrize("cell", sorted(DASHES))
def test_dash_alone_may_be_the_sign_of_a_test(cell):
    assert not is_unknown(cell)


@pytest.mark.parametrize("cell", ["none", "unknown", "0", "-1", "no"])
def test_other_words_say_something(cell):
    assert not is_unknown(cell)


def test_cell_for_a_modality_is_missing_by_few_words():
    assert [is_missing(cell) for cell in ("", "n/a", "nan", ".")] == [True, True, False, False]
    assert not any(is_unknown(cell) for cell in (0, False, "0", float("inf")))
