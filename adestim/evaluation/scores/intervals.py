"""Intervals: of a score over subjects, and of a difference over folds that share training rows."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from adestim._support.checks import require_count
from adestim._support.sklearn import draw_seeds
from adestim.evaluation.scores.checks import require_share
from adestim.exceptions import InputError


class BootstrapInterval(tuple):
    """An interval, (low, high), and how many resamples it does not rest on.

    Parameters
    ----------
    low, high : float or ndarray of shape (n_scores,)
        Ends of the interval.
    n_undefined : int or ndarray of int of shape (n_scores,), default=0
        Resamples in which the statistic was NaN, and that were dropped.

    Examples
    --------
    >>> from adestim.evaluation import BootstrapInterval
    >>> interval = BootstrapInterval(0.7, 0.9, n_undefined=3)
    >>> low, high = interval
    >>> interval.low, interval.n_undefined
    (0.7, 3)
    """

    n_undefined: Any

    def __new__(cls, low: Any, high: Any, n_undefined: Any = 0):
        """Make the pair."""
        interval = super().__new__(cls, (low, high))
        interval.n_undefined = n_undefined
        return interval

    def __getnewargs__(self):
        return (*self, self.n_undefined)

    @property
    def low(self) -> Any:
        """Lower end."""
        return self[0]

    @property
    def high(self) -> Any:
        """Upper end."""
        return self[1]


class CorrectedTest(NamedTuple):
    """Mean of differences over folds, its interval and p-value.

    Parameters
    ----------
    mean : float
        Mean difference.
    low, high : float
        Ends of its interval.
    p : float
        Two-sided p-value of no difference.

    Examples
    --------
    >>> from adestim.evaluation import CorrectedTest
    >>> CorrectedTest(mean=0.02, low=-0.01, high=0.05, p=0.17).p
    0.17
    """

    mean: float
    low: float
    high: float
    p: float


def bootstrap_interval(
    statistic: Callable[[np.ndarray], Any],
    n_or_groups: Any,
    *,
    n_resamples: int = 2000,
    level: float = 0.95,
    strata: Any = None,
    random_state: Any = None,
) -> BootstrapInterval:
    """Return the percentile interval of a statistic over resampled subjects.

    Subjects are drawn with replacement, as many as there are [1]_; all rows of a subject, or of
    another group, are drawn together.

    Parameters
    ----------
    statistic : callable
        Takes the positions of the drawn rows, an ndarray of int, and returns a number, or several
        that each get an interval from the same resamples.
    n_or_groups : int or array-like of shape (n_rows,)
        Number of subjects, a row each, or the group of every row.
    n_resamples : int, default=2000
        How often subjects are drawn.
    level : float, default=0.95
        Share of the resamples within the interval.
    strata : array-like of shape (n_rows,), default=None
        Draw as many groups of each stratum as there are, so that no class gets lost. Groups with
        rows of several strata make a stratum of their own.
    random_state : int, RandomState instance or None, default=None
        Seed of the draws; None draws a fresh one. The global generator is left as found.

    Returns
    -------
    BootstrapInterval
        The tuple ``(low, high)``; its ``n_undefined`` counts resamples in which the statistic was
        NaN, which are dropped. Both ends are NaN where it always was.

    See Also
    --------
    wilson_interval : For shares of few subjects, where the bootstrap is too sure: of 12 of 12 it
        says 1 to 1.

    Raises
    ------
    InputError
        When there are no rows, groups or strata are missing or of another length, ``level`` is not
        between 0 and 1, or ``n_resamples`` is not a number from 1.

    References
    ----------
    .. [1] Efron, B., & Tibshirani, R. J. (1993). An Introduction to the Bootstrap. Chapman & Hall.

    Examples
    --------
    >>> import numpy as np
    >>> from adestim.evaluation import bootstrap_interval
    >>> change = np.array([0.1, 0.4, 0.2, 0.3, 0.5])
    >>> interval = bootstrap_interval(lambda rows: change[rows].mean(), 5, random_state=0)
    >>> tuple(round(float(end), 2) for end in interval)
    (0.18, 0.42)
    """
    require_share(level)
    require_count(n_resamples, "'n_resamples' is a whole number from 1")
    draw = make_resampler(n_or_groups, strata)
    rng = np.random.default_rng(draw_seeds(random_state, 1)[0])
    values = np.array([statistic(draw(rng)) for _ in range(n_resamples)], dtype=float)
    return take_percentiles(values, level)


def take_percentiles(values: np.ndarray, level: float) -> BootstrapInterval:
    """Return the interval of resampled values, (n_resamples,) or (n_resamples, n_scores)."""
    tails = [(1 - level) / 2, (1 + level) / 2]
    n_undefined = np.isnan(values).sum(axis=0)
    if values.ndim == 1:
        low, high = take_quantiles(values, tails)
        return BootstrapInterval(low, high, int(n_undefined))
    ends = np.array([take_quantiles(column, tails) for column in values.T]).reshape(-1, 2)
    return BootstrapInterval(ends[:, 0], ends[:, 1], n_undefined)


def take_quantiles(values: np.ndarray, tails: list[float]) -> list[float]:
    """Return quantiles of what is not NaN, NaN where nothing is left."""
    defined = values[~np.isnan(values)]
    return np.quantile(defined, tails).tolist() if len(defined) else [np.nan] * len(tails)


def make_resampler(n_or_groups: Any, strata: Any) -> Callable[[np.random.Generator], np.ndarray]:
    """Return what draws the rows of one resample."""
    codes = number_groups(n_or_groups)
    sizes = np.bincount(codes)
    rows, starts = np.argsort(codes, kind="stable"), np.cumsum(sizes) - sizes
    pools = [np.arange(len(sizes))] if strata is None else split_into_pools(codes, strata)

    def draw(rng: np.random.Generator) -> np.ndarray:
        groups = draw_groups(pools, rng)
        drawn = sizes[groups]
        within = np.arange(drawn.sum()) - np.repeat(np.cumsum(drawn) - drawn, drawn)
        return rows[np.repeat(starts[groups], drawn) + within]

    return draw


def draw_groups(pools: list[np.ndarray], rng: np.random.Generator) -> np.ndarray:
    """Return the groups of one resample, as many of every pool as it has."""
    return np.concatenate([pool[rng.integers(len(pool), size=len(pool))] for pool in pools])


def count_draws(codes: np.ndarray, n_resamples: int, random_state: Any) -> np.ndarray:
    """Return how often every group is in the resamples of :func:`bootstrap_interval`.

    codes (n_rows,) -> (n_resamples, n_groups).
    """
    return _count_by_seed(int(codes.max()) + 1, n_resamples, draw_seeds(random_state, 1)[0])


@lru_cache(maxsize=2)
def _count_by_seed(n_groups: int, n_resamples: int, seed: int) -> np.ndarray:
    """Return how often groups are drawn, once for all estimators of a comparison."""
    rng, pools = np.random.default_rng(seed), [np.arange(n_groups)]
    counts = np.empty((n_resamples, n_groups), dtype=np.uint16)
    for row in counts:
        row[:] = np.bincount(draw_groups(pools, rng), minlength=n_groups)
    counts.flags.writeable = False
    return counts


def number_groups(n_or_groups: Any) -> np.ndarray:
    """Return the group of every row as numbers from 0."""
    if np.ndim(n_or_groups) == 0:
        require_count(n_or_groups, "'n_or_groups' is a whole number from 1")
        return np.arange(n_or_groups)
    groups = np.asarray(n_or_groups)
    codes = pd.factorize(groups)[0] if groups.ndim == 1 else np.array([])
    if not len(codes) or codes.min() < 0:
        raise InputError(
            "Every row has a group",
            got=f"groups of shape {groups.shape}, {int((codes < 0).sum())} of them missing",
        )
    return codes


def split_into_pools(codes: np.ndarray, strata: Any) -> list[np.ndarray]:
    """Return the groups of each stratum, or of each set of strata that a group has rows of."""
    strata_codes = pd.factorize(np.asarray(strata))[0] if np.ndim(strata) == 1 else np.array([])
    if strata_codes.shape != codes.shape or strata_codes.min() < 0:
        raise InputError(
            "Every row has a stratum",
            got=f"strata of shape {np.shape(strata)} for {len(codes)} rows, or missing ones",
        )
    has = np.zeros((codes.max() + 1, strata_codes.max() + 1), dtype=bool)
    has[codes, strata_codes] = True
    pool = np.unique(has, axis=0, return_inverse=True)[1].ravel()
    return [np.flatnonzero(pool == each) for each in range(pool.max() + 1)]


def corrected_t_test(differences: Any, test_share: float, level: float = 0.95) -> CorrectedTest:
    """Test whether two models differ, from their differences over resampled splits.

    Folds share training rows, so that their differences are not independent and the usual t-test
    is far too sure. The corrected one counts the variance ``1 / n + n_test / n_train`` times
    instead of ``1 / n`` times [1]_; for r times repeated k-fold cross-validation n is r k, with
    r k - 1 degrees of freedom [2]_.

    Parameters
    ----------
    differences : array-like of shape (n_splits,)
        Score of one model minus that of the other on every fold of every repeat. NaN, from folds
        that failed, are left out.
    test_share : float
        Share of all subjects that a fold tests: 1 / k for k folds.
    level : float, default=0.95
        Level of the interval.

    Returns
    -------
    CorrectedTest
        Mean, interval and two-sided p-value. NaN in all but the mean where fewer than two
        differences are left. Where all are equal the interval is their value, and p is 1 if that
        is 0, else 0, as t is then infinite.

    Raises
    ------
    InputError
        When differences are infinite, or a share is not between 0 and 1.

    References
    ----------
    .. [1] Nadeau, C., & Bengio, Y. (2003). Inference for the generalization error. Machine
       Learning, 52(3), 239-281.
    .. [2] Bouckaert, R. R., & Frank, E. (2004). Evaluating the replicability of significance tests
       for comparing learning algorithms. PAKDD 2004, LNCS 3056, 3-12.

    Examples
    --------
    >>> from adestim.evaluation import corrected_t_test
    >>> test = corrected_t_test([0.03, 0.01, 0.04, 0.02, 0.05], test_share=0.2)
    >>> round(test.mean, 3), round(test.p, 3)
    (0.03, 0.047)
    """
    require_share(level)
    require_share(test_share, "test_share")
    defined = read_differences(differences)
    mean = float(defined.mean()) if len(defined) else np.nan
    if len(defined) < 2:
        return CorrectedTest(mean, np.nan, np.nan, np.nan)
    factor = 1 / len(defined) + test_share / (1 - test_share)
    error, freedom = np.sqrt(factor * defined.var(ddof=1)), len(defined) - 1
    # The variance of equal numbers may be rounded to more than 0, and that of tiny ones to 0.
    if np.ptp(defined) == 0 or error == 0:
        return CorrectedTest(mean, mean, mean, float(mean == 0))
    half = stats.t.ppf((1 + level) / 2, freedom) * error
    p = 2 * stats.t.sf(abs(mean) / error, freedom)
    return CorrectedTest(mean, float(mean - half), float(mean + half), float(p))


def corrected_interval(
    differences: Any, test_share: float, level: float = 0.95
) -> tuple[float, float]:
    """Return the interval of a mean over folds that share training rows.

    Parameters
    ----------
    differences : array-like of shape (n_splits,)
        Differences of two models' scores, or scores of one, on every fold of every repeat.
    test_share : float
        Share of all subjects that a fold tests: 1 / k for k folds.
    level : float, default=0.95
        Level of the interval.

    Returns
    -------
    tuple of float
        Lower and upper end, as those of :func:`corrected_t_test`.

    Examples
    --------
    >>> from adestim.evaluation import corrected_interval
    >>> low, high = corrected_interval([0.03, 0.01, 0.04, 0.02, 0.05], test_share=0.2)
    >>> round(low, 4), round(high, 4)
    (0.0006, 0.0594)
    """
    test = corrected_t_test(differences, test_share, level)
    return test.low, test.high


def read_differences(differences: Any) -> np.ndarray:
    """Return the differences that are defined."""
    differences = np.asarray(differences, dtype=float)
    if differences.ndim != 1 or np.isinf(differences).any():
        raise InputError(
            "There is one finite difference, or NaN, for every split",
            got=f"shape {differences.shape}, {int(np.isinf(differences).sum())} infinite",
        )
    return differences[~np.isnan(differences)]
