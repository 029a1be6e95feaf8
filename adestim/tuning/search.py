"""A study of settings as an estimator of scikit-learn."""

from __future__ import annotations

from numbers import Integral, Real
from typing import ClassVar

from sklearn.base import BaseEstimator, MetaEstimatorMixin
from sklearn.metrics import check_scoring
from sklearn.utils import get_tags
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from adestim._support.sklearn import HasMethods, Interval, fit_context
from adestim._support.versioned import Versioned
from adestim.tuning.objective import choose_scoring
from adestim.tuning.study import tune


def require_method(name: str):
    """Return a check that the estimator, fitted or not, has a method."""

    def check(search):
        getattr(getattr(search, "best_estimator_", search.estimator), name)
        return True

    return check


class AdestimSearchCV(Versioned, MetaEstimatorMixin, BaseEstimator):
    """Search the settings of a fusion whenever it is fitted.

    For ``adestim.evaluation.compare``, ``cross_val_score`` and everything else that fits an
    estimator on the training rows of outer folds: every ``fit`` begins a fresh study of its rows
    by :func:`tune`, and fails where all of its trials failed.

    Parameters
    ----------
    estimator : estimator
        As for :func:`tune`.
    n_trials : int, default=50
        Number of trials.
    scoring : str, callable or None, default=None
        A score of scikit-learn, greater being better. None: ``"neg_log_loss"``, and
        ``"neg_mean_squared_error"`` for regressors.
    cv : int, cross-validation splitter or iterable, default=5
        Inner folds; an int means shuffled ones, stratified for classes, that keep groups whole.
    timeout : float or None, default=None
        Seconds after which no further trial is begun.
    space : callable or None, default=None
        Takes a trial and the estimator and returns what is set. None: :func:`suggest`.
    random_state : int, RandomState instance or None, default=None
        Seed of the folds and the sampler; the estimator has its own.
    verbose : int, default=0
        1 shows a bar of the trials, 2 one of their folds too. Nothing is shown in logs.

    Attributes
    ----------
    best_estimator_ : estimator
        The estimator with the best settings, fitted to all rows.
    best_params_ : dict of str to object
        The best settings.
    best_score_ : float
        Mean score over the inner folds, which is optimistic, having been chosen for it.
    tuned_ : Tuned
        The study and its trials.
    classes_ : ndarray of shape (n_classes,)
        Class labels, of a classifier.
    n_features_in_ : int
        Number of columns seen in ``fit``.

    See Also
    --------
    tune : The same without the estimator around it.
    nested_cross_validate : Outer folds with their studies kept.

    References
    ----------
    Varma and Simon, "Bias in error estimation when using cross-validation for model selection",
    BMC Bioinformatics 7, 2006.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.model_selection import cross_val_score
    >>> from adestim import LateFusionClassifier
    >>> from adestim.tuning import AdestimSearchCV
    >>> X = np.random.default_rng(0).normal(size=(40, 2))
    >>> y = np.where(X.sum(axis=1) > 0, "AD", "CN")
    >>> search = AdestimSearchCV(LateFusionClassifier(random_state=0), n_trials=2, cv=2)
    >>> cross_val_score(search, X, y, cv=2).shape
    (2,)
    """

    _parameter_constraints: ClassVar[dict] = {
        "estimator": [HasMethods(["fit"])],
        "n_trials": [Interval(Integral, 1, None, closed="left")],
        "scoring": [str, callable, None],
        "cv": ["cv_object"],
        "timeout": [Interval(Real, 0, None, closed="neither"), None],
        "space": [callable, None],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        estimator,
        *,
        n_trials=50,
        scoring=None,
        cv=5,
        timeout=None,
        space=None,
        random_state=None,
        verbose=0,
    ):
        self.estimator = estimator
        self.n_trials = n_trials
        self.scoring = scoring
        self.cv = cv
        self.timeout = timeout
        self.space = space
        self.random_state = random_state
        self.verbose = verbose

    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y=None, groups=None):
        """Run a study, and fit the estimator with the best settings.

        Parameters
        ----------
        X : {DataFrame, array-like} of shape (n_subjects, n_columns)
            What the estimator reads.
        y : array-like of shape (n_subjects,)
            Class labels, or numbers.
        groups : array-like of shape (n_subjects,), default=None
            Rows of one group stay on one side of the inner folds.

        Returns
        -------
        self : object

        Raises
        ------
        InputError
            When all trials failed, with their causes.
        """
        self.tuned_ = tune(
            self.estimator,
            X,
            y,
            groups=groups,
            n_trials=self.n_trials,
            scoring=self.scoring,
            inner_cv=5 if self.cv is None else self.cv,
            timeout=self.timeout,
            space=self.space,
            random_state=self.random_state,
            verbose=self.verbose,
        )
        self.best_estimator_ = self.tuned_.best_estimator_
        self.best_params_ = self.tuned_.best_params_
        self.best_score_ = self.tuned_.best_score_
        if hasattr(self.best_estimator_, "feature_names_in_"):
            self.feature_names_in_ = self.best_estimator_.feature_names_in_
        return self

    @property
    def classes_(self):
        """Class labels."""
        return self.best_estimator_.classes_

    @property
    def n_features_in_(self):
        """Number of columns seen in ``fit``."""
        return self.best_estimator_.n_features_in_

    @available_if(require_method("predict"))
    def predict(self, X):
        """Return the best estimator's predictions.

        Parameters
        ----------
        X : {DataFrame, array-like} of shape (n_subjects, n_columns)
            Table as in ``fit``.

        Returns
        -------
        ndarray of shape (n_subjects,)
        """
        check_is_fitted(self, "best_estimator_")
        return self.best_estimator_.predict(X)

    @available_if(require_method("predict_proba"))
    def predict_proba(self, X):
        """Return the best estimator's class probabilities.

        Parameters
        ----------
        X : {DataFrame, array-like} of shape (n_subjects, n_columns)
            Table as in ``fit``.

        Returns
        -------
        ndarray of shape (n_subjects, n_classes)
        """
        check_is_fitted(self, "best_estimator_")
        return self.best_estimator_.predict_proba(X)

    def score(self, X, y=None):
        """Return the score that was searched for, on other rows.

        Parameters
        ----------
        X : {DataFrame, array-like} of shape (n_subjects, n_columns)
            Table as in ``fit``.
        y : array-like of shape (n_subjects,)
            Class labels, or numbers.

        Returns
        -------
        float
        """
        check_is_fitted(self, "best_estimator_")
        scorer = check_scoring(self.estimator, self.scoring or choose_scoring(self.estimator))
        return scorer(self.best_estimator_, X, y)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        if hasattr(self.estimator, "fit"):
            own = get_tags(self.estimator)
            tags.estimator_type = own.estimator_type
            tags.classifier_tags = own.classifier_tags
            tags.regressor_tags = own.regressor_tags
            tags.target_tags = own.target_tags
            tags.input_tags.allow_nan = own.input_tags.allow_nan
            tags.input_tags.string = own.input_tags.string
        return tags
