"""What a scanner adds to features, taken out by what training rows say of it."""

from __future__ import annotations

from numbers import Integral
from typing import ClassVar
from warnings import warn

import numpy as np
import pandas as pd
from sklearn.utils.validation import check_is_fitted

from adestim._support.sklearn import Interval, StrOptions, fit_context
from adestim._support.words import first_names
from adestim.datasets.harmonisation.combat import Standard, site_effects
from adestim.datasets.harmonisation.side_columns import (
    Coding,
    SideColumnsTransformer,
    refuse_missing,
    select_beside,
)
from adestim.exceptions import DataWarning, InputError


class SiteHarmonizer(SideColumnsTransformer):
    """Remove sites' locations and scales from features: ComBat, fitted on training rows alone.

    Everything is learned in ``fit``, without the label, so that it belongs into a pipeline, behind
    the split. Sites and covariates are columns of ``X``, which are not in the output, or tables
    beside it that are looked up by the index of ``X``.

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
        or the empirical distribution over the other features, which takes time with the square
        of their number.

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
    adestim.datasets.ConfoundRegressor : Takes out covariates rather than sites.

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
        numbers, self.pooled_sites_ = number_sites(labels, self.min_site_size)
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
            When a site was not in training and ``unseen`` is ``"error"``, or ``"estimate"`` and
            there are too few rows of it.
        """
        check_is_fitted(self, "_standard")
        frame = self._table(X, reset=False)
        values, labels = self._features(frame), self._labels(frame)
        covariates = self._coding.matrix(self._covariates(frame))
        expected = self._standard.expected(covariates)
        standardised = (values - expected) / self._standard.scale
        effects = self._effects | self._unseen_effects(standardised, labels)
        location, scale = (
            np.stack(rows) for rows in zip(*(effects[s] for s in labels), strict=True)
        )
        return (standardised - location) / scale * self._standard.scale + expected

    def _columns_beside(self):
        """Return the names of the columns of X that are no features."""
        sites = [] if isinstance(self.sites, pd.Series) else [self.sites]
        named = self.covariates is not None and not isinstance(self.covariates, pd.DataFrame)
        return [*sites, *(self.covariates if named else [])]

    def _labels(self, frame):
        """Return the site of every row."""
        given = self.sites if isinstance(self.sites, pd.Series) else [self.sites]
        sites = select_beside(frame, given, "sites")
        refuse_missing(sites, "site", "Give unknown sites a name, such as 'unknown'")
        return read_site_labels(sites.iloc[:, 0])

    def _covariates(self, frame):
        """Return the covariates of every row; a table without columns where there are none."""
        return select_beside(
            frame, [] if self.covariates is None else self.covariates, "covariates"
        )

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
                warn_of_unadjusted(labels[rows], self.min_site_size)
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


def read_site_labels(column: pd.Series) -> np.ndarray:
    """Return sites as words; a whole number has the same one, however it is stored."""
    column = column.infer_objects()
    if pd.api.types.is_float_dtype(column) and (column % 1 == 0).all():
        column = column.astype("int64")
    return column.map(str).to_numpy(dtype=object)


def number_sites(labels: np.ndarray, min_site_size: int) -> tuple[np.ndarray, np.ndarray]:
    """Return numbers of the sites from 0, small ones with one number, the last.

    labels (n_rows,) -> numbers (n_rows,).
    """
    names, codes, counts = np.unique(labels, return_inverse=True, return_counts=True)
    large = counts >= min_site_size
    numbers = np.where(large, np.cumsum(large) - 1, large.sum())
    return numbers[codes], names[~large]


def require_separable(numbers: np.ndarray, covariates: np.ndarray) -> None:
    """Refuse covariates that the sites explain, or that explain each other."""
    varying = covariates[:, np.ptp(covariates, axis=0) > 0]
    design = np.hstack([np.eye(numbers.max() + 1)[numbers], varying])
    n_columns = design.shape[1]
    if len(design) <= n_columns:
        raise InputError(
            "There are more rows than sites and coded covariates",
            got=f"{len(design)} row(s) for {n_columns}",
            remedy="Pass more rows, or fewer covariates",
        )
    if np.linalg.matrix_rank(design) < n_columns:
        raise InputError(
            "Covariates vary within sites and differ from each other",
            got=f"{np.linalg.matrix_rank(design)} directions for {n_columns} sites and covariates",
            remedy="Leave out the covariate that tells the site, or that repeats another",
        )


def warn_of_unadjusted(labels: np.ndarray, min_site_size: int) -> None:
    """Warn of sites that are too small even together."""
    warn(
        f"{len(labels)} row(s) of sites with fewer than {min_site_size} rows, too few to be one "
        f"site together, are not adjusted: {first_names(np.unique(labels))}.",
        DataWarning,
        stacklevel=4,
    )


def require_rows(labels: np.ndarray, sites: np.ndarray, min_site_size: int) -> None:
    """Refuse sites of which too few rows are there to learn them from."""
    small = [site for site in sites if (labels == site).sum() < min_site_size]
    if small:
        raise InputError(
            f"A site that was not in training is learned from {min_site_size} rows or more",
            got=f"fewer of {first_names(small)}",
            remedy="Transform its rows together, or pass unseen='reference'",
        )
