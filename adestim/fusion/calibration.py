"""Probabilities, and sets of classes, that hold for every pattern of missing modalities."""

from __future__ import annotations

from numbers import Real
from typing import Any, ClassVar

import numpy as np
from sklearn.utils.validation import check_is_fitted

from adestim._support.docs import fill_docs
from adestim._support.ranges import Choice, Range
from adestim._support.sklearn import Interval, StrOptions
from adestim.fusion._cross_fit import (
    CROSS_FIT_CONSTRAINTS,
    WRAPPER_NOT_SEARCHED,
    CrossFittedClassifier,
)
from adestim.training.conformal import PatternThresholds, nonconformity
from adestim.training.scaling import PatternScaling


@fill_docs
class PatternCalibratedClassifier(CrossFittedClassifier):
    """Calibrate a classifier's probabilities for every pattern of missing modalities.

    A subject without a scan is judged from less, and a model may be too sure, or not sure enough,
    of just those. From probabilities of rows held out, one temperature is learned for all
    subjects and one for every pattern of missing modalities, which is drawn towards the common
    one the more the fewer subjects show the pattern.

    Parameters
    ----------
    %(wrapped)s
    method : {"temperature", "platt"}, default="temperature"
        ``"temperature"`` divides the logits by a number, so that the order of the classes stays;
        ``"platt"`` adds a bias for every class.
    %(cross_fit_folds)s
    shrinkage : float, default=20.0
        Subjects of a pattern at which its own temperature and the common one count alike: the
        weight of its own is ``n / (n + shrinkage)``, on the scale of the log-temperature.
    %(cross_fit_running)s

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels.
    estimator_ : estimator
        The classifier, fitted on all rows.
    scaling_ : object
        What was learned: ``common`` and ``by_pattern``, a dict of patterns (which modality is
        there) to scalings, each with ``log_temperature`` and ``bias``.
    n_features_in_ : int
        Number of columns seen in ``fit``.
    feature_names_in_ : ndarray of str
        Their names, where all are strings.

    See Also
    --------
    PatternConformalClassifier : Sets of classes in place of probabilities.
    sklearn.calibration.CalibratedClassifierCV : Calibration for all subjects alike.

    Notes
    -----
    A pattern that was not seen in ``fit`` is given the common scaling. Logits are the logs of the
    classifier's probabilities. Every fit counts the identity as about one more subject, so that
    subjects of a single class, too, have a finite answer.

    References
    ----------
    Guo, Pleiss, Sun and Weinberger, "On Calibration of Modern Neural Networks", ICML 2017.
    Platt, "Probabilistic Outputs for Support Vector Machines", 1999. Alexandari, Kundaje and
    Shrikumar, "Maximum Likelihood with Bias-Corrected Calibration is Hard-To-Beat at Label Shift
    Adaptation", ICML 2020.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from sklearn.ensemble import HistGradientBoostingClassifier
    >>> from adestim import PatternCalibratedClassifier
    >>> rng = np.random.default_rng(0)
    >>> X = pd.DataFrame(rng.normal(size=(200, 2)), columns=["mri__a", "csf__tau"])
    >>> y = np.where(X["mri__a"] + X["csf__tau"] + rng.normal(size=200) > 0, "AD", "CN")
    >>> X.loc[::3, "csf__tau"] = np.nan
    >>> model = PatternCalibratedClassifier(
    ...     HistGradientBoostingClassifier(random_state=0), random_state=0
    ... ).fit(X, y)
    >>> sorted(model.scaling_.by_pattern)
    [(True, False), (True, True)]
    >>> bool(model.scaling_.common.log_temperature > 0)
    True
    """

    _parameter_constraints: ClassVar[dict] = {
        **CROSS_FIT_CONSTRAINTS,
        "method": [StrOptions({"temperature", "platt"})],
        "shrinkage": [Interval(Real, 0, None, closed="left")],
    }
    _search_space: ClassVar[dict] = {
        "method": Choice(("temperature", "platt")),
        "shrinkage": Range(5.0, 80.0, log=True),
    }
    _not_searched: ClassVar[dict] = WRAPPER_NOT_SEARCHED

    def __init__(
        self,
        estimator,
        *,
        method="temperature",
        cv=5,
        shrinkage=20.0,
        n_jobs=None,
        random_state=None,
    ):
        self.estimator = estimator
        self.method = method
        self.cv = cv
        self.shrinkage = shrinkage
        self.n_jobs = n_jobs
        self.random_state = random_state

    def predict_proba(self, X):
        """Return calibrated class probabilities.

        Parameters
        ----------
        X : {DataFrame, array-like} of shape (n_subjects, n_columns)
            Table as in ``fit``.

        Returns
        -------
        ndarray of shape (n_subjects, n_classes)
        """
        probabilities, present = self._judge(X)
        return self.scaling_.apply(probabilities, present)

    def _learn(self, unseen):
        self.scaling_ = PatternScaling.fit(*unseen, self.method == "platt", self.shrinkage)


