"""Labels of the participants of a BIDS data set: from a column, or from their identifiers."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import pandas as pd

from adestim._support.words import first_names
from adestim.datasets.loaders.participants import Levels, translated
from adestim.datasets.tables.columns import check_required, find_columns
from adestim.exceptions import InputError, TableError

Group = str | re.Pattern | Callable[[str], str | None]

TARGETS = (
    "diagnosis",
    "diagnostic_group",
    "clinical_group",
    "group",
    "dx",
    "dx_group",
    "diagnosis_sc",
)


def target_column(names: pd.Index, target: str | None) -> str:
    """Return the column with the groups, as the tables spell it."""
    spellings = {"target": TARGETS if target is None else (target,)}
    found = find_columns(list(names), spellings)
    if target is not None:
        check_required(list(names), spellings, found, ["target"], "participants.tsv")
    if not found:
        raise TableError(
            "'participants.tsv' or 'sessions.tsv' says who belongs to which group",
            got=f"none of {first_names(TARGETS, limit=9)} among the columns "
            f"{first_names(names, limit=20)}",
            remedy="Name the column by 'target', or pass 'group', which reads identifiers",
        )
    return found["target"]


def groups_by_name(subjects: pd.Index, group: Group) -> pd.Series:
    """Return the group that is part of an identifier."""
    if isinstance(group, (str, re.Pattern)):
        pattern = re.compile(group)
        found = [pattern.search(subject.removeprefix("sub-")) for subject in subjects]
        codes = [match and match[1 if pattern.groups else 0] for match in found]
    else:
        codes = [group(subject.removeprefix("sub-")) for subject in subjects]
    return pd.Series(codes, index=subjects, dtype="str", name="group")


def labels_of(
    codes: pd.Series, levels: Levels, labels: Mapping[str, str] | None
) -> tuple[pd.Series, pd.Series]:
    """Turn codes of groups into labels."""
    meanings = translated(codes, levels)
    target = meanings
    if labels is not None:
        asked = {str(code): label for code, label in labels.items()}
        target = codes.map(asked).astype("str").fillna(meanings.map(asked).astype("str"))
    if target.isna().all():
        raise InputError(
            "Somebody belongs to a group that is asked for",
            got=f"only the groups {first_names(sorted(meanings.dropna().unique()), limit=20)}",
            remedy="Name them in 'labels', as {'code': 'label'}",
        )
    unasked = "group " + meanings + " is not asked for"
    reasons = unasked.fillna("no group is told")[target.isna()]
    return target.dropna().rename("diagnosis"), reasons
