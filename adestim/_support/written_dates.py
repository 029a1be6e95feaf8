"""Dates as people write them, in one order of day and month a column."""

from __future__ import annotations

import datetime
import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from adestim._support.written_numbers import is_word
from adestim.exceptions import AdestimError, TableError

TIME_OF_DAY = re.compile(r"(?:T|\s+|:)\d{1,2}:\d{2}.*$")
EARLIEST = datetime.date(1900, 1, 1)
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
WORD = (
    r"(?P<word>jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|"
    r"sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\.?"
)
YEAR, MONTH, DAY = r"(?P<year>\d{4})", r"(?P<month>\d{1,2})", r"(?P<day>\d{1,2})"
# Of a month without a day its first stands for it.
FORMS = [
    re.compile(form, re.IGNORECASE)
    for form in (
        rf"{YEAR}(?P<mark>[-/.]){MONTH}(?P=mark){DAY}",
        r"(?P<year>(?:19|20)\d{2})(?P<month>0[1-9]|1[0-2])(?P<day>0[1-9]|[12]\d|3[01])(?:\.0+)?",
        rf"{DAY}\.{MONTH}\.{YEAR}",
        rf"{DAY}[-/. ]?\s?{WORD}[-/, ]?\s?{YEAR}",
        rf"{WORD}\s{DAY},?\s{YEAR}",
        rf"{WORD}[-/, ]?\s?{YEAR}",
        rf"{MONTH}/{YEAR}",
        rf"{YEAR}-{MONTH}",
        # Which comes first, day or month, is a question to the column.
        rf"(?P<first>\d{{1,2}})(?P<mark>[-/])(?P<second>\d{{1,2}})(?P=mark){YEAR}",
    )
]
# Its century is not told, nor often which part is the day.
SHORT_YEAR = re.compile(r"\d{1,2}([-/.])\d{1,2}\1\d{2}")


class DateParts(NamedTuple):
    """The numbers of a date; ``first`` and ``second`` are day and month in either order."""

    year: int
    month: int
    day: int
    first: int
    second: int


class Dates(NamedTuple):
    """Cells read as dates."""

    values: np.ndarray  # (n_cells,), datetime64[us]; NaT where missing or unreadable
    is_unreadable: np.ndarray  # (n_cells,); true where a cell holds what is no possible date
    order: str  # "day" or "month": which comes first, as a cell tells; empty where none does
    is_guessed: bool  # whether the order is asked for and no cell tells, so that it is the usual


def read_written_dates(
    texts: Sequence[str],
    what: str = "a column",
    usual: str = "",
    refuse: type[AdestimError] = TableError,
) -> Dates:
    """Return texts as dates, without their time of day.

    Where cells such as 3/4/2010 do not tell whether the day or the month comes first, ``usual``
    ("day" or "month") decides, or the column is refused; and so it is where cells contradict.
    """
    parts = [take_date_apart(text) for text in texts]
    order = find_order(parts, what, refuse)
    is_open = not order and any(p and p.first and p.first != p.second for p in parts)
    if is_open and not usual:
        raise refuse(
            f"It is clear of the dates of {what} whether the day or the month comes first",
            got="no day above 12 that would tell",
            remedy="Write them as 2010-12-31",
        )
    days = [None if p is None else make_date(p, order or usual) for p in parts]
    values = np.array(days, dtype="datetime64[us]")
    words = np.array([is_word(text) for text in texts], dtype=bool)
    return Dates(values, words & np.isnat(values), order, is_open)


def looks_like_date(text: str) -> bool:
    """Tell whether a text has the form of a date, a possible one or not."""
    plain = TIME_OF_DAY.sub("", text.strip())
    return take_date_apart(text) is not None or SHORT_YEAR.fullmatch(plain) is not None


def take_date_apart(text: str) -> DateParts | None:
    """Return the numbers of a date; None where a text has another form."""
    text = TIME_OF_DAY.sub("", text.strip())
    match = next((found for form in FORMS if (found := form.fullmatch(text))), None)
    if match is None:
        return None
    said = match.groupdict()
    word = (said.get("word") or "")[:3].lower()
    month = MONTHS.index(word) + 1 if word else int(said.get("month") or 0)
    first, second = int(said.get("first") or 0), int(said.get("second") or 0)
    return DateParts(int(said["year"]), month, int(said.get("day") or 1), first, second)


def find_order(parts: Sequence[DateParts | None], what: str, refuse: type[AdestimError]) -> str:
    """Return which comes first by days above 12, "day" or "month"; nothing where none tells."""
    told: dict[str, int] = {}
    for place, date in enumerate(parts):
        if date is not None and (date.first > 12) != (date.second > 12):
            told.setdefault("day" if date.first > 12 else "month", place)
    if len(told) == 2:
        raise refuse(
            f"The dates of {what} are written in one way",
            got=f"the day first in row {told['day'] + 1}, and the month first in row "
            f"{told['month'] + 1}",
            remedy="Write all of them as 2010-12-31",
        )
    return next(iter(told), "")


def make_date(date: DateParts, order: str) -> datetime.date | None:
    """Return a day between 1900 and today; None where there is none such."""
    day, month = date.day, date.month
    if date.first:
        day, month = (date.first, date.second) if order == "day" else (date.second, date.first)
    try:
        made = datetime.date(date.year, month, day)
    except ValueError:
        return None
    return made if EARLIEST <= made <= datetime.date.today() else None
