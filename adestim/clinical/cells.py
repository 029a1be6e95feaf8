"""Cells as they come, read as numbers or strings."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from numbers import Real

import numpy as np
import pandas as pd

__all__ = ["Numbers", "is_plain", "known_cells", "parse_numbers", "plain_cells"]

BLANK = ("", "n/a")
LIMIT = re.compile(r"[<>≤≥]=?\s*(?=[-+.\d])")


def plain_cells(column: pd.Series) -> np.ndarray:
    """Return the cells of a column that is not numeric as objects, strings without outer blanks."""
    cells = column.astype(object).to_numpy()
    plain = np.empty(len(cells), dtype=object)
    for row, cell in enumerate(cells):
        plain[row] = cell.strip() if isinstance(cell, str) else cell
    return plain


def known_cells(cells: np.ndarray) -> np.ndarray:
    """Tell which cells hold anything, shape (n_subjects,), dtype bool."""
    is_blank = mask_of(isinstance(cell, str) and cell in BLANK for cell in cells)
    return ~pd.Series(cells, dtype=object).isna().to_numpy() & ~is_blank


def is_plain(cell) -> bool:
    """Tell whether a cell is a real number, a truth value or a string."""
    return isinstance(cell, (str, Real, Decimal, np.bool_))


@dataclass(frozen=True, eq=False)
class Numbers:
    """Cells read as numbers.

    Parameters
    ----------
    values : ndarray of shape (n_subjects,)
        NaN where unknown or unreadable.
    is_limit : ndarray of shape (n_subjects,), dtype bool
        True where the cell is a limit of detection.
    is_unreadable : ndarray of shape (n_subjects,), dtype bool
        True where a cell holds something that is no number.
    """

    values: np.ndarray
    is_limit: np.ndarray
    is_unreadable: np.ndarray


def parse_numbers(cells: np.ndarray) -> Numbers:
    """Read cells as numbers; ``">1700"`` is read as its limit, the word ``nan`` as unknown."""
    is_text = mask_of(isinstance(cell, str) for cell in cells)
    is_number = mask_of(is_plain(cell) for cell in cells) & ~is_text
    values = np.full(len(cells), np.nan)
    values[is_number] = cells[is_number].astype(float)
    written = pd.Series([LIMIT.sub("", cell) for cell in cells[is_text]], dtype=object)
    values[is_text] = pd.to_numeric(written, errors="coerce").to_numpy(dtype=float)
    unreadable = known_cells(cells) & np.isnan(values)
    unreadable &= ~mask_of(isinstance(cell, str) and cell.lower() == "nan" for cell in cells)
    is_limit = mask_of(isinstance(cell, str) and LIMIT.match(cell) is not None for cell in cells)
    return Numbers(values, is_limit & ~unreadable, unreadable)


def mask_of(answers: Iterable[bool]) -> np.ndarray:
    """Return answers as an array, dtype bool."""
    return np.fromiter(answers, dtype=bool)
