"""From a table of encodings to plain numbers."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from adestim._support.ranges import Choice
from adestim._support.sklearn import StrOptions, check_feature_names_in, fit_context
from adestim._support.versioned import Versioned
from adestim.encoding.tables import check_fusion_table, read_modalities
from adestim.encoding.tokens import TokenTable, drop_rows, stack_tokens


class PoolTokens(Versioned, TransformerMixin, BaseEstimator):
    """Turn an encodings table into numbers, for any other scikit-learn model.

    Tokens whose places mean the same for every subject (regions, ROIs, SNPs, columns) are laid
    side by side; tokens without fixed places are averaged. Missing modalities and masked
    tokens become NaN.

    Parameters
    ----------
    pool : {"auto", "mean"}, default="auto"
        ``"mean"`` averages the tokens of every modality.

    Attributes
    ----------
    modalities_ : list of str
        Names of the modalities seen in ``fit``.
    n_features_in_ : int
        Number of columns seen in ``fit``.
    feature_names_in_ : ndarray of str
        Their names, where all are strings.

    Examples
    --------
    >>> import pandas as pd
    >>> from adestim import PoolTokens
    >>> PoolTokens().fit_transform(pd.DataFrame({"csf__tau": [300.0, None]}))
       csf__tau
    0     300.0
    1       NaN
    """

    _parameter_constraints: ClassVar[dict] = {"pool": [StrOptions({"auto", "mean"})]}
    _search_space: ClassVar[dict] = {"pool": Choice(("auto", "mean"))}
    _not_searched: ClassVar[dict] = {}

    def __init__(self, *, pool="auto"):
        self.pool = pool

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None):
        """Learn the modalities and the size of their token tables.

        Parameters
        ----------
        X : {DataFrame, array-like} of shape (n_subjects, n_modalities)
            Encodings table or numeric table.
        y : Ignored
            Not used, present for API consistency.

        Returns
        -------
        self : object
        """
        frame = check_fusion_table(self, X, reset=True)
        tables = {name: stack_tokens(cells, name) for name, cells in read_modalities(frame).items()}
        self._like = {name: drop_rows(table) for name, table in tables.items()}
        self.modalities_ = list(tables)
        return self

    def transform(self, X):
        """Pool the tokens of every subject.

        Parameters
        ----------
        X : {DataFrame, array-like} of shape (n_subjects, n_modalities)
            Table as in ``fit``.

        Returns
        -------
        DataFrame of shape (n_subjects, n_features), dtype float32
        """
        check_is_fitted(self, "modalities_")
        frame = check_fusion_table(self, X, reset=False)
        cells = read_modalities(frame, known=self._like)
        blocks = [
            self._pooled(stack_tokens(cells[name], name, like=like))
            for name, like in self._like.items()
        ]
        return pd.DataFrame(
            np.hstack(blocks), index=frame.index, columns=self.get_feature_names_out()
        )

    def get_feature_names_out(self, input_features=None):
        """Return the names of the features, ``modality__token__feature``.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Names of the columns; checked against those seen in ``fit``, not used.

        Returns
        -------
        ndarray of str
        """
        check_is_fitted(self, "modalities_")
        check_feature_names_in(self, input_features, generate_names=False)
        return np.array(
            [
                label
                for name, like in self._like.items()
                for label in self._as_pooled(like).feature_names(name)
            ],
            dtype=object,
        )

    def _pooled(self, table):
        """Return one modality's features, laid side by side or averaged."""
        return self._as_pooled(table).pooled()

    def _as_pooled(self, table):
        """Return the table, its places forgotten where they are to be averaged."""
        if self.pool == "auto":
            return table
        options = tuple(
            (key, value) for key, value in table.backbone.options if key != "token_names"
        )
        return TokenTable(
            table.tokens, table.mask, type(table.backbone)(table.backbone.name, options=options)
        )

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.transformer_tags.preserves_dtype = []
        return tags
