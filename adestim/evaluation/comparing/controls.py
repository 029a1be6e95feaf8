"""Control models: what can be told without a single measurement of interest."""

from __future__ import annotations

from numbers import Real
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.dummy import DummyClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.utils import check_consistent_length
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted

from adestim._support.labels import read_target, require_one_kind
from adestim._support.numbers import require_finite
from adestim._support.sklearn import Interval, fit_context
from adestim._support.versioned import Versioned
from adestim.encoding import Encoding
from adestim.encoding.presence import find_filled_cells, find_present, modality_columns
from adestim.encoding.tables import check_fusion_table
from adestim.evaluation.splitting.splits import name_first
from adestim.exceptions import InputError


class ControlClassifier(Versioned, ClassifierMixin, BaseEstimator):
    """A model of few features, which a subclass reads from the table."""

    _parameter_constraints: ClassVar[dict] = {}

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y):
        """Fit the control.

        Parameters
        ----------
        X : {DataFrame, array-like} of shape (n_subjects, n_columns)
            Table.
        y : array-like of shape (n_subjects,)
            Class labels.

        Returns
        -------
        self : object
        """
        frame = check_fusion_table(self, X, reset=True)
        y = require_class_labels(y, frame, type(self).__name__)
        features = self._read(frame, X, reset=True)
        can_tell = features.nunique(dropna=False).max() > 1 and len(np.unique(y)) > 1
        model = self._model() if can_tell else DummyClassifier(strategy="prior")
        self.model_ = model.fit(features, y)
        self.classes_ = self.model_.classes_
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
        """
        check_is_fitted(self, "model_")
        frame = check_fusion_table(self, X, reset=False)
        return self.model_.predict_proba(self._read(frame, X, reset=False))

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
        best = self.predict_proba(X).argmax(axis=1)
        return self.classes_[best]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags


class MaskOnlyClassifier(ControlClassifier):
    """Classify from which modalities a subject has, and from nothing else.

    Where this control does better than chance, the cohort's missing modalities tell the label,
    and a model that seems to read images may read who was scanned. Where no modality is missing
    in training, it predicts the prevalence.

    Parameters
    ----------
    C : float, default=1.0
        Inverse strength of the L2 penalty of the logistic regression.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels.
    modalities_ : list of str
        Names of the modalities seen in ``fit``.
    model_ : estimator
        The fitted logistic regression, or the prevalence.
    n_features_in_ : int
        Number of columns seen in ``fit``.
    feature_names_in_ : ndarray of str
        Their names, where all are strings.

    See Also
    --------
    adestim.evaluation.shuffled_mask_check : Tells whether a model makes use of the pattern.

    References
    ----------
    That missingness predicts clinical outcomes by itself: Agniel, Kohane and Weber, "Biases in
    electronic health record data due to processes within the healthcare system: retrospective
    observational study", BMJ 361:k1479, 2018.

    Examples
    --------
    >>> import pandas as pd
    >>> from adestim.evaluation import MaskOnlyClassifier
    >>> X = pd.DataFrame({"mri__a": [1.0] * 8, "csf__tau": [5.0] * 4 + [None] * 4})
    >>> y = ["AD"] * 4 + ["CN"] * 4
    >>> MaskOnlyClassifier().fit(X, y).score(X, y)
    1.0
    """

    _parameter_constraints: ClassVar[dict] = {"C": [Interval(Real, 0, None, closed="neither")]}

    def __init__(self, *, C=1.0):
        self.C = C

    def _read(self, frame, X, *, reset):
        """Return one column of 0 and 1 a modality."""
        if reset:
            self._columns = modality_columns(frame)
            self.modalities_ = list(self._columns)
        return find_present(frame, self._columns).astype(float)

    def _model(self):
        """Return the model that is not fitted yet."""
        return LogisticRegression(C=self.C)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        # A table in which nothing is missing is told nothing by this model.
        tags.classifier_tags.poor_score = True
        tags.input_tags.string = True
        return tags


class CovariateClassifier(ControlClassifier):
    """Classify from covariates such as age and sex, by logistic regression.

    Numbers are standardised, missing ones replaced by the median; words are dummy-coded, a
    missing one as a word of its own.

    Parameters
    ----------
    covariates : DataFrame of shape (n_subjects, n_covariates), default=None
        Covariates by subject; its index has the labels of the index of the tables that are passed
        to ``fit`` and ``predict``, each once. None takes these tables' own columns.
    C : float, default=1.0
        Inverse strength of the L2 penalty.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels.
    model_ : estimator
        The fitted pipeline, or the prevalence.
    n_features_in_ : int
        Number of columns seen in ``fit``.
    feature_names_in_ : ndarray of str
        Their names, where all are strings.

    Notes
    -----
    The covariates are a parameter: they are in a pickle of the estimator, in clones and in its
    display. Do not share it where the subjects' data must not be shared.

    Examples
    --------
    >>> import pandas as pd
    >>> from adestim.evaluation import CovariateClassifier
    >>> people = pd.DataFrame(
    ...     {"age": [60.0, 62.0, 79.0, 81.0], "sex": ["F", "M", "F", "M"]}, index=list("abcd")
    ... )
    >>> X = pd.DataFrame({"mri__a": [1.0, 2.0, 3.0, 4.0]}, index=list("dcba"))
    >>> CovariateClassifier(people).fit(X, ["AD", "AD", "CN", "CN"]).predict(X).tolist()
    ['AD', 'AD', 'CN', 'CN']
    """

    _parameter_constraints: ClassVar[dict] = {
        "covariates": [pd.DataFrame, None],
        "C": [Interval(Real, 0, None, closed="neither")],
    }

    def __init__(self, covariates=None, *, C=1.0):
        self.covariates = covariates
        self.C = C

    def _read(self, frame, X, *, reset):
        """Return the subjects' covariates, numbers and words."""
        if self.covariates is None:
            return tidy_covariates(frame)
        return tidy_covariates(find_covariates(X, self.covariates))

    def _model(self):
        """Return the model that is not fitted yet."""
        numbers = make_pipeline(
            SimpleImputer(strategy="median", keep_empty_features=True), StandardScaler()
        )
        columns = make_column_transformer(
            (numbers, make_column_selector(dtype_include="number")),
            (
                OneHotEncoder(handle_unknown="ignore"),
                make_column_selector(dtype_exclude="number"),
            ),
        )
        return make_pipeline(columns, LogisticRegression(C=self.C, max_iter=1000))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        return tags


