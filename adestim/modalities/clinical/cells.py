"""Cells as they come, read as numbers or strings."""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import Decimal
from numbers import Real

import numpy as np
import pandas as pd

from adestim._support.missing import is_unknown
from adestim._support.written_numbers import Numbers, Spelling, read_written_numbers

PLAIN = Spelling()
LIMIT = re.compile(r"[<>≤≥]=?\s*(?=[-+.\d])")


def plain_cells(column: pd.Series) -> np.ndarray:
    """Return a column's cells as objects: strings without outer blanks, intervals in writing."""
    cells = column.astype(object).to_numpy()
    plain = np.empty(len(cells), dtype=object)
    for row, cell in enumerate(cells):
        written = str(cell) if isinstance(cell, pd.Interval) else cell
        plain[row] = written.strip() if isinstance(written, str) else written
    return plain


def find_known_cells(cells: np.ndarray) -> np.ndarray:
    """Tell which cells hold anything, shape (n_subjects,), dtype bool."""
    return convert_mask(not is_unknown(cell) for cell in cells)


def is_plain(cell) -> bool:
    """Tell whether a cell is a real number, a truth value or a string."""
    return isinstance(cell, (str, Real, Decimal, np.bool_))


def parse_numbers(cells: np.ndarray, spelling: Spelling = PLAIN) -> Numbers:
    """Read cells as numbers; ``">1700"`` is read as its limit, the word ``nan`` as unknown."""
    is_text = convert_mask(isinstance(cell, str) for cell in cells)
    is_number = convert_mask(is_plain(cell) for cell in cells) & ~is_text
    values = np.full(len(cells), np.nan)
    values[is_number] = [float_or_infinity(cell) for cell in cells[is_number]]
    written = read_written_numbers(cells[is_text].tolist(), spelling)
    values[is_text] = written.values
    is_limit = np.zeros(len(cells), dtype=bool)
    is_limit[is_text] = written.is_limit
    unreadable = find_known_cells(cells) & np.isnan(values)
    unreadable[is_text] = written.is_unreadable
    return Numbers(values, is_limit, unreadable, written.unusual)


def write_cells(cells: np.ndarray) -> list[str]:
    """Return cells for a look at how numbers are written: nothing where unknown.

    What is a number by its type is written without marks and unit, whatever its value.
    """
    known = find_known_cells(cells)
    return [
        cell if isinstance(cell, str) and there else "0" if there else ""
        for cell, there in zip(cells, known, strict=True)
    ]


def float_or_infinity(number) -> float:
    """Return a number as a float, infinity where it is too large for one."""
    try:
        return float(number)
    except OverflowError:
        return np.inf


def convert_mask(answers: Iterable[bool]) -> np.ndarray:
    """Return answers as an array, dtype bool."""
    return np.fromiter(answers, dtype=bool)