@fill_docs
class PatternConformalClassifier(CrossFittedClassifier):
    """Give every subject a set of classes that holds the true one as often as asked for.

    Conformal prediction: from probabilities of rows held out it is seen how improbable the true
    class may be, and the set holds every class that is not more so. The threshold is one for
    all subjects, and one for every pattern of missing modalities, drawn towards the
    common one the more the fewer subjects show the pattern; on request each for every class.

    Parameters
    ----------
    %(wrapped)s
    alpha : float, default=0.1
        Share of subjects whose set may lack the true class.
    conformity : {"lac", "aps"}, default="lac"
        What is compared with the threshold: ``"lac"`` one minus the probability of the class,
        which gives the smallest sets; ``"aps"`` the sum of the probabilities of the classes at
        least as probable, which gives larger sets to subjects who are harder to judge.
    by_class : bool, default=False
        Whether every class has thresholds of its own, so that the share holds within each, a
        rare one included.
    %(cross_fit_folds)s
    shrinkage : float, default=20.0
        Subjects of a pattern at which its own threshold and the common one count alike: the
        weight of its own is ``n / (n + shrinkage)``.
    %(cross_fit_running)s

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels.
    estimator_ : estimator
        The classifier, fitted on all rows.
    thresholds_ : object
        What was learned: ``common``, of shape (n_classes,), and ``by_pattern``, a dict of patterns
        (which modality is there) to such arrays.
    n_features_in_ : int
        Number of columns seen in ``fit``.
    feature_names_in_ : ndarray of str
        Their names, where all are strings.

    See Also
    --------
    PatternCalibratedClassifier : Probabilities in place of sets.

    Notes
    -----
    Scores of all folds are pooled, and the sets are those of the classifier that is fitted on all
    rows. Such cross-conformal sets hold the true class about as often as asked for, and
    somewhat more often where a classifier gains from the rows of one more fold; only a
    calibration set that is used for nothing else gives a strict guarantee (``cv`` with one such
    split and a :class:`sklearn.frozen.FrozenEstimator`). A threshold drawn towards the
    common one trades the share within a rare pattern for smaller sets. The set may be empty where
    no class is as probable as a true one should be.

    References
    ----------
    Vovk, "Cross-conformal predictors", Annals of Mathematics and Artificial Intelligence 74, 2015.
    Sadinle, Lei and Wasserman, "Least Ambiguous Set-Valued Classifiers with Bounded Error
    Levels", Journal of the American Statistical Association 114, 2019 (``"lac"``). Romano, Sesia
    and Candès, "Classification with Valid and Adaptive Coverage", NeurIPS 2020 (``"aps"``, here
    without its random part). Vovk, Gammerman and Shafer, "Algorithmic Learning in a Random World",
    2005 (thresholds by class and by pattern: Mondrian conformal predictors).

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from sklearn.linear_model import LogisticRegression
    >>> from adestim import PatternConformalClassifier
    >>> rng = np.random.default_rng(0)
    >>> X = pd.DataFrame(rng.normal(size=(200, 2)), columns=["mri__a", "csf__tau"])
    >>> y = np.where(X["mri__a"] + X["csf__tau"] + rng.normal(size=200) > 0, "AD", "CN")
    >>> model = PatternConformalClassifier(LogisticRegression(), random_state=0).fit(X, y)
    >>> new = pd.DataFrame({"mri__a": [2.0, 0.0], "csf__tau": [2.0, 0.0]})
    >>> model.predict_set(new)
    array([[ True, False],
           [ True,  True]])
    >>> model.predict_or_abstain(new, abstain="unsure")
    array(['AD', 'unsure'], dtype=object)
    """

    _parameter_constraints: ClassVar[dict] = {
        **CROSS_FIT_CONSTRAINTS,
        "alpha": [Interval(Real, 0, 1, closed="neither")],
        "conformity": [StrOptions({"lac", "aps"})],
        "by_class": ["boolean"],
        "shrinkage": [Interval(Real, 0, None, closed="left")],
    }
    _search_space: ClassVar[dict] = {
        "conformity": Choice(("lac", "aps"), on_request=True),
        "shrinkage": Range(5.0, 80.0, log=True, on_request=True),
    }
    _not_searched: ClassVar[dict] = {
        **WRAPPER_NOT_SEARCHED,
        "alpha": "the error that the user accepts",
        "by_class": "for whom the error must hold",
    }

    def __init__(
        self,
        estimator,
        *,
        alpha=0.1,
        conformity="lac",
        by_class=False,
        cv=5,
        shrinkage=20.0,
        n_jobs=None,
        random_state=None,
    ):
        self.estimator = estimator
        self.alpha = alpha
        self.conformity = conformity
        self.by_class = by_class
        self.cv = cv
        self.shrinkage = shrinkage
        self.n_jobs = n_jobs
        self.random_state = random_state

    def predict_set(self, X) -> np.ndarray:
        """Return every subject's set of classes.

        Parameters
        ----------
        X : {DataFrame, array-like} of shape (n_subjects, n_columns)
            Table as in ``fit``.

        Returns
        -------
        ndarray of bool of shape (n_subjects, n_classes)
            True where a class, in the order of ``classes_``, is in the set.
        """
        check_is_fitted(self, "estimator_")
        probabilities, present = self._judge(X)
        scores = nonconformity(probabilities, self.conformity)
        return scores <= self.thresholds_.of(present)

    def predict_or_abstain(self, X, abstain: Any = None) -> np.ndarray:
        """Return the class of every subject whose set holds just one.

        Parameters
        ----------
        X : {DataFrame, array-like} of shape (n_subjects, n_columns)
            Table as in ``fit``.
        abstain : object, default=None
            What to return for others.

        Returns
        -------
        ndarray of object of shape (n_subjects,)
        """
        sets = self.predict_set(X)
        labels = np.full(len(sets), abstain, dtype=object)
        single = sets.sum(axis=1) == 1
        labels[single] = self.classes_[sets[single].argmax(axis=1)]
        return labels

    def _learn(self, unseen):
        scores = nonconformity(unseen.probabilities, self.conformity)
        self.thresholds_ = PatternThresholds.fit(
            scores, *unseen[1:], self.alpha, self.shrinkage, self.by_class
        )
