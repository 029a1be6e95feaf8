"""What the columns of a clinical table hold, learned once from the training rows."""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd

from adestim._support.missing import DASHES
from adestim._support.written_dates import looks_like_date
from adestim._support.written_numbers import Spelling, learn_spelling, looks_like_number
from adestim.exceptions import TableError
from adestim.modalities.clinical.cells import (
    PLAIN,
    find_known_cells,
    is_plain,
    parse_numbers,
    plain_cells,
    write_cells,
)

DATES = (datetime.date, datetime.timedelta, np.datetime64, np.timedelta64, pd.Period)
# Between these a number may be a date in writing.
EARLIEST, LATEST = 19000101, 20991231
SENTENCE_WORDS = 4
MOSTLY = 0.5
# A category of fewer people than these may tell who took part.
FEWEST_PEOPLE = 5


@dataclass(frozen=True)
class Column:
    """What one column holds."""

    name: str  # its name, which becomes the token's
    position: int  # its place in the table
    # how it is coded; a column without a single training value is empty, and its token always
    # masked
    kind: str
    levels: tuple[Hashable, ...] = ()  # levels of an ordinal or categorical column, in their order
    has_other: bool = False  # whether rarer categories share one more slot, the last
    spelling: Spelling = PLAIN  # how a numeric column is written
    # places of the levels that few training subjects have, though somebody does
    rare: tuple[int, ...] = field(default=(), compare=False)

    @property
    def n_slots(self) -> int:
        """Number of one-hot features; none unless categorical."""
        return len(self.levels) + self.has_other if self.kind == "categorical" else 0


@dataclass(frozen=True)
class Declarations:
    """What the user says about columns, instead of leaving it to their dtypes."""

    kinds: Mapping[str, str]  # kind by name of column
    # levels of ordinal columns, lowest first, by name of column
    levels: Mapping[str, Sequence[Hashable]]

    @classmethod
    def of(
        cls,
        names: Collection[str],
        *,
        numeric: Iterable[Hashable] | None,
        categorical: Iterable[Hashable] | None,
        ordinal: Mapping[Hashable, Sequence[Hashable]] | None,
        text: Iterable[Hashable] | None,
    ) -> Declarations:
        """Collect the declarations, making sure each is about one column of the table."""
        lists = {"numeric": numeric, "categorical": categorical, "ordinal": ordinal, "text": text}
        pairs = [(label_name(item), kind) for kind, items in lists.items() for item in items or ()]
        declared = [name for name, _ in pairs]
        absent = sorted(set(declared) - set(names))
        if absent:
            raise TableError(
                f"Columns declared in {', '.join(f'{kind}=' for kind in lists)} must be in the "
                "table",
                got=f"{', '.join(map(repr, absent))}, absent from it",
                remedy="Correct the names, or pass these columns too",
            )
        require_unique_names(declared, "Every column may be declared once")
        levels = {label_name(item): values for item, values in (ordinal or {}).items()}
        return cls(dict(pairs), levels)


def label_name(label: Hashable) -> str:
    """Return a column's label as a name, a number as ``x0``, ``x1`` ..."""
    return f"x{label}" if isinstance(label, (int, np.integer)) else str(label)


def column_names(columns: Iterable[Hashable]) -> list[str]:
    """Return the columns' names, making sure that none is there twice."""
    names = [label_name(label) for label in columns]
    require_unique_names(names, "Every column of a clinical table needs a name of its own")
    return names


def require_unique_names(names: Sequence[str], rule: str) -> None:
    """Refuse names that are there more than once."""
    repeated = sorted(name for name, count in Counter(names).items() if count > 1)
    if repeated:
        raise TableError(
            rule,
            got=f"{', '.join(map(repr, repeated))} more than once",
            remedy="Rename or drop columns",
        )


def learn_column(
    column: pd.Series, name: str, position: int, declarations: Declarations, max_levels: int
) -> Column:
    """Learn what a column holds from the training rows.

    column (n_subjects,).
    """
    cells = plain_cells(column)
    present = drop_dashes(cells[find_known_cells(cells)])
    kind = declarations.kinds.get(name) or infer_kind(column, present, name)
    if len(present) == 0:
        return Column(name, position, "empty")
    if kind == "ordinal":
        declared = declarations.levels.get(name)
        levels = choose_ordinal_levels(column, name, declared)
        # What the user wrote is no news of a patient.
        rare = find_rare_levels(column, levels) if declared is None else ()
        return Column(name, position, kind, levels, rare=rare)
    if kind == "categorical":
        levels, has_other = find_frequent_levels(present, max_levels)
        return Column(
            name, position, kind, levels, has_other, rare=find_rare_levels(column, levels)
        )
    if kind == "numeric" and not pd.api.types.is_numeric_dtype(column.dtype):
        spelling = learn_spelling(write_cells(cells), f"column {name!r}")
        return Column(name, position, kind, spelling=spelling)
    return Column(name, position, kind)


