"""Reading of tables by the estimators that train no net of their own."""

from __future__ import annotations

from typing import Any

import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from adestim._support.versioned import Versioned
from adestim.encoding.tables import (
    Subjects,
    check_fusion_table,
    read_later_table,
    read_training_table,
)


class TableClassifier(Versioned, ClassifierMixin, BaseEstimator):
    """Base of classifiers that read any table of modalities.

    A subclass fits itself and predicts probabilities.
    """

    classes_: Any

    def predict(self, X):
        """Return the most probable class of every subject.

        Parameters
        ----------
        X : {DataFrame, array-like} of shape (n_subjects, n_modalities or n_features)
            Table as in ``fit``.

        Returns
        -------
        ndarray of shape (n_subjects,)
        """
        check_is_fitted(self)
        return self.classes_[self.predict_proba(X).argmax(axis=1)]

    def _read_training_table(self, frame: pd.DataFrame) -> Subjects:
        """Return the training subjects, and remember the shapes of their tokens."""
        subjects = read_training_table(frame)
        self.modalities_, self._likes = list(subjects.names), subjects.likes()
        return subjects

    def _read_table(self, X) -> Subjects:
        """Return later subjects, each of whom has a modality."""
        return read_later_table(check_fusion_table(self, X, reset=False), self._likes)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags
