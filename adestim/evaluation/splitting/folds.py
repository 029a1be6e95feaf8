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

    X (n_rows, n_columns), y (n_rows,), groups (n_rows,).
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

    groups (n_rows,).
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

    X (n_rows, n_columns), y (n_rows,), groups (n_rows,).
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

    X (n_rows, n_columns), y (n_rows,), groups (n_rows,).
    """
    scores = []
    for train, test in splits:
        fitted = fit_fold(estimator, X, y, groups, train)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UndefinedMetricWarning)
            scores.append(scorer(fitted, rows_of(X, test), y[test]))
    known = np.array(scores)[~np.isnan(scores)]
    return float(known.mean()) if len(known) else np.nan
