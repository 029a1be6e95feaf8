"""A member that knows nothing and is sure of it."""

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin


class Coin(ClassifierMixin, BaseEstimator):
    """A classifier that draws confident answers by lot."""

    calls = 0

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X):
        type(self).calls += 1
        drawn = np.random.default_rng(len(X)).random(len(X)) < 0.5
        sure = np.where(drawn, 0.999, 0.001 / (len(self.classes_) - 1))
        rest = (1 - sure) / (len(self.classes_) - 1)
        return np.column_stack([sure, *[rest] * (len(self.classes_) - 1)])
