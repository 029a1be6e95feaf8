"""Classes that have an order, by any classifier: one question a step."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin, clone
from sklearn.utils import check_array, get_tags
from sklearn.utils.validation import check_is_fitted, validate_data

from adestim._support.docs import fill_docs
from adestim._support.frames import match_columns, read_frame, require_some_rows
from adestim._support.numbers import require_finite_predictions
from adestim._support.ranges import HOW_IT_RUNS, OF_THE_USER
from adestim._support.routing import route_to_fit
from adestim._support.sklearn import HasMethods, fit_context, take_rows
from adestim._support.versioned import Versioned
from adestim.exceptions import DataWarning, InputError
from adestim.fusion._cross_fit import (
    check_labels,
)
from adestim.fusion._targets import require_classes


@fill_docs
class OrdinalClassifier(Versioned, MetaEstimatorMixin, ClassifierMixin, BaseEstimator):
    """Classify into levels of an order, such as CN < MCI < AD, by any classifier.

    For every level but the highest, a copy of the classifier is asked whether a subject lies
    beyond it. A class's probability is the difference of two neighbouring answers. So all subjects
    teach every copy, and a class in between is learned from both of its sides.

    Parameters
    ----------
    %(wrapped)s
    order : array-like of shape (n_levels,) or None, default=None
        The labels from least to most; None for the order in which they are sorted. Labels that
        no training subject has, as in a fold without a rare one, are passed over with a warning.
    n_jobs : int or None, default=None
        How many copies are fitted at the same time, as in joblib.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels, sorted, as everywhere in scikit-learn; columns of probabilities are in this
        order.
    levels_ : ndarray of shape (n_classes,)
        The same labels from least to most.
    estimators_ : list of estimator
        The copies: the one at place k says whether a subject lies beyond ``levels_[k]``.
    n_features_in_ : int
        Number of columns seen in ``fit``.
    feature_names_in_ : ndarray of str
        Their names, where all are strings.

    See Also
    --------
    adestim.evaluation.score_ordinal : Scores that know the order.

    Notes
    -----
    The copies do not know of each other, so a subject may be said to lie beyond MCI with a larger
    probability than beyond CN. Such answers are replaced by the closest ones that fall from
    level to level (isotonic regression), so that no class has a negative probability.

    References
    ----------
    Frank and Hall, "A Simple Approach to Ordinal Classification", ECML 2001.

    Robertson, Wright and Dykstra, "Order Restricted Statistical Inference", Wiley 1988, section
    1.4 (isotonic regression by its min-max formula).

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LogisticRegression
    >>> from adestim import OrdinalClassifier
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(150, 2))
    >>> y = np.array(["CN", "MCI", "AD"])[np.digitize(X[:, 0], [-0.4, 0.4])]
    >>> model = OrdinalClassifier(LogisticRegression(), order=["CN", "MCI", "AD"]).fit(X, y)
    >>> model.classes_
    array(['AD', 'CN', 'MCI'], dtype='<U3')
    >>> model.predict([[-2.0, 0.0], [0.0, 0.0], [2.0, 0.0]])
    array(['CN', 'MCI', 'AD'], dtype='<U3')
    >>> model.predict_expected([[-2.0, 0.0], [0.0, 0.0], [2.0, 0.0]]).round()
    array([0., 1., 2.])
    """

    _parameter_constraints: ClassVar[dict] = {
        "estimator": [HasMethods(["fit", "predict_proba"])],
        "order": ["array-like", None],
        "n_jobs": [Integral, None],
    }
    _search_space: ClassVar[dict] = {}
    _not_searched: ClassVar[dict] = {
        "estimator": OF_THE_USER,
        "n_jobs": HOW_IT_RUNS,
        "order": "what the labels mean",
    }

    def __init__(self, estimator, order=None, *, n_jobs=None):
        self.estimator = estimator
        self.order = order
        self.n_jobs = n_jobs

    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y, groups=None, sample_weight=None):
        """Fit one copy of the classifier for every level but the highest.

        Parameters
        ----------
        X : {DataFrame, array-like} of shape (n_subjects, n_columns)
            What the classifier reads: an encodings table, numbers, or raw cells.
        y : array-like of shape (n_subjects,)
            Class labels.
        groups : array-like of shape (n_subjects,), default=None
            Handed on to a classifier whose ``fit`` takes them.
        sample_weight : array-like of shape (n_subjects,), default=None
            Weights of the subjects; a subject of weight 0 is left out.

        Returns
        -------
        self : object

        Raises
        ------
        InputError
            When ``order`` lacks a label of y or names one twice, y has a single class, or the
            classifier takes no weights.

        Warns
        -----
        DataWarning
            Where ``order`` names a label that no training subject has.
        """
        table, labels, params = self._training_rows(X, y, groups, sample_weight)
        self.classes_ = np.unique(labels)
        require_classes(self.classes_, type(self).__name__)
        self.levels_ = levels_of(self.order, self.classes_)
        level = self._places()[np.searchsorted(self.classes_, labels)]
        jobs = (
            delayed(clone(self.estimator).fit)(table, (level > step).astype(int), **params)
            for step in range(len(self.levels_) - 1)
        )
        self.estimators_ = Parallel(n_jobs=self.n_jobs)(jobs)
        return self

    def predict_proba(self, X):
        """Return class probabilities.

        Parameters
        ----------
        X : {DataFrame, array-like} of shape (n_subjects, n_columns)
            Table as in ``fit``.

        Returns
        -------
        ndarray of shape (n_subjects, n_classes)
            Columns in the order of ``classes_``.
        """
        beyond = np.pad(self._beyond(X), ((0, 0), (1, 1)), constant_values=((0, 0), (1, 0)))
        return -np.diff(beyond, axis=1)[:, self._places()]

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
        probabilities = self.predict_proba(X)
        return self.classes_[probabilities.argmax(axis=1)]

    def predict_expected(self, X):
        """Return the expected level of every subject.

        Parameters
        ----------
        X : {DataFrame, array-like} of shape (n_subjects, n_columns)
            Table as in ``fit``.

        Returns
        -------
        ndarray of shape (n_subjects,)
            From 0, the first of ``levels_``, to ``n_classes - 1``.
        """
        return self._beyond(X).sum(axis=1)

    def _beyond(self, X) -> np.ndarray:
        """Return probabilities (n_subjects, n_classes - 1) to lie beyond each level, falling."""
        check_is_fitted(self, "estimators_")
        table = self._table(X, reset=False)
        answers = [estimator.predict_proba(table)[:, 1] for estimator in self.estimators_]
        beyond = require_finite_predictions(np.stack(answers, axis=1), type(self).__name__)
        return project_to_falling(beyond)

    def _places(self) -> np.ndarray:
        """Return the level of every class, in the order of ``classes_``."""
        return np.array([list(self.levels_).index(label) for label in self.classes_])

    def _table(self, X, reset: bool):
        """Return a table of which rows can be taken, its columns checked."""
        X = read_frame(X)
        if isinstance(X, pd.DataFrame):
            require_some_rows(X, type(self).__name__)
            X = X if reset else match_columns(self, X)
        else:
            sparse = "csr" if get_tags(self).input_tags.sparse else False
            X = check_array(X, accept_sparse=sparse, dtype=None, ensure_all_finite=False)
        validate_data(self, X, reset=reset, skip_check_array=True)
        return X

    def _training_rows(self, X, y, groups, sample_weight):
        """Return table, labels and what the copies' ``fit`` is given beside, checked."""
        table = self._table(X, reset=True)
        y, weight, given = check_labels(type(self).__name__, table, y, groups, sample_weight)
        kept = weight > 0
        return take_rows(table, kept), y[kept], route_to_fit(self.estimator, **given)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        if hasattr(self.estimator, "fit"):
            tags.input_tags = replace(get_tags(self.estimator).input_tags)
        return tags


