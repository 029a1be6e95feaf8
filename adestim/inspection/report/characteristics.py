"""Who the subjects of a report are, by class: what papers call Table 1."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from adestim._support.missing import is_missing
from adestim.encoding.tokens import SEPARATOR

# What a column must be called, in lower case, to be told of by itself.
KNOWN = {
    "age": re.compile(r"(entry_|baseline_)?age(_at_\w+|_years|_bl)?"),
    "sex": re.compile(r"sex|gender|ptgender"),
    "education": re.compile(r"edu(c|cation)?(_years|_yrs)?|pteducat|years_of_education"),
    "APOE": re.compile(r"apoe\w*|n_?e4"),
}
MOST_LEVELS = 6
ALL = "all"


def find_characteristics(X: Any) -> pd.DataFrame:
    """Return a table's columns of age, sex, education and APOE, under these names."""
    if not isinstance(X, pd.DataFrame):
        return pd.DataFrame(index=range(len(X)))
    found = {}
    for name, pattern in KNOWN.items():
        fitting = [column for column in X.columns if pattern.fullmatch(strip_modality(column))]
        if fitting and not X[fitting[0]].map(is_structured).any():
            found[name] = X[fitting[0]]
    return pd.DataFrame(found, index=X.index)


def strip_modality(column: Any) -> str:
    """Return a column's name in lower case, without that of its modality."""
    return str(column).rsplit(SEPARATOR, 1)[-1].strip().lower().replace(" ", "_")


def is_structured(cell: Any) -> bool:
    """Tell whether a cell holds more than a number or a word, such as an encoding."""
    return not (cell is None or pd.api.types.is_scalar(cell))


def tabulate_characteristics(frame: pd.DataFrame, labels: np.ndarray | None) -> pd.DataFrame:
    """Return a row a number, or a level of a category, and a column a class.

    frame (n_subjects, n_characteristics), labels (n_subjects,).
    """
    parts = split_by_label(frame, labels)
    rows: dict[str, dict[str, str]] = {}
    for name in frame.columns:
        levels = list_levels(frame[name])
        for label, part in parts.items():
            for row, text in describe_column(str(name), part[name], levels):
                rows.setdefault(row, {})[label] = text
    table = pd.DataFrame.from_dict(rows, orient="index", columns=list(parts))
    return table.rename_axis("characteristic")


def split_by_label(frame: pd.DataFrame, labels: np.ndarray | None) -> Mapping[str, pd.DataFrame]:
    """Return the subjects of every class, and all, with their numbers in the names."""
    groups = {} if labels is None else dict(iter(frame.groupby(np.asarray(labels).astype(str))))
    return {f"{label} (n = {len(part)})": part for label, part in {**groups, ALL: frame}.items()}


def list_levels(column: pd.Series) -> list[str] | None:
    """Return the levels of a category, None for numbers; many levels are told as one row."""
    known = column[~column.map(is_missing)]
    numbers = pd.to_numeric(known, errors="coerce")
    levels = sorted(known.astype(str).unique())
    if numbers.notna().all() and len(levels) > MOST_LEVELS - 1:
        return None
    return levels[:MOST_LEVELS]


def describe_column(
    name: str, column: pd.Series, levels: list[str] | None
) -> Iterator[tuple[str, str]]:
    """Yield rows of the table of one column: a mean, or how many have every level."""
    missing = column.map(is_missing).to_numpy(dtype=bool)
    known = column[~missing]
    if levels is None:
        yield name, describe_numbers(pd.to_numeric(known))
    else:
        for level in levels:
            yield f"{name}: {level}", describe_share(int((known.astype(str) == level).sum()), known)
    if missing.any():
        yield f"{name}: not known", str(int(missing.sum()))


def describe_numbers(numbers: pd.Series) -> str:
    """Return mean and standard deviation in words."""
    if not len(numbers):
        return "–"
    spread = f" ± {numbers.std():.1f}" if len(numbers) > 1 else ""
    return f"{numbers.mean():.1f}{spread}"


def describe_share(count: int, known: pd.Series) -> str:
    """Return a number and its share of those of whom it is known."""
    return f"{count} ({count / len(known):.0%})" if len(known) else "–"
