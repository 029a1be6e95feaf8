"""Coding of whole columns: numbers as they are, levels as ranks or slots, texts as coordinates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import pandas as pd

from adestim._support.missing import DASHES
from adestim._support.written_numbers import Numbers, Spelling
from adestim.exceptions import CellTypeError, TableError
from adestim.modalities.clinical.cells import (
    PLAIN,
    convert_mask,
    find_known_cells,
    is_plain,
    parse_numbers,
    plain_cells,
)
from adestim.modalities.clinical.table import Column


class TextEmbedding(Protocol):
    """What turns texts into numbers."""

    @property
    def width(self) -> int:
        """Number of coordinates of a text."""

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """Return the texts' coordinates, shape (n_texts, width)."""

    def digest(self) -> str:
        """Return the SHA-256 of what was learned."""


@dataclass(frozen=True, eq=False)
class CodedCells:
    """One column, coded."""

    values: np.ndarray  # (n_subjects, n_features); zero where unknown
    known: np.ndarray  # (n_subjects,); true where the subject has a value that can be used
    problems: Mapping[int, TableError] = field(default_factory=dict)  # what is wrong, by row
    remarks: tuple[str, ...] = ()  # what deserves a warning, no patient's value among it


def code_numbers(column: pd.Series, name: str, spelling: Spelling = PLAIN) -> CodedCells:
    """Code a numeric column: raw values, shape (n_subjects, 1).

    Text that is a number counts as one. A limit of detection such as ``">1700"`` or ``"<80"``
    counts as its limit, with a remark, and so is a decimal comma or a unit.
    """
    if pd.api.types.is_numeric_dtype(column.dtype):
        values = column.to_numpy(dtype=np.float64, na_value=np.nan)
        return pack_numbers(values, name, {}, ())
    cells = plain_cells(column)
    read = parse_numbers(cells, spelling)
    problems = {
        int(row): explain_wrong_number(cells[row], name)
        for row in np.flatnonzero(read.is_unreadable)
    }
    return pack_numbers(read.values, name, problems, remark_on_writing(read, name))


def remark_on_writing(read: Numbers, name: str) -> tuple[str, ...]:
    """Say which numbers are not written as programs write them."""
    remarks = (
        f"Column {name!r} holds limits of detection for {read.is_limit.sum()} subject(s); "
        "the limit itself is taken as the value."
        if read.is_limit.any()
        else "",
        f"Column {name!r} is written with {read.unusual}, and read as numbers."
        if read.unusual
        else "",
    )
    return tuple(remark for remark in remarks if remark)


def explain_wrong_number(cell, name: str) -> TableError:
    """Return the error about a cell that is no number, without its value."""
    if not is_plain(cell):
        return not_plain(cell, name)
    return TableError(
        f"Column {name!r} is numeric, so every cell must be a number or missing",
        got="text",
        remedy="Correct the cell or set it to NaN, or declare the column in categorical= or text=",
    )


def not_plain(cell, name: str) -> CellTypeError:
    """Return the error about a cell that is neither a number nor a string."""
    return CellTypeError(
        f"Column {name!r} of a clinical table: each argument must be a string or a number",
        got=f"a cell of type {type(cell).__name__}",
        remedy="Keep one plain value a cell",
    )


def pack_numbers(
    values: np.ndarray, name: str, problems: dict[int, TableError], remarks: tuple[str, ...]
) -> CodedCells:
    """Add infinite values to the problems and pack the column."""
    with np.errstate(over="ignore"):
        infinite = np.isinf(values.astype(np.float32))
    error = TableError(
        f"Column {name!r} must hold finite numbers within the range of float32",
        got="inf or a number too large",
        remedy="Correct the cell, or set it to NaN",
    )
    problems = problems | {int(row): error for row in np.flatnonzero(infinite)}
    known = np.isfinite(values) & ~infinite
    return CodedCells(np.where(known, values, 0.0)[:, None], known, problems, remarks)


def code_levels(column: pd.Series, coding: Column) -> CodedCells:
    """Code an ordinal column as ranks in [0, 1], a categorical one as one-hot slots.

    A level that ``fit`` has not seen is masked, with a remark, unless rarer categories have a
    slot of their own, which it then shares.
    """
    cells = plain_cells(column)
    present = find_present_levels(cells, coding)
    problems = find_problems(cells, present, coding.name)
    present[list(problems)] = False
    slots = np.full(len(cells), -1)
    slots[present] = find_slots(cells[present], coding)
    n_unseen = int((present & (slots < 0)).sum())
    remarks = (remark_unseen(coding, n_unseen),) if n_unseen else ()
    return CodedCells(fill_slots(slots, coding), slots >= 0, problems, remarks)


def find_present_levels(cells: np.ndarray, coding: Column) -> np.ndarray:
    """Tell which cells hold a level: one of the column's, whatever its word, or one unknown yet."""
    of_column = {level for level in coding.levels if isinstance(level, str)}
    is_text = convert_mask(isinstance(cell, str) for cell in cells)
    present = find_known_cells(cells)
    present[is_text] &= convert_mask(cell not in DASHES for cell in cells[is_text])
    present[is_text] |= convert_mask(cell in of_column for cell in cells[is_text])
    return present


def find_slots(cells: np.ndarray, coding: Column) -> list[int]:
    """Return the slot of each level, -1 where it is unseen and has none."""
    slot_of = {level: slot for slot, level in enumerate(coding.levels)}
    other = len(coding.levels) if coding.has_other else -1
    return [slot_of.get(cell, other) for cell in cells]


def remark_unseen(coding: Column, count: int) -> str:
    """Say that a column holds levels fit has not seen, without naming them."""
    kind = "level" if coding.kind == "ordinal" else "category"
    return (
        f"Column {coding.name!r} holds a {kind} not seen in fit for {count} subject(s); their "
        "token is masked, as if the value were missing."
    )


def fill_slots(slots: np.ndarray, coding: Column) -> np.ndarray:
    """Return ranks in [0, 1], or one-hot rows; zeros where the slot is negative."""
    if coding.kind == "ordinal":
        return (np.maximum(slots, 0) / max(len(coding.levels) - 1, 1))[:, None]
    one_hot = np.zeros((len(slots), coding.n_slots))
    rows = np.flatnonzero(slots >= 0)
    one_hot[rows, slots[rows]] = 1.0
    return one_hot


def code_text(column: pd.Series, coding: Column, semantics: TextEmbedding) -> CodedCells:
    """Code a column of free text as coordinates, shape (n_subjects, width)."""
    cells = plain_cells(column)
    known = find_known_cells(cells)
    problems = find_problems(cells, known, coding.name)
    known[list(problems)] = False
    values = np.zeros((len(cells), semantics.width))
    if known.any():
        values[known] = semantics.embed([str(cell) for cell in cells[known]])
    return CodedCells(values, known, problems)


def code_nothing(n_subjects: int) -> CodedCells:
    """Code a column that no training subject had: unknown for everybody."""
    return CodedCells(np.zeros((n_subjects, 1)), np.zeros(n_subjects, dtype=bool))


def find_problems(cells: np.ndarray, known: np.ndarray, name: str) -> dict[int, TableError]:
    """Return an error for every cell that is neither a number nor a string, by row."""
    return {
        int(row): not_plain(cells[row], name)
        for row in np.flatnonzero(known)
        if not is_plain(cells[row])
    }
