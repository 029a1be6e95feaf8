"""Columns of a table, found by their name in any of its spellings."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from difflib import get_close_matches
from warnings import warn

from adestim._support.words import first_names
from adestim.exceptions import DataWarning, TableError

Spellings = Mapping[str, str | Sequence[str]]
# Names of columns; a tuple where any one of several will do.
Wanted = Collection[str | tuple[str, ...]]
RENAMED = (
    "If it was renamed, rename it back and send us what adestim.datasets.describe says of the file"
)


def fold_name(name: str) -> str:
    """Return a column's name without case, blanks and marks."""
    return "".join(letter for letter in name.casefold() if letter.isalnum())


def list_spellings(column: str, columns: Spellings) -> tuple[str, ...]:
    """Return the spellings under which a column may be found."""
    given = columns[column]
    return (given,) if isinstance(given, str) else tuple(given)


def find_columns(names: Sequence[str], columns: Spellings) -> dict[str, str]:
    """Return the file's spelling of each column that it has."""
    there: dict[str, str] = {}
    for name in names:
        there.setdefault(fold_name(str(name)), name)
    found = {}
    for column in columns:
        matches = [fold_name(spelling) for spelling in list_spellings(column, columns)]
        spelled = next((there[match] for match in matches if match in there), None)
        if spelled is not None:
            found[column] = spelled
    return found


def check_required(
    names: Sequence[str],
    columns: Spellings,
    found: Mapping[str, str],
    required: Wanted,
    source: str,
) -> None:
    """Refuse a table that lacks a required column; suggest the nearest."""
    for spellings in find_lacking(columns, found, required):
        raise TableError(
            f"{source!r} has a column {' or '.join(map(repr, spellings))}",
            got=suggest_columns(spellings, names),
            remedy=RENAMED,
        )


def warn_of_absent(
    names: Sequence[str],
    columns: Spellings,
    found: Mapping[str, str],
    expected: Wanted,
    source: str,
) -> None:
    """Warn of columns that a table should have and lacks; suggest the nearest."""
    absent = list(find_lacking(columns, found, expected))
    if absent:
        listed = "; ".join(
            f"{' or '.join(map(repr, spellings))} ({suggest_columns(spellings, names)})"
            for spellings in absent
        )
        warn(
            f"{source!r} lacks columns, and what they hold is missing: {listed}. {RENAMED}.",
            DataWarning,
            stacklevel=3,
        )


def find_lacking(
    columns: Spellings, found: Mapping[str, str], wanted: Wanted
) -> Iterator[tuple[str, ...]]:
    """Yield the spellings of each wanted column that was not found."""
    for entry in wanted:
        alternatives = list_alternatives(entry)
        if not any(column in found for column in alternatives):
            yield tuple(name for column in alternatives for name in list_spellings(column, columns))


def list_alternatives(entry: str | tuple[str, ...]) -> tuple[str, ...]:
    """Return the names of which any one will do."""
    return (entry,) if isinstance(entry, str) else entry


def suggest_columns(spellings: Sequence[str], names: Sequence[str]) -> str:
    """Say which columns resemble one of the spellings."""
    folded = {str(name).casefold(): str(name) for name in names}
    near = [
        folded[match]
        for spelling in spellings
        for match in get_close_matches(spelling.casefold(), folded, n=2, cutoff=0.6)
    ]
    near = list(dict.fromkeys(near))
    return f"none; nearest: {first_names(near)}" if near else f"none among {len(names)} columns"
