"""Cells of a study's tables: from strings to identifiers, numbers, dates, ages and words."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from warnings import warn

import numpy as np
import pandas as pd

from adestim._support.missing import mask_missing
from adestim._support.words import first_names
from adestim._support.written_dates import read_written_dates
from adestim._support.written_numbers import learn_spelling, read_written_numbers
from adestim.exceptions import DataWarning, TableError

CENSORED = r"^([<>≤≥])\s*=?\s*(?=[\d.,])"
SIGNS = str.maketrans("≤≥", "<>")


DAYS_A_YEAR = 365.25


def as_text(values: pd.Series) -> pd.Series:
    """Return values as text; what is missing stays so, whatever the version of pandas."""
    return values.astype("str").where(values.notna())


def drop_codes(cells: pd.Series, codes: Collection[str]) -> pd.Series:
    """Make missing what is a code for it; -4 and -4.0 are one."""
    if not codes:
        return cells
    numbers = pd.to_numeric(pd.Series(list(codes), dtype="str"), errors="coerce").dropna()
    same_number = pd.to_numeric(cells, errors="coerce").isin(numbers)
    return cells.mask(cells.isin(list(codes)) | same_number)


def as_identifiers(cells: pd.Series) -> pd.Series:
    """Return identifiers as strings; one that a table program made a float loses its fraction."""
    return cells.str.replace(r"^(\d+)\.0+$", r"\1", regex=True)


def as_numbers(cells: pd.Series, what: str = "a column", limits: bool = False) -> pd.Series:
    """Return numbers in whichever way a column writes them; what is none is missing.

    Limits of an assay are numbers where they are asked for.
    """
    texts = cells.fillna("").tolist()
    read = read_written_numbers(texts, learn_spelling(texts, what))
    if read.unusual:
        warn(
            f"The numbers of {what} are written with {read.unusual}, and read as such.",
            DataWarning,
            stacklevel=6,
        )
    values = read.values if limits else np.where(read.is_limit, np.nan, read.values)
    return pd.Series(values, index=cells.index, dtype="float64")


def extract_signs(cells: pd.Series) -> pd.Series:
    """Return ``"<"`` or ``">"`` where a value lies beyond what the assay measures, else ``""``."""
    signs = cells.str.extract(CENSORED, expand=False).fillna("").astype("str")
    return signs.str.translate(SIGNS)


def as_dates(cells: pd.Series, what: str = "a column", day_first: bool | None = False) -> pd.Series:
    """Return dates, without their time of day; what is none, or cannot be, is missing.

    A day above 12 tells whether the day or the month comes first, else ``day_first`` does; None is
    the month, as in American tables, with a warning.
    """
    usual = "day" if day_first else "month"
    read = read_written_dates(cells.fillna("").tolist(), what, usual)
    if read.is_guessed and day_first is None:
        warn_of_order(f"No date of {what} tells whether the day or the month comes first", "month")
    if read.order == "day" and not day_first:
        warn_of_order(f"A day above 12 tells the order of the dates of {what}", "day")
    return pd.Series(read.values, index=cells.index, dtype="datetime64[us]")


def warn_of_order(reason: str, order: str) -> None:
    """Say in which order day and month are read."""
    read = "day/month/year" if order == "day" else "month/day/year"
    warn(
        f"{reason}; they are read as {read}. Write them as 2010-12-31 if they are not.",
        DataWarning,
        stacklevel=7,
    )


def convert_cells(
    cells: pd.Series, kind: str, what: str = "a column", day_first: bool | None = None
) -> pd.Series:
    """Return cells as identifiers, numbers, dates or text."""
    if kind == "dates":
        return as_dates(cells, what, day_first)
    if kind in ("number", "censored"):
        return as_numbers(cells, what, limits=kind == "censored")
    return as_identifiers(cells) if kind == "ids" else cells


def make_empty_column(n_rows: int) -> pd.Series:
    """Return a column of text without a single cell."""
    return mask_missing(pd.Series([""] * n_rows, dtype="str"))


def find_lost(before: pd.Series, after: pd.Series) -> np.ndarray:
    """Return the places of cells that were there and could not be read."""
    return np.flatnonzero((before.notna() & after.isna()).to_numpy())


def fold_codes(cells: pd.Series) -> pd.Series:
    """Return codes in lower case; 1, 1.0 and ``"1"`` are one."""
    return cells.str.strip().str.casefold().str.replace(r"\.0+$", "", regex=True)


def translate_codes(
    cells: pd.Series, codes: Mapping[str, str], column: str, source: str
) -> pd.Series:
    """Translate codes to words."""
    words = as_text(fold_codes(cells).map(codes))
    strange = cells.notna() & words.isna()
    if strange.any():
        said = ", ".join(f"{code} = {word}" for code, word in codes.items())
        raise TableError(
            f"Column {column!r} of {source!r} is coded {said}",
            got=f"another code in {int(strange.sum())} rows",
            remedy="Check that the table is of this study: others code it differently",
        )
    return words


def take_first_known(table: pd.DataFrame, column: str) -> pd.Series:
    """Return the first known cell of each subject."""
    return table.dropna(subset=[column]).groupby("subject", sort=False)[column].first()


def take_lasting(table: pd.DataFrame, column: str, source: str) -> pd.Series:
    """Return what does not change in a subject, the first known cell; a change is warned of."""
    known = table.dropna(subset=["subject", column]).groupby("subject", sort=False)[column]
    changed = known.nunique().loc[lambda count: count > 1]
    if len(changed):
        warn(
            f"{source!r} has differing cells of {column!r}, which does not change, for "
            f"{first_names(changed.index)}; the first of each counts.",
            DataWarning,
            stacklevel=3,
        )
    return known.first()


def read_birth_dates(
    text: pd.Series, year: pd.Series | None = None, month: pd.Series | None = None
) -> pd.Series:
    """Return dates of birth; of a year alone its middle, of a month its first day."""
    dates = as_dates(text, "the births", None)
    years = pd.to_numeric(text.str.extract(r"^\D*(\d{4})$", expand=False)).astype("float64")
    months = pd.Series(7.0, index=text.index)
    if year is not None:
        years = years.fillna(year)
    if month is not None:
        months = month.fillna(7.0)
    written = years.map("{:04.0f}".format, na_action="ignore").astype("str")
    written = months.map("{:02.0f}/".format).astype("str").str.cat(written)
    return dates.fillna(as_dates(written))


def compute_ages(births: pd.Series, dates: pd.Series) -> pd.Series:
    """Return ages in years, to one decimal; missing where a date lies before the birth."""
    years = ((dates - births).dt.days / DAYS_A_YEAR).round(1)
    impossible = years < 0
    if impossible.any():
        warn(
            f"{int(impossible.sum())} visits are dated before the birth; the age there is missing.",
            DataWarning,
            stacklevel=2,
        )
    return years.mask(impossible)