def require_class_labels(y: Any, frame: pd.DataFrame, name: str) -> np.ndarray:
    """Return class labels, one a subject."""
    y = read_target(y, name)
    require_one_kind(y, name, "y")
    check_consistent_length(frame, y)
    check_classification_targets(y)
    return y


def find_covariates(X: Any, covariates: pd.DataFrame) -> pd.DataFrame:
    """Return the covariates of the subjects of a table, in its order."""
    if not isinstance(X, pd.DataFrame):
        raise InputError(
            "Covariates are found by the index of X, which must be a DataFrame",
            got=type(X).__name__,
        )
    if not covariates.index.is_unique:
        repeated = covariates.index[covariates.index.duplicated()].unique()
        raise InputError(
            "Covariates must have one row a subject",
            got=f"{len(repeated)} with several: {name_first(repeated)}",
            remedy="Keep the values of one visit",
        )
    absent = X.index.unique().difference(covariates.index, sort=False)
    if len(absent):
        raise InputError(
            "Every subject of X must have a row of covariates",
            got=f"{len(absent)} without: {name_first(absent)}",
            remedy="Add rows, with NaN for what is not known, under the labels of X.index",
        )
    return covariates.loc[X.index]


def tidy_covariates(frame: pd.DataFrame) -> pd.DataFrame:
    """Return numbers as floats and all else as words, empty where missing."""
    frame = frame.infer_objects()
    columns = {}
    for place in range(frame.shape[1]):
        column = frame.iloc[:, place]
        if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
            columns[f"c{place}"] = column.astype(float)
            require_finite(columns[f"c{place}"].to_numpy()[:, None], [column.name])
        else:
            columns[f"c{place}"] = spell_cells(
                column, find_filled_cells(frame.iloc[:, [place]])[:, 0]
            )
    return pd.DataFrame(columns, index=frame.index)


def spell_cells(column: pd.Series, known: np.ndarray) -> pd.Series:
    """Return a column of words."""
    if any(isinstance(cell, Encoding) for cell in column.array):
        raise InputError(
            "Covariates must be numbers or words",
            got=f"encodings in column {column.name!r}",
            remedy="Pass a frame of covariates as CovariateClassifier(covariates)",
        )
    words = [str(cell) if is_known else "" for cell, is_known in zip(column, known, strict=True)]
    return pd.Series(words, index=column.index, dtype=object)
