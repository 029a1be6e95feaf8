"""Fitting an estimator on the folds of a cross-validation, and asking it about the others."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from numbers import Integral
from typing import Any

import numpy as np
from sklearn import get_config
from sklearn.base import clone
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.model_selection import GroupKFold, KFold, check_cv
from sklearn.pipeline import Pipeline
from sklearn.utils import check_consistent_length
from sklearn.utils.metadata_routing import get_routing_for_object
from sklearn.utils.validation import has_fit_parameter

from adestim._support.sklearn import draw_seeds
from adestim.evaluation.fold_fits import rows_of
from adestim.evaluation.splitting.splits import (
    RepeatedStratifiedGroupKFold,
    check_split,
    require_groups,
)

__all__ = ["fit_fold", "group_fit_params", "list_splits", "mean_score"]

Splits = Sequence[tuple[np.ndarray, np.ndarray]]


def list_splits(
    X: Any,
    y: Any,
    groups: Any = None,
    cv: Any = 5,
    *,
    n_repeats: int = 1,
    random_state: Any = None,
    classifier: bool = True,
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return the splits of a cross-validation, each one checked.

    Parameters
    ----------
    X : {DataFrame, array-like} of shape (n_rows, n_columns)
        Table.
    y : array-like of shape (n_rows,)
        Class labels, or numbers.
    groups : array-like of shape (n_rows,), default=None
        Groups to keep whole; needed where an index label occurs twice.
    cv : int, cross-validation splitter or iterable, default=5
        An int gives shuffled folds, stratified for classes, that keep groups whole.
    n_repeats : int, default=1
        Number of repeats, where ``cv`` is an int.
    random_state : int, RandomState instance or None, default=None
        Controls the shuffles, where ``cv`` is an int.
    classifier : bool, default=True
        Whether y holds classes.

    Returns
    -------
    list of tuple of two ndarrays of int
        Training and test rows.

    Raises
    ------
    LeakageError
        When a group is on both sides of a split, or groups are needed.

    Examples
    --------
    >>> import numpy as np
    >>> from adestim.evaluation.splitting.folds import list_splits
    >>> splits = list_splits(np.zeros((20, 1)), np.arange(20) % 2, cv=4, random_state=0)
    >>> [len(test) for _, test in splits]
    [5, 5, 5, 5]
    """
    groups = require_groups(X, groups)
    y = np.asarray(y)
    check_consistent_length(X, y)
    with warnings.catch_warnings():
        # What becomes of the groups is checked below.
        warnings.filterwarnings("ignore", "The groups parameter is ignored", UserWarning)
        if isinstance(cv, Integral):
            drawn = fold_splits(y, groups, int(cv), n_repeats, random_state, classifier)
        else:
            drawn = check_cv(cv, y, classifier=classifier).split(np.zeros(len(y)), y, groups)
        splits = [(np.asarray(train), np.asarray(test)) for train, test in drawn]
    for number, (train, test) in enumerate(splits, start=1):
        check_split(train, test, groups, name=f"split {number}")
    return splits


def fold_splits(
    y: np.ndarray,
    groups: np.ndarray | None,
    n_splits: int,
    n_repeats: int,
    random_state: Any,
    classifier: bool,
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the splits of shuffled folds."""
    if classifier:
        folds = RepeatedStratifiedGroupKFold(
            n_splits, n_repeats=n_repeats, random_state=random_state
        )
        yield from folds.split(y, y, groups)
        return
    for seed in draw_seeds(random_state, n_repeats):
        plain = KFold if groups is None else GroupKFold
        yield from plain(n_splits, shuffle=True, random_state=seed).split(y, y, groups)


def group_fit_params(estimator: Any, groups: Any) -> dict[str, Any]:
    """Return what hands groups on to an estimator's ``fit``, nothing where it takes none.

    Parameters
    ----------
    estimator : estimator
        An estimator, a search, or a pipeline, whose last step may take groups.
    groups : array-like of shape (n_rows,) or None
        Groups of the rows that it will be fitted on.

    Returns
    -------
    dict
        Keyword arguments for ``fit``.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from adestim import AnchoredFusionClassifier
    >>> from adestim.evaluation.splitting.folds import group_fit_params
    >>> group_fit_params(AnchoredFusionClassifier(), ["s1", "s2"])
    {'groups': ['s1', 's2']}
    >>> group_fit_params(LogisticRegression(), ["s1", "s2"])
    {}
    """
    if groups is None or estimator in (None, "passthrough"):
        return {}
    if get_config()["enable_metadata_routing"]:
        routed = get_routing_for_object(estimator).consumes("fit", ["groups"])
        return {"groups": groups} if routed else {}
    if isinstance(estimator, Pipeline):
        name, last = estimator.steps[-1]
        nested = group_fit_params(last, groups)
        return {f"{name}__{key}": value for key, value in nested.items()}
    takes_groups = has_fit_parameter(estimator, "groups") or splits_by_group(estimator)
    return {"groups": groups} if takes_groups else {}


def splits_by_group(estimator: Any) -> bool:
    """Tell whether a search has inner folds that need groups; its signature does not say so."""
    splitter = getattr(estimator, "cv", None)
    return hasattr(splitter, "split") and bool(
        get_routing_for_object(splitter).consumes("split", ["groups"])
    )


def fit_fold(estimator: Any, X: Any, y: np.ndarray, groups: Any, train: np.ndarray) -> Any:
    """Fit a copy of an estimator on training rows.

    Parameters
    ----------
    estimator : estimator
        It is cloned, not fitted.
    X : {DataFrame, array-like} of shape (n_rows, n_columns)
        Table.
    y : ndarray of shape (n_rows,)
        Target.
    groups : array-like of shape (n_rows,) or None
        Handed on to a ``fit`` that takes groups.
    train : ndarray of int
        Positions of the training rows.

    Returns
    -------
    estimator
        The fitted copy.
    """
    params = group_fit_params(estimator, rows_of(groups, train))
    return clone(estimator).fit(rows_of(X, train), y[train], **params)


def mean_score(
    estimator: Any,
    X: Any,
    y: np.ndarray,
    groups: Any,
    splits: Splits,
    scorer: Callable[[Any, Any, Any], float],
) -> float:
    """Return the mean over folds of a score of the test rows.

    Parameters
    ----------
    estimator : estimator
        It is cloned for every fold.
    X : {DataFrame, array-like} of shape (n_rows, n_columns)
        Table.
    y : ndarray of shape (n_rows,)
        Target.
    groups : array-like of shape (n_rows,) or None
        Handed on to a ``fit`` that takes groups.
    splits : sequence of tuple of two ndarrays of int
        Training and test rows.
    scorer : callable
        Called with the fitted estimator, and table and target of the test rows.

    Returns
    -------
    float
        Over the folds in which the score is defined; NaN where it is in none.
    """
    scores = []
    for train, test in splits:
        fitted = fit_fold(estimator, X, y, groups, train)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UndefinedMetricWarning)
            scores.append(scorer(fitted, rows_of(X, test), y[test]))
    known = np.array(scores)[~np.isnan(scores)]
    return float(known.mean()) if len(known) else np.nan
