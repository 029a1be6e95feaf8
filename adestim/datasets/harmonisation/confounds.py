"""What confounds add to features, taken out by what training rows say of it."""

from __future__ import annotations

from numbers import Integral
from typing import ClassVar

import numpy as np
import pandas as pd
from sklearn.utils import check_consistent_length
from sklearn.utils.validation import check_is_fitted

from adestim._support.sklearn import StrOptions, fit_context
from adestim.datasets.harmonisation.combat import least_squares
from adestim.datasets.harmonisation.side_columns import (
    Coding,
    SideColumnsTransformer,
    select_beside,
)
from adestim.exceptions import InputError


class ConfoundRegressor(SideColumnsTransformer):
    """Take the linear effect of confounds, such as age and sex, out of features.

    The effect is learned on training rows, of healthy people alone if asked for: among patients
    a confound and the disease move together, and removing one removes part of the other. What is
    left is what the features would be at the confounds' training mean, in their units.

    Parameters
    ----------
    confounds : list of str or int, or DataFrame, default=("age", "sex")
        Columns of ``X``, which are not in the output; or a table by label of the index of ``X``.
        Words are dummy-coded.
    fit_on : {"all", "controls"}, default="all"
        Which training rows the effect is learned on.
    control : str, int or bool, default="CN"
        Label in ``y`` of the healthy, for ``fit_on="controls"``.

    Attributes
    ----------
    coef_ : ndarray of shape (n_coded_confounds, n_features)
        Change of a feature with one standard deviation of a coded confound.
    n_features_in_ : int
        Number of columns seen in ``fit``.
    feature_names_in_ : ndarray of str
        Their names, where all are strings.

    See Also
    --------
    adestim.datasets.SiteHarmonizer : Takes out sites, scales included.

    Notes
    -----
    With ``fit_on="controls"`` the labels of training rows choose the rows to learn from; those of
    test rows are never used. Missing features stay missing.

    The confounds, where passed as a table, are in pickles, clones and the display of the estimator.

    References
    ----------
    .. [1] Snoek, Miletic and Scholte (2019). How to control for confounds in decoding analyses of
       neuroimaging data. NeuroImage, 184, 741-760: why within the folds.
    .. [2] Dukart, Schroeter and Mueller (2011). Age correction in dementia: matching to a healthy
       brain. PLoS ONE, 6, e22193: why on controls.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from adestim.datasets import ConfoundRegressor
    >>> age = np.linspace(60, 90, 7)
    >>> X = pd.DataFrame({"age": age, "hippocampus": 5 - 0.02 * age})
    >>> ConfoundRegressor(["age"]).fit_transform(X).ravel().round(2).tolist()
    [3.5, 3.5, 3.5, 3.5, 3.5, 3.5, 3.5]
    """

    _parameter_constraints: ClassVar[dict] = {
        "confounds": ["array-like", pd.DataFrame],
        "fit_on": [StrOptions({"all", "controls"})],
        "control": [str, Integral, "boolean"],
    }

    def __init__(self, confounds=("age", "sex"), *, fit_on="all", control="CN"):
        self.confounds = confounds
        self.fit_on = fit_on
        self.control = control

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None):
        """Learn the effects of the confounds.

        Parameters
        ----------
        X : {DataFrame, array-like} of shape (n_rows, n_columns)
            Features, with the confounds where these are columns.
        y : array-like of shape (n_rows,), default=None
            Labels, for ``fit_on="controls"``.

        Returns
        -------
        self : object
            The fitted transformer.

        Raises
        ------
        InputError
            When there are too few rows, no labels, or a confound is missing.
        TableError
            When a column is missing, or a feature is not numbers.
        """
        frame = self._table(X, reset=True)
        self._find_features(
            frame, [] if isinstance(self.confounds, pd.DataFrame) else self.confounds
        )
        rows = self._learning_rows(frame, y)
        table = select_beside(frame, self.confounds, "confounds")
        self._coding = Coding.learn(table)
        confounds = self._coding.matrix(table)[rows]
        if len(confounds) < confounds.shape[1] + 2:
            raise InputError(
                "Effects of confounds are learned on more rows than they have coefficients",
                got=f"{len(confounds)} row(s) for {confounds.shape[1] + 1} coefficients",
                remedy="Pass fewer confounds or more rows",
            )
        self.coef_ = self._learn(confounds, self._features(frame)[rows])
        return self

    def transform(self, X):
        """Return the features at the confounds' training mean.

        Parameters
        ----------
        X : {DataFrame, array-like} of shape (n_rows, n_columns)
            Table as in ``fit``.

        Returns
        -------
        ndarray of shape (n_rows, n_features)
        """
        check_is_fitted(self, "coef_")
        frame = self._table(X, reset=False)
        confounds = self._coding.matrix(select_beside(frame, self.confounds, "confounds"))
        return self._features(frame) - confounds @ self.coef_

    def _learning_rows(self, frame, y):
        """Return which rows to learn from."""
        if self.fit_on == "all":
            return np.ones(len(frame), dtype=bool)
        if y is None:
            raise InputError(
                "ConfoundRegressor(fit_on='controls') is told by y who is healthy",
                got="no y",
                remedy="Pass y to fit",
            )
        check_consistent_length(frame, y)
        return np.asarray(y) == self.control

    @staticmethod
    def _learn(confounds, features):
        """Return slopes beside an intercept."""
        return least_squares(np.column_stack([np.ones(len(confounds)), confounds]), features)[1:]
