"""What the file of JSON beside a table of BIDS says of its columns: codes, units, missing codes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple
from warnings import warn

import pandas as pd

from adestim._support.bids import read_json
from adestim.exceptions import DataWarning

Levels = Mapping[str, Mapping[str, str]]
# BIDS has no field for codes of missing values; these are in use.
MISSING_FIELDS = ("MissingValues", "MissingValue", "MissingCodes", "NAValues", "missing_values")
MISSING_MEANING = re.compile(
    r"(?i)(value |data |item )?(is )?(missing|n/?a|unknown|refused|no data|skipped)( value| data)?|"
    r"not (available|applicable|assessed|done|known|recorded|asked|collected|tested)|"
    r"(refused|declined) to answer|prefer not to (say|answer)|don'?t know"
)


NOTHING: Mapping = MappingProxyType({})


class DataDictionary(NamedTuple):
    """What is told of columns, by their name."""

    levels: Levels = NOTHING  # what each code means
    units: Mapping[str, str] = NOTHING
    gaps: Mapping[str, frozenset[str]] = NOTHING  # codes of missing values

    def join(self, others: Sequence[DataDictionary]) -> DataDictionary:
        """Return what several tell; the first that speaks of a column counts."""
        last_first = [*reversed(others), self]
        return DataDictionary(
            {name: codes for one in last_first for name, codes in one.levels.items()},
            {name: unit for one in last_first for name, unit in one.units.items()},
            {name: codes for one in last_first for name, codes in one.gaps.items()},
        )

    def rename(self, names: Mapping[str, str]) -> DataDictionary:
        """Return the same under other names."""
        return DataDictionary(
            {names.get(name, name): codes for name, codes in self.levels.items()},
            {names.get(name, name): unit for name, unit in self.units.items()},
            {names.get(name, name): codes for name, codes in self.gaps.items()},
        )


def read_dictionary(path: Path) -> DataDictionary:
    """Return what a file tells; nothing where there is none. One that is no JSON is warned of."""
    if not path.is_file():
        return DataDictionary()
    try:
        facts = read_json(path)
    except (OSError, ValueError, RecursionError):
        warn(f"{path.name!r} is no JSON and is passed over.", DataWarning, stacklevel=4)
        return DataDictionary()
    columns = {name: fact for name, fact in facts.items() if isinstance(fact, Mapping)}
    levels = {name: read_level_texts(fact.get("Levels")) for name, fact in columns.items()}
    stated = {name: fact.get("Units") for name, fact in columns.items()}
    units = {name: unit for name, unit in stated.items() if isinstance(unit, str)}
    gaps = {name: list_gaps(fact, levels[name]) for name, fact in columns.items()}
    return DataDictionary(
        {name: codes for name, codes in levels.items() if codes},
        units,
        {name: codes for name, codes in gaps.items() if codes},
    )


def read_level_texts(texts: Any) -> dict[str, str]:
    """Return the meaning of each code; none where they are not told as BIDS does."""
    if not isinstance(texts, Mapping):
        return {}
    return {str(code): read_level(text) for code, text in texts.items()}


def read_level(text: object) -> str:
    """Return the meaning of a code; it may be an object with a description."""
    if isinstance(text, Mapping):
        return str(text.get("Description", text.get("LongName", "")))
    return str(text)


def list_gaps(fact: Mapping[str, Any], codes: Mapping[str, str]) -> frozenset[str]:
    """Return the codes of a column that mean that a value is missing."""
    stated = [fact[name] for name in MISSING_FIELDS if name in fact]
    several = [item for given in stated for item in (given if isinstance(given, list) else [given])]
    meant = [code for code, text in codes.items() if MISSING_MEANING.fullmatch(text.strip(" ."))]
    return frozenset([*map(str, several), *meant])


def drop_gaps(cells: pd.Series, dictionary: DataDictionary) -> pd.Series:
    """Make missing what the dictionary says is; -9 and -9.0 are one."""
    codes = dictionary.gaps.get(str(cells.name), frozenset())
    plain = cells.str.replace(r"^(-?\d+)\.0+$", r"\1", regex=True)
    return cells.mask(cells.isin(codes) | plain.isin(codes)) if codes else cells
