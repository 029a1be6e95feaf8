"""Visits of ADNI and AIBL: what their codes mean, and how long after the baseline they were."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

DAYS_A_MONTH = 365.25 / 12
SCREENING = r"^((?:\d_)?)(?:sc|scmri|f|m0+)$"
LEADING_ZEROS = r"^((?:\d_)?m)0+(\d)"
SCHEDULED = r"^((?:\d_)?(?:bl|m\d+))$"


def map_distinct(cells: pd.Series, function: Callable[[pd.Series], pd.Series]) -> pd.Series:
    """Return what a function makes of text, worked out once for each distinct cell."""
    known = pd.Series(cells.dropna().unique(), dtype="str")
    return cells.map(pd.Series(function(known).to_numpy(), index=known)).astype("str")


def fold_visit_codes(codes: pd.Series) -> pd.Series:
    """Return codes of visits in lower case, without a session's prefix."""
    return codes.str.strip().str.lower().str.replace(r"^ses-", "", regex=True)


def name_schedule(codes: pd.Series) -> pd.Series:
    """Return codes with screening as the baseline, and months without leading zeros."""
    text = fold_visit_codes(codes).str.replace(SCREENING, r"\1bl", regex=True)
    return text.str.replace(LEADING_ZEROS, r"\1\2", regex=True)


def is_screening(codes: pd.Series) -> pd.Series:
    """Tell of each code whether it is of a screening visit."""
    found = map_distinct(
        codes, lambda text: fold_visit_codes(text).str.extract(SCREENING, expand=False)
    )
    return found.notna()


def name_slots(codes: pd.Series, dates: pd.Series) -> pd.Series:
    """Return one name a visit, the same in all of a study's tables.

    Screening belongs to the baseline, ``m06`` and ``M006`` are one. Codes outside the schedule are
    used more than once: their date is added.
    """
    names = map_distinct(codes, name_schedule)
    scheduled = map_distinct(names, lambda text: text.str.extract(SCHEDULED, expand=False)).notna()
    dated = dates[~scheduled].dt.strftime("%Y-%m-%d").fillna("").astype("str")
    outside = names[~scheduled].fillna("").str.cat(dated, sep=" ").str.strip()
    return names.where(scheduled, outside).astype("str")


def read_months(names: pd.Series) -> pd.Series:
    """Return the months from the baseline at which a visit is due; missing if its code hides it."""
    numbers = pd.to_numeric(names.str.extract(r"^m(\d+)$", expand=False)).astype("float64")
    return numbers.mask((names == "bl").astype(bool), 0.0)


def merge_visit_rows(rows: pd.DataFrame) -> pd.DataFrame:
    """Merge the rows of one subject and slot: the first known cell counts, screening comes last."""
    late = is_screening(rows["code"]).to_numpy()
    ordered = rows.iloc[late.argsort(kind="stable")].drop(columns="code")
    return ordered.groupby(["number", "slot"], sort=False, as_index=False).first()


def find_origins(visits: pd.DataFrame) -> pd.Series:
    """Return the day of each one's baseline: its date, or what the first dated visit implies."""
    planned = read_months(visits["slot"])
    back = visits["date"] - pd.to_timedelta((planned * DAYS_A_MONTH).round(), unit="D")
    dated = visits[["number"]].assign(planned=planned, origin=back).dropna()
    dated = dated.sort_values("planned", kind="stable")
    implied = dated.groupby("number")["origin"].first()
    earliest = visits.groupby("number")["date"].min().dropna()
    # Two columns without a single date have no common type.
    return implied.combine_first(earliest).astype("datetime64[us]").rename("origin")


def add_times(visits: pd.DataFrame) -> pd.DataFrame:
    """Add when a visit was."""
    start = find_origins(visits).reindex(visits["number"]).set_axis(visits.index)
    since = (visits["date"] - start).dt.days.astype("float64")
    months = read_months(visits["slot"]).fillna((since / DAYS_A_MONTH).round(1))
    return visits.assign(months=months, day=since.fillna((months * DAYS_A_MONTH).round()))
