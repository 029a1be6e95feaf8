"""Fitting an estimator on the folds of a cross-validation, and asking it about the others."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.model_selection import GroupKFold, KFold, check_cv
from sklearn.utils import check_consistent_length

from adestim._support.frames import read_frame
from adestim._support.labels import read_target, require_splits
from adestim._support.routing import route_to_fit
from adestim._support.sklearn import draw_seeds, take_rows
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
    y = read_target(y, "A cross-validation")
    check_consistent_length(read_frame(X), y)
    with warnings.catch_warnings():
        # What becomes of the groups is checked below.
        warnings.filterwarnings("ignore", "The groups parameter is ignored", UserWarning)
        if isinstance(cv, Integral):
            drawn = yield_fold_splits(y, groups, int(cv), n_repeats, random_state, classifier)
        else:
            drawn = check_cv(cv, y, classifier=classifier).split(np.zeros(len(y)), y, groups)
        splits = [(np.asarray(train), np.asarray(test)) for train, test in drawn]
    require_splits(splits[:1], len(y), "a cross-validation")
    for number, (train, test) in enumerate(splits, start=1):
        check_split(train, test, groups, name=f"split {number}")
    return splits


def yield_fold_splits(
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


def fit_fold(estimator: Any, X: Any, y: np.ndarray, groups: Any, train: np.ndarray) -> Any:
    """Fit a copy of an estimator on training rows.

    X (n_rows, n_columns), y (n_rows,), groups (n_rows,).
    """
    params = route_to_fit(estimator, groups=None if groups is None else groups[train])
    return clone(estimator).fit(take_rows(X, train), y[train], **params)


def average_score(
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
            scores.append(scorer(fitted, take_rows(X, test), y[test]))
    known = np.array(scores)[~np.isnan(scores)]
    return float(known.mean()) if len(known) else np.nan
