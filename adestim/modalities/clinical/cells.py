"""Cells as they come, read as numbers or strings."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from numbers import Real

import numpy as np
import pandas as pd

from adestim._support.missing import NUMBER_WORDS, is_missing

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
    return convert_mask(not is_missing(cell) for cell in cells)


def is_plain(cell) -> bool:
    """Tell whether a cell is a real number, a truth value or a string."""
    return isinstance(cell, (str, Real, Decimal, np.bool_))


@dataclass(frozen=True, eq=False)
class Numbers:
    """Cells read as numbers."""

    values: np.ndarray  # (n_subjects,); NaN where unknown or unreadable
    is_limit: np.ndarray  # (n_subjects,); true where the cell is a limit of detection
    is_unreadable: np.ndarray  # (n_subjects,); true where a cell holds something that is no number


def parse_numbers(cells: np.ndarray) -> Numbers:
    """Read cells as numbers; ``">1700"`` is read as its limit, the word ``nan`` as unknown."""
    is_text = convert_mask(isinstance(cell, str) for cell in cells)
    is_number = convert_mask(is_plain(cell) for cell in cells) & ~is_text
    values = np.full(len(cells), np.nan)
    values[is_number] = [float_or_infinity(cell) for cell in cells[is_number]]
    written = pd.Series([LIMIT.sub("", cell) for cell in cells[is_text]], dtype=object)
    values[is_text] = pd.to_numeric(written, errors="coerce").to_numpy(dtype=float)
    unreadable = find_known_cells(cells) & np.isnan(values)
    unreadable &= ~convert_mask(isinstance(cell, str) and cell in NUMBER_WORDS for cell in cells)
    is_limit = convert_mask(
        isinstance(cell, str) and LIMIT.match(cell) is not None for cell in cells
    )
    return Numbers(values, is_limit & ~unreadable, unreadable)


def float_or_infinity(number) -> float:
    """Return a number as a float, infinity where it is too large for one."""
    try:
        return float(number)
    except OverflowError:
        return np.inf


def convert_mask(answers: Iterable[bool]) -> np.ndarray:
    """Return answers as an array, dtype bool."""
    return np.fromiter(answers, dtype=bool)
