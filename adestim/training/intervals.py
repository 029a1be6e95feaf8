"""Intervals of time: what is known of a subject as one number, and survival from hazards."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class TimeIntervals:
    """Intervals of follow-up, the first of which begins at 0; within one the hazard is constant.

    What is known of a subject is one number, its lived intervals: 2 is the event in the second
    interval; -2.5 is censoring half-way through the third.
    """

    ends: np.ndarray  # (n_intervals,); years, rising

    @classmethod
    def choose(
        cls,
        event: np.ndarray,
        time: np.ndarray,
        weight: np.ndarray,
        n_intervals: int,
        horizon: float,
    ) -> TimeIntervals:
        """Return intervals in which about as many events lie each, the last up to the horizon.

        event (n_subjects,), time (n_subjects,), weight (n_subjects,).
        """
        seen = event & (time <= horizon)
        shares = np.arange(1, n_intervals) / n_intervals
        ends = np.quantile(time[seen], shares, weights=weight[seen], method="inverted_cdf")
        last_seen = time[seen].max()
        # An interval of its own behind the last event would have a hazard of 0.
        return cls(np.append(np.unique(ends[ends < last_seen]), horizon))

    @property
    def n_intervals(self) -> int:
        """Number of intervals."""
        return len(self.ends)

    @property
    def edges(self) -> np.ndarray:
        """Where intervals begin or end, (1 + n_intervals,)."""
        return np.append(0.0, self.ends)

    def locate(self, times: np.ndarray) -> np.ndarray:
        """Return how many intervals have passed at some times, those begun as a part."""
        return np.interp(times, self.edges, np.arange(len(self.edges)))

    def encode(self, event: np.ndarray, time: np.ndarray) -> np.ndarray:
        """Return lived intervals, below 0 of the censored; an event behind the horizon is not seen.

        event (n_subjects,), time (n_subjects,) -> (n_subjects,).
        """
        seen = event & (time <= self.ends[-1])
        interval = 1 + np.searchsorted(self.ends, time, side="left")
        return np.where(seen, interval, -self.locate(time))

    def decode(self, lived: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return events and times of lived intervals, an event at the end of its interval."""
        return lived > 0, np.interp(np.abs(lived), np.arange(len(self.edges)), self.edges)

    def survive(self, odds: np.ndarray, times: np.ndarray) -> np.ndarray:
        """Return the probability of no event until some times.

        odds (n_subjects, n_intervals) of the hazards, times (n_times,) -> (n_subjects, n_times).
        """
        cumulated = np.pad(np.cumsum(np.logaddexp(0, odds), axis=1), ((0, 0), (1, 0)))
        passed = self.locate(times)
        whole = np.minimum(passed.astype(int), self.n_intervals - 1)
        part = passed - whole
        hazards = (1 - part) * cumulated[:, whole] + part * cumulated[:, whole + 1]
        return np.exp(-hazards)

    def restricted_mean(self, odds: np.ndarray) -> np.ndarray:
        """Return the mean time without an event up to the last end, in years.

        odds (n_subjects, n_intervals) of the hazards -> (n_subjects,).
        """
        hazards = np.logaddexp(0, odds)
        begun = np.exp(-np.pad(np.cumsum(hazards, axis=1), ((0, 0), (1, 0)))[:, :-1])
        # Of an interval that is begun, the part lived: all of it where the hazard is 0.
        small = hazards < 1e-8
        part = np.where(small, 1.0, -np.expm1(-hazards) / np.where(small, 1.0, hazards))
        return (begun * part) @ np.diff(self.edges)
