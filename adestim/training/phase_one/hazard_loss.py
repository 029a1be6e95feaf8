"""The likelihood of hazards: what a mixture of their log-odds loses on lived intervals.

A subject's likelihood is a product over the intervals that it began: of the hazard in the interval
of its event, of one minus the hazard in those that it survived, to the power of the part that was
observed. C. C. Brown, "On the use of indicator variables for studying the time-dependence of
parameters in a response-time model", Biometrics 31, 1975. P. D. Allison, "Discrete-time methods for
the analysis of event histories", Sociological Methodology 13, 1982.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.special import expit, logit

# Events, at the mean hazard, that are added to every interval: its own stays finite without any.
PRIOR_EVENTS = 0.5


class Periods(NamedTuple):
    """What is known of subjects in every interval."""

    observed: np.ndarray  # (n_subjects, n_intervals); which part of an interval was at risk
    seen: np.ndarray  # (n_subjects, n_intervals); 1 in the interval of the event

    @classmethod
    def of(cls, lived: np.ndarray, n_intervals: int) -> Periods:
        """Return what lived intervals, below 0 of the censored, say of each interval.

        lived (n_subjects,).
        """
        places = np.arange(n_intervals)
        observed = np.clip(np.abs(lived)[:, None] - places, 0, 1)
        return cls(observed, (lived[:, None] == places + 1).astype(float))

    def losses(self, odds: np.ndarray) -> np.ndarray:
        """Return negative log-likelihoods: odds (..., n_subjects, n_intervals) -> (..., n)."""
        return (self.observed * np.logaddexp(0, odds) - self.seen * odds).sum(axis=-1)

    def slopes(self, odds: np.ndarray) -> np.ndarray:
        """Return the gradient of the losses by odds, of their shape."""
        return self.observed * expit(odds) - self.seen

    def baseline(self, weight: np.ndarray) -> np.ndarray:
        """Return log-odds of the hazard in every interval, whoever it is.

        weight (n_subjects,) -> (n_intervals,).
        """
        events, observed = weight @ self.seen, weight @ self.observed
        mean = events.sum() / observed.sum()
        hazard = (events + PRIOR_EVENTS * weight.mean()) / (
            observed + PRIOR_EVENTS * weight.mean() / mean
        )
        return logit(np.clip(hazard, 1e-6, 1 - 1e-6))


@dataclass(frozen=True, eq=False)
class HazardLoss:
    """The negative log-likelihood of hazards."""

    periods: Periods
    weight: np.ndarray  # (n_subjects,); of mean 1
    offset: np.ndarray  # (n_intervals,); what is added to the log-odds

    def __call__(self, outputs: np.ndarray) -> tuple[float, np.ndarray]:
        """Return the sum of losses, and its gradient by outputs (n_subjects, n_intervals)."""
        slopes = self.periods.slopes(outputs + self.offset)
        return float(self.by_subject(outputs).sum()), self.weight[:, None] * slopes

    def by_subject(self, outputs: np.ndarray) -> np.ndarray:
        """Return every subject's weighted loss (n_subjects,)."""
        return self.weight * self.periods.losses(outputs + self.offset)


def hazard_loss(lived: np.ndarray, weight: np.ndarray, offset: np.ndarray) -> HazardLoss:
    """Return the loss of log-odds of hazards; weights count relative to their mean.

    lived (n_subjects,), weight (n_subjects,), offset (n_intervals,).
    """
    return HazardLoss(Periods.of(lived, len(offset)), weight / weight.mean(), offset)
