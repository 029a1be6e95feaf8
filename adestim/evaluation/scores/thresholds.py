"""Thresholds on a probability, chosen on training rows only."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.utils import check_consistent_length

from adestim._support.checks import require_count
from adestim._support.frames import read_frame
from adestim._support.groups import group_own_rows
from adestim._support.labels import check_row_groups, read_target
from adestim._support.positive_class import choose_positive
from adestim._support.sklearn import draw_seeds, take_rows
from adestim.evaluation.scores.checks import read_membership, read_values
from adestim.evaluation.splitting.folds import fit_fold
from adestim.exceptions import InputError

#: Takes true positives, positives, false positives and negatives; returns a place.
Rule = Callable[[np.ndarray, int, np.ndarray, int], int]

# 0.9 * 10 must be no more than 9.
ROUNDING = 1e-9

AT_LEAST = re.compile(r"(sensitivity|specificity)\s*>=\s*(\d+(?:\.\d*)?|\.\d+)")


def choose_threshold(
    y: Any, probability: Any, rule: str = "youden", *, positive: Any = None
) -> float:
    """Choose from which probability on the positive class is predicted.

    Parameters
    ----------
    y : array-like of shape (n_subjects,)
        Labels of two classes.
    probability : array-like of shape (n_subjects,)
        Probabilities of that class of subjects that the model was not trained on.
    rule : str, default="youden"
        What is best: ``"youden"`` [1]_ or ``"balanced_accuracy"``, which are the same: sensitivity
        plus specificity; ``"accuracy"``; ``"f1"``; or ``"sensitivity>=0.9"``, with any number: the
        most specific of the thresholds that are so sensitive, or ``"specificity>=0.9"``.
    positive : label, default=None
        The positive class; None for the patients' (AD beside CN, pMCI beside sMCI), or the
        last of the sorted two, as in :func:`adestim.evaluation.compare`.

    Returns
    -------
    float
        Halfway between the two neighbouring probabilities that it parts. Of equally good ones the
        lowest, which is the most sensitive. Above 1 where predicting no one is best and someone
        has probability 1.

    Raises
    ------
    InputError
        When there are not two classes, a probability is missing, or the rule is none.

    References
    ----------
    .. [1] Youden, W. J. (1950). Index for rating diagnostic tests. Cancer, 3(1), 32-35.

    Examples
    --------
    >>> from adestim.evaluation import choose_threshold
    >>> y = ["CN", "CN", "CN", "MCI", "MCI"]
    >>> probability = [0.1, 0.2, 0.6, 0.5, 0.9]
    >>> round(choose_threshold(y, probability), 3)
    0.35
    >>> round(choose_threshold(y, probability, "specificity>=1"), 3)
    0.75
    """
    best = read_rule(rule)
    is_positive = read_membership(y, positive)
    probability = read_values(probability, len(is_positive))
    require_within_unit(probability)
    values, place = np.unique(probability, return_inverse=True)
    members = np.bincount(place, is_positive)
    others = np.bincount(place, ~is_positive)
    chosen = best(count_from_each(members), members.sum(), count_from_each(others), others.sum())
    return find_halfway(values, chosen)


def inner_threshold(
    estimator: Any,
    X: Any,
    y: Any,
    *,
    groups: Any = None,
    rule: str = "youden",
    positive: Any = None,
    cv: int = 5,
    random_state: Any = None,
) -> float:
    """Choose a threshold on training rows, from models that did not see who they judge.

    Clones are fitted on inner folds, and the threshold is chosen from the probabilities of the
    rows that each did not see, put together.

    Parameters
    ----------
    estimator : estimator
        A classifier or a pipeline that ends in one; it is cloned, not fitted.
    X : {DataFrame, array-like} of shape (n_subjects, n_columns)
        The training rows.
    y : array-like of shape (n_subjects,)
        Labels of two classes.
    groups : array-like of shape (n_subjects,), default=None
        Rows of one group stay on one side of the inner folds, and are passed to ``fit`` where it
        takes them. None: rows of a frame belong together when they share an index label or are
        the very same.
    rule : str, default="youden"
        As in :func:`adestim.evaluation.choose_threshold`.
    positive : label, default=None
        The positive class; None for the patients' (AD beside CN, pMCI beside sMCI), or the last of
        the sorted two, as in :func:`adestim.evaluation.compare`.
    cv : int, default=5
        Inner folds; fewer where a class has fewer groups.
    random_state : int, RandomState instance or None, default=None
        Seed of the folds. Models have their own.

    Returns
    -------
    float
        The threshold on the positive class's probability.

    Raises
    ------
    InputError
        When there are not two classes of two groups or more, ``cv`` is no number from 2, or the
        rule is none.

    Notes
    -----
    scikit-learn's ``TunedThresholdClassifierCV`` does the same for one score, but hands groups to
    its inner folds only with metadata routing switched on.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LogisticRegression
    >>> from adestim.evaluation import inner_threshold
    >>> rng = np.random.default_rng(0)
    >>> y = np.repeat([0, 1], [80, 20])
    >>> X = y[:, None] + rng.normal(size=(100, 1))
    >>> threshold = inner_threshold(LogisticRegression(), X, y, random_state=0)
    >>> bool(threshold < 0.5)
    True
    """
    read_rule(rule)
    require_count(cv, "'cv' is a whole number from 1")
    X, y = read_frame(X), read_target(y, "inner_threshold")
    check_consistent_length(X, y)
    groups = check_row_groups(groups, len(y), "inner_threshold")
    if positive is None and len(classes := np.unique(y)) == 2:
        positive = choose_positive(classes.tolist())
    is_positive = read_membership(y, positive)
    probability = np.full(len(is_positive), np.nan)
    for train, test in draw_inner_folds(X, is_positive, groups, cv, random_state):
        fitted = fit_fold(estimator, X, y, groups, train)
        column = fitted.classes_.tolist().index(positive)
        probability[test] = fitted.predict_proba(take_rows(X, test))[:, column]
    seen = ~np.isnan(probability)
    return choose_threshold(is_positive[seen], probability[seen], rule)


def draw_inner_folds(
    X: Any, is_positive: np.ndarray, groups: Any, cv: int, random_state: Any
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return stratified folds that keep groups whole and have both classes to train on."""
    if groups is None:
        groups = group_own_rows(X) if hasattr(X, "iloc") else np.arange(len(is_positive))
    fewest = min(len(np.unique(groups[is_positive == side])) for side in (False, True))
    n_folds = min(cv, fewest)
    if n_folds < 2:
        raise InputError(
            "Inner folds need two or more, and as many groups of either class",
            got=f"cv={cv!r} and a class with {fewest} group(s)",
        )
    splitter = StratifiedGroupKFold(
        n_folds, shuffle=True, random_state=draw_seeds(random_state, 1)[0]
    )
    folds = splitter.split(np.zeros(len(groups)), is_positive, groups)
    # Groups of very unequal size may leave no fold but one to a class.
    return [fold for fold in folds if 0 < is_positive[fold[0]].mean() < 1]