def infer_kind(column: pd.Series, present: np.ndarray, name: str) -> str:
    """Infer what a column holds from its dtype, and from its cells where they are objects."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        return "ordinal" if column.dtype.ordered else "categorical"
    if pd.api.types.is_bool_dtype(column.dtype):
        return "categorical"
    if column.dtype.kind in "mM" or (may_hold_dates(column) and holds_dates(present)):
        raise TableError(
            f"Column {name!r} holds dates, which mean nothing to a model by themselves",
            got=f"dtype {column.dtype}",
            remedy="Convert it into an age or a duration in years, or leave it out",
        )
    if pd.api.types.is_numeric_dtype(column.dtype):
        return "numeric"
    return infer_kind_of_cells(plain_cells(column), present, name)


def may_hold_dates(column: pd.Series) -> bool:
    """Tell by a look at a whole column of numbers whether some may be dates; others may."""
    is_number = pd.api.types.is_numeric_dtype(column.dtype)
    return not is_number or bool(column.between(EARLIEST, LATEST).any())


def drop_dashes(present: np.ndarray) -> np.ndarray:
    """Leave out dashes, which say that nothing is there, unless a plus is their counterpart."""
    texts = {cell for cell in present if isinstance(cell, str)}
    if "+" in texts or not texts & DASHES:
        return present
    kept = [not (isinstance(cell, str) and cell in DASHES) for cell in present]
    return present[np.array(kept, dtype=bool)]


def holds_dates(present: np.ndarray) -> bool:
    """Tell whether any cell is a date, or most are dates in writing."""
    kinds = {type(cell) for cell in present}
    if any(issubclass(kind, DATES) for kind in kinds):
        return True
    texts = Counter(write_whole_number(cell) for cell in present)
    n_written = sum(count for text, count in texts.items() if text and looks_like_date(text))
    return n_written > 0 and n_written >= MOSTLY * len(present)


def write_whole_number(cell: Any) -> str:
    """Return a text as it is, and a number of eight digits, which may be a date, in writing."""
    if isinstance(cell, str):
        return cell
    is_long = is_plain(cell) and EARLIEST <= cell <= LATEST and cell == int(cell)
    return str(int(cell)) if is_long else ""


def infer_kind_of_cells(cells: np.ndarray, present: np.ndarray, name: str) -> str:
    """Infer a kind from cells: numbers where half or more are, sentences, else categories."""
    if len(present) == 0:
        return "empty"
    if all(isinstance(cell, (bool, np.bool_)) for cell in present):
        return "categorical"
    if count_numbers(present) >= MOSTLY * len(present):
        spelling = learn_spelling(write_cells(cells), f"column {name!r}")
        if np.isfinite(parse_numbers(present, spelling).values).mean() >= MOSTLY:
            return "numeric"
    words = np.median([len(str(cell).split()) for cell in present])
    distinct = len({str(cell) for cell in present})
    return "text" if words >= SENTENCE_WORDS and distinct > MOSTLY * len(present) else "categorical"


def count_numbers(present: np.ndarray) -> int:
    """Return how many cells are numbers, or have the form of one in writing."""
    texts = Counter(cell for cell in present if isinstance(cell, str))
    n_others = sum(is_plain(cell) for cell in present if not isinstance(cell, str))
    return n_others + sum(count for text, count in texts.items() if looks_like_number(text))


def choose_ordinal_levels(
    column: pd.Series, name: str, levels: Sequence[Hashable] | None
) -> tuple[Hashable, ...]:
    """Return the levels of an ordinal column, declared or from its dtype."""
    if levels is None:
        levels = column.dtype.categories.tolist()
    cells = plain_cells(pd.Series(list(levels), dtype=object))
    in_order = isinstance(levels, (list, tuple)) and all(is_plain(cell) for cell in cells)
    if not in_order or len(set(cells)) != len(cells) or len(cells) == 0:
        raise TableError(
            f"The levels of ordinal column {name!r} must be a list of strings or numbers without "
            "repetition, from lowest to highest",
            remedy=f"Write ordinal={{{name!r}: [lowest, ..., highest]}}",
        )
    return tuple(cells)


def find_frequent_levels(
    present: Iterable[Hashable], max_levels: int
) -> tuple[tuple[Hashable, ...], bool]:
    """Return the categories that get a slot each, sorted, and whether rarer ones share a slot."""
    counts = Counter(cell for cell in present if is_plain(cell))
    levels = sorted(counts, key=level_order)
    if len(levels) <= max_levels:
        return tuple(levels), False
    by_count = sorted(levels, key=lambda level: -counts[level])
    return tuple(sorted(by_count[: max_levels - 1], key=level_order)), True


def find_rare_levels(column: pd.Series, levels: Sequence[Hashable]) -> tuple[int, ...]:
    """Return the places of the levels that one to four subjects have, whatever their visits."""
    cells = zip(column.index.tolist(), plain_cells(column), strict=True)
    people = Counter(cell for _, cell in {(who, cell) for who, cell in cells if is_plain(cell)})
    return tuple(place for place, level in enumerate(levels) if 0 < people[level] < FEWEST_PEOPLE)


def level_order(level: Hashable) -> tuple:
    """Return a sorting key that copes with numbers and strings side by side."""
    return (0, float(level), "") if isinstance(level, Real) else (1, 0.0, str(level))
