"""Tables of numbers over time: ROI series and confounds, with or without a header."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from adestim._support.missing import NUMBER_WORDS
from adestim._support.written_numbers import learn_spelling, read_written_numbers
from adestim.exceptions import TimeSeriesError
from adestim.modalities._labels import spell_label
from adestim.modalities.fmri._written_tables import read_written_table

TIME_NAMES = frozenset({"time", "time_s", "seconds", "onset", "frame_time"})
INDEX_NAMES = frozenset(
    {
        "index",
        "frame",
        "volume",
        "vol",
        "timepoint",
        "tr",
        "scan",
        "row",
        "sample",
        "frames",
        "volumes",
    }
)
EVEN_STEP = 0.01
# Of fewer, the first column of a table without a header may rise by chance.
MIN_ROWS_TO_COUNT = 10


@dataclass(frozen=True, eq=False)
class NumericTable:
    """Numbers over time."""

    values: np.ndarray  # (n_volumes, n_columns); NaN where the table says ``n/a``
    names: tuple[str, ...] | None  # names of the columns; None without a header
    step: float | None  # time between rows in s, from a column named ``time``; None without one


def read_table(source: Any, what: str) -> NumericTable:
    """Read a table of numbers over time.

    A header is recognised by its words, by being the labels of an atlas, or in a comment. A column
    without a name that counts the rows (an index) is dropped; one named ``time`` gives the step
    in s and is dropped.
    """
    if isinstance(source, pd.DataFrame):
        names, cells = spell_columns(source.columns), source
    else:
        path = Path(os.fspath(source)).expanduser()
        written = read_written_table(path, what)
        names, cells = written.names, frame_of(written.rows)
    labels = names or [f"number {place}" for place in range(cells.shape[1])]
    values = convert_to_numbers(cells, labels, what)
    names, values = drop_row_numbers(names, values, what)
    names = settle_names(names)
    require_unique_header(names, what)
    return drop_clock(names, values, what)


def frame_of(rows: list[list[str]]) -> pd.DataFrame:
    """Return rows of text as a frame, of objects."""
    return pd.DataFrame(np.array(rows, dtype=object).reshape(len(rows), -1 if rows else 0))


def spell_columns(columns: pd.Index) -> list[str] | None:
    """Return the names of a frame's columns as text; None where nobody named them."""
    if isinstance(columns, pd.RangeIndex):
        return None
    return [spell_label(name).strip() for name in columns]


def settle_names(names: Sequence[str] | None) -> list[str] | None:
    """Return names of columns; labels of one spelling, None where they only count from 0."""
    if names is None:
        return None
    names = [re.sub(r"^(\d+)\.0*$", r"\1", name) for name in names]
    is_default = len(names) > 1 and names == [str(place) for place in range(len(names))]
    return None if is_default else names


def drop_row_numbers(
    names: Sequence[str] | None, values: np.ndarray, what: str
) -> tuple[list[str] | None, np.ndarray]:
    """Leave out a first column that numbers the rows, and unnamed ones without a number."""
    if names is None:
        numbered = len(values) >= MIN_ROWS_TO_COUNT and values.shape[1] > 1
        drop = [0] if numbered and runs_evenly(values[:, 0]) else []
        return None, np.delete(values, drop, axis=1)
    unnamed = [place for place, name in enumerate(names) if is_unnamed(name)]
    idle = [
        place for place in unnamed if rises(values[:, place]) or np.isnan(values[:, place]).all()
    ]
    left = sorted(set(unnamed) - set(idle))
    if left:
        raise TimeSeriesError(
            f"A table of {what} must name every column, or none",
            got=f"column number {left[0] + 1} without a name",
            remedy="Write a name above it, or leave the column out",
        )
    kept = [place for place in range(len(names)) if place not in idle]
    return [names[place] for place in kept], values[:, kept]


def is_unnamed(name: str) -> bool:
    """Tell whether a name is none: blank, or what pandas gives to a blank one."""
    return re.fullmatch(r"(unnamed: \d+(\.\d+)?)?", name, flags=re.IGNORECASE) is not None


def convert_to_numbers(cells: pd.DataFrame, labels: Sequence[str], what: str) -> np.ndarray:
    """Return the cells as floats, or say which column holds text."""
    if min(cells.shape) == 0:
        raise TimeSeriesError(
            f"A table of {what} must have at least one row and one column",
            got=f"shape {cells.shape}",
            remedy="Write the table again, or leave the cell empty",
        )
    try:
        only_text = all(map(may_hold_words, set(cells.dtypes)))
        return convert_text(cells) if only_text else convert_columns(cells)
    except TimeSeriesError:
        raise
    except (TypeError, ValueError) as failure:
        place = next(place for place in range(cells.shape[1]) if holds_text(cells, place))
        raise TimeSeriesError(
            f"A table of {what} must hold numbers, or 'n/a'",
            got=f"text in column {labels[place]!r}",
            remedy="Leave that column out of the table",
        ) from failure


def may_hold_words(dtype: Any) -> bool:
    """Tell whether cells of a type may be words."""
    return pd.api.types.is_object_dtype(dtype) or pd.api.types.is_string_dtype(dtype)


def convert_text(cells: pd.DataFrame) -> np.ndarray:
    """Return cells of text as floats, all at once."""
    texts = cells.to_numpy(dtype=object)
    # Most tables hold numbers alone, and need no look for words.
    with suppress(TypeError, ValueError):
        return texts.astype(np.float64)
    every = pd.Series(texts.ravel()).map(
        lambda cell: cell.strip() if isinstance(cell, str) else cell
    )
    known = every.mask(every.isin(NUMBER_WORDS) | every.isna(), np.nan)
    with suppress(TypeError, ValueError):
        return known.to_numpy(dtype=float).reshape(cells.shape)
    return convert_decimal_commas(known).reshape(cells.shape)


def convert_decimal_commas(cells: pd.Series) -> np.ndarray:
    """Return numbers written with decimal commas as floats; a ValueError where one is none."""
    texts = ["" if pd.isna(cell) else str(cell) for cell in cells]
    spelling = learn_spelling(texts, "a table over time", TimeSeriesError)
    numbers = read_written_numbers(texts, spelling)
    if spelling.unit or numbers.is_limit.any() or numbers.is_unreadable.any():
        raise ValueError("text among numbers")
    return numbers.values


def convert_columns(cells: pd.DataFrame) -> np.ndarray:
    """Return cells of several types as floats."""
    columns = [cells.iloc[:, [place]] for place in range(cells.shape[1])]
    return np.column_stack(
        [
            convert_text(column)[:, 0]
            if may_hold_words(column.dtypes.iloc[0])
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
    """Tell whether a column is one of whole numbers that rise, with gaps or without."""
    return rises(column) and bool((column == np.rint(column)).all())


def runs_evenly(column: np.ndarray) -> bool:
    """Tell whether a column counts the rows, or tells their time, as no signal does."""
    return counts_rows(column) or (rises(column) and find_even_step(column) is not None)


def rises(column: np.ndarray) -> bool:
    """Tell whether every number of a column is greater than that before."""
    return len(column) > 1 and bool(np.isfinite(column).all() and (np.diff(column) > 0).all())


def find_even_step(times: np.ndarray) -> float | None:
    """Return the step of evenly spaced times, None where they are not even."""
    steps = np.diff(times)
    if not len(steps) or not np.isfinite(steps).all():
        return None
    middle = float(np.median(steps))
    return middle if np.ptp(steps) <= EVEN_STEP * abs(middle) else None
