"""Reading of tables by the estimators that train no net of their own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from adestim.encoding.tables import check_fusion_table, read_modalities, training_tables
from adestim.encoding.tokens import TokenTable, require_a_modality, stack_tokens, without_rows


class TableClassifier(ClassifierMixin, BaseEstimator):
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

    def _training_tables(self, frame: pd.DataFrame) -> dict[str, TokenTable]:
        """Return the training subjects' tokens, and remember their shapes."""
        tables = training_tables(frame)
        self.modalities_ = list(tables)
        self._likes = {name: without_rows(table) for name, table in tables.items()}
        return tables

    def _tables(self, X) -> tuple[pd.DataFrame, Mapping[str, TokenTable]]:
        """Return a later table and its tokens; every subject has something."""
        frame = check_fusion_table(self, X, reset=False)
        cells = read_modalities(frame, known=self._likes)
        tables = {name: stack_tokens(cells[name], name, like) for name, like in self._likes.items()}
        require_a_modality(tables, frame.index)
        return frame, tables

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags
