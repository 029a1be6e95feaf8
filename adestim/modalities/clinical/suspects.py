"""Columns of a clinical table that deserve a look, as far as the training rows tell."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence

import numpy as np
import pandas as pd

from adestim._support.identifiers import SENTINELS, find_identifier, find_sentinels, names_rows
from adestim._support.written_numbers import name_rows
from adestim.modalities.clinical.cells import find_known_cells, parse_numbers, plain_cells
from adestim.modalities.clinical.table import Column

# So many different numbers among words are measured, and no codes.
MANY_NUMBERS = 5
LEADING_ZERO = re.compile(r"0\d+")
# Digits at once, or after a sign of a currency or a bracket.
AMOUNT = re.compile(r"\W{0,2}\d")
SHARE_OF_CODES = 0.5


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
        yield from remark_on_numbers(cells, column)
    if column.kind == "categorical":
        plain = plain_cells(cells)
        may_name = column.has_other or names_rows(column.name)
        if may_name and is_identifier(plain):
            yield (
                f"Column {column.name!r} has another category for every training subject, as an "
                "identifier has; leave it out."
            )
        # A categorical dtype is the user's word.
        elif not is_declared and not isinstance(cells.dtype, pd.CategoricalDtype):
            yield from remark_on_mixture(plain, column.name)


def number_cells(cells: pd.Series, column: Column) -> np.ndarray:
    """Return the numbers of a numeric column, NaN where it has none, shape (n_subjects,)."""
    if pd.api.types.is_numeric_dtype(cells.dtype):
        return cells.to_numpy(dtype=np.float64, na_value=np.nan)
    return parse_numbers(plain_cells(cells), column.spelling).values


def remark_on_numbers(cells: pd.Series, column: Column) -> Iterator[str]:
    """Yield remarks on numbers that name the rows, or stand for missing ones."""
    values, name = number_cells(cells, column), column.name
    reason = find_identifier(name, values) or find_leading_zeros(cells)
    if reason:
        yield (
            f"Column {name!r} {reason}; leave it out. If it measures something, name it in "
            "numeric=."
        )
    found = find_sentinels(values)
    if found:
        yield (
            f"Column {name!r} holds {name_codes(found)} in {np.isin(values, found).sum()} cell(s), "
            "far outside its other numbers, as codes for missing values are; replace them by NaN. "
            "If they are measured, name the column in numeric=."
        )


def find_leading_zeros(cells: pd.Series) -> str:
    """Say that numbers are written as codes are; nothing where they are not."""
    written = [cell for cell in cells if isinstance(cell, str)]
    coded = sum(LEADING_ZERO.fullmatch(cell.strip()) is not None for cell in written)
    is_coded = coded > 0 and coded >= SHARE_OF_CODES * len(written)
    return "is written with leading zeros, as identifiers and codes are" if is_coded else ""


def name_codes(codes: Sequence[float]) -> str:
    """Return codes for a message."""
    return ", ".join(f"{code:g}" for code in codes)


def remark_on_mixture(cells: np.ndarray, name: str) -> Iterator[str]:
    """Yield a remark where words keep numbers from being read as numbers, or codes are among words.

    cells (n_subjects,).
    """
    known = find_known_cells(cells)
    values = np.where(known, parse_numbers(cells).values, np.nan)
    numbers = np.unique(values[np.isfinite(values)])
    words = np.flatnonzero(known & ~np.isfinite(values))
    codes = numbers[np.isin(numbers, SENTINELS)].tolist()
    if not len(words):
        return
    if len(numbers) >= MANY_NUMBERS or (numbers != np.floor(numbers)).sum() > 1:
        yield (
            f"Column {name!r} holds numbers in {np.isfinite(values).sum()} cell(s) and words in "
            f"{name_rows(words)}, and is read as categories, each number one; set the words to "
            "NaN, or name the column in categorical=."
        )
    elif codes:
        yield (
            f"Column {name!r} holds {name_codes(codes)} among words, as codes for missing values "
            "are; replace them by NaN, or name the column in categorical=."
        )
    elif hold_amounts(cells[known]):
        yield (
            f"Column {name!r} holds digits within words, different for most subjects, and is read "
            "as categories; write numbers alone, or name the column in categorical=."
        )


def hold_amounts(present: np.ndarray) -> bool:
    """Tell whether words begin with digits, as amounts and times do, and most differ."""
    texts = [cell for cell in present if isinstance(cell, str) and AMOUNT.match(cell)]
    distinct = len(set(texts))
    return distinct >= MANY_NUMBERS and distinct > SHARE_OF_CODES * len(present)


def is_identifier(cells: np.ndarray) -> bool:
    """Tell whether no two subjects share a cell."""
    present = [str(cell) for cell in cells[find_known_cells(cells)]]
    return len(set(present)) == len(present)
