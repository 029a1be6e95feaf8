"""Numbers as people write them: decimal commas, groups of thousands, percent, units, limits.

All cells of a column are written in one way, which is found in the cells themselves.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from adestim._support.missing import NUMBER_WORDS
from adestim.exceptions import AdestimError, TableError

# Kinds of minus, of blanks between groups of digits, of apostrophes, and of the letter mu.
SAME_LETTERS = str.maketrans(
    "\N{MINUS SIGN}\N{EN DASH}\N{NO-BREAK SPACE}\N{NARROW NO-BREAK SPACE}\N{THIN SPACE}"
    "\N{RIGHT SINGLE QUOTATION MARK}\N{GREEK SMALL LETTER MU}",
    "--   '\N{MICRO SIGN}",
)
LETTERS = "[°\N{MICRO SIGN}]?[A-Za-z]+[23²³]?"
WRITTEN = re.compile(
    r"(?P<sign>[<>≤≥]=?)?\s*(?P<number>[-+]?[\d.,' ]*[\d.,](?:[eE][-+]?\d+)?)\s*"
    rf"(?P<unit>[%‰]|{LETTERS}(?:[/*.·]{LETTERS})*\.?)?(?P<more>\+)?",
    re.ASCII,
)
LONGEST = 60
EXPONENT = r"(?:[eE][-+]?\d+)?"
# By the mark of decimals: all digits in one, and in groups of three, whose mark is caught.
IN_ONE = {mark: re.compile(rf"[-+]?(?:\d+[{mark}]?\d*|[{mark}]\d+){EXPONENT}") for mark in ".,"}
GROUPED = {
    mark: re.compile(rf"[-+]?[1-9]\d{{0,2}}(?P<groups>[{other}' ])\d{{3}}(?:(?P=groups)\d{{3}})*"
                     rf"(?:[{mark}]\d*)?{EXPONENT}")
    for mark, other in (".,", ",.")
}  # fmt: skip
# Units that tell numbers from codes such as "1a" and "2b".
KNOWN_UNITS = frozenset(
    {
        "%", "‰", "kg", "mg", "µg", "ug", "ng", "pg", "lb", "oz", "km", "cm", "mm", "inch", "ft",
        "dl", "ml", "µl", "ul", "year", "yr", "month", "mo", "week", "wk", "day", "hour", "hr",
        "min", "sec", "ms", "mg/dl", "g/dl", "g/l", "mg/l", "µg/l", "ug/l", "ng/ml", "pg/ml",
        "ng/l", "mmol/l", "µmol/l", "umol/l", "nmol/l", "pmol/l", "mmhg", "bpm", "kg/m2", "kg/m²",
        "°c", "°f", "cm3", "mm3", "cm³", "mm³",
    }
)  # fmt: skip


class Written(NamedTuple):
    """One cell taken apart."""

    number: str  # digits and marks
    unit: str  # folded; empty without one
    is_limit: bool  # whether it only bounds the value: "<5", "90+"


@dataclass(frozen=True)
class Spelling:
    """How the numbers of one column are written."""

    decimal: str = "."  # mark before the decimals
    groups: str = ""  # mark between groups of three digits
    unit: str = ""  # what stands behind every number

    def describe(self) -> str:
        """Say what is unusual; nothing where nothing is."""
        parts = (
            "decimal commas" if self.decimal == "," else "",
            f"{self.groups!r} between thousands" if self.groups else "",
            f"the unit {self.unit!r}" if self.unit else "",
        )
        return " and ".join(part for part in parts if part)


class Numbers(NamedTuple):
    """Cells read as numbers."""

    values: np.ndarray  # (n_cells,); NaN where missing or unreadable
    is_limit: np.ndarray  # (n_cells,); true where the cell bounds the value: "<5"
    is_unreadable: np.ndarray  # (n_cells,); true where a cell holds something that is no number
    unusual: str  # how numbers are written that are not written as programs do; empty without any


def learn_spelling(
    texts: Sequence[str], what: str = "a column", refuse: type[AdestimError] = TableError
) -> Spelling:
    """Return how the numbers among texts are written; refuse what they leave open.

    Refused, by row: decimal points beside commas, "1,234" where no other cell tells whether it is
    a thousand, several units. What is no number at all is passed over.
    """
    if not np.isnan(read_plain_numbers(texts)[[is_word(text) for text in texts]]).any():
        return Spelling()
    cells = {place: take_apart(text) for place, text in enumerate(texts) if is_word(text)}
    known = {place: cell for place, cell in cells.items() if cell and list_marks(cell.number)}
    numbers = {place: cell.number for place, cell in known.items()}
    decimal = choose_decimal(numbers, what, refuse)
    groups = choose_groups(numbers, decimal, what, refuse)
    return Spelling(decimal, groups, choose_unit(known, what, refuse))


def read_written_numbers(texts: Sequence[str], spelling: Spelling) -> Numbers:
    """Return texts as numbers, each by itself.

    A cell that can be read in one way only is read, though the others are written in another.
    """
    # Under commas and units what programs write has another meaning: "1.234" may be a thousand.
    is_usual = spelling.decimal == "." and not spelling.unit
    values = read_plain_numbers(texts) if is_usual else np.full(len(texts), np.nan)
    is_limit = np.zeros(len(texts), dtype=bool)
    is_unreadable = np.zeros(len(texts), dtype=bool)
    used = set()
    for place in np.flatnonzero(np.isnan(values)).tolist():
        if is_word(texts[place]):
            cell = take_apart(texts[place])
            found = None if cell is None else find_own_spelling(cell, spelling)
            is_unreadable[place] = found is None
            if found is not None:
                values[place], is_limit[place] = convert_digits(cell.number, found), cell.is_limit
                used.add(found)
    return Numbers(values, is_limit, is_unreadable, describe_spellings(used))


def describe_spellings(used: Iterable[Spelling]) -> str:
    """Say what is unusual about any of several spellings."""
    decimal = "," if any(spelling.decimal == "," for spelling in used) else "."
    groups = max((spelling.groups for spelling in used), default="")
    unit = max((spelling.unit for spelling in used), default="")
    return Spelling(decimal, groups, unit).describe()


def read_plain_numbers(texts: Sequence[str]) -> np.ndarray:
    """Return texts as programs write numbers; NaN where a text is none."""
    cells = pd.Series(list(texts), dtype=object)
    return pd.to_numeric(cells, errors="coerce").to_numpy(dtype=float, copy=True)


def looks_like_number(text: str) -> bool:
    """Tell whether a text has the form of a number, alone or with a unit."""
    cell = take_apart(text)
    return cell is not None and bool(list_marks(cell.number))


def is_word(text: str) -> bool:
    """Tell whether a text says more than that a number is missing."""
    return text.strip() not in NUMBER_WORDS


def take_apart(text: str) -> Written | None:
    """Return the number, the unit and the sign of a cell; None where it is of another form."""
    text = text.translate(SAME_LETTERS).strip()
    match = WRITTEN.fullmatch(text) if len(text) <= LONGEST else None
    if match is None:
        return None
    is_limit = match["sign"] is not None or match["more"] is not None
    return Written(match["number"].strip(), fold_unit(match["unit"] or ""), is_limit)


def fold_unit(unit: str) -> str:
    """Return a unit in lower case, without a full stop and the s of several."""
    folded = unit.casefold().removesuffix(".")
    return folded.removesuffix("s") if len(folded) > 2 else folded


def list_marks(number: str) -> list[str]:
    """Return the marks that can be those of the decimals: one, both or none."""
    return [
        mark for mark in ".," if IN_ONE[mark].fullmatch(number) or GROUPED[mark].fullmatch(number)
    ]


def find_groups(number: str, decimal: str) -> str:
    """Return the mark between groups of digits; nothing where the digits are in one."""
    match = None if IN_ONE[decimal].fullmatch(number) else GROUPED[decimal].fullmatch(number)
    return match["groups"] if match else ""


def choose_decimal(numbers: Mapping[int, str], what: str, refuse: type[AdestimError]) -> str:
    """Return the mark of decimals that the cells agree on."""
    firm: dict[str, int] = {}
    for place, number in numbers.items():
        marks = list_marks(number)
        if len(marks) == 1:
            firm.setdefault(marks[0], place)
    if len(firm) == 2:
        raise refuse(
            f"The numbers of {what} are written in one way",
            got=f"a decimal comma in row {firm[','] + 1}, and a decimal point in row "
            f"{firm['.'] + 1}",
            remedy="Write all of them with decimal points",
        )
    if not firm:
        require_decided([place for place, number in numbers.items() if "," in number], what, refuse)
    return next(iter(firm), ".")


def choose_groups(
    numbers: Mapping[int, str], decimal: str, what: str, refuse: type[AdestimError]
) -> str:
    """Return the mark between groups of digits, which some cell shows to be no decimal mark."""
    found = {place: find_groups(number, decimal) for place, number in numbers.items()}
    sure = {mark for place, mark in found.items() if mark and len(list_marks(numbers[place])) == 1}
    unsure = [place for place, mark in found.items() if mark in {".", ","} - sure]
    require_decided(unsure, what, refuse)
    return next(iter(sorted(sure)), "")


def require_decided(places: Sequence[int], what: str, refuse: type[AdestimError]) -> None:
    """Refuse cells such as "1,234" that may be a thousand or little more than one."""
    if places:
        raise refuse(
            f"It is clear of the numbers of {what} whether a mark stands before decimals or "
            "between thousands",
            got=f"either, in {name_rows(places)}",
            remedy="Write them with decimal points, and thousands without a mark",
        )


def choose_unit(known: Mapping[int, Written], what: str, refuse: type[AdestimError]) -> str:
    """Return the unit behind all numbers; codes such as "1a" have none."""
    first: dict[str, int] = {}
    for place, cell in known.items():
        first.setdefault(cell.unit, place)
    if len(first) > 1 and KNOWN_UNITS & set(first):
        told = (f"{unit!r} in row {place + 1}" if unit else f"none in row {place + 1}"
                for unit, place in first.items())  # fmt: skip
        raise refuse(
            f"All numbers of {what} are of one unit",
            got=", ".join(list(told)[:3]),
            remedy="Convert them to one unit, and write it into the name of the column",
        )
    return next(iter(first)) if len(first) == 1 else ""


def find_own_spelling(cell: Written, spelling: Spelling) -> Spelling | None:
    """Return how one number is written; None where it is of another unit, or may be two numbers."""
    marks = list_marks(cell.number)
    if not marks or cell.unit != spelling.unit:
        return None
    mark = marks[0] if len(marks) == 1 else spelling.decimal
    groups = find_groups(cell.number, mark)
    if len(marks) == 2 and groups in {".", ","} - {spelling.groups}:
        return None
    return Spelling(mark if mark in cell.number else ".", groups, cell.unit)


def convert_digits(number: str, spelling: Spelling) -> float:
    """Return a number of a known spelling."""
    digits = number.replace(spelling.groups, "") if spelling.groups else number
    return float(digits.replace(spelling.decimal, "."))


def name_rows(places: Iterable[int]) -> str:
    """Return row numbers, of which the first is 1, for a message."""
    rows = [place + 1 for place in places]
    shown = ", ".join(map(str, rows[:5])) + (", ..." if len(rows) > 5 else "")
    return f"row {shown}" if len(rows) == 1 else f"rows {shown}"
