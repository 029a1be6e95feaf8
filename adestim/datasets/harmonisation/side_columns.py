"""Columns that stand beside the features: where they are, and how they become numbers."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_array, check_is_fitted, validate_data

from adestim._support.frames import read_frame
from adestim._support.numbers import require_finite
from adestim._support.sklearn import check_feature_names_in
from adestim._support.versioned import Versioned
from adestim._support.words import first_names
from adestim.exceptions import InputError, TableError


class SideColumnsTransformer(Versioned, TransformerMixin, BaseEstimator):
    """A transformer that changes features by what stands beside them in the table."""

    def get_feature_names_out(self, input_features=None):
        """Return the names of the features, without the columns beside them.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Names of the columns of ``X``; by default those seen in ``fit``.

        Returns
        -------
        ndarray of str
        """
        check_is_fitted(self)
        return check_feature_names_in(self, input_features)[self._places]

    def _table(self, X, *, reset):
        """Return the table as a frame, columns numbered where they have no names."""
        X = read_frame(X)
        if isinstance(X, pd.DataFrame):
            validate_data(self, X, skip_check_array=True, reset=reset)
            return X
        array = validate_data(
            self,
            X,
            reset=reset,
            dtype=None,
            ensure_all_finite=False,
            ensure_min_samples=2 if reset else 1,
        )
        return pd.DataFrame(array)

    def _find_features(self, frame, beside):
        """Note the places of the columns that are not beside the features."""
        require_table_columns(frame, beside)
        self._places = np.flatnonzero(~frame.columns.isin(list(beside)))
        if not len(self._places):
            raise InputError(
                f"{type(self).__name__} changes features, which X has beside {first_names(beside)}",
                got=f"{frame.shape[1]} feature(s) and nothing else",
                remedy="Pass the features in the same table",
            )

    def _features(self, frame):
        """Return the features as numbers; missing ones are NaN."""
        table = require_numbers(frame.iloc[:, self._places])
        values = check_array(
            table, dtype=float, ensure_all_finite="allow-nan", estimator=self, input_name="X"
        )
        require_finite(values, table.columns)
        return values

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.string = True
        return tags


def require_table_columns(frame: pd.DataFrame, names: Sequence[Hashable]) -> None:
    """Refuse names that are no columns of the table."""
    absent = [name for name in names if name not in frame.columns]
    if absent:
        raise TableError(
            f"X has the columns {first_names(names)}",
            got=f"no {first_names(absent)} among {frame.shape[1]} columns",
            remedy="Name other columns, or pass a table of them whose index is that of X",
        )


def require_numbers(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a table of numbers; refuse columns that hold anything else."""
    odd = [
        place
        for place, dtype in enumerate(frame.dtypes)
        if not pd.api.types.is_numeric_dtype(dtype)
    ]
    if not odd:
        return frame
    columns = {place: pd.to_numeric(frame.iloc[:, place], errors="coerce") for place in odd}
    wrong = [
        place
        for place, numbers in columns.items()
        if (numbers.isna() & frame.iloc[:, place].notna()).any()
    ]
    if wrong:
        raise TableError(
            "Features are numbers",
            got=f"other cells in {first_names(frame.columns[wrong])}",
            remedy="Name these columns as covariates, or leave them out",
        )
    rest = {p: frame.iloc[:, p] for p in range(frame.shape[1]) if p not in columns}
    both = columns | rest
    return pd.DataFrame({place: both[place] for place in sorted(both)}, index=frame.index)


def select_beside(frame: pd.DataFrame, given: Any, what: str) -> pd.DataFrame:
    """Return the rows of a table beside the features, from columns or by the index."""
    given = read_frame(given)
    if not isinstance(given, (pd.Series, pd.DataFrame)):
        return frame.loc[:, list(given)]
    given = given.to_frame(given.name or what) if isinstance(given, pd.Series) else given
    require_one_row_a_label(given, what)
    absent = frame.index.unique().difference(given.index, sort=False)
    if len(absent):
        raise InputError(
            f"Every row of X has its {what}, found by the index",
            got=f"none for {first_names(absent)}",
            remedy=f"Pass X as a DataFrame indexed by subject, with a row of {what} each; steps "
            "before this one in a pipeline keep the index after set_output(transform='pandas')",
        )
    return given.loc[frame.index]


def require_one_row_a_label(given: pd.DataFrame, what: str) -> None:
    """Refuse a table that has several rows of one label."""
    twice = given.index[given.index.duplicated()].unique()
    if len(twice):
        raise InputError(
            f"A table of {what} has one row a label",
            got=f"several for {first_names(twice)}",
            remedy="Keep the values of one visit",
        )


def refuse_missing(table: pd.DataFrame, what: str, remedy: str) -> None:
    """Refuse missing cells, naming rows."""
    rows = table.index[table.isna().any(axis=1)]
    if len(rows):
        raise InputError(
            f"Every row has its {what}", got=f"none for {first_names(rows)}", remedy=remedy
        )


def is_numeric_column(column: pd.Series) -> bool:
    """Tell whether a column is numbers, rather than words or truth values."""
    column = column.infer_objects()
    return pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)


@dataclass(frozen=True)
class Coding:
    """How columns beside the features become centred numbers, learned on training rows.

    Numbers are standardised, words become one column a word but the first. A column that did
    not vary is 0 there, and without a say.
    """

    # words of every column, in order; None for a column of numbers
    levels: dict[Hashable, tuple | None]
    centre: np.ndarray  # (n_coded,); mean and standard deviation of the coded columns
    spread: np.ndarray

    @classmethod
    def learn(cls, table: pd.DataFrame) -> Coding:
        """Learn it from the training rows."""
        refuse_missing(table, "covariates", "Impute them, or leave the rows out")
        levels = {
            name: None
            if is_numeric_column(table[name])
            else tuple(sorted(set(table[name].map(str))))
            for name in table
        }
        coded = code_columns(table, levels)
        spread = coded.std(axis=0)
        return cls(levels, coded.mean(axis=0), np.where(spread > 0, spread, 1.0))

    def matrix(self, table: pd.DataFrame) -> np.ndarray:
        """Return the coded columns, of shape (n_rows, n_coded)."""
        refuse_missing(table, "covariates", "Impute them, or leave the rows out")
        table = table.set_axis(list(self.levels), axis=1)
        refuse_new_words(table, self.levels)
        return (code_columns(table, self.levels) - self.centre) / self.spread


def code_columns(table: pd.DataFrame, levels: dict[Hashable, tuple | None]) -> np.ndarray:
    """Return columns of numbers as they are, and of words as zeros and ones."""
    columns = [np.empty((len(table), 0))]
    for name, words in levels.items():
        if words is None:
            columns.append(require_numbers(table[[name]]).to_numpy(float))
        else:
            columns.append(table[name].map(str).to_numpy()[:, None] == np.array(words[1:], object))
    values = np.hstack(columns).astype(float)
    require_finite(
        values, np.repeat(np.array([*levels], object), [c.shape[1] for c in columns[1:]])
    )
    return values


def refuse_new_words(table: pd.DataFrame, levels: dict[Hashable, tuple | None]) -> None:
    """Refuse words that no training row had; the column is named, the word is not."""
    for name, words in levels.items():
        new = () if words is None else table.index[~table[name].map(str).isin(words)]
        if len(new):
            raise InputError(
                f"Covariate {name!r} has the values that it had in training",
                got=f"others for {first_names(new)}",
                remedy="Spell values alike, or train on rows that have them all",
            )
