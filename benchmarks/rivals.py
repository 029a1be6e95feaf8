"""The rivals every benchmark prints: plain models on the same pooled tokens."""

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.decomposition import PCA
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from adestim import PoolTokens

PENALTIES = np.logspace(-4, 1.25, 8)


def tuned_logistic():
    """Return an L2 logistic regression on standardised columns, C chosen by inner log-loss.

    All principal components are kept: a rotation, which the L2 penalty does not feel, and which
    makes wide tables quick.
    """
    search = GridSearchCV(
        LogisticRegression(max_iter=2000), {"C": PENALTIES}, scoring="neg_log_loss", cv=5
    )
    impute = SimpleImputer(strategy="constant", fill_value=0.0, keep_empty_features=True)
    return make_pipeline(StandardScaler(), impute, PCA(), search)


def boosting():
    """Return gradient boosting, which reads missing values natively."""
    return HistGradientBoostingClassifier(
        max_iter=150, learning_rate=0.05, max_features=0.3, early_stopping=False, random_state=0
    )


class LateFusion(ClassifierMixin, BaseEstimator):
    """One tuned logistic regression a modality, probabilities averaged over the observed ones."""

    def fit(self, X, y):
        """Fit one model a modality, on the subjects who have it."""
        self.pool_ = PoolTokens().fit(X)
        self.classes_ = np.unique(y)
        y = np.asarray(y)
        self.models_ = {}
        for name, block in blocks(self.pool_.transform(X)).items():
            has = block.notna().any(axis=1).to_numpy()
            self.models_[name] = tuned_logistic().fit(block[has].to_numpy(), y[has])
        return self

    def predict_proba(self, X):
        """Average the probabilities of the modalities a subject has."""
        total = np.zeros((len(X), len(self.classes_)))
        for name, block in blocks(self.pool_.transform(X)).items():
            has = block.notna().any(axis=1).to_numpy()
            if has.any():
                total[has] += self.models_[name].predict_proba(block[has].to_numpy())
        return total / total.sum(axis=1, keepdims=True)

    def predict(self, X):
        """Return the most probable class."""
        return self.classes_[self.predict_proba(X).argmax(axis=1)]


class OneModality(ClassifierMixin, BaseEstimator):
    """A tuned logistic regression on one modality; who lacks it gets the training prevalence."""

    def __init__(self, modality):
        self.modality = modality

    def fit(self, X, y):
        """Fit on the subjects who have the modality."""
        self.pool_ = PoolTokens().fit(X)
        self.classes_, counts = np.unique(y, return_counts=True)
        self.prevalence_ = counts / counts.sum()
        block = blocks(self.pool_.transform(X))[self.modality]
        has = block.notna().any(axis=1).to_numpy()
        self.model_ = tuned_logistic().fit(block[has].to_numpy(), np.asarray(y)[has])
        return self

    def predict_proba(self, X):
        """Return probabilities; the prevalence where the modality is missing."""
        block = blocks(self.pool_.transform(X))[self.modality]
        has = block.notna().any(axis=1).to_numpy()
        probability = np.tile(self.prevalence_, (len(X), 1))
        if has.any():
            probability[has] = self.model_.predict_proba(block[has].to_numpy())
        return probability

    def predict(self, X):
        """Return the most probable class."""
        return self.classes_[self.predict_proba(X).argmax(axis=1)]


def blocks(frame: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Split pooled columns by modality."""
    names = [column.split("__", 1)[0] for column in frame.columns]
    return {
        name: frame.iloc[:, [place for place, other in enumerate(names) if other == name]]
        for name in dict.fromkeys(names)
    }


def rivals(modalities):
    """Return every rival by name."""
    return {
        "logistic, all columns": make_pipeline(PoolTokens(), tuned_logistic()),
        "gradient boosting": make_pipeline(PoolTokens(), boosting()),
        "late fusion": LateFusion(),
        **{f"{name} alone": OneModality(name) for name in modalities},
    }
