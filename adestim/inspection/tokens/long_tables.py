"""Arrays as tidy tables, within bounds."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from math import prod

import numpy as np
import pandas as pd

from adestim.exceptions import InputError

__all__ = ["MAX_ROWS", "known_mean", "long_frame", "require_level", "require_rows"]

MAX_ROWS = 5_000_000


def long_frame(values: np.ndarray, axes: Mapping[str, Sequence], name: str) -> pd.DataFrame:
    """Return an array as a table, one row a cell.

    Parameters
    ----------
    values : ndarray
        Array.
    axes : mapping of str to sequence
        Name and labels of every axis.
    name : str
        Name of the column of values.

    Returns
    -------
    DataFrame

    Raises
    ------
    InputError
        When it would have more than five million rows.

    Examples
    --------
    >>> import numpy as np
    >>> from adestim.inspection.tokens.long_tables import long_frame
    >>> long_frame(np.array([[0.25, 0.75]]), {"subject": ["s1"], "token": ["age", "sex"]}, "weight")
      subject token  weight
    0      s1   age    0.25
    1      s1   sex    0.75
    """
    remedy = "Ask for level='token', pass fewer subjects, or read the arrays themselves"
    require_rows(prod(values.shape), axes, remedy)
    index = pd.MultiIndex.from_product([list(labels) for labels in axes.values()], names=list(axes))
    return pd.DataFrame({name: values.ravel()}, index=index).reset_index()


def require_rows(n_rows: int, axes: Iterable[str], remedy: str) -> None:
    """Refuse a table of millions of rows.

    Parameters
    ----------
    n_rows : int
        Number of rows.
    axes : iterable of str
        What there is a row for.
    remedy : str
        What to do instead.

    Raises
    ------
    InputError
        When it would have more than five million rows.
    """
    if n_rows > MAX_ROWS:
        raise InputError(
            f"A tidy table has at most {MAX_ROWS:,} rows",
            got=f"{n_rows:,} rows, {' x '.join(axes)}",
            remedy=remedy,
        )


def known_mean(values: np.ndarray, axis: int) -> np.ndarray:
    """Return the mean of what is known along an axis, NaN where nothing is.

    Parameters
    ----------
    values : ndarray
        Values, NaN where unknown.
    axis : int
        Axis.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> import numpy as np
    >>> from adestim.inspection.tokens.long_tables import known_mean
    >>> known_mean(np.array([[1.0, np.nan], [3.0, np.nan]]), axis=0)
    array([ 2., nan])
    """
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
