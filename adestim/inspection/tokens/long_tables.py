"""Arrays as tidy tables, within bounds."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from math import prod

import numpy as np
import pandas as pd

from adestim.exceptions import InputError

MAX_ROWS = 5_000_000


def long_frame(values: np.ndarray, axes: Mapping[str, Sequence], name: str) -> pd.DataFrame:
    """Return an array as a table, one row a cell."""
    remedy = "Ask for level='token', pass fewer subjects, or read the arrays themselves"
    require_few_rows(prod(values.shape), axes, remedy)
    index = pd.MultiIndex.from_product([list(labels) for labels in axes.values()], names=list(axes))
    return pd.DataFrame({name: values.ravel()}, index=index).reset_index()


def require_few_rows(n_rows: int, axes: Iterable[str], remedy: str) -> None:
    """Refuse a table of millions of rows."""
    if n_rows > MAX_ROWS:
        raise InputError(
            f"A tidy table has at most {MAX_ROWS:,} rows",
            got=f"{n_rows:,} rows, {' x '.join(axes)}",
            remedy=remedy,
        )


def average_known_values(values: np.ndarray, axis: int) -> np.ndarray:
    """Return the mean of what is known along an axis, NaN where nothing is."""
    known = ~np.isnan(values)
    count = known.sum(axis=axis)
    total = np.where(known, values, 0).sum(axis=axis)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def require_level(level: str, known: Collection[str]) -> None:
    """Refuse a level of detail that there is not."""
    if level not in known:
        raise InputError(
            "'level' must name what rows are kept",
            got=repr(level),
            remedy=f"Choose from {list(known)}",
        )
