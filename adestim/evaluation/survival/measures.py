"""Concordance, error, discrimination and calibration of outcomes that may be censored."""

from __future__ import annotations

import numpy as np
from scipy.integrate import trapezoid

from adestim._support.concordance import compute_concordance
from adestim.evaluation.survival.kaplan_meier import estimate_survival
from adestim.evaluation.survival.outcomes import Outcomes, invert


def measure_concordance(outcomes: Outcomes, risk: np.ndarray, until: float | None) -> float:
    """Return Uno's concordance of events before a time, or of all. risk (n_subjects,)."""
    weight = outcomes.weight**2
    if until is not None:
        weight = np.where(outcomes.time < until, weight, 0)
    return compute_concordance(outcomes.event, outcomes.time, risk, weight)


def measure_brier(outcomes: Outcomes, survival: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Return weighted squared errors at every time.

    survival (n_subjects, n_times), times (n_times,) -> (n_times,).
    """
    time = outcomes.time[:, None]
    had = (time <= times) & outcomes.event[:, None]
    left = (time > times) * invert(outcomes.uncensored.at(times))
    return (had * outcomes.weight[:, None] * survival**2 + left * (1 - survival) ** 2).mean(axis=0)


def integrate_brier(brier: np.ndarray, times: np.ndarray) -> float:
    """Return the mean over time, NaN of a single time. brier (n_times,), times (n_times,)."""
    if len(times) < 2:
        return np.nan
    return float(trapezoid(brier, times) / (times[-1] - times[0]))


def measure_auc(outcomes: Outcomes, risk: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Return how well risks tell who has had the event by a time from who is left.

    risk (n_subjects,) or (n_subjects, n_times), times (n_times,) -> (n_times,); NaN where nobody
    has had it or nobody is left.
    """
    risks = np.broadcast_to(risk.reshape(len(risk), -1), (len(risk), len(times)))
    pairs = zip(times, risks.T, strict=True)
    return np.array([measure_auc_at(outcomes, own, time) for time, own in pairs])


def measure_auc_at(outcomes: Outcomes, risk: np.ndarray, time: float) -> float:
    """Return the weighted share of pairs in which who has had the event has the higher risk."""
    had = (outcomes.time <= time) & outcomes.event
    left = np.sort(risk[outcomes.time > time])
    weight = outcomes.weight[had]
    if not len(left) or not weight.any():
        return np.nan
    below = np.searchsorted(left, risk[had], side="left")
    level = np.searchsorted(left, risk[had], side="right")
    return float(weight @ (below + level) / (2 * weight.sum() * len(left)))


def average_auc(outcomes: Outcomes, auc: np.ndarray, times: np.ndarray) -> float:
    """Return the mean over time, a time counting by the events since the one before.

    auc (n_times,), times (n_times,).
    """
    survival = estimate_survival(outcomes.event, outcomes.time).at(times)
    events = -np.diff(survival, prepend=1.0)
    known = (events > 0) & ~np.isnan(auc)
    return float(auc[known] @ events[known] / events[known].sum()) if known.any() else np.nan


def compare_to_expected(outcomes: Outcomes, risk: np.ndarray, horizon: float) -> float:
    """Return how often the event comes by a horizon, over how often it is predicted to."""
    observed = 1 - estimate_survival(outcomes.event, outcomes.time).at(np.array([horizon]))[0]
    expected = risk.mean()
    return float(observed / expected) if expected > 0 else np.nan
