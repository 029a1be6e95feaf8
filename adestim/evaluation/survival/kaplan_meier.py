"""Curves of Kaplan and Meier: of survival, and of not being censored."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats


@dataclass(frozen=True, eq=False)
class StepCurve:
    """A probability that falls in steps from 1."""

    times: np.ndarray  # (n_steps,); rising
    values: np.ndarray  # (n_steps,); from the time on
    # (n_steps,); Greenwood's sum, the variance of the log of the value
    spread: np.ndarray

    def at(self, times: np.ndarray) -> np.ndarray:
        """Return the values at some times, of their shape."""
        return np.append(1.0, self.values)[np.searchsorted(self.times, times, side="right")]

    def bound(self, time: float, level: float) -> tuple[float, float]:
        """Return the interval of the value at a time, by its log-log transform.

        J. D. Kalbfleisch and R. L. Prentice, "The Statistical Analysis of Failure Time Data",
        Wiley 1980, section 1.4.
        """
        place = int(np.searchsorted(self.times, time, side="right"))
        value = np.append(1.0, self.values)[place]
        spread = np.append(0.0, self.spread)[place]
        if not 0 < value < 1:
            return float(value), float(value)
        error = stats.norm.ppf((1 + level) / 2) * np.sqrt(spread) / abs(np.log(value))
        return float(value ** np.exp(error)), float(value ** np.exp(-error))


def estimate_survival(event: np.ndarray, time: np.ndarray) -> StepCurve:
    """Return the probability of no event until any time.

    E. L. Kaplan and P. Meier, "Nonparametric estimation from incomplete observations", JASA 53,
    1958.

    event, time (n_subjects,).
    """
    times, at_risk, events = count_at_risk(event, time)
    return fall_by(times, events, at_risk)


def estimate_uncensored(event: np.ndarray, time: np.ndarray) -> StepCurve:
    """Return the probability of not being censored until any time; events come before censoring.

    event, time (n_subjects,).
    """
    times, at_risk, events = count_at_risk(event, time)
    censored = np.bincount(np.searchsorted(times, time), ~event, len(times))
    return fall_by(times, censored, at_risk - events)


def count_at_risk(event: np.ndarray, time: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return distinct times, and how many are at risk and have the event at each."""
    times, place = np.unique(time, return_inverse=True)
    left = np.bincount(place, minlength=len(times))
    at_risk = len(time) - np.cumsum(left) + left
    return times, at_risk, np.bincount(place, event, len(times))


def fall_by(times: np.ndarray, lost: np.ndarray, at_risk: np.ndarray) -> StepCurve:
    """Return the curve that loses some of those at risk at every time, all (n_steps,)."""
    share = np.divide(lost, at_risk, out=np.zeros(len(times)), where=at_risk > 0)
    left = at_risk - lost
    steps = np.divide(share, left, out=np.zeros(len(times)), where=left > 0)
    return StepCurve(times, np.cumprod(1 - share), np.cumsum(steps))
