"""Ages at a visit, from dates of birth of which only a part is handed out."""

from __future__ import annotations

from warnings import warn

import pandas as pd

from adestim.datasets.tables.cells import as_dates
from adestim.exceptions import DataWarning

DAYS_A_YEAR = 365.25


def birth_dates(
    text: pd.Series, year: pd.Series | None = None, month: pd.Series | None = None
) -> pd.Series:
    """Return dates of birth; of a year alone its middle, of a month its first day."""
    dates = as_dates(text.where(text.str.contains(r"\d\D+\d", regex=True).fillna(False)))
    years = pd.to_numeric(text.str.extract(r"(\d{4})$", expand=False)).astype("float64")
    months = pd.Series(7.0, index=text.index)
    if year is not None:
        years = years.fillna(year)
    if month is not None:
        months = month.fillna(7.0)
    written = years.map("{:04.0f}".format, na_action="ignore").astype("str")
    written = months.map("{:02.0f}/".format).astype("str").str.cat(written)
    return dates.fillna(as_dates(written))


def ages(births: pd.Series, dates: pd.Series) -> pd.Series:
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
