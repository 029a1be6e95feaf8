"""Models that follow a rule that is known, and small fitted fusions."""

from functools import cache

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import validate_data

from adestim import AnchoredFusionClassifier, AnchoredFusionRegressor
from tests.fusion_tables import numeric_table, with_missing

SMALL = {
    "width": 8, "depth": 1, "n_queries": 2, "max_epochs": 2, "start": "average", "random_state": 0,
}  # fmt: skip


class Rule(ClassifierMixin, BaseEstimator):
    """The probability of class 1 is a function of the table, missing values being 0."""

    def __init__(self, rule):
        self.rule = rule

    def fit(self, X, y):
        validate_data(self, X, ensure_all_finite="allow-nan")
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X):
        frame = pd.DataFrame(np.nan_to_num(np.asarray(X, dtype=float)), columns=X.columns)
        p = self.rule(frame).to_numpy()
        return np.column_stack([1 - p, p])

    def predict(self, X):
        return self.classes_[self.predict_proba(X).argmax(axis=1)]


def signs(*missing):
    """All combinations of -1 and 1 in three modalities of a column; some rows lack some."""
    values = np.array(np.meshgrid([-1, 1], [-1, 1], [-1, 1])).reshape(3, -1).T.astype(float)
    X = pd.DataFrame(values, columns=["a__x", "b__x", "c__x"])
    for row, column in missing:
        X.loc[row, column] = np.nan
    return X


def follow(rule, X):
    """A fitted model that follows a rule."""
    return Rule(rule).fit(X, np.arange(len(X)) % 2)


def exclusive(frame):
    """Only a and b together tell: probable where their signs are equal."""
    return 0.5 + 0.4 * frame["a__x"] * frame["b__x"]


def additive(frame):
    """Every modality adds what it adds, whatever the others say."""
    return 0.5 + 0.2 * frame["a__x"] + 0.1 * frame["b__x"]


@cache
def classes_of(n_classes=2):
    """A table with missing modalities, and labels."""
    X, y = numeric_table(48, n_classes)
    return with_missing(X), y


@cache
def fitted_classifier(n_classes=2, **params):
    """A classifier of that table; every modality is an anchor."""
    return AnchoredFusionClassifier(**(SMALL | params)).fit(*classes_of(n_classes))


@cache
def fitted_regressor():
    """A regressor of a number that two modalities tell."""
    X, _ = numeric_table(48)
    return AnchoredFusionRegressor(**SMALL).fit(with_missing(X), 26 + X["mri__a"] + X["csf__a"])
