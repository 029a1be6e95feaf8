"""Which rows of a table belong to one subject."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

# Where rows repeat more often than this, the table is too coarse for sameness to mean anything.
REPEATS_OF_A_COARSE_TABLE = 4


def group_own_rows(frame: pd.DataFrame) -> np.ndarray:
    """Group rows of one index label, and rows that hold the very same data.

    Oversampling repeats rows under new labels; a repeated row on both sides of the inner split
    would tell training what validation asks.
    """
    is_object = np.array([pd.api.types.is_object_dtype(kind) for kind in frame.dtypes], dtype=bool)
    objects = frame.loc[:, is_object].map(id)
    values = frame.loc[:, ~is_object]
    content = pd.util.hash_pandas_object(
        pd.concat([objects, values], axis=1), index=False
    ).to_numpy()
    by_content = pd.factorize(content)[0]
    if by_content.max() + 1 < len(frame) / REPEATS_OF_A_COARSE_TABLE:
        by_content = np.arange(len(frame))
    labels = pd.factorize(frame.index)[0]
    # Rows without a label (-1) have nothing in common.
    labels = np.where(labels < 0, len(labels) + np.arange(len(labels)), labels)
    return join_groups(by_content, labels)


def join_groups(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return groups of rows linked, through any chain, by equal values in either array."""
    n_first, n_second = first.max() + 1, second.max() + 1
    links = coo_array(
        (np.ones(len(first)), (first, n_first + second)), shape=[n_first + n_second] * 2
    )
    return connected_components(links, directed=False)[1][first]
