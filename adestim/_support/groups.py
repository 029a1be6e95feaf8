"""Which rows of a table belong to one subject."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

# Where rows repeat more often than this, the table is too coarse for sameness to mean anything.
REPEATS_OF_A_COARSE_TABLE = 4
# Columns that most rows differ in, and those looked at together of the rest.
FIRST_COLUMNS = 8
MOST_COLUMNS = 64
# Odd, so that no bit of what is multiplied gets lost.
ODD = np.uint64(0x9E3779B97F4A7C15)


def group_own_rows(frame: pd.DataFrame) -> np.ndarray:
    """Group rows of one index label, and rows that hold the very same data.

    Oversampling repeats rows under new labels; a repeated row on both sides of the inner split
    would tell training what validation asks.
    """
    by_content = group_equal_rows(frame)
    if by_content.max() + 1 < len(frame) / REPEATS_OF_A_COARSE_TABLE:
        by_content = np.arange(len(frame))
    labels = pd.factorize(frame.index)[0]
    # Rows without a label (-1) have nothing in common.
    labels = np.where(labels < 0, len(labels) + np.arange(len(labels)), labels)
    return join_groups(by_content, labels)


def group_equal_rows(frame: pd.DataFrame) -> np.ndarray:
    """Return groups of rows that hold the same data, numbered as they first occur.

    More and more columns are read, of those rows only that are still like another.
    """
    groups, start, n_columns = np.zeros(len(frame), dtype=np.int64), 0, FIRST_COLUMNS
    while start < frame.shape[1]:
        alike = np.flatnonzero(pd.Series(groups).duplicated(keep=False))
        if not len(alike):
            break
        content = pd.factorize(hash_rows(frame.iloc[alike, start : start + n_columns]))[0]
        pairs = groups[alike] * len(frame) + content
        groups[alike] = len(frame) + pd.factorize(pairs)[0]
        groups = pd.factorize(groups)[0]
        start, n_columns = start + n_columns, MOST_COLUMNS
    return groups


def hash_rows(frame: pd.DataFrame) -> np.ndarray:
    """Return a number of every row's data; objects are the same where they are identical."""
    kinds = set(frame.dtypes)
    if len(kinds) == 1 and kinds.pop() == np.float64:
        return hash_numbers(frame.to_numpy())
    is_object = np.array([pd.api.types.is_object_dtype(kind) for kind in frame.dtypes], dtype=bool)
    objects = frame.loc[:, is_object].map(id)
    values = frame.loc[:, ~is_object]
    table = pd.concat([objects, values], axis=1)
    return pd.util.hash_pandas_object(table, index=False).to_numpy()


def hash_numbers(values: np.ndarray) -> np.ndarray:
    """Return a number of every row's bits, (n_rows, n_columns) -> (n_rows,)."""
    hashes = pd.util.hash_array(values.ravel(), categorize=False).reshape(values.shape)
    return (hashes * ODD ** np.arange(values.shape[1], dtype=np.uint64)).sum(axis=1)


def join_groups(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return groups of rows linked, through any chain, by equal values in either array."""
    n_first, n_second = first.max() + 1, second.max() + 1
    links = coo_array(
        (np.ones(len(first)), (first, n_first + second)), shape=[n_first + n_second] * 2
    )
    return connected_components(links, directed=False)[1][first]
