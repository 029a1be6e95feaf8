"""Columns of a table, found by their name in any of its spellings."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from difflib import get_close_matches

from adestim.datasets.cohort import first_names
from adestim.exceptions import TableError

Spellings = Mapping[str, str | Sequence[str]]


def plain(name: str) -> str:
    """Return a column's name without case, blanks and marks."""
    return "".join(letter for letter in name.casefold() if letter.isalnum())


def spellings_of(column: str, columns: Spellings) -> tuple[str, ...]:
    """Return the spellings under which a column may be found."""
    given = columns[column]
    return (given,) if isinstance(given, str) else tuple(given)


def find_columns(names: Sequence[str], columns: Spellings) -> dict[str, str]:
    """Return the file's spelling of each column that it has."""
    there: dict[str, str] = {}
    for name in names:
        there.setdefault(plain(str(name)), name)
    found = {}
    for column in columns:
        matches = [plain(spelling) for spelling in spellings_of(column, columns)]
        spelled = next((there[match] for match in matches if match in there), None)
        if spelled is not None:
            found[column] = spelled
    return found


def check_required(
    names: Sequence[str],
    columns: Spellings,
    found: Mapping[str, str],
    required: Collection[str],
    source: str,
) -> None:
    """Refuse a table that lacks a required column; suggest the nearest."""
    for column in required:
        if column not in found:
            spellings = spellings_of(column, columns)
            raise TableError(
                f"{source!r} has a column {' or '.join(map(repr, spellings))}",
                got=nearest_columns(spellings, names),
                remedy="If it was renamed, rename it back and send us what "
                "adestim.datasets.describe says of the file",
            )


def nearest_columns(spellings: Sequence[str], names: Sequence[str]) -> str:
    """Say which columns resemble one of the spellings."""
    folded = {str(name).casefold(): str(name) for name in names}
    near = [
        folded[match]
        for spelling in spellings
        for match in get_close_matches(spelling.casefold(), folded, n=2, cutoff=0.6)
    ]
    near = list(dict.fromkeys(near))
    return f"none; nearest: {first_names(near)}" if near else f"none among {len(names)} columns"
