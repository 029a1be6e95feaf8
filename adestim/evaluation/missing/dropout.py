"""Hiding modalities that subjects do have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from adestim._support.frames import match_columns, read_frame, write_as_asked
from adestim._support.sklearn import Interval, draw_seeds, fit_context
from adestim._support.versioned import Versioned
from adestim.encoding.blocks import name_blocks
from adestim.encoding.presence import find_present, modality_columns
from adestim.encoding.tables import check_fusion_table
from adestim.exceptions import InputError


def draw_hidden(
    present: np.ndarray, rate: float, chance: np.ndarray, may_hide: np.ndarray | None = None
) -> np.ndarray:
    """Choose which modalities to hide, never all that a subject has.

    Parameters
    ----------
    present : ndarray of shape (n_subjects, n_modalities), dtype bool
        Who has what.
    rate : float
        Probability with which a modality that a subject has is hidden.
    chance : ndarray of shape (n_subjects, n_modalities)
        Uniform random numbers. The same ones with a higher rate hide the same and more.
    may_hide : ndarray of shape (n_modalities,), dtype bool, default=None
        Which modalities may be hidden; None for all.

    Returns
    -------
    ndarray of shape (n_subjects, n_modalities), dtype bool
        Of those that would lose all, the modality with the largest number is kept.

    Examples
    --------
    >>> import numpy as np
    >>> from adestim.evaluation import draw_hidden
    >>> draw_hidden(np.array([[True, True], [True, False]]), 0.9, np.full((2, 2), 0.5))
    array([[False,  True],
           [False, False]])
    """
    hidden = present & (chance < rate)
    if may_hide is not None:
        hidden &= may_hide
    emptied = np.flatnonzero(present.any(axis=1) & ~(present & ~hidden).any(axis=1))
    kept = np.where(present, chance, -1.0)[emptied].argmax(axis=1)
    hidden[emptied, kept] = False
    return hidden


def hide_modalities(X: Any, hidden: Any, columns: Mapping[str, Sequence[int]]) -> Any:
    """Return a copy of a table in which some subjects' modalities are missing.

    Parameters
    ----------
    X : {DataFrame, ndarray} of shape (n_subjects, n_columns)
        Table.
    hidden : array-like of shape (n_subjects, n_modalities), dtype bool
        What to hide, modalities in the order of ``columns``.
    columns : mapping of str to sequence of int
        What :func:`modality_columns` returns.

    Returns
    -------
    {DataFrame, ndarray} of shape (n_subjects, n_columns)
        None in place of objects, NaN in place of numbers; integers become floats.

    Examples
    --------
    >>> import pandas as pd
    >>> from adestim.evaluation import hide_modalities, modality_columns
    >>> X = pd.DataFrame({"mri__a": [1.0, 2.0], "csf__tau": [3.0, 4.0]})
    >>> hide_modalities(X, [[False, True], [False, False]], modality_columns(X))
       mri__a  csf__tau
    0     1.0       NaN
    1     2.0       4.0
    """
    X = read_frame(X)
    cells = np.zeros(np.shape(X), dtype=bool)
    for rows, places in zip(np.asarray(hidden, dtype=bool).T, columns.values(), strict=True):
        cells[np.ix_(rows, list(places))] = True
    if not isinstance(X, pd.DataFrame):
        return empty_cells(np.asarray(X), cells)
    kinds = set(X.dtypes)
    if len(kinds) == 1 and kinds.pop() in (np.float32, np.float64, object):
        return pd.DataFrame(empty_cells(X.to_numpy(), cells), index=X.index, columns=X.columns)
    result = X.copy()
    for place in np.flatnonzero(cells.any(axis=0)):
        column = X.iloc[:, place]
        result.isetitem(place, hide_cells(column, cells[:, place]))
    return result


def hide_cells(column: pd.Series, rows: np.ndarray) -> pd.Series:
    """Return a column in which some cells are missing."""
    if column.dtype == object:
        return pd.Series(empty_cells(column.to_numpy(), rows), index=column.index, dtype=object)
    return column.mask(rows)


def empty_cells(values: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """Return a copy of an array in which some cells are missing."""
    if values.dtype.kind in "iub":
        values = values.astype(float)
    values = values.copy()
    values[cells] = None if values.dtype == object else np.nan
    return values


def find_hideable(modalities: Sequence[str] | None, known: Sequence[str]) -> np.ndarray:
    """Return which of the modalities known were named; all where none were."""
    if modalities is None:
        return np.ones(len(known), dtype=bool)
    strange = [name for name in modalities if name not in known]
    if strange:
        raise InputError(
            "'modalities' must name modalities of the table",
            got=", ".join(map(repr, strange)),
            remedy=f"Choose from {list(known)}",
        )
    return np.isin(known, list(modalities))


class ModalityDropout(Versioned, OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Hide modalities of training subjects at random.

    A step of a pipeline, before the classifier: a model that was trained without a modality now and
    then can do without it. Only ``fit_transform``, which a pipeline calls in training, hides;
    ``transform`` hands the table on as it is. No subject loses all that it has.

    Parameters
    ----------
    p : float, default=0.3
        Probability with which a modality that a subject has is hidden.
    modalities : list of str, default=None
        Modalities that may be hidden; None for all.
    random_state : int, RandomState instance or None, default=None
        Controls what is hidden.

    Attributes
    ----------
    modalities_ : list of str
        Names of the modalities seen in ``fit``.
    n_features_in_ : int
        Number of columns seen in ``fit``.
    feature_names_in_ : ndarray of str
        Their names, where all are strings.

    References
    ----------
    Neverova et al., "ModDrop: adaptive multi-modal gesture recognition", IEEE Transactions on
    Pattern Analysis and Machine Intelligence 38(8), 2016.

    Examples
    --------
    >>> import pandas as pd
    >>> from adestim.evaluation import ModalityDropout
    >>> X = pd.DataFrame({"mri__a": [1.0, 2.0, 3.0], "csf__tau": [4.0, 5.0, 6.0]})
    >>> dropout = ModalityDropout(p=0.5, random_state=0)
    >>> int(dropout.fit_transform(X).isna().sum().sum())
    2
    >>> dropout.transform(X).equals(X)
    True
    """

    _parameter_constraints: ClassVar[dict] = {
        "p": [Interval(Real, 0, 1, closed="both")],
        "modalities": [list, tuple, None],
        "random_state": ["random_state"],
    }

    def __init__(self, *, p=0.3, modalities=None, random_state=None):
        self.p = p
        self.modalities = modalities
        self.random_state = random_state

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None):
        """Learn the modalities.

        Parameters
        ----------
        X : {DataFrame, array-like} of shape (n_subjects, n_columns)
            Encodings table, numeric table, or table of raw cells.
        y : Ignored
            Not used, present for API consistency.

        Returns
        -------
        self : object
        """
        self._learn(X)
        return self

    @fit_context(prefer_skip_nested_validation=True)
    def fit_transform(self, X, y=None):
        """Learn the modalities, and hide some of these, the training subjects'.

        Parameters
        ----------
        X : {DataFrame, array-like} of shape (n_subjects, n_columns)
            Table.
        y : Ignored
            Not used, present for API consistency.

        Returns
        -------
        {DataFrame, ndarray} of shape (n_subjects, n_columns)
            A copy, with more missing.
        """
        frame = self._learn(X)
        present = find_present(frame, self._columns).to_numpy()
        generator = np.random.default_rng(draw_seeds(self.random_state, 1)[0])
        may_hide = find_hideable(self.modalities, self.modalities_)
        hidden = draw_hidden(present, self.p, generator.random(present.shape), may_hide)
        table = match_container(self, X, frame)
        return write_as_asked(self, hide_modalities(table, hidden, self._columns))

    def transform(self, X):
        """Hand the table on.

        Parameters
        ----------
        X : {DataFrame, array-like} of shape (n_subjects, n_columns)
            Table as in ``fit``.

        Returns
        -------
        {DataFrame, ndarray} of shape (n_subjects, n_columns)
        """
        check_is_fitted(self, "modalities_")
        frame = check_fusion_table(self, X, reset=False)
        return write_as_asked(self, match_container(self, X, frame))

    def _learn(self, X):
        """Remember the modalities' columns; return the table as a frame."""
        frame = check_fusion_table(self, X, reset=True)
        self._columns = modality_columns(frame)
        self.modalities_ = list(self._columns)
        find_hideable(self.modalities, self.modalities_)
        return frame

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.string = True
        tags.non_deterministic = self.random_state is None
        return tags


def match_container(estimator: Any, X: Any, frame: pd.DataFrame) -> Any:
    """Return a table in the container it came in, arrays for lists, in the columns of ``fit``."""
    X = read_frame(X)
    if not isinstance(X, pd.DataFrame):
        return frame.to_numpy()
    return match_columns(estimator, name_blocks(X))
