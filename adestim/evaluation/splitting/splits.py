"""Splits into training and test rows that keep every subject on one side."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from sklearn.model_selection import (
    BaseCrossValidator,
    RepeatedStratifiedKFold,
    StratifiedGroupKFold,
)
from sklearn.utils import check_consistent_length, check_random_state

from adestim._support.checks import require_count
from adestim._support.frames import read_frame
from adestim._support.labels import read_column, require_one_kind
from adestim._support.sklearn import draw_seeds
from adestim.exceptions import InputError, LeakageError

N_NAMED = 3


def check_split(train: Any, test: Any, groups: Any = None, *, name: str = "split") -> None:
    """Refuse a split that has a row, or a group, on both sides.

    Parameters
    ----------
    train, test : array-like of int or bool
        Positions of the training and of the test rows, or a mask each.
    groups : array-like of shape (n_rows,), default=None
        Group of every row of the table, its subject for instance. None checks rows alone.
    name : str, default="split"
        What the error calls the split.

    Raises
    ------
    InputError
        When a side is empty or reaches beyond the table.
    LeakageError
        When a row or a group is on both sides; up to three groups are named.

    Examples
    --------
    >>> from adestim.evaluation import check_split
    >>> check_split([0, 1], [2, 3], groups=["s1", "s1", "s2", "s3"])
    >>> check_split([0, 2], [1, 3], groups=["s1", "s1", "s2", "s3"], name="fold 1")
    Traceback (most recent call last):
        ...
    adestim.exceptions.LeakageError: Groups must be on one side of fold 1. Got 1 on both: 's1'. ...
    """
    train, test = read_positions(train, "training", name), read_positions(test, "test", name)
    require_apart(np.intersect1d(train, test), f"Rows must be on one side of {name}")
    if groups is None:
        return
    groups = pd.Series(np.asarray(groups)).to_numpy()
    if max(train.max(), test.max()) >= len(groups):
        raise InputError(
            f"The rows of {name} must be positions in the table",
            got=f"position {max(train.max(), test.max())} among {len(groups)} rows",
        )
    codes, labels = pd.factorize(groups, use_na_sentinel=False)
    shared = labels[np.intersect1d(codes[train], codes[test])]
    require_apart(shared, f"Groups must be on one side of {name}")


def read_positions(rows: Any, side: str, name: str) -> np.ndarray:
    """Return the rows of one side as positions; there must be some."""
    rows = np.asarray(rows)
    if rows.dtype == bool:
        rows = np.flatnonzero(rows)
    if len(rows) == 0:
        raise InputError(
            f"Both sides of {name} must have rows",
            got=f"no {side} rows",
            remedy="Ask for fewer folds",
        )
    return rows.astype(int)


def require_apart(shared: Any, rule: str) -> None:
    """Refuse what both sides share, and name the first few."""
    if len(shared):
        raise LeakageError(
            rule,
            got=f"{len(shared)} on both: {name_first(shared)}",
            remedy="Split by subject: pass groups=, and a splitter that keeps them whole, such as "
            "RepeatedStratifiedGroupKFold",
        )


def name_first(labels: Any) -> str:
    """Return the first labels as text."""
    named = ", ".join(repr(str(label)) for label in labels[:N_NAMED])
    return f"{named}, ..." if len(labels) > N_NAMED else named


def require_groups(X: Any, groups: Any = None) -> np.ndarray | None:
    """Return the groups of a table; demand them where a subject has several rows.

    Parameters
    ----------
    X : {DataFrame, array-like} of shape (n_rows, n_columns)
        Table, whose index, where it has one, names the subjects.
    groups : array-like of shape (n_rows,), default=None
        Group of every row.

    Returns
    -------
    ndarray of shape (n_rows,) or None
        The groups; None where none were given and none are needed.

    Raises
    ------
    LeakageError
        When an index label occurs more than once and there are no groups, or its rows are in
        several groups.
    InputError
        When there are not as many groups as rows, or one is missing.

    Examples
    --------
    >>> import pandas as pd
    >>> from adestim.evaluation import require_groups
    >>> visits = pd.DataFrame({"csf__tau": [1.0, 2.0, 3.0]}, index=["s1", "s1", "s2"])
    >>> require_groups(visits, groups=visits.index).tolist()
    ['s1', 's1', 's2']
    >>> require_groups(visits)
    Traceback (most recent call last):
        ...
    adestim.exceptions.LeakageError: A subject with several rows must be kept whole, so groups ...
    """
    X = read_frame(X)
    index = X.index if isinstance(X, pd.DataFrame | pd.Series) else pd.RangeIndex(len(X))
    repeated = index[index.duplicated()].unique()
    if groups is None:
        if len(repeated):
            raise LeakageError(
                "A subject with several rows must be kept whole, so groups are needed",
                got=f"{len(repeated)}: {name_first(repeated)}",
                remedy="Pass groups=X.index",
            )
        return None
    groups = read_column(groups)
    check_consistent_length(X, groups)
    require_known_groups(groups)
    require_one_kind(groups, "a split", "groups")
    require_one_group_each(index, groups)
    return groups


def require_known_groups(groups: np.ndarray) -> None:
    """Refuse rows without a group."""
    n_missing = int(pd.isna(groups).sum())
    if n_missing:
        raise InputError(
            "Every row needs a group",
            got=f"{n_missing} missing",
            remedy="Give such a row a group of its own",
        )


def require_one_group_each(index: pd.Index, groups: np.ndarray) -> None:
    """Refuse a subject whose rows are in several groups."""
    n_groups = pd.Series(pd.factorize(groups)[0]).groupby(pd.factorize(index)[0]).nunique()
    scattered = index.unique()[n_groups[n_groups > 1].index.to_numpy()]
    if len(scattered):
        raise LeakageError(
            "All rows of one index label must be in one group",
            got=f"{len(scattered)} in several: {name_first(scattered)}",
            remedy="Correct the groups; where the labels are no subjects, call "
            "reset_index(drop=True) on the table",
        )


class RepeatedStratifiedGroupKFold(BaseCrossValidator):
    """Stratified folds that keep groups whole, drawn several times.

    Every repeat is a :class:`~sklearn.model_selection.StratifiedGroupKFold` with another shuffle.
    Without groups it is a :class:`~sklearn.model_selection.RepeatedStratifiedKFold`.

    Parameters
    ----------
    n_splits : int, default=5
        Number of folds.
    n_repeats : int, default=10
        Number of repeats.
    random_state : int, RandomState instance or None, default=None
        Controls the shuffles; an int gives the same splits in every call.

    See Also
    --------
    check_split : Refuses splits that do not keep groups whole.

    Notes
    -----
    Where groups are few, repeats may coincide: the folds are chosen to balance the classes,
    and only ties are left to chance.

    References
    ----------
    Repeats with different shuffles make the estimate more stable: Bouckaert and Frank,
    "Evaluating the Replicability of Significance Tests for Comparing Learning Algorithms",
    PAKDD 2004.

    Examples
    --------
    >>> import numpy as np
    >>> from adestim.evaluation import RepeatedStratifiedGroupKFold
    >>> groups = np.repeat(np.arange(10), 2)
    >>> y = np.repeat([0, 1], 10)
    >>> splitter = RepeatedStratifiedGroupKFold(n_splits=5, n_repeats=3, random_state=0)
    >>> splits = list(splitter.split(y, y, groups))
    >>> len(splits)
    15
    >>> any(set(groups[train]) & set(groups[test]) for train, test in splits)
    False
    """

    # The name is scikit-learn's way to have groups handed on by metadata routing.
    __metadata_request__split: ClassVar[dict] = {"groups": True}

    def __init__(self, n_splits: int = 5, *, n_repeats: int = 10, random_state: Any = None) -> None:
        self.n_splits = n_splits
        self.n_repeats = n_repeats
        self.random_state = random_state

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """Return the number of splits, repeats included.

        Parameters
        ----------
        X, y, groups : object, default=None
            Not used.

        Returns
        -------
        int
        """
        rule = "'{}' of RepeatedStratifiedGroupKFold must be an int of at least {}"
        require_count(self.n_splits, rule.format("n_splits", 2), least=2)
        require_count(self.n_repeats, rule.format("n_repeats", 1))
        return self.n_splits * self.n_repeats

    def split(
        self, X: Any, y: Any = None, groups: Any = None
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield training and test rows, repeat by repeat.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_columns)
            Table, of which the length counts.
        y : array-like of shape (n_rows,)
            Class labels.
        groups : array-like of shape (n_rows,), default=None
            Groups to keep whole.

        Yields
        ------
        train : ndarray of int
            Positions of the training rows.
        test : ndarray of int
            Positions of the test rows.
        """
        self.get_n_splits()
        seed = draw_seeds(None, 1)[0] if self.random_state is None else self.random_state
        if groups is None:
            plain = RepeatedStratifiedKFold(
                n_splits=self.n_splits, n_repeats=self.n_repeats, random_state=seed
            )
            yield from plain.split(X, y)
            return
        generator = check_random_state(seed)
        for _ in range(self.n_repeats):
            folds = StratifiedGroupKFold(self.n_splits, shuffle=True, random_state=generator)
            yield from folds.split(X, y, groups)
