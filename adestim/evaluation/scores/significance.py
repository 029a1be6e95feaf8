"""Tests of two models' AUC on the same subjects, and of several comparisons at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from adestim.evaluation.scores.checks import read_membership, read_values, require_share
from adestim.exceptions import InputError


@dataclass(frozen=True)
class DeLongResult:
    """Two areas under the ROC curve of the same subjects, compared.

    Parameters
    ----------
    auc_first, auc_second : float
        The areas.
    difference : float
        First minus second.
    standard_error : float
        Of the difference.
    z : float
        Difference over standard error.
    p : float
        Two-sided p-value of equal areas.
    low, high : float
        Interval of the difference.

    Examples
    --------
    >>> from adestim.evaluation import delong
    >>> result = delong([0, 0, 1, 1], [0.1, 0.4, 0.3, 0.9], [0.1, 0.2, 0.3, 0.9])
    >>> result.auc_first, result.auc_second, result.difference
    (0.75, 1.0, -0.25)
    """

    auc_first: float
    auc_second: float
    difference: float
    standard_error: float
    z: float
    p: float
    low: float
    high: float


def delong(
    y: Any, first: Any, second: Any, *, positive: Any = None, level: float = 0.95
) -> DeLongResult:
    """Compare two areas under the ROC curve of the same subjects.

    The variance is that of DeLong et al. [1]_, computed from midranks in O(n log n) [2]_.

    Parameters
    ----------
    y : array-like of shape (n_subjects,)
        Labels of two classes, one row a subject: rows must be independent.
    first, second : array-like of shape (n_subjects,)
        Scores of the two models, higher where the positive class is likelier.
    positive : label, default=None
        The positive class; None for the patients' (AD beside CN, pMCI beside sMCI), or the
        last of the sorted two, as in :func:`adestim.evaluation.compare`.
    level : float, default=0.95
        Level of the interval of the difference.

    Returns
    -------
    DeLongResult
        With standard error 0 (the models rank alike, or both variances are zero) p is 1 where the
        areas are equal, else 0, and z 0 or infinite.

    Raises
    ------
    InputError
        When there are not two classes of two subjects or more, or scores are missing.

    Notes
    -----
    The test is approximate: it rests on a normal distribution, and on models that were not
    trained on the subjects. Probabilities of several folds' models that are put together are not
    from one model; then see also :func:`adestim.evaluation.corrected_t_test`.

    References
    ----------
    .. [1] DeLong, E. R., DeLong, D. M., & Clarke-Pearson, D. L. (1988). Comparing the areas under
       two or more correlated receiver operating characteristic curves: a nonparametric approach.
       Biometrics, 44(3), 837-845.
    .. [2] Sun, X., & Xu, W. (2014). Fast implementation of DeLong's algorithm for comparing the
       areas under correlated receiver operating characteristic curves. IEEE Signal Processing
       Letters, 21(11), 1389-1393.

    Examples
    --------
    >>> import numpy as np
    >>> from adestim.evaluation import delong
    >>> rng = np.random.default_rng(0)
    >>> y = np.repeat(["CN", "AD"], 50)
    >>> first = (y == "AD") + rng.normal(size=100)
    >>> second = (y == "AD") / 2 + rng.normal(size=100)
    >>> result = delong(y, first, second, positive="AD")
    >>> bool(result.low < result.difference < result.high)
    True
    """
    require_share(level)
    is_positive = read_membership(y, positive, least=2)
    first, second = (read_values(scores, len(is_positive)) for scores in (first, second))
    auc_first, below_first, above_first = place_scores(first, is_positive)
    auc_second, below_second, above_second = place_scores(second, is_positive)
    n_positive, n_negative = len(below_first), len(above_first)
    variance = (
        np.var(below_first - below_second, ddof=1) / n_negative**2 / n_positive
        + np.var(above_first - above_second, ddof=1) / n_positive**2 / n_negative
    )
    return apply_wald_test(auc_first, auc_second, float(np.sqrt(variance)), level)


def apply_wald_test(
    auc_first: float, auc_second: float, error: float, level: float
) -> DeLongResult:
    """Return the test of a difference with its standard error."""
    difference = auc_first - auc_second
    with np.errstate(divide="ignore"):
        z = np.divide(difference, error) if difference else 0.0
    half = stats.norm.ppf((1 + level) / 2) * error
    return DeLongResult(
        auc_first=auc_first,
        auc_second=auc_second,
        difference=difference,
        standard_error=error,
        z=float(z),
        p=float(2 * stats.norm.sf(abs(z))),
        low=float(difference - half),
        high=float(difference + half),
    )


def place_scores(
    scores: np.ndarray, is_positive: np.ndarray
) -> tuple[float, np.ndarray, np.ndarray]:
    """Return the area, negatives below every positive and positives above every negative.

    Ties count by half; the counts are exact, so that models that rank alike differ by exactly 0.
    """
    positives, negatives = scores[is_positive], scores[~is_positive]
    overall = stats.rankdata(np.concatenate([positives, negatives]))
    below = overall[: len(positives)] - stats.rankdata(positives)
    above = len(positives) - (overall[len(positives) :] - stats.rankdata(negatives))
    return float(below.sum() / (len(positives) * len(negatives))), below, above


def holm(p_values: Any) -> np.ndarray:
    """Adjust p-values of several comparisons, so that a single false alarm is as rare as said.

    The step-down method [1]_ holds whatever the dependence of the tests, and never rejects less
    than Bonferroni's.

    Parameters
    ----------
    p_values : array-like of shape (n_tests,)
        The p-values; NaN are no tests: they stay NaN and are not counted.

    Returns
    -------
    ndarray of shape (n_tests,)
        Adjusted p-values, in the same order.

    Raises
    ------
    InputError
        When a p-value is not between 0 and 1.

    References
    ----------
    .. [1] Holm, S. (1979). A simple sequentially rejective multiple test procedure. Scandinavian
       Journal of Statistics, 6(2), 65-70.

    Examples
    --------
    >>> from adestim.evaluation import holm
    >>> holm([0.01, 0.04, 0.03]).tolist()
    [0.03, 0.06, 0.06]
    """
    p_values = np.asarray(p_values, dtype=float)
    defined = np.flatnonzero(~np.isnan(p_values))
    if p_values.ndim != 1 or (p_values[defined] < 0).any() or (p_values[defined] > 1).any():
        raise InputError("p-values are a list of numbers between 0 and 1, or NaN", got="others")
    order = defined[np.argsort(p_values[defined], kind="stable")]
    steps = np.maximum.accumulate(p_values[order] * np.arange(len(order), 0, -1))
    adjusted = p_values.copy()
    adjusted[order] = np.minimum(steps, 1)
    return adjusted
