"""Diagnoses: their codes and words, and the course of each subject's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from adestim._support.missing import DIAGNOSIS_WORDS
from adestim._support.words import first_names
from adestim.exceptions import InputError, TableError

NOT_AD = "Dementia (not AD)"
DEMENTIA = ("AD", NOT_AD)
CODES = {"1": "CN", "2": "MCI", "3": "AD"}
RULES: dict[str, dict[str, str]] = {
    "diagnosis": CODES,
    "dxcurren": CODES,
    # What the change arrived at: 7 to 9 are reversions.
    "dxchange": {
        "1": "CN", "2": "MCI", "3": "AD", "4": "MCI", "5": "AD", "6": "AD", "7": "CN", "8": "MCI",
        "9": "CN",
    },
    "text": {
        "cn": "CN", "nl": "CN", "normal": "CN", "smc": "SMC", "mci": "MCI", "emci": "MCI",
        "lmci": "MCI", "ad": "AD", "dementia": "AD",
    },
}  # fmt: skip


def choose_rule(rule: str | Mapping[str, str]) -> Mapping[str, str]:
    """Return label by code."""
    if isinstance(rule, Mapping):
        return rule
    if rule not in RULES:
        raise InputError(
            f"The 'rule' parameter must be one of {', '.join(map(repr, RULES))}, or a mapping",
            got=f"{rule!r} instead",
        )
    return RULES[rule]


def fold_diagnosis_codes(cells: pd.Series) -> pd.Series:
    """Return codes as lower-case strings; 3, 3.0, '3' and '3.0' are one."""
    text = cells.astype("str").str.strip().str.lower().str.replace(r"\.0+$", "", regex=True)
    return text.where(cells.notna() & ~text.isin(DIAGNOSIS_WORDS))


def check_codes(unknown: pd.Series, rule: object, column: str) -> None:
    """Refuse codes that the rule does not have."""
    if unknown.any():
        rows = np.flatnonzero(unknown) + 1
        raise TableError(
            f"Every code of column {column!r} is one of the rule's",
            got=f"others in {len(rows)} rows, the first being row {rows[0]}",
            remedy=f"Choose another rule than {rule!r}, or give a mapping of label by code",
        )


def require_visit_columns(table: pd.DataFrame, columns: Sequence[str]) -> None:
    """Refuse a table of visits that lacks a column."""
    lacking = [column for column in columns if column not in table]
    if lacking:
        raise TableError(
            f"Visits have the columns {', '.join(map(repr, columns))}",
            got=f"none named {first_names(lacking)}",
        )


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


def read_histories(visits: pd.DataFrame, baseline_within: float) -> Iterator[History]:
    """Yield one history a subject, in the order in which they first appear."""
    require_visit_columns(visits, ["subject", "months", "diagnosis"])
    codes, subjects = pd.factorize(visits["subject"].astype("str"))
    months = pd.to_numeric(visits["months"]).to_numpy(float, na_value=np.nan)
    # Visits without a time stand last, and are cut off.
    order = np.lexsort((months, codes))
    diagnoses = visits["diagnosis"].astype(object).to_numpy()
    ends = np.cumsum(np.bincount(codes, minlength=len(subjects)))
    for subject, rows in zip(subjects, np.split(order, ends)[:-1], strict=True):
        rows = rows[~np.isnan(months[rows])]
        yield read_history(str(subject), months[rows], diagnoses[rows], baseline_within)


def read_history(
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