def read_rule(rule: Any) -> Rule:
    """Return what picks a place from counts of true and false positives at every threshold."""
    if isinstance(rule, str) and rule in BEST:
        return lambda *counts: int(np.argmax(BEST[rule](*counts)))
    found = AT_LEAST.fullmatch(rule.strip()) if isinstance(rule, str) else None
    if found is None or not 0 <= float(found[2]) <= 1:
        raise InputError(
            f"A rule is one of {', '.join(map(repr, BEST))}, or 'sensitivity>=s' or "
            "'specificity>=s' with s from 0 to 1",
            got=repr(rule),
        )
    least = float(found[2])
    return (
        make_sensitivity_rule(least) if found[1] == "sensitivity" else make_specificity_rule(least)
    )


def make_sensitivity_rule(least: float) -> Rule:
    """Return what picks the highest threshold of at least a sensitivity."""
    return lambda tp, n_positive, fp, n_negative: int(
        np.flatnonzero(tp >= least * n_positive - ROUNDING)[-1]
    )


def make_specificity_rule(least: float) -> Rule:
    """Return what picks the lowest threshold of at least a specificity."""
    return lambda tp, n_positive, fp, n_negative: int(
        np.flatnonzero(n_negative - fp >= least * n_negative - ROUNDING)[0]
    )


def compute_balance(tp: np.ndarray, n_positive: int, fp: np.ndarray, n_negative: int) -> np.ndarray:
    """Return sensitivity minus false-positive rate, as whole numbers, so that ties are exact."""
    return tp * n_negative - fp * n_positive


def compute_f1(tp: np.ndarray, n_positive: int, fp: np.ndarray, n_negative: int) -> np.ndarray:
    """Return the harmonic mean of precision and sensitivity."""
    return 2 * tp / (tp + fp + n_positive)


BEST: dict[str, Callable[..., np.ndarray]] = {
    "youden": compute_balance,
    "balanced_accuracy": compute_balance,
    "accuracy": lambda tp, n_positive, fp, n_negative: tp - fp,
    "f1": compute_f1,
}


def require_within_unit(probability: np.ndarray) -> None:
    """Refuse decision values."""
    if probability.min() < 0 or probability.max() > 1:
        raise InputError(
            "Probabilities are between 0 and 1",
            got=f"values from {probability.min():.3g} to {probability.max():.3g}",
        )


def count_from_each(counts: np.ndarray) -> np.ndarray:
    """Return how many are at each value or above, and above all: 0."""
    return np.append(np.cumsum(counts[::-1])[::-1], 0).astype(int)


def find_halfway(values: np.ndarray, place: int) -> float:
    """Return what parts a value from the one below; of the ends, from 0 and from 1."""
    edges = np.concatenate([[0.0], values, [max(1.0, np.nextafter(values[-1], 2))]])
    low, high = edges[place], edges[place + 1]
    middle = (low + high) / 2
    # Between neighbours there may be no further number; and nothing is below 0.
    return float(middle if middle > low else high)
