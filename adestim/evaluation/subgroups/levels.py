"""Levels of attributes such as sex or site, and who is of which."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from adestim._support.frames import read_frame
from adestim._support.words import first_names
from adestim.exceptions import InputError

ALL, OTHER, NOT_KNOWN = "all", "other (pooled)", "not known"
SCORED, TOO_FEW, ONE_CLASS = "scored", "too few people", "not of every class"
# More values of a number are a measurement, not levels.
MOST_NUMBERS = 20


@dataclass(frozen=True, eq=False)
class Level:
    """People of one level of an attribute, or of several small ones together."""

    name: str
    rows: np.ndarray  # positions among the rows that were predicted
    status: str  # whether they can be scored, or why not
    pooled: tuple[str, ...] = ()  # the levels that it is made of, where it is made of several


def align_attributes(groups: Any, subjects: pd.Index) -> pd.DataFrame:
    """Return attributes of the predicted rows, in their order, from a table of at least those.

    groups (n_rows, n_attributes), subjects (n_predicted,).
    """
    table = read_attributes(groups)
    if table.index.equals(subjects):
        return table.reset_index(drop=True)
    absent = subjects.difference(table.index, sort=False)
    if len(absent):
        raise InputError(
            "Every predicted subject has a row in 'groups'",
            got=f"none for {first_names(absent)}",
            remedy="Pass columns of the very table that was compared, with its index",
        )
    own = table[table.index.isin(subjects)]
    label = own.index.to_series(index=range(len(own)))
    once = own.reset_index(drop=True).assign(**{"": label}).drop_duplicates().set_index("")
    if once.index.has_duplicates:
        twice = once.index[once.index.duplicated()].unique()
        raise InputError(
            "A subject of several rows has the same attributes in all, unless 'groups' has exactly "
            "the predicted rows",
            got=f"others for {first_names(twice)}",
            remedy="Leave out the rows that were not analysed, or take one value a subject",
        )
    return once.loc[subjects].reset_index(drop=True)


def read_attributes(groups: Any) -> pd.DataFrame:
    """Return a table of attributes, each of a few levels."""
    table = read_frame(groups)
    table = table.to_frame() if isinstance(table, pd.Series) else table
    if not isinstance(table, pd.DataFrame) or not table.shape[1]:
        raise InputError(
            "'groups' is a DataFrame with an attribute a column, such as sex or site",
            got=f"a {type(groups).__name__}",
        )
    table = table.rename(columns=str)
    if table.columns.has_duplicates:
        twice = table.columns[table.columns.duplicated()]
        raise InputError("Every attribute is in 'groups' once", got=first_names(twice))
    for name, column in table.items():
        require_levels(str(name), column)
    return table


def require_levels(name: str, column: pd.Series) -> None:
    """Refuse a measurement, and an attribute that is the same for all."""
    n_levels = column.nunique(dropna=False)
    if pd.api.types.is_numeric_dtype(column) and n_levels > MOST_NUMBERS:
        raise InputError(
            f"An attribute that is a number has at most {MOST_NUMBERS} values",
            got=f"{n_levels} values of {name!r}",
            remedy="Cut it into bands first: pandas.cut(age, [0, 65, 75, 120])",
        )
    if n_levels < 2:
        raise InputError(
            "An attribute has two levels or more",
            got=f"{n_levels} of {name!r}",
            remedy=f"Leave {name!r} out",
        )


def name_levels(column: pd.Series) -> pd.Categorical:
    """Return every row's level as text, in the order of the levels; who has none is not known."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        order = list(column.cat.categories)
    else:
        order = sort_values(column.dropna().unique())
    names = list(dict.fromkeys([*map(str, order), NOT_KNOWN]))
    known = column.astype(object)
    texts = [NOT_KNOWN if pd.isna(value) else str(value) for value in known]
    return pd.Categorical(texts, categories=names)


def sort_values(values: Any) -> list:
    """Return values in order, as texts where they are of several kinds."""
    try:
        return sorted(values)
    except TypeError:
        return sorted(values, key=str)


def split_into_levels(
    levels: pd.Categorical,
    tested: np.ndarray,
    people: np.ndarray,
    y: np.ndarray | None,
    min_size: int,
) -> Iterator[Level]:
    """Yield the levels that can be scored, then those that cannot, together if there are several.

    levels (n_rows,), tested positions of the rows to take, people (n_rows,) whose rows they are,
    y (n_rows,) labels or None for numbers.
    """
    small: list[Level] = []
    for place, name in enumerate(levels.categories):
        rows = tested[levels.codes[tested] == place]
        level = Level(str(name), rows, judge_rows(rows, people, y, min_size))
        if not len(rows):
            continue
        if level.status == SCORED:
            yield level
        else:
            small.append(level)
    if len(small) == 1:
        yield small[0]
    elif small:
        rows = np.sort(np.concatenate([level.rows for level in small]))
        names = tuple(level.name for level in small)
        yield Level(OTHER, rows, judge_rows(rows, people, y, min_size), names)


def judge_rows(rows: np.ndarray, people: np.ndarray, y: np.ndarray | None, min_size: int) -> str:
    """Tell whether rows can be scored: enough people, and some of every class."""
    if len(np.unique(people[rows])) < min_size:
        return TOO_FEW
    if y is not None and len(np.unique(y[rows])) < len(np.unique(y)):
        return ONE_CLASS
    return SCORED
