"""What scores of survival are given: outcomes, predictions, and how likely it is to be seen."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from adestim._support.survival_targets import read_survival
from adestim.evaluation.survival.kaplan_meier import StepCurve, estimate_uncensored
from adestim.exceptions import InputError


@dataclass(frozen=True, eq=False)
class Outcomes:
    """Who had the event and when, and the weights by which those seen stand for the censored.

    J. M. Robins and A. Rotnitzky, "Recovery of information and adjustment for dependent censoring
    using surrogate markers", in: AIDS Epidemiology, Birkhauser 1992.
    """

    event: np.ndarray  # (n_subjects,)
    time: np.ndarray  # (n_subjects,); years
    uncensored: StepCurve  # probability of not being censored until a time

    @classmethod
    def of(cls, y: Any, train: Any, owner: str) -> Outcomes:
        """Read outcomes; censoring is learned from those of training, by default the same."""
        event, time = read_survival(y, owner)
        learned = (event, time) if train is None else read_survival(train, owner)
        return cls(event, time, estimate_uncensored(*learned))

    def take(self, rows: np.ndarray) -> Outcomes:
        """Return those of some subjects, censoring being what it was."""
        return replace(self, event=self.event[rows], time=self.time[rows])

    @property
    def weight(self) -> np.ndarray:
        """Inverse probability of being seen until the own time, 0 where there is none."""
        return invert(self.uncensored.at(self.time))

    def require_times(self, times: np.ndarray, owner: str) -> None:
        """Refuse times at which nobody is left, or nobody could be seen."""
        last = self.time.max()
        seen = self.uncensored.at(times) > 0
        if ((times < 0) | ~(times < last) | ~seen).any():
            known = self.uncensored.times[self.uncensored.values > 0]
            least = min(last, known.max(initial=0))
            raise InputError(
                f"Times of {owner} lie within follow-up, from 0 to below {least:.4g} years, where "
                "some subjects are left",
                got=", ".join(f"{time:.4g}" for time in times[~((times >= 0) & (times < last))][:3])
                or f"{times.max():.4g}",
                remedy="Score earlier times: predict_survival_function(X, times)",
            )


def invert(probability: np.ndarray) -> np.ndarray:
    """Return inverse probabilities, 0 where there is none."""
    return np.divide(1.0, probability, out=np.zeros(len(probability)), where=probability > 0)


def read_risk(risk: Any, n_subjects: int, owner: str) -> np.ndarray:
    """Return a risk score for every subject, or say why there is none."""
    values = np.asarray(risk, dtype=np.float64)
    if values.shape != (n_subjects,) or not np.isfinite(values).all():
        raise InputError(
            f"{owner} needs a finite risk score for every subject, higher for an earlier event",
            got=f"shape {values.shape} for {n_subjects} subjects, or NaN",
            remedy="Pass predict(X), or predict_risk(X, horizon), of the same subjects in the "
            "same order",
        )
    return values


def read_curves(survival: Any, n_subjects: int, owner: str) -> tuple[np.ndarray, np.ndarray]:
    """Return survival (n_subjects, n_times) and its times, or say why they are none."""
    if not isinstance(survival, pd.DataFrame) or len(survival) != n_subjects:
        raise InputError(
            f"{owner} needs a DataFrame of survival, a row a subject and a column a time",
            got=f"{type(survival).__name__} of shape {np.shape(survival)} for {n_subjects} "
            "subjects",
            remedy="Pass predict_survival_function(X, times)",
        )
    times = survival.columns.to_numpy(dtype=np.float64)
    values = survival.to_numpy(dtype=np.float64)
    if not len(times) or not (np.diff(times) > 0).all():
        raise InputError(
            f"{owner} needs survival at rising times", got=f"{len(times)} that do not rise"
        )
    if not ((values >= 0) & (values <= 1)).all():
        raise InputError(f"{owner} needs survival between 0 and 1", got="other numbers or NaN")
    return values, times


def read_horizon(times: Any, owner: str) -> np.ndarray:
    """Return times that are asked for, (n_times,), or say why they are none."""
    asked = np.atleast_1d(np.asarray(times, dtype=np.float64))
    if asked.ndim != 1 or not len(asked) or not np.isfinite(asked).all():
        raise InputError(f"Times of {owner} are finite numbers of years", got=f"{times!r}")
    return asked
