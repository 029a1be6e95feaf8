"""Columns of a clinical table that deserve a look, as far as the training rows tell."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

import numpy as np
import pandas as pd

from adestim._support.identifiers import find_identifier, find_sentinels
from adestim._support.written_numbers import name_rows
from adestim.modalities.clinical.cells import find_known_cells, parse_numbers, plain_cells
from adestim.modalities.clinical.table import Column

# So many different numbers among words are measured, and no codes.
MANY_NUMBERS = 5


def odd_columns(
    frame: pd.DataFrame, columns: Sequence[Column], declared: Collection[str] = ()
) -> list[str]:
    """Return remarks on columns that cannot help, or may be read wrongly.

    What the user declares, numbers as numbers and codes as categories, is taken at its word.
    """
    remarks = [
        f"Column {column.name!r} is missing for every training subject; its token is masked for "
        "everybody."
        for column in columns
        if column.kind == "empty"
    ]
    for column in columns:
        remarks.extend(remark_on(frame.iloc[:, column.position], column, column.name in declared))
    return remarks


def remark_on(cells: pd.Series, column: Column, is_declared: bool) -> Iterator[str]:
    """Yield remarks on one column."""
    if column.kind == "numeric" and not is_declared:
        yield from remark_on_numbers(read_column(cells, column), column.name)
    if column.kind == "categorical" and column.has_other and is_identifier(plain_cells(cells)):
        yield (
            f"Column {column.name!r} has another category for every training subject, as an "
            "identifier has; leave it out."
        )
    elif column.kind == "categorical" and not is_declared:
        yield from remark_on_mixture(plain_cells(cells), column.name)


def read_column(cells: pd.Series, column: Column) -> np.ndarray:
    """Return the numbers of a numeric column, NaN where it has none, shape (n_subjects,)."""
    if pd.api.types.is_numeric_dtype(cells.dtype):
        return cells.to_numpy(dtype=np.float64, na_value=np.nan)
    return parse_numbers(plain_cells(cells), column.spelling).values


def remark_on_numbers(values: np.ndarray, name: str) -> Iterator[str]:
    """Yield remarks on numbers that name the rows, or stand for missing ones."""
    reason = find_identifier(name, values)
    if reason:
        yield (
            f"Column {name!r} {reason}; leave it out. If it measures something, name it in "
            "numeric=."
        )
    found = find_sentinels(values)
    if found:
        yield (
            f"Column {name!r} holds {', '.join(f'{value:g}' for value in found)} in "
            f"{np.isin(values, found).sum()} cell(s), far outside its other numbers, as codes for "
            "missing values are; replace them by NaN. If they are measured, name the column in "
            "numeric=."
        )


def remark_on_mixture(cells: np.ndarray, name: str) -> Iterator[str]:
    """Yield a remark where words keep numbers from being read as numbers."""
    known = find_known_cells(cells)
    values = np.where(known, parse_numbers(cells).values, np.nan)
    if len(np.unique(values[np.isfinite(values)])) >= MANY_NUMBERS:
        words = np.flatnonzero(known & ~np.isfinite(values))
        yield (
            f"Column {name!r} holds numbers in {np.isfinite(values).sum()} cell(s) and words in "
            f"{name_rows(words)}, and is read as categories, each number one; set the words to "
            "NaN, or name the column in categorical=."
        )


def is_identifier(cells: np.ndarray) -> bool:
    """Tell whether no two subjects share a cell."""
    present = [str(cell) for cell in cells[find_known_cells(cells)]]
    return len(set(present)) == len(present)
