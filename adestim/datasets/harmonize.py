"""What a scanner or a confound adds to features, taken out by what training rows say of it."""

from __future__ import annotations

from numbers import Integral
from typing import ClassVar

import numpy as np
import pandas as pd
from sklearn.utils import check_consistent_length
from sklearn.utils.validation import check_is_fitted

from adestim._sklearn import Interval, StrOptions, fit_context
from adestim.datasets._combat import Standard, least_squares, site_effects
from adestim.datasets._side import Coding, SideColumnsTransformer, beside, refuse_missing
from adestim.datasets._sites import (
    require_rows,
    require_separable,
    site_labels,
    site_numbers,
    unadjusted_sites,
)
from adestim.datasets.cohort import first_names
from adestim.exceptions import InputError

__all__ = ["ConfoundRegressor", "SiteHarmonizer"]

TABLES = (pd.Series, pd.DataFrame)


class SiteHarmonizer(SideColumnsTransformer):
    """Remove sites' locations and scales from features: ComBat, fitted on training rows alone.

    Everything is learned in ``fit``, without the label, so that it belongs into a pipeline, behind the
    split. Sites and covariates are columns of ``X``, which are not in the output, or tables beside
    it that are looked up by the index of ``X``.

    Parameters
    ----------
    sites : str, int or Series, default="site"
        Column of ``X`` that names the site or scanner of every row; or sites by label of the
        index.
    covariates : list of str or int, DataFrame or None, default=None
        Columns of ``X`` whose effect is kept, such as age and sex; or a table of them by label of
        the index. Words are dummy-coded. Not the diagnosis, which would carry it into the features.
    unseen : {"error", "reference", "estimate"}, default="error"
        What to do with rows of sites that were not in training: refuse them; leave them as they
        are, as if theirs were the average site; or estimate the site's location and scale from
        its rows in the table that is transformed, without labels. Then a row's output depends
        on the other rows of its site.
    min_site_size : int, default=5
        Sites with fewer training rows are taken for one site together. Where even that has fewer,
        its rows are not adjusted.
    parametric : bool, default=True
        Whether the priors of locations and scales are a normal and an inverse gamma distribution,
        or the empirical distribution over the other features.

    Attributes
    ----------
    sites_ : ndarray of str
        Sites of the training rows.
    pooled_sites_ : ndarray of str
        Those which were taken for one.
    location_ : DataFrame of shape (n_sites, n_features)
        What every site adds to the features, in their units.
    scale_ : DataFrame of shape (n_sites, n_features)
        By what it multiplies their deviations.
    n_features_in_ : int
        Number of columns seen in ``fit``.
    feature_names_in_ : ndarray of str
        Their names, where all are strings.

    Warns
    -----
    DataWarning
        When the small sites together are too small.

    See Also
    --------
    ConfoundRegressor : Takes out covariates rather than sites.

    Notes
    -----
    Missing features stay missing, and do not count. A single feature is not shrunken: there is no
    other to say what is usual.

    ComBat keeps what covariates explain, and takes the rest of a difference between sites for an
    effect of the scanner. Where one site has more patients than another, part of the disease
    goes with it; giving it the diagnosis would prevent this, but leak the label. Sites whose
    mixtures of diagnoses are very different cannot be harmonised by this or another method.

    Sites and covariates that are passed as tables are in pickles, clones and the display of the
    estimator. Do not share it where they must not be shared.

    References
    ----------
    .. [1] Johnson, Li and Rabinovic (2007). Adjusting batch effects in microarray expression data
       using empirical Bayes methods. Biostatistics, 8, 118-127.
    .. [2] Fortin et al. (2018). Harmonization of cortical thickness measurements across scanners
       and sites. NeuroImage, 167, 104-120.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from adestim.datasets import SiteHarmonizer
    >>> rng = np.random.default_rng(0)
    >>> volumes = pd.DataFrame(rng.normal(3, 0.4, (60, 2)), columns=["left", "right"])
    >>> X = volumes.assign(site=["A", "B", "C"] * 20)
    >>> X.loc[X["site"] == "B", ["left", "right"]] += 1.0
    >>> harmonised = SiteHarmonizer().set_output(transform="pandas").fit_transform(X)
    >>> harmonised.groupby(X["site"])["left"].mean().round(1).tolist()
    [3.3, 3.4, 3.3]
    """

    _parameter_constraints: ClassVar[dict] = {
        "sites": [str, Integral, pd.Series],
        "covariates": ["array-like", pd.DataFrame, None],
        "unseen": [StrOptions({"error", "reference", "estimate"})],
        "min_site_size": [Interval(Integral, 2, None, closed="left")],
        "parametric": ["boolean"],
    }

    def __init__(
        self,
        *,
        sites="site",
        covariates=None,
        unseen="error",
        min_site_size=5,
        parametric=True,
    ):
        self.sites = sites
        self.covariates = covariates
        self.unseen = unseen
        self.min_site_size = min_site_size
        self.parametric = parametric

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None):
        """Learn locations, scales and effects of covariates.

        Parameters
        ----------
        X : {DataFrame, array-like} of shape (n_rows, n_columns)
            Features, with sites and covariates where these are columns.
        y : None
            Not used: the label must not shape the features.

        Returns
        -------
        self : object
            The fitted transformer.

        Raises
        ------
        InputError
            When sites or covariates are missing, or sites explain a covariate.
        TableError
            When a column is missing, or a feature is not numbers.
        """
        frame = self._table(X, reset=True)
        self._find_features(frame, self._columns_beside())
        values, labels = self._features(frame), self._labels(frame)
        table = self._covariates(frame)
        self._coding = Coding.learn(table)
        covariates = self._coding.matrix(table)
        self.sites_ = np.unique(labels)
        numbers, self.pooled_sites_ = site_numbers(labels, self.min_site_size)
        require_separable(numbers, covariates)
        self._standard = Standard.learn(values, numbers, covariates)
        self._effects = self._learn_effects(values, labels, numbers, covariates)
        self.location_, self.scale_ = self._effects_as_tables()
        return self

    def transform(self, X):
        """Remove the sites' locations and scales.

        Parameters
        ----------
        X : {DataFrame, array-like} of shape (n_rows, n_columns)
            Table as in ``fit``.

        Returns
        -------
        ndarray of shape (n_rows, n_features)
            Harmonised features.

        Raises
        ------
        InputError
            When a site was not in training and ``unseen`` is ``"error"``, or ``"estimate"`` and there
            are too few rows of it.
        """
        check_is_fitted(self, "_standard")
        frame = self._table(X, reset=False)
        values, labels = self._features(frame), self._labels(frame)
        covariates = self._coding.matrix(self._covariates(frame))
        expected = self._standard.expected(covariates)
        standardised = (values - expected) / self._standard.scale
        effects = self._effects | self._unseen_effects(standardised, labels)
        location, scale = (np.stack(rows) for rows in zip(*(effects[s] for s in labels), strict=True))
        return (standardised - location) / scale * self._standard.scale + expected

    def _columns_beside(self):
        """Return the names of the columns of X that are no features."""
        sites = [] if isinstance(self.sites, pd.Series) else [self.sites]
        named = self.covariates is not None and not isinstance(self.covariates, pd.DataFrame)
        return [*sites, *(self.covariates if named else [])]

    def _labels(self, frame):
        """Return the site of every row."""
        given = self.sites if isinstance(self.sites, pd.Series) else [self.sites]
        sites = beside(frame, given, "sites")
        refuse_missing(sites, "site", "Give unknown sites a name, such as 'unknown'")
        return site_labels(sites.iloc[:, 0])

    def _covariates(self, frame):
        """Return the covariates of every row; a table without columns where there are none."""
        return beside(frame, [] if self.covariates is None else self.covariates, "covariates")

    def _learn_effects(self, values, labels, numbers, covariates):
        """Return location and scale by site, of the training rows."""
        expected = self._standard.expected(covariates)
        standardised = (values - expected) / self._standard.scale
        effects = {}
        for number in np.unique(numbers):
            rows = numbers == number
            known = rows.sum() >= self.min_site_size
            found = self._effect(standardised[rows]) if known else self._no_effect()
            effects |= dict.fromkeys(np.unique(labels[rows]), found)
            if not known:
                unadjusted_sites(labels[rows], self.min_site_size)
        return effects

    def _effect(self, rows):
        """Return the location and the scale of the rows of one site."""
        return site_effects(rows, self._standard.flat, self.parametric)

    def _no_effect(self):
        """Return the location and the scale of the average site."""
        return np.zeros(len(self._places)), np.ones(len(self._places))

    def _unseen_effects(self, standardised, labels):
        """Return location and scale by site, of sites that were not in training."""
        new = np.setdiff1d(labels, self.sites_)
        if len(new) and self.unseen == "error":
            raise InputError(
                "Every site was in training",
                got=f"others: {first_names(new)}",
                remedy="Pass unseen='reference' to leave their rows as they are, or "
                "unseen='estimate' to learn the sites from these rows without labels",
            )
        if self.unseen == "reference":
            return dict.fromkeys(new, self._no_effect())
        require_rows(labels, new, self.min_site_size)
        return {site: self._effect(standardised[labels == site]) for site in new}

    def _effects_as_tables(self):
        """Return locations in units of the features, and scales, a row a site."""
        names = self.get_feature_names_out()
        location, scale = (
            pd.DataFrame([self._effects[site][part] for site in self.sites_], self.sites_, names)
            for part in (0, 1)
        )
        return location * self._standard.scale, scale


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
    SiteHarmonizer : Takes out sites, scales included.

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
        self._find_features(frame, [] if isinstance(self.confounds, TABLES) else self.confounds)
        rows = self._learning_rows(frame, y)
        table = beside(frame, self.confounds, "confounds")
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
        confounds = self._coding.matrix(beside(frame, self.confounds, "confounds"))
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
