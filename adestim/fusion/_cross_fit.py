"""What wrappers that learn from out-of-fold probabilities have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from numbers import Integral
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from scipy.sparse import issparse
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin, clone
from sklearn.model_selection import check_cv
from sklearn.utils import check_consistent_length, get_tags
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from adestim._support.frames import match_columns, read_frame, require_some_rows
from adestim._support.groups import group_own_rows
from adestim._support.labels import (
    check_row_groups,
    place_rows,
    read_sample_weight,
    read_target,
    require_one_kind,
    require_splits,
)
from adestim._support.numbers import require_finite_predictions
from adestim._support.predictions import align_probabilities
from adestim._support.ranges import HOW_IT_RUNS, LUCK, OF_THE_USER
from adestim._support.routing import route_to_fit
from adestim._support.sklearn import HasMethods, draw_seeds, fit_context, take_rows
from adestim._support.versioned import Versioned
from adestim.encoding.presence import find_present, modality_columns
from adestim.exceptions import InputError, LeakageError
from adestim.fusion._targets import require_classes
from adestim.training.phase_one.logistic import inner_folds

N_FOLDS = 5

Folds = Sequence[tuple[np.ndarray, np.ndarray]]

CROSS_FIT_CONSTRAINTS: dict = {
    "estimator": [HasMethods(["fit", "predict_proba"])],
    "cv": ["cv_object"],
    "n_jobs": [Integral, None],
    "random_state": ["random_state"],
}
WRAPPER_NOT_SEARCHED: dict = {
    "estimator": OF_THE_USER,
    "cv": "what is held out, not what is learned",
    "n_jobs": HOW_IT_RUNS,
    "random_state": LUCK,
}


class Unseen(NamedTuple):
    """What a classifier says of subjects that it was not trained on."""

    probabilities: np.ndarray  # (n_subjects, n_classes)
    targets: np.ndarray  # (n_subjects,); classes as integers from 0
    weight: np.ndarray  # (n_subjects,); weights of the subjects
    present: np.ndarray  # (n_subjects, n_modalities); which modalities a subject has


class Rows(NamedTuple):
    """A checked training set for any classifier; subjects of weight 0 are left out."""

    table: Any  # (n_subjects, n_columns); what the classifier reads
    labels: np.ndarray  # (n_subjects,); class labels and weights
    weight: np.ndarray
    groups: np.ndarray | None  # (n_subjects,); groups, where the user gave any
    folds: Folds | None  # folds, where the user gave any
    params: dict[str, np.ndarray]  # (n_subjects,); what the classifier's ``fit`` is given beside


class CrossFittedClassifier(Versioned, MetaEstimatorMixin, ClassifierMixin, BaseEstimator, ABC):
    """Base of wrappers: the classifier is fitted on all rows, and something to its unseen rows."""

    estimator: Any
    cv: Any
    n_jobs: int | None
    random_state: Any

    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y, groups=None, sample_weight=None):
        """Fit the classifier, and learn from its probabilities of rows held out.

        Parameters
        ----------
        X : {DataFrame, array-like} of shape (n_subjects, n_columns)
            What the classifier reads: an encodings table, numbers, or raw cells.
        y : array-like of shape (n_subjects,)
            Class labels.
        groups : array-like of shape (n_subjects,), default=None
            Rows of one group stay on one side of the folds; handed on to a classifier whose
            ``fit`` takes them. By default rows of the same index label, and rows that hold the
            very same data, are one group.
        sample_weight : array-like of shape (n_subjects,), default=None
            Weights of the subjects; a subject of weight 0 is left out.

        Returns
        -------
        self : object

        Raises
        ------
        InputError
            When a class has a single group, or the classifier takes no weights.
        LeakageError
            When ``cv`` puts a group on both sides.
        """
        rows = self._training_rows(X, y, groups, sample_weight)
        self.classes_, targets = np.unique(rows.labels, return_inverse=True)
        require_classes(self.classes_, type(self).__name__)
        [seed] = draw_seeds(self.random_state, 1)
        folds = draw_folds(self.cv, rows, targets, seed)
        probabilities = predict_out_of_fold(self.estimator, rows, folds, self.classes_, self.n_jobs)
        self._columns = modality_columns(rows.table)
        found = Unseen(probabilities, targets, rows.weight, self._present(rows.table))
        tested = ~np.isnan(probabilities).any(axis=1)
        self._learn(Unseen(*(each[tested] for each in found)))
        self.estimator_ = clone(self.estimator).fit(rows.table, rows.labels, **rows.params)
        return self

    @abstractmethod
    def _learn(self, unseen: Unseen) -> None:
        """Learn what is learned from out-of-fold probabilities."""

    def predict_proba(self, X):
        """Return class probabilities.

        Parameters
        ----------
        X : {DataFrame, array-like} of shape (n_subjects, n_columns)
            Table as in ``fit``.

        Returns
        -------
        ndarray of shape (n_subjects, n_classes)
        """
        return self._judge(X)[0]

    def predict(self, X):
        """Return the most probable class of every subject.

        Parameters
        ----------
        X : {DataFrame, array-like} of shape (n_subjects, n_columns)
            Table as in ``fit``.

        Returns
        -------
        ndarray of shape (n_subjects,)
        """
        check_is_fitted(self, "estimator_")
        return self.classes_[self.predict_proba(X).argmax(axis=1)]

    def _judge(self, X) -> tuple[np.ndarray, np.ndarray]:
        """Return the classifier's probabilities, and who has which modality."""
        check_is_fitted(self, "estimator_")
        table = self._table(X, reset=False)
        found = np.asarray(self.estimator_.predict_proba(table))
        require_finite_predictions(found, type(self.estimator_).__name__)
        return found, self._present(table)

    def _present(self, table) -> np.ndarray:
        """Return which modalities every subject has, (n_subjects, n_modalities)."""
        return find_present(table, self._columns).to_numpy()

    def _table(self, X, reset: bool):
        """Return a table of which rows can be taken, its columns checked."""
        X = read_frame(X)
        if isinstance(X, pd.DataFrame):
            require_some_rows(X, type(self).__name__)
            X = X if reset else match_columns(self, X)
        table = X if isinstance(X, pd.DataFrame) else as_array(X)
        validate_data(self, X, reset=reset, skip_check_array=True)
        return table

    def _training_rows(self, X, y, groups, sample_weight) -> Rows:
        """Return the checked training set."""
        table = self._table(X, reset=True)
        y, weight, given = check_labels(type(self).__name__, table, y, groups, sample_weight)
        kept = weight > 0
        return Rows(
            take_rows(table, kept),
            y[kept],
            weight[kept],
            given.get("groups"),
            read_folds(self.cv, table, y, groups, kept, type(self).__name__),
            route_to_fit(self.estimator, **given),
        )

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        own = get_tags(self.estimator).input_tags if hasattr(self.estimator, "fit") else None
        if own is not None:
            tags.input_tags = replace(own, sparse=False)
        return tags


