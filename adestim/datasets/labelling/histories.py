"""What is known of each subject's diagnosis over time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from adestim.datasets.labelling.diagnoses import DEMENTIA, require_columns


@dataclass(frozen=True)
class History:
    """One subject's diagnoses by time, from the baseline on; ``reason`` where there is none."""

    subject: str
    months: np.ndarray  # (n_visits,); months since the baseline, ascending; the first is 0
    diagnoses: list[str]
    start: float = np.nan  # time of the baseline in the table's months
    reason: str | None = None  # why there is no baseline

    @property
    def followed(self) -> float:
        """Months from the baseline to the last known diagnosis."""
        return float(self.months[-1]) if len(self.months) else np.nan

    @property
    def converted_at(self) -> float:
        """Months from the baseline to the first dementia; missing if there is none."""
        demented = np.isin(self.diagnoses, DEMENTIA)
        return float(self.months[demented.argmax()]) if demented.any() else np.nan

    def until(self, month: float) -> list[str]:
        """Return the diagnoses up to a month."""
        return self.diagnoses[: int(np.searchsorted(self.months, month, side="right"))]

    def after(self, month: float) -> list[str]:
        """Return the diagnoses after a month."""
        return self.diagnoses[len(self.until(month)) :]


def histories(visits: pd.DataFrame, baseline_within: float) -> Iterator[History]:
    """Yield one history a subject, in the order in which they first appear."""
    require_columns(visits, ["subject", "months", "diagnosis"])
    codes, subjects = pd.factorize(visits["subject"].astype("str"))
    months = pd.to_numeric(visits["months"]).to_numpy(float, na_value=np.nan)
    # Visits without a time stand last, and are cut off.
    order = np.lexsort((months, codes))
    diagnoses = visits["diagnosis"].astype(object).to_numpy()
    ends = np.cumsum(np.bincount(codes, minlength=len(subjects)))
    for subject, rows in zip(subjects, np.split(order, ends)[:-1], strict=True):
        rows = rows[~np.isnan(months[rows])]
        yield history_of(str(subject), months[rows], diagnoses[rows], baseline_within)


def history_of(
    subject: str, months: np.ndarray, diagnoses: np.ndarray, baseline_within: float
) -> History:
    """Find the baseline, and what is known from there on."""
    nothing = History(subject, np.empty(0), [], reason="no visit with a time")
    if not len(months):
        return nothing
    known = ~pd.isna(diagnoses)
    first = months[0]
    months, diagnoses = months[known], diagnoses[known]
    if not len(months) or months[0] > first + baseline_within:
        return replace(nothing, reason="no diagnosis at baseline")
    same_time = np.flatnonzero(np.diff(months) == 0)
    if any(diagnoses[place] != diagnoses[place + 1] for place in same_time):
        return replace(nothing, reason="two diagnoses at one time")
    return History(subject, months - months[0], list(diagnoses), float(months[0]))
