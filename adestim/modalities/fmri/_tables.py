"""Tables of numbers over time: ROI series and confounds, with or without a header."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from adestim._support.missing import NUMBER_WORDS
from adestim._support.tables import BLANKS, UNPACKING_ERRORS, read_text_table
from adestim.exceptions import TimeSeriesError

TIME_NAMES = frozenset({"time", "time_s", "seconds", "onset", "frame_time"})
INDEX_NAMES = frozenset(
    {"", "unnamed: 0", "index", "frame", "volume", "vol", "timepoint", "tr", "scan"}
)
EVEN_STEP = 0.01


@dataclass(frozen=True, eq=False)
class NumericTable:
    """Numbers over time."""

    values: np.ndarray  # (n_volumes, n_columns); NaN where the table says ``n/a``
    names: tuple[str, ...] | None  # names of the columns; None without a header
    step: float | None  # time between rows in s, from a column named ``time``; None without one


def read_table(source: Any, what: str) -> NumericTable:
    """Read a table of numbers over time.

    A header is recognised by its words, or by being a plain enumeration of the columns. A column
    that only counts the rows (an index) is dropped; one named ``time`` gives the step in s and
    is dropped.
    """
    if isinstance(source, pd.DataFrame):
        names, values = split_frame(source, what)
    else:
        names, values = read_table_file(Path(os.fspath(source)).expanduser(), what)
    require_unique_header(names, what)
    return drop_clock(names, values, what)


def split_frame(frame: pd.DataFrame, what: str) -> tuple[list[str] | None, np.ndarray]:
    """Return the names and numbers of a frame; names that are numbers are no names."""
    named = all(isinstance(name, str) for name in frame.columns)
    names = [name.strip() for name in frame.columns] if named else None
    labels = names or [f"number {place}" for place in range(frame.shape[1])]
    return names, convert_to_numbers(frame, labels, what)


def read_table_file(path: Path, what: str) -> tuple[list[str] | None, np.ndarray]:
    """Return the names and numbers of a text file."""
    cells = read_lines(path, what)
    first = ["" if pd.isna(cell) else str(cell).strip() for cell in cells.iloc[0]]
    if not is_header(first):
        return None, convert_to_numbers(cells, [f"number {i}" for i in cells.columns], what)
    names = None if is_enumeration(first) else first
    body = convert_to_numbers(cells.iloc[1:], first, what)
    if names is None and first[0] == "":
        return None, body[:, 1:]
    return names, body


def read_lines(path: Path, what: str) -> pd.DataFrame:
    """Read all cells of a text file as text."""
    try:
        return read_text_table(path, has_names=False, fallback=BLANKS)
    except (OSError, ValueError, *UNPACKING_ERRORS) as failure:
        raise TimeSeriesError(
            f"A table of {what} must be readable",
            got=f"{path}: {failure}",
            remedy="Check the path (a dangling link needs 'datalad get'), and that every row has "
            "the same number of columns",
        ) from failure


def is_number_or_missing(text: str) -> bool:
    """Tell whether a cell is a number or stands for a missing one."""
    try:
        float(text)
    except ValueError:
        return text in NUMBER_WORDS
    return True


def is_header(first: Sequence[str]) -> bool:
    """Tell whether the first row names the columns."""
    return not all(is_number_or_missing(text) for text in first) or is_enumeration(first)


def is_enumeration(first: Sequence[str]) -> bool:
    """Tell whether a row only counts the columns, as pandas writes unnamed ones."""
    labels = list(first[1:] if first and first[0] == "" else first)
    return len(labels) > 1 and any(
        labels == [str(place + start) for place in range(len(labels))] for start in (0, 1)
    )


def convert_to_numbers(cells: pd.DataFrame, labels: Sequence[str], what: str) -> np.ndarray:
    """Return the cells as floats, or say which column holds text."""
    if min(cells.shape) == 0:
        raise TimeSeriesError(
            f"A table of {what} must have at least one row and one column",
            got=f"shape {cells.shape}",
            remedy="Write the table again, or leave the cell empty",
        )
    try:
        only_text = all(map(is_text, set(cells.dtypes)))
        return convert_text(cells) if only_text else convert_columns(cells)
    except (TypeError, ValueError) as failure:
        label = next(label for place, label in enumerate(labels) if holds_text(cells, place))
        raise TimeSeriesError(
            f"A table of {what} must hold numbers, or 'n/a'",
            got=f"text in column {label!r}",
            remedy="Leave that column out of the table",
        ) from failure


def is_text(dtype: Any) -> bool:
    """Tell whether cells of a type may be words."""
    return pd.api.types.is_object_dtype(dtype) or pd.api.types.is_string_dtype(dtype)


def convert_text(cells: pd.DataFrame) -> np.ndarray:
    """Return cells of text as floats, all at once."""
    texts = cells.to_numpy(dtype=object)
    # Most tables hold numbers alone, and need no look for words.
    with suppress(TypeError, ValueError):
        return texts.astype(np.float64)
    every = pd.Series(texts.ravel())
    known = every.mask(every.isin(NUMBER_WORDS) | every.isna(), np.nan)
    return known.to_numpy(dtype=float).reshape(cells.shape)


def convert_columns(cells: pd.DataFrame) -> np.ndarray:
    """Return cells of several types as floats."""
    columns = [cells.iloc[:, [place]] for place in range(cells.shape[1])]
    return np.column_stack(
        [
            convert_text(column)[:, 0]
            if is_text(column.dtypes.iloc[0])
            else column.iloc[:, 0].to_numpy(dtype=float, na_value=np.nan)
            for column in columns
        ]
    )


def holds_text(cells: pd.DataFrame, place: int) -> bool:
    """Tell whether a column holds what is no number."""
    try:
        convert_columns(cells.iloc[:, [place]])
    except (TypeError, ValueError):
        return True
    return False


def require_unique_header(names: Sequence[str] | None, what: str) -> None:
    """Refuse a header that gives a name twice."""
    if names is not None and len(set(names)) != len(names):
        twice = next(name for name in names if list(names).count(name) > 1)
        raise TimeSeriesError(
            f"A table of {what} must name every column once",
            got=f"{twice!r} {list(names).count(twice)} times",
            remedy="Rename the columns",
        )


def drop_clock(names: list[str] | None, values: np.ndarray, what: str) -> NumericTable:
    """Drop the columns that count or time the rows."""
    lowered = [""] * values.shape[1] if names is None else [name.lower() for name in names]
    dropped = [
        place
        for place in range(values.shape[1])
        if lowered[place] in TIME_NAMES
        or (lowered[place] in INDEX_NAMES and counts_rows(values[:, place]))
    ]
    times = [values[:, place] for place in dropped if lowered[place] in TIME_NAMES]
    kept = [place for place in range(values.shape[1]) if place not in dropped]
    if not kept:
        raise TimeSeriesError(
            f"A table of {what} must have a column beside its time or index",
            got=f"columns {names}",
        )
    return NumericTable(
        values[:, kept],
        None if names is None else tuple(names[place] for place in kept),
        find_even_step(times[0]) if times else None,
    )


def counts_rows(column: np.ndarray) -> bool:
    """Tell whether a column is 0, 1, 2 ... or 1, 2, 3 ..."""
    rows = np.arange(len(column))
    return len(column) > 1 and any(np.array_equal(column, rows + start) for start in (0, 1))


def find_even_step(times: np.ndarray) -> float | None:
    """Return the step of evenly spaced times, None where they are not even."""
    steps = np.diff(times)
    if not len(steps) or not np.isfinite(steps).all():
        return None
    middle = float(np.median(steps))
    return middle if np.ptp(steps) <= EVEN_STEP * abs(middle) else None
