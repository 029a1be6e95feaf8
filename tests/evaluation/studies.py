"""Small studies, quick to run: estimators that fit at once, fail, or record what they got."""

import os
import time

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from adestim import PoolTokens
from tests.fusion_tables import encodings_table, numeric_table, with_missing


def pooled_model(C=1.0):
    """Logistic regression on whatever the table holds."""
    return make_pipeline(PoolTokens(), SimpleImputer(), LogisticRegression(C=C))


def small_study(n_subjects=48, seed=0):
    """An encodings table with missing modalities, and its labels."""
    X, y = numeric_table(n_subjects, seed=seed)
    return encodings_table(with_missing(X)), y


def visits(n_subjects=24):
    """A numeric table with two visits of every subject, its labels and groups."""
    X, y = numeric_table(n_subjects)
    rows = np.repeat(np.arange(n_subjects), 2)
    noise = np.random.default_rng(1).normal(scale=0.1, size=(len(rows), X.shape[1]))
    table = X.iloc[rows] + noise
    return table, y[rows], table.index.to_numpy()


class FailsWhere(ClassifierMixin, BaseEstimator):
    """Predicts equal probabilities, but fails where a subject is in its training rows."""

    def __init__(self, subject=None):
        self.subject = subject

    def fit(self, X, y):
        if self.subject is None or self.subject in X.index:
            raise RuntimeError("cannot be fitted")
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X):
        return np.full((len(X), len(self.classes_)), 1 / len(self.classes_))


class Interrupted(FailsWhere):
    """Ends as if the user had interrupted it, where a subject is in its training rows."""

    def fit(self, X, y):
        if self.subject in X.index:
            raise KeyboardInterrupt
        return super().fit(X, y)


class Recorder(ClassifierMixin, BaseEstimator):
    """Writes a file at every fit, named by whether it was given groups."""

    def __init__(self, folder=""):
        self.folder = folder

    def fit(self, X, y, groups=None):
        name = f"{'with' if groups is not None else 'without'}-{time.monotonic_ns()}-{os.getpid()}"
        with open(os.path.join(self.folder, name), "x"):  # noqa: PTH118, PTH123
            pass
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X):
        return np.full((len(X), len(self.classes_)), 1 / len(self.classes_))


def predictions_of(y, p, estimator="a", repeat=0, fold=None, groups=None, threshold=np.nan):
    """A table of predictions of two classes, as a comparison holds it."""
    rows = np.arange(len(y))
    p = np.asarray(p, dtype=float)
    return pd.DataFrame(
        {
            "estimator": estimator,
            "repeat": repeat,
            "fold": rows % 2 if fold is None else fold,
            "row": rows,
            "subject": [f"s{row}" for row in rows],
            "group": rows if groups is None else groups,
            "y": y,
            "threshold": threshold,
            "p_CN": 1 - p,
            "p_AD": p,
        }
    )