def check_labels(
    wrapper: str, table: Any, y: Any, groups: Any, sample_weight: Any
) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """Return labels and weights, and what the user gave beside of subjects of a weight above 0."""
    y, n_rows = read_target(y, wrapper), table.shape[0]
    check_consistent_length(table, y)
    require_one_kind(y, wrapper, "y")
    check_classification_targets(y)
    weight = read_sample_weight(sample_weight, n_rows, wrapper)
    given = {
        "groups": check_row_groups(groups, n_rows, wrapper),
        "sample_weight": None if sample_weight is None else weight,
    }
    return y, weight, {name: each[weight > 0] for name, each in given.items() if each is not None}


def read_folds(
    cv: Any, table: Any, y: np.ndarray, groups: Any, kept: np.ndarray, owner: str
) -> Folds | None:
    """Return the user's own folds, by place among the rows that are kept; None for our own."""
    if cv is None or isinstance(cv, Integral):
        return None
    place = np.cumsum(kept) - 1
    folds = []
    for train, test in list_own_folds(cv, table, y, groups, owner):
        folds.append((place[train[kept[train]]], place[test[kept[test]]]))
    return [(train, test) for train, test in folds if len(train) and len(test)]


def list_own_folds(cv: Any, table: Any, y: np.ndarray, groups: Any, owner: str) -> Folds:
    """Return the user's own folds as positions of rows, checked."""
    sides = list(check_cv(cv, y, classifier=True).split(table, y, groups))
    folds = [(place_rows(train), place_rows(test)) for train, test in sides]
    require_splits(folds, len(y), owner)
    return folds


