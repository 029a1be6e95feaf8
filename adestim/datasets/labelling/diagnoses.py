"""Codes of diagnosis, and what they mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

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


def rule_table(rule: str | Mapping[str, str]) -> Mapping[str, str]:
    """Return label by code."""
    if isinstance(rule, Mapping):
        return rule
    if rule not in RULES:
        raise InputError(
            f"The 'rule' parameter must be one of {', '.join(map(repr, RULES))}, or a mapping",
            got=f"{rule!r} instead",
        )
    return RULES[rule]


def plain_codes(cells: pd.Series) -> pd.Series:
    """Return codes as lower-case strings; 3, 3.0, '3' and '3.0' are one."""
    text = cells.astype("str").str.strip().str.lower().str.replace(r"\.0+$", "", regex=True)
    return text.where(cells.notna() & ~text.isin(["", "-1", "-4", "nan"]))


def check_codes(unknown: pd.Series, rule: object, column: str) -> None:
    """Refuse codes that the rule does not have."""
    if unknown.any():
        rows = np.flatnonzero(unknown) + 1
        raise TableError(
            f"Every code of column {column!r} is one of the rule's",
            got=f"others in {len(rows)} rows, the first being row {rows[0]}",
            remedy=f"Choose another rule than {rule!r}, or give a mapping of label by code",
        )


def require_columns(table: pd.DataFrame, columns: Sequence[str]) -> None:
    """Refuse a table of visits that lacks a column."""
    lacking = [column for column in columns if column not in table]
    if lacking:
        raise TableError(
            f"Visits have the columns {', '.join(map(repr, columns))}",
            got=f"none named {first_names(lacking)}",
        )
