"""A table that is quick to tune on, and estimators and spaces for it."""

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin

SETTINGS = {"inner_cv": 2, "random_state": 0}


def plain_table(n_rows=40):
    rng = np.random.default_rng(0)
    index = [f"sub-{number:02d}" for number in range(n_rows)]
    X = pd.DataFrame(
        rng.normal(size=(n_rows, 3)), columns=["mri__a", "mri__b", "csf__a"], index=index
    )
    return X, np.where(X["mri__a"] + X["csf__a"] > 0, "AD", "CN")


class LogisticSpace:
    """Penalties; its name does not depend on the process, as that of a function does."""

    def __call__(self, trial, estimator):
        return {"C": trial.suggest_float("C", 1e-3, 1e3, log=True)}

    def __repr__(self):
        return "logistic_space"


logistic_space = LogisticSpace()


def rates(low, high):
    """A space of learning rates alone."""

    def space(trial, estimator):
        return {"learning_rate": trial.suggest_float("learning_rate", low, high, log=True)}

    return space


class Moody(ClassifierMixin, BaseEstimator):
    """Fails above a threshold of its only setting; else a constant."""

    def __init__(self, mood=0.0, threshold=0.5):
        self.mood = mood
        self.threshold = threshold

    def fit(self, X, y, groups=None):
        if self.mood > self.threshold:
            raise RuntimeError("in no mood")
        self.classes_, counts = np.unique(y, return_counts=True)
        self.shares_ = (counts + self.mood) / (counts + self.mood).sum()
        self.groups_, self.labels_ = groups, list(getattr(X, "index", []))
        return self

    def predict_proba(self, X):
        return np.tile(self.shares_, (len(X), 1))

    def predict(self, X):
        return self.classes_[self.predict_proba(X).argmax(axis=1)]


def moods(trial, estimator):
    return {"mood": trial.suggest_float("mood", 0.0, 1.0)}