def draw_folds(cv: Any, rows: Rows, targets: np.ndarray, seed: int) -> Folds:
    """Return folds that keep groups whole and every class in every training part."""
    folds = rows.folds
    if folds is None:
        groups = group_own_rows(pd.DataFrame(rows.table)) if rows.groups is None else rows.groups
        folds = inner_folds(targets, groups, seed, cv or N_FOLDS)
    if not folds:
        raise InputError(
            "Every class needs rows of at least 2 groups, so that one can be held out",
            got=f"{len(targets)} rows (n_samples={len(targets)}) with a class of a single group",
            remedy="Leave out classes of one subject, or join them to others",
        )
    if rows.groups is not None:
        require_whole_groups(folds, rows.groups)
    return folds


def require_whole_groups(folds: Folds, groups: np.ndarray) -> None:
    """Refuse folds that have a group on both sides."""
    for number, (train, test) in enumerate(folds):
        shared = np.intersect1d(groups[train], groups[test])
        if len(shared):
            raise LeakageError(
                f"Groups must be on one side of fold {number}",
                got=f"{len(shared)} on both, the first {str(shared[0])!r}",
                remedy="Pass an int as cv, or a splitter that keeps groups whole",
            )


def predict_out_of_fold(
    estimator: Any, rows: Rows, folds: Folds, classes: np.ndarray, n_jobs: int | None
) -> np.ndarray:
    """Return probabilities (n_subjects, n_classes) by copies that were fitted without a subject.

    Averaged where it is tested more than once, NaN where it never is.
    """
    jobs = (delayed(predict_held_out)(clone(estimator), rows, *fold, classes) for fold in folds)
    total, times = np.zeros((len(rows.labels), len(classes))), np.zeros((len(rows.labels), 1))
    for (_, test), found in zip(folds, Parallel(n_jobs=n_jobs)(jobs), strict=True):
        total[test] += found
        times[test] += 1
    return np.divide(total, times, out=np.full_like(total, np.nan), where=times > 0)


def predict_held_out(estimator: Any, rows: Rows, train, test, classes: np.ndarray) -> np.ndarray:
    """Fit on a training part; return probabilities of the test part, 0 for classes not seen."""
    params = {name: values[train] for name, values in rows.params.items()}
    estimator.fit(take_rows(rows.table, train), rows.labels[train], **params)
    probabilities = np.asarray(estimator.predict_proba(take_rows(rows.table, test)))
    require_finite_predictions(probabilities, type(estimator).__name__)
    return align_probabilities(probabilities, estimator.classes_, classes)


def as_array(X: Any) -> np.ndarray:
    """Return a table that is no frame as a two-dimensional array."""
    if issparse(X):
        raise InputError(
            "A wrapper by pattern of missing modalities reads dense tables",
            got="a sparse one",
            remedy="Pass X.toarray()",
        )
    table = np.asarray(X)
    if table.ndim != 2:
        raise InputError(
            "A table has one row a subject and one column a feature, so 2 dimensions",
            got=f"{table.ndim}",
            remedy="Reshape your data: X.reshape(1, -1) for one subject, X.reshape(-1, 1) for "
            "one feature",
        )
    return table
