"""The order in which a fit reads subjects and columns: what they hold decides it, not the table.

Folds, batches and trees are drawn by number. Where equal content bears equal numbers, a table whose
rows or columns are permuted gives the same fit.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hashlib import blake2b
from typing import Any

import numpy as np
import pandas as pd

from adestim._support.digests import checksum
from adestim._support.missing import is_missing
from adestim.encoding.encoding import Encoding, read_array
from adestim.encoding.tokens import row_blocks

# Multipliers of splitmix64: G. L. Steele, D. Lea and C. H. Flood, "Fast splittable pseudorandom
# number generators", OOPSLA 2014.
MULTIPLIERS = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))
SHIFTS = (np.uint64(30), np.uint64(27), np.uint64(31))
NOTHING = np.uint64(0x9E3779B97F4A7C15)


def digest_rows(frame: pd.DataFrame) -> np.ndarray:
    """Return a digest of every row's content, whatever the order of the columns.

    frame (n_subjects, n_columns) -> (n_subjects,).
    """
    names = [str(name) for name in frame.columns]
    if count_places(names) and holds_numbers(frame):
        keys = digest_columns(frame)
    else:
        keys = np.array([digest_text(name) for name in names], dtype=np.uint64)
    return add_up_rows(frame, mix(keys))


def order_columns(names: Sequence[str], block: np.ndarray) -> np.ndarray:
    """Return the order of numeric columns: by name, by content where names only count places.

    block (n_subjects, n_columns) -> (n_columns,).
    """
    keys = digest_columns(pd.DataFrame(block)) if count_places(names) else np.array(names)
    return np.argsort(keys, kind="stable")


def order_subjects(
    content: np.ndarray, targets: np.ndarray, weight: np.ndarray, groups: np.ndarray
) -> np.ndarray:
    """Return the order of subjects; who is tied is alike in all, the group's others included.

    content (n_subjects,), targets (n_subjects,), weight (n_subjects,), groups (n_subjects,) ->
    (n_subjects,).
    """
    whole = mix(content ^ mix(digest_numbers(targets)) ^ mix(mix(digest_numbers(weight))))
    number = np.unique(groups, return_inverse=True)[1]
    by_group = np.zeros(len(groups), dtype=np.uint64)
    np.add.at(by_group, number, whole)
    return np.lexsort((by_group[number], weight, targets, content))


def number_by_appearance(groups: np.ndarray) -> np.ndarray:
    """Return groups as integers from 0, in the order in which they appear."""
    return pd.factorize(groups)[0]


def count_places(names: Sequence[str]) -> bool:
    """Tell whether names are those that columns without a name get: they move with nothing."""
    return set(names) == {f"x{place}" for place in range(len(names))}


def holds_numbers(frame: pd.DataFrame) -> bool:
    """Tell whether all columns are numbers."""
    return all(pd.api.types.is_numeric_dtype(kind) for kind in frame.dtypes)


def digest_columns(frame: pd.DataFrame) -> np.ndarray:
    """Return a digest of every column of numbers, whatever the order of rows and columns.

    frame (n_subjects, n_columns) -> (n_columns,).
    """
    rows = add_up_rows(frame, np.zeros(frame.shape[1], dtype=np.uint64))
    parts = [mix(cells ^ rows[part, None]).sum(axis=0) for part, cells in blocks_of(frame)]
    return mix(np.sum(parts, axis=0, dtype=np.uint64))


def add_up_rows(frame: pd.DataFrame, keys: np.ndarray) -> np.ndarray:
    """Return a digest of every row, its cells added up, each mixed with its column's key.

    frame (n_subjects, n_columns), keys (n_columns,) -> (n_subjects,).
    """
    return mix(np.concatenate([mix(cells ^ keys).sum(axis=1) for _, cells in blocks_of(frame)]))


def blocks_of(frame: pd.DataFrame) -> Iterator[tuple[slice, np.ndarray]]:
    """Yield slices of rows and digests of their cells, (n_rows, n_columns)."""
    for part in row_blocks(frame):
        yield part, digest_cells(frame.iloc[part])


def digest_cells(frame: pd.DataFrame) -> np.ndarray:
    """Return a digest of every cell, (n_subjects, n_columns)."""
    if holds_numbers(frame):
        return digest_numbers(frame.to_numpy(dtype=np.float64, na_value=np.nan))
    columns = [digest_column(frame.iloc[:, place]) for place in range(frame.shape[1])]
    return np.stack(columns, axis=1)


def digest_column(column: pd.Series) -> np.ndarray:
    """Return a digest of every cell of a column, (n_subjects,)."""
    if pd.api.types.is_numeric_dtype(column):
        return digest_numbers(column.to_numpy(dtype=np.float64, na_value=np.nan))
    return np.array([digest_cell(cell) for cell in column.array], dtype=np.uint64)


def digest_numbers(values: np.ndarray) -> np.ndarray:
    """Return the bits of numbers; zero has one sign, and all that is unknown is alike."""
    numbers = np.asarray(values, dtype=np.float64) + 0.0
    return np.where(np.isnan(numbers), NOTHING, numbers.view(np.uint64))


def digest_cell(cell: Any) -> int:
    """Return a digest of an encoding, or of what else a cell holds."""
    if not isinstance(cell, Encoding):
        return int(NOTHING) if is_missing(cell) else digest_text(repr(cell))
    arrays = (digest_array(cell.unread(name)) for name in ("tokens", "mask", "pooled"))
    return digest_text(" ".join(arrays))


def digest_array(array: Any) -> str:
    """Return shape and checksum of an array; where its file says the checksum it is not read."""
    if array is None:
        return "none"
    known = getattr(array, "crc32", "") or checksum(read_array(array))
    return f"{array.shape}{known}"


def digest_text(text: str) -> int:
    """Return a digest of a text that is the same in every process."""
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest())


def mix(values: np.ndarray) -> np.ndarray:
    """Return integers whose bits all depend on all bits of others."""
    values = (values ^ values >> SHIFTS[0]) * MULTIPLIERS[0]
    values = (values ^ values >> SHIFTS[1]) * MULTIPLIERS[1]
    return values ^ values >> SHIFTS[2]
