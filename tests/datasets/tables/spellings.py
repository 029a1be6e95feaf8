"""Tables of known content, written in a spelling drawn at random."""

import csv
import datetime
import io
from dataclasses import dataclass

from hypothesis import strategies as st

NAMES = ("RID", "SITE", "MMSE", "TAU", "EXAMDATE")
WORDS = ("München", "Tübingen", "Oslo", "A; B", "x, y", "Île-de-France")
MISSING = (
    "",
    " ",
    "NA",
    "N/A",
    "n/a",
    "nan",
    "NaN",
    "None",
    "NULL",
    "null",
    "<NA>",
    ".",
    "#N/A",
    "-",
)
ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-16-be", "utf-32", "cp1252")
DATES = (
    "%Y-%m-%d", "%Y/%m/%d", "%Y%m%d", "%d.%m.%Y", "%d-%b-%Y", "%d%b%Y", "%m/%d/%Y", "%d/%m/%Y",
    "%d-%m-%Y", "%b %d, %Y", "%Y-%m-%dT%H:%M:%S", "%d.%m.%Y %H:%M",
)  # fmt: skip
FIRST, LAST = datetime.date(1990, 1, 1), datetime.date(2025, 12, 31)


@dataclass(frozen=True)
class Spelling:
    """How a table is written."""

    encoding: str
    separator: str
    missing: str
    decimal: str
    groups: str
    unit: str
    date: str
    newline: str
    quoted: bool
    blank_rows: bool


marks = st.sampled_from([(".", ""), (",", ""), (".", ","), (",", "."), (",", " "), (".", "'")])
spellings = st.builds(
    lambda encoding, separator, missing, pair, *rest: Spelling(
        encoding, separator, missing, *pair, *rest
    ),
    st.sampled_from(ENCODINGS), st.sampled_from(",;\t|"), st.sampled_from(MISSING),
    marks, st.sampled_from(["", "", "", " %", " mg/dl", "kg"]), st.sampled_from(DATES),
    st.sampled_from(["\n", "\r\n"]), st.booleans(), st.booleans(),
)  # fmt: skip
rows = st.lists(
    st.tuples(
        st.sampled_from(WORDS),
        st.one_of(st.none(), st.integers(-5, 40)),
        st.one_of(st.none(), st.integers(-(10**7), 10**7).map(lambda whole: whole / 1000)),
        st.one_of(st.none(), st.dates(FIRST, LAST)),
    ),
    min_size=1,
    max_size=8,
)


def write_number(number, spelling):
    """Write a number of at most three decimals, its zeros at the end left out.

    Not so where points stand between thousands: "1.000" alone is one to every program.
    """
    text = f"{number:,.3f}"
    text = text if spelling.groups == "." else text.rstrip("0").rstrip(".")
    marks = {".": spelling.decimal, ",": spelling.groups}
    return text.translate(str.maketrans(marks)) + spelling.unit


def write_cells(row, number, spelling):
    """Return the cells of one row."""
    word, score, tau, date = row
    return [
        f"{number:04d}",
        word,
        spelling.missing if score is None else str(score),
        spelling.missing if tau is None else write_number(tau, spelling),
        spelling.missing if date is None else date.strftime(spelling.date),
    ]


def write_content(rows, spelling, names=NAMES):
    """Return the bytes of a table."""
    text = io.StringIO(newline="")
    quoting = csv.QUOTE_ALL if spelling.quoted else csv.QUOTE_MINIMAL
    writer = csv.writer(
        text, delimiter=spelling.separator, lineterminator=spelling.newline, quoting=quoting
    )
    writer.writerow(names)
    for place, row in enumerate(rows):
        writer.writerow(write_cells(row, place, spelling))
        if spelling.blank_rows:
            text.write(spelling.separator * (len(names) - 1) + spelling.newline)
    mark = "\N{ZERO WIDTH NO-BREAK SPACE}" if spelling.encoding == "utf-16-be" else ""
    return (mark + text.getvalue()).encode(spelling.encoding)