def levels_of(order: Sequence[Any] | None, classes: np.ndarray) -> np.ndarray:
    """Return the classes from least to most, or say what the order lacks or repeats."""
    if order is None:
        return classes
    order = list(order)
    absent = [label for label in classes if label not in order]
    repeated = [label for place, label in enumerate(order) if label in order[:place]]
    if absent or repeated:
        found = [f"{label!s} missing" for label in absent]
        found += [f"{label!s} more than once" for label in repeated]
        raise InputError(
            "The 'order' parameter of OrdinalClassifier must list every class of y once, from "
            "least to most",
            got=", ".join(found),
            remedy=f"List {', '.join(map(str, classes))} in their order",
        )
    warn_of_absent_levels([label for label in order if label not in classes], classes)
    return np.array([label for label in order if label in classes], dtype=classes.dtype)


def warn_of_absent_levels(absent: Sequence[Any], classes: np.ndarray) -> None:
    """Warn of levels of the order that no training row is of."""
    if absent:
        warnings.warn(
            f"'order' of OrdinalClassifier names {', '.join(map(repr, absent))}, of which level no "
            "training row is: it is never predicted. Those of y are "
            f"{', '.join(map(str, classes))}.",
            DataWarning,
            stacklevel=5,
        )


def project_to_falling(values: np.ndarray) -> np.ndarray:
    """Return the closest rows, in squared distance, whose values do not rise.

    values (n_rows, n_steps) -> (n_rows, n_steps).
    """
    steps = range(values.shape[1])
    falling = np.empty_like(values)
    for k in steps:
        largest = [
            np.max([values[:, i : j + 1].mean(axis=1) for j in steps[k:]], axis=0)
            for i in steps[: k + 1]
        ]
        falling[:, k] = np.min(largest, axis=0)
    return falling
