"""Images and visits of the same person, brought together by time."""

from __future__ import annotations

import numpy as np
import pandas as pd

from adestim._support.words import first_names
from adestim.exceptions import InputError

TIES = ("earlier", "later")


def match_visits(
    images: pd.DataFrame,
    visits: pd.DataFrame,
    *,
    on: str = "subject",
    image_time: str = "date",
    visit_time: str = "date",
    window: float = 183,
    ties: str = "earlier",
) -> pd.DataFrame:
    """Find the visit nearest to each image, of the same subject and within a window.

    Parameters
    ----------
    images : DataFrame of shape (n_images, n_columns)
        One row an image.
    visits : DataFrame of shape (n_visits, n_columns)
        One row a visit.
    on : str, default="subject"
        Column of both with the subject. Rows of different subjects never meet.
    image_time, visit_time : str, default="date"
        Column with the time, as dates or as numbers of days: the same in both tables.
    window : float, default=183
        Largest distance in days, itself allowed.
    ties : {"earlier", "later"}, default="earlier"
        Which of two visits at the same distance is taken.

    Returns
    -------
    DataFrame of shape (n_images, n_columns)
        ``images``, index and order kept, with the columns of the visit (those that ``images``
        has too end in ``_visit``), ``visit_row`` (its label in the index of ``visits``) and
        ``days_apart`` (days from the image to the visit, negative when the visit came first). All
        are missing where no visit lies within the window, and where an image has no time.

    Raises
    ------
    InputError
        When a column is missing, the times are of two kinds, a parameter is out of range, or a
        subject has several visits at the same time.

    Notes
    -----
    A visit without a time is nobody's nearest. To find the image nearest to each visit instead,
    exchange the two tables.

    Examples
    --------
    >>> import pandas as pd
    >>> from adestim.datasets import match_visits
    >>> images = pd.DataFrame({"subject": ["s1"], "day": [500]})
    >>> visits = pd.DataFrame(
    ...     {"subject": ["s1", "s1", "s2"], "day": [480, 700, 500], "cdr": [0.0, 0.5, 1.0]}
    ... )
    >>> matched = match_visits(images, visits, image_time="day", visit_time="day", window=365)
    >>> matched[["cdr", "days_apart"]]
       cdr  days_apart
    0  0.0       -20.0
    """
    check_matching(window, ties)
    left = make_visit_keys(images, on, image_time, "images")
    right = make_visit_keys(visits, on, visit_time, "visits")
    check_time_kinds(images[image_time], visits[visit_time])
    check_one_visit_at_a_time(right)
    rows, apart = find_nearest_rows(left, right, float(window), ties)
    return add_visits(images, visits.drop(columns=on), rows, apart)


def check_matching(window: float, ties: str) -> None:
    """Refuse parameters out of range."""
    if not (np.isscalar(window) and not isinstance(window, str) and window >= 0):
        raise InputError(
            "The 'window' parameter of match_visits must be a number of days, 0 or more",
            got=f"{window!r} instead",
        )
    if ties not in TIES:
        raise InputError(
            "The 'ties' parameter of match_visits must be 'earlier' or 'later'",
            got=f"{ties!r} instead",
        )


def make_visit_keys(table: pd.DataFrame, on: str, time: str, name: str) -> pd.DataFrame:
    """Return subject, time in days, and row number of the rows that have a time, by time."""
    lacking = [column for column in (on, time) if column not in table]
    if lacking:
        raise InputError(
            f"The table of {name} has a subject and a time",
            got=f"no column {first_names(lacking)}",
            remedy="Name them by 'on', 'image_time' and 'visit_time'",
        )
    subjects = table[on].astype("str").reset_index(drop=True)
    keys = pd.DataFrame(
        {"subject": subjects, "day": count_days(table[time]), "row": range(len(table))}
    )
    return keys[table[on].notna().to_numpy()].dropna().sort_values("day", kind="stable")


def count_days(times: pd.Series) -> np.ndarray:
    """Return times as days, dates counted from 1970."""
    if pd.api.types.is_datetime64_any_dtype(times):
        return ((times - pd.Timestamp(0, tz=times.dt.tz)) / pd.Timedelta(days=1)).to_numpy(float)
    try:
        return pd.to_numeric(times).to_numpy(float, na_value=np.nan)
    except (TypeError, ValueError):
        raise InputError(
            f"Times are dates or numbers of days, and column {times.name!r} is neither",
            got=f"the type {times.dtype}",
            remedy="Read it with read_table(..., dates=[...]), or through pandas.to_datetime",
        ) from None


def check_time_kinds(image_times: pd.Series, visit_times: pd.Series) -> None:
    """Refuse dates on one side and numbers of days on the other."""
    kinds = [pd.api.types.is_datetime64_any_dtype(times) for times in (image_times, visit_times)]
    if kinds[0] != kinds[1]:
        raise InputError(
            "Times of images and visits are of one kind, dates or numbers of days",
            got="dates in one table and numbers in the other",
        )


def check_one_visit_at_a_time(visits: pd.DataFrame) -> None:
    """Refuse several visits of a subject at the same time: which is meant is not ours to say."""
    twice = visits.loc[visits.duplicated(["subject", "day"]), "subject"].unique()
    if len(twice):
        raise InputError(
            "A subject has one visit at a time",
            got=f"several at the same for {first_names(twice)}",
            remedy="Settle them first, for instance with settle_duplicates",
        )


def find_nearest_rows(
    left: pd.DataFrame, right: pd.DataFrame, window: float, ties: str
) -> tuple[pd.Series, pd.Series]:
    """Return the row of the nearest visit, and its distance, by the row of the image."""
    before, after = (
        find_nearest_on_side(left, right, window, side) for side in ("backward", "forward")
    )
    gap_before, gap_after = before["gap"].abs(), after["gap"].abs()
    closer = gap_before <= gap_after if ties == "earlier" else gap_before < gap_after
    chosen = before.where(closer | after["gap"].isna(), after)
    return chosen["row_visit"], chosen["gap"]


def find_nearest_on_side(
    left: pd.DataFrame, right: pd.DataFrame, window: float, direction: str
) -> pd.DataFrame:
    """Return the nearest visit on one side of each image, by the row of the image."""
    visits = right.rename(columns={"row": "row_visit"}).assign(there=right["day"])
    found = pd.merge_asof(
        left, visits, on="day", by="subject", direction=direction, tolerance=window
    )
    sided = found.assign(gap=found["there"] - found["day"]).set_index("row")
    return sided[["row_visit", "gap"]].astype("float64")


def add_visits(
    images: pd.DataFrame, visits: pd.DataFrame, rows: pd.Series, apart: pd.Series
) -> pd.DataFrame:
    """Put the columns of the matched visits beside the images."""
    place = range(len(images))
    # No row is number -1, so that an image without a visit gets missing cells.
    found = rows.reindex(place).fillna(-1).astype("int64")
    taken = visits.assign(visit_row=visits.index).set_axis(range(len(visits)))
    taken = taken.reindex(found.to_numpy()).set_axis(images.index)
    clash = {column: f"{column}_visit" for column in taken if column in images}
    taken["days_apart"] = apart.reindex(place).to_numpy(float)
    return pd.concat([images, taken.rename(columns=clash)], axis=1)
