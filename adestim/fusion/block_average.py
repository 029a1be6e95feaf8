"""Any scikit-learn classifier, once a modality, averaged: the plainest late fusion."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_is_fitted

from adestim._support.docs import fill_docs
from adestim._support.numbers import require_finite_predictions, widen_far_numbers
from adestim._support.ranges import LUCK, OF_THE_USER
from adestim._support.sklearn import HasMethods, draw_seeds, fit_context
from adestim.exceptions import DataWarning
from adestim.fusion._table_classifier import TableClassifier
from adestim.fusion._targets import check_classes, sort_subjects
from adestim.training.phase_one.logistic import inner_folds

PENALTIES = np.logspace(-4, 1.25, 8)


@fill_docs
class BlockAverageClassifier(TableClassifier):
    """Classify by one scikit-learn classifier a modality, probabilities averaged.

    Each reads one modality's pooled tokens and is fitted on the subjects who have it; the
    probabilities of the modalities that a subject has are averaged.

    Parameters
    ----------
    estimator : classifier or None, default=None
        Is cloned for every modality; must have ``predict_proba`` and, where tokens can be unknown,
        read NaN. None: :func:`adestim.fusion.tuned_logistic`, its folds keeping groups whole.
    %(random_state)s

    Attributes
    ----------
    %(classes_attributes)s
    models_ : dict of str to classifier
        The fitted classifiers of the modalities whose subjects are of several classes.
    frequencies_ : ndarray of shape (n_classes,)
        Class frequencies of the training subjects, for who has none of these modalities.

    See Also
    --------
    adestim.LateFusionClassifier : The same with the heads of phase 1, and other weights.

    Notes
    -----
    %(fusion_tables)s

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from sklearn.naive_bayes import GaussianNB
    >>> from adestim import BlockAverageClassifier
    >>> rng = np.random.default_rng(0)
    >>> X = pd.DataFrame(rng.normal(size=(80, 3)), columns=["mri__a", "mri__b", "csf__tau"])
    >>> y = np.where(X["mri__a"] + X["csf__tau"] > 0, "AD", "CN")
    >>> X.loc[::5, "csf__tau"] = np.nan
    >>> model = BlockAverageClassifier(GaussianNB()).fit(X, y)
    >>> model.models_
    {'mri': GaussianNB(), 'csf': GaussianNB()}
    >>> model.predict_proba(X).shape
    (80, 2)
    """

    _parameter_constraints: ClassVar[dict] = {
        "estimator": [HasMethods(["fit", "predict_proba"]), None],
        "random_state": ["random_state"],
    }
    _search_space: ClassVar[dict] = {}
    _not_searched: ClassVar[dict] = {"estimator": OF_THE_USER, "random_state": LUCK}

    def __init__(self, estimator=None, *, random_state=None):
        self.estimator = estimator
        self.random_state = random_state

    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y, groups=None):
        """Fit one classifier a modality.

        Parameters
        ----------
        X : {DataFrame, array-like} of shape (n_subjects, n_modalities or n_features)
            Encodings table, numeric frame or numeric array.
        y : array-like of shape (n_subjects,)
            Class labels.
        groups : array-like of shape (n_subjects,), default=None
            Rows of one group stay on one side of the inner splits of the default classifier. By
            default rows of the same index label, and rows that hold the very same data, are one
            group.

        Returns
        -------
        self : object

        Raises
        ------
        NoModalityError
            When a subject has no modality at all.
        InputError
            When y has a single class.

        Warns
        -----
        DataWarning
            Where the subjects who have a modality are of one class, and it is left out.
        """
        data, self.classes_ = check_classes(self, X, y, groups, None, None)
        data = sort_subjects(data)
        tables = self._read_training_table(data.frame).tables
        seed = draw_seeds(self.random_state, 1)[0]
        self.frequencies_ = np.bincount(data.targets) / len(data.targets)
        self.models_ = {}
        for name in self.modalities_:
            table, labels = tables[name], self.classes_[data.targets]
            has = table.present
            if has_two_classes(labels[has], name):
                model = self._model(data.targets[has], data.groups[has], seed)
                self.models_[name] = model.fit(widen_far_numbers(table.pooled()[has]), labels[has])
        return self

    def _model(self, targets, groups, seed):
        """Return an unfitted classifier for one modality's subjects."""
        if self.estimator is not None:
            return clone(self.estimator)
        return tuned_logistic(inner_folds(np.unique(targets, return_inverse=True)[1], groups, seed))

    def predict_proba(self, X):
        """Return class probabilities.

        Parameters
        ----------
        X : {DataFrame, array-like} of shape (n_subjects, n_modalities or n_features)
            Table as in ``fit``.

        Returns
        -------
        ndarray of shape (n_subjects, n_classes)
        """
        check_is_fitted(self, "models_")
        subjects = self._read_table(X)
        total = np.zeros((len(subjects.index), len(self.classes_)))
        for name, model in self.models_.items():
            table = subjects.tables[name]
            has = table.present
            if has.any():
                places = np.searchsorted(self.classes_, model.classes_)
                features = widen_far_numbers(table.pooled()[has])
                total[np.ix_(has, places)] += model.predict_proba(features)
        require_finite_predictions(total, type(self).__name__, subjects.index)
        total[total.sum(axis=1) == 0] = self.frequencies_
        return total / total.sum(axis=1, keepdims=True)


def tuned_logistic(cv: int | Sequence[tuple[np.ndarray, np.ndarray]] = 5) -> Pipeline:
    """Return an L2 logistic regression on standardised columns, C chosen by inner log-loss.

    What is unknown counts as the mean. All principal components are kept: a rotation, which the L2
    penalty does not feel, and which makes wide tables quick.

    Parameters
    ----------
    cv : int or sequence of (train, validation) arrays of row numbers, default=5
        Inner folds; an empty sequence takes C=1.

    Returns
    -------
    sklearn.pipeline.Pipeline
        Its ``score`` is that of the choice, the negative log-loss.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from adestim.fusion import tuned_logistic
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> bool((tuned_logistic().fit(X, y).predict(X) == y).mean() > 0.97)
    True
    """
    impute: Any = SimpleImputer(strategy="constant", fill_value=0.0, keep_empty_features=True)
    return make_pipeline(StandardScaler(), impute, PCA(), logistic(cv))


def logistic(cv) -> LogisticRegression | LogisticRegressionCV:
    """Return a logistic regression whose penalty is chosen over folds, where there are any."""
    if not cv:
        return LogisticRegression(max_iter=2000)
    return LogisticRegressionCV(
        Cs=PENALTIES,
        l1_ratios=(0.0,),
        cv=cv,
        scoring="neg_log_loss",
        max_iter=2000,
        use_legacy_attributes=False,
    )


def has_two_classes(labels: np.ndarray, modality: str) -> bool:
    """Tell whether there is a class to tell apart, and warn where there is none."""
    if len(np.unique(labels)) > 1:
        return True
    warnings.warn(
        f"The training subjects who have {modality!r} are of one class; it is left out.",
        DataWarning,
        stacklevel=3,
    )
    return False
