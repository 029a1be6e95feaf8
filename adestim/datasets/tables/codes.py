"""Codes of a study, each translated by its own table, so that a foreign code is noticed."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from adestim.datasets.tables.cells import text_of
from adestim.exceptions import TableError


def plain_code(cells: pd.Series) -> pd.Series:
    """Return codes in lower case; 1, 1.0 and ``"1"`` are one."""
    return cells.str.strip().str.casefold().str.replace(r"\.0+$", "", regex=True)


def translated(cells: pd.Series, codes: Mapping[str, str], column: str, source: str) -> pd.Series:
    """Translate codes to words."""
    words = text_of(plain_code(cells).map(codes))
    strange = cells.notna() & words.isna()
    if strange.any():
        said = ", ".join(f"{code} = {word}" for code, word in codes.items())
        raise TableError(
            f"Column {column!r} of {source!r} is coded {said}",
            got=f"another code in {int(strange.sum())} rows",
            remedy="Check that the table is of this study: others code it differently",
        )
    return words


def once(table: pd.DataFrame, column: str) -> pd.Series:
    """Return the first known cell of each subject."""
    return table.dropna(subset=[column]).groupby("subject", sort=False)[column].first()
