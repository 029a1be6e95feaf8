"""Scores of predicted survival."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from adestim.evaluation.scores.checks import require_share
from adestim.evaluation.scores.intervals import bootstrap_interval
from adestim.evaluation.survival.kaplan_meier import estimate_survival
from adestim.evaluation.survival.measures import (
    average_auc,
    compare_to_expected,
    integrate_brier,
    measure_auc,
    measure_brier,
    measure_concordance,
)
from adestim.evaluation.survival.outcomes import Outcomes, read_curves, read_horizon, read_risk
from adestim.exceptions import InputError


def uno_concordance(
    y: np.ndarray, risk: ArrayLike, *, train: np.ndarray | None = None, until: float | None = None
) -> float:
    """Return Uno's concordance: how often who is at the higher risk has the event first.

    Pairs are weighed such that the share does not depend on who was censored when [1]_.

    Parameters
    ----------
    y : ndarray of shape (n_subjects,)
        Outcomes, as of :func:`adestim.make_survival`.
    risk : array-like of shape (n_subjects,)
        Risk scores, higher for an earlier event.
    train : ndarray of shape (n_training_subjects,), default=None
        Outcomes from which the probability of censoring is learned; None for ``y``.
    until : float, default=None
        Only events before this time, in years, count. Needed where hardly anybody is followed
        longer.

    Returns
    -------
    float
        1 is a perfect order, 0.5 is chance.

    Raises
    ------
    InputError
        When there is no pair of whom it is known who had the event first.

    References
    ----------
    .. [1] Uno et al. (2011), Statistics in Medicine 30, 1105.

    Examples
    --------
    >>> from adestim import make_survival
    >>> from adestim.evaluation import uno_concordance
    >>> y = make_survival([True, True, False, True], [1.0, 2.0, 2.5, 3.0])
    >>> uno_concordance(y, [0.9, 0.5, 0.6, 0.1])
    0.8
    """
    outcomes = Outcomes.of(y, train, "uno_concordance")
    values = read_risk(risk, len(outcomes.time), "uno_concordance")
    return measure_concordance(outcomes, values, until)


def survival_brier(
    y: np.ndarray, survival: pd.DataFrame, *, train: np.ndarray | None = None
) -> pd.Series:
    """Return the Brier score of predicted survival at every time.

    It is the mean squared difference between the predicted probability to have no event and what
    became of the subject, who is censored before being made up for by others [1]_.

    Parameters
    ----------
    y : ndarray of shape (n_subjects,)
        Outcomes, as of :func:`adestim.make_survival`.
    survival : DataFrame of shape (n_subjects, n_times)
        Predicted survival, columns being rising times in years.
    train : ndarray of shape (n_training_subjects,), default=None
        Outcomes from which the probability of censoring is learned; None for ``y``.

    Returns
    -------
    Series of shape (n_times,)
        Score by time; 0 is perfect, 0.25 is a constant prediction of 0.5.

    Raises
    ------
    InputError
        When a time lies behind follow-up.

    See Also
    --------
    score_survival : Its mean over time, with an interval.

    References
    ----------
    .. [1] Graf et al. (1999), Statistics in Medicine 18, 2529.

    Examples
    --------
    >>> import pandas as pd
    >>> from adestim import make_survival
    >>> from adestim.evaluation import survival_brier
    >>> y = make_survival([True, True, False, True], [1.0, 2.0, 2.5, 3.0])
    >>> survival = pd.DataFrame({1.0: [0.2, 0.9, 0.9, 0.9], 2.0: [0.1, 0.4, 0.8, 0.8]})
    >>> survival_brier(y, survival).round(4).to_dict()
    {1.0: 0.0175, 2.0: 0.0625}
    """
    outcomes = Outcomes.of(y, train, "survival_brier")
    values, times = read_curves(survival, len(outcomes.time), "survival_brier")
    outcomes.require_times(times, "survival_brier")
    return pd.Series(measure_brier(outcomes, values, times), index=survival.columns, name="brier")


def survival_auc(
    y: np.ndarray, risk: ArrayLike, times: ArrayLike, *, train: np.ndarray | None = None
) -> pd.Series:
    """Return the AUC between who has had the event by a time and who has not, at every time.

    Cases are cumulative, controls dynamic [1]_; cases stand for the censored too.

    Parameters
    ----------
    y : ndarray of shape (n_subjects,)
        Outcomes, as of :func:`adestim.make_survival`.
    risk : array-like of shape (n_subjects,) or (n_subjects, n_times)
        Risk scores, higher for an earlier event; one for all times, or one a time.
    times : array-like of shape (n_times,)
        Years.
    train : ndarray of shape (n_training_subjects,), default=None
        Outcomes from which the probability of censoring is learned; None for ``y``.

    Returns
    -------
    Series of shape (n_times,)
        AUC by time, NaN before the first event.

    Raises
    ------
    InputError
        When a time lies behind follow-up, or risks have another shape.

    References
    ----------
    .. [1] Hung and Chiang (2010), Scandinavian Journal of Statistics 37, 664; Uno et al. (2007),
       JASA 102, 527.

    Examples
    --------
    >>> from adestim import make_survival
    >>> from adestim.evaluation import survival_auc
    >>> y = make_survival([True, True, False, True], [1.0, 2.0, 2.5, 3.0])
    >>> survival_auc(y, [0.9, 0.5, 0.6, 0.1], [1.0, 2.0]).to_dict()
    {1.0: 1.0, 2.0: 0.75}
    """
    outcomes, asked = Outcomes.of(y, train, "survival_auc"), read_horizon(times, "survival_auc")
    values = np.asarray(risk, dtype=np.float64)
    shape = (len(outcomes.time), len(asked))
    if values.shape not in (shape, shape[:1]) or not np.isfinite(values).all():
        raise InputError(
            "survival_auc needs a finite risk score for every subject, or one for every time too",
            got=f"shape {values.shape} for {shape[0]} subjects and {shape[1]} times, or NaN",
        )
    outcomes.require_times(asked, "survival_auc")
    found = measure_auc(outcomes, values, asked)
    return pd.Series(found, index=pd.Index(asked, name="years"), name="auc")


def survival_calibration(
    y: np.ndarray, risk: ArrayLike, horizon: float, *, n_bins: int = 5, level: float = 0.95
) -> pd.DataFrame:
    """Return how often the event came by a horizon, beside the probability predicted for it.

    Subjects are sorted into bins of equal size by the predicted probability; how often the event
    came is one minus the estimate of Kaplan and Meier within a bin.

    Parameters
    ----------
    y : ndarray of shape (n_subjects,)
        Outcomes, as of :func:`adestim.make_survival`.
    risk : array-like of shape (n_subjects,)
        Predicted probability of the event by the horizon, as of ``predict_risk(X, horizon)``.
    horizon : float
        Years.
    n_bins : int, default=5
        Number of bins, each of about as many subjects; equal predictions stay together.
    level : float, default=0.95
        Level of the intervals.

    Returns
    -------
    DataFrame of shape (n_bins, 5)
        A row a bin, from the lowest probability: ``n_subjects``, ``predicted`` (its mean),
        ``observed``, and ``low`` and ``high``, the ends of the interval of the latter.

    Raises
    ------
    InputError
        When a probability lies outside 0 to 1, the horizon lies behind follow-up, or there are more
        bins than subjects.

    Examples
    --------
    >>> import numpy as np
    >>> from adestim import make_survival
    >>> from adestim.evaluation import survival_calibration
    >>> rng = np.random.default_rng(0)
    >>> risk = rng.uniform(0.1, 0.9, size=500)
    >>> years = -2 * rng.exponential(size=500) / np.log1p(-risk)
    >>> y = make_survival(years < 5, np.minimum(years, 5.0))
    >>> table = survival_calibration(y, risk, horizon=2.0)
    >>> bool((table["predicted"] - table["observed"]).abs().max() < 0.15)
    True
    """
    outcomes, owner = Outcomes.of(y, None, "survival_calibration"), "survival_calibration"
    values = read_risk(risk, len(outcomes.time), owner)
    outcomes.require_times(read_horizon(horizon, owner), owner)
    require_share(level)
    if values.min() < 0 or values.max() > 1:
        raise InputError(f"{owner} needs probabilities between 0 and 1", got="other numbers")
    if not 1 <= n_bins <= len(values):
        raise InputError(
            f"'n_bins' of {owner} lies between 1 and the number of subjects", got=repr(n_bins)
        )
    ends = np.unique(np.quantile(values, np.arange(1, n_bins) / n_bins))
    number = np.searchsorted(ends, values, side="left")
    rows = [number == own for own in np.unique(number)]
    table = [describe_bin(outcomes, values, own, float(horizon), level) for own in rows]
    return pd.DataFrame(table, index=pd.RangeIndex(1, len(table) + 1, name="bin"))


def describe_bin(
    outcomes: Outcomes, risk: np.ndarray, rows: np.ndarray, horizon: float, level: float
) -> dict[str, float]:
    """Return the row of one bin of subjects, (n_subjects,) as a mask."""
    curve = estimate_survival(outcomes.event[rows], outcomes.time[rows])
    low, high = curve.bound(horizon, level)
    return {
        "n_subjects": int(rows.sum()),
        "predicted": float(risk[rows].mean()),
        "observed": float(1 - curve.at(np.array([horizon]))[0]),
        "low": 1 - high,
        "high": 1 - low,
    }


def score_survival(
    y: np.ndarray,
    survival: pd.DataFrame,
    *,
    risk: ArrayLike | None = None,
    train: np.ndarray | None = None,
    horizon: float | None = None,
    groups: Any = None,
    n_resamples: int = 1000,
    level: float = 0.95,
    random_state: Any = None,
) -> pd.DataFrame:
    """Return scores of predicted survival with intervals over subjects.

    Parameters
    ----------
    y : ndarray of shape (n_subjects,)
        Outcomes, as of :func:`adestim.make_survival`.
    survival : DataFrame of shape (n_subjects, n_times)
        Predicted survival, columns being rising times in years, within follow-up.
    risk : array-like of shape (n_subjects,), default=None
        Risk scores, higher for an earlier event; None for one minus the mean survival over the
        times.
    train : ndarray of shape (n_training_subjects,), default=None
        Outcomes from which the probability of censoring is learned; None for ``y``.
    horizon : float, default=None
        One of the times, at which further scores are wanted.
    groups : array-like of shape (n_subjects,), default=None
        Rows of one group are resampled together.
    n_resamples : int, default=1000
        How often subjects are drawn; 0 for no intervals.
    level : float, default=0.95
        Level of the intervals.
    random_state : int, RandomState instance or None, default=None
        Seed of the draws.

    Returns
    -------
    DataFrame
        A row a score: ``score``, ``low``, ``high``. ``uno_c`` is :func:`uno_concordance` until the
        last time, ``mean_auc`` the mean of :func:`survival_auc` over the times, weighed by the
        events before each, ``integrated_brier`` that of :func:`survival_brier`. With a horizon,
        ``auc`` and ``brier`` at it, and ``observed_to_expected``: how often the event came, over
        how often it was predicted to; 1 is calibrated in the large.

    Raises
    ------
    InputError
        When a time lies behind follow-up, or the horizon is none of the times.

    Notes
    -----
    The probability of censoring is not estimated anew in every resample.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from adestim import make_survival
    >>> from adestim.evaluation import score_survival
    >>> rng = np.random.default_rng(0)
    >>> rate = np.exp(rng.normal(size=100))
    >>> years, times = rng.exponential(1 / rate), np.array([0.5, 1.0, 1.5])
    >>> survival = pd.DataFrame(np.exp(-np.outer(rate, times)), columns=times)
    >>> y = make_survival(years < 2, np.minimum(years, 2.0))
    >>> scores = score_survival(y, survival, horizon=1.0, n_resamples=50, random_state=0)
    >>> list(scores.index)
    ['uno_c', 'mean_auc', 'integrated_brier', 'auc', 'brier', 'observed_to_expected']
    >>> bool(scores.loc["uno_c", "score"] > 0.6)
    True
    """
    outcomes = Outcomes.of(y, train, "score_survival")
    values, times = read_curves(survival, len(outcomes.time), "score_survival")
    outcomes.require_times(times, "score_survival")
    place = None if horizon is None else find_time(times, horizon)
    scores = 1 - values.mean(axis=1) if risk is None else read_risk(
        risk, len(values), "score_survival"
    )  # fmt: skip
    measures = list_measures(times, place)

    def measure(rows: np.ndarray) -> list[float]:
        given = outcomes.take(rows), values[rows], scores[rows]
        return [compute(*given) for compute in measures.values()]

    table = pd.DataFrame({"score": measure(np.arange(len(values)))}, index=pd.Index(measures))
    if not n_resamples:
        return table.assign(low=np.nan, high=np.nan)
    interval = bootstrap_interval(
        partial(measure_or_not, measure, len(measures)),
        len(values) if groups is None else groups,
        n_resamples=n_resamples,
        level=level,
        random_state=random_state,
    )
    return table.assign(low=interval.low, high=interval.high)


def list_measures(times: np.ndarray, place: int | None) -> dict[str, Callable]:
    """Return by name what takes outcomes, survival (n, n_times) and risks (n,)."""
    measures: dict[str, Callable] = {
        "uno_c": lambda known, _, risk: measure_concordance(known, risk, times[-1]),
        "mean_auc": lambda known, _, risk: average_auc(
            known, measure_auc(known, risk, times), times
        ),
        "integrated_brier": lambda known, curves, _: integrate_brier(
            measure_brier(known, curves, times), times
        ),
    }
    if place is None:
        return measures
    own = times[[place]]
    return measures | {
        "auc": lambda known, curves, _: measure_auc(known, 1 - curves[:, place], own)[0],
        "brier": lambda known, curves, _: measure_brier(known, curves[:, [place]], own)[0],
        "observed_to_expected": lambda known, curves, _: compare_to_expected(
            known, 1 - curves[:, place], own[0]
        ),
    }


def measure_or_not(measure: Callable, n_scores: int, rows: np.ndarray) -> list[float]:
    """Return the scores of a resample, NaN where it holds no pair to compare."""
    try:
        return measure(rows)
    except InputError:
        return [np.nan] * n_scores


def find_time(times: np.ndarray, horizon: float) -> int:
    """Return the place of the horizon among the times, or say that it is none of them."""
    places = np.flatnonzero(np.isclose(times, horizon))
    if not len(places):
        raise InputError(
            "'horizon' of score_survival is one of the times that survival is given at",
            got=f"{horizon!r} beside {', '.join(f'{time:.4g}' for time in times)}",
            remedy="Ask predict_survival_function for it too",
        )
    return int(places[0])
