"""Files of tables: found in a folder by names with dates, and read cell by cell."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from warnings import warn

import pandas as pd
from pandas.errors import EmptyDataError, ParserError, ParserWarning

from adestim._support.files import require_fetched
from adestim._support.tables import UNPACKING_ERRORS, read_text_table
from adestim._support.text_files import NotTextError
from adestim.exceptions import DataWarning, TableError

SAVE_AGAIN = "Save it as text in UTF-8, separated by commas or tabs"
SUFFIXES = (".csv", ".csv.gz", ".tsv", ".tsv.gz")
DATE = r"\d{1,2}-?[A-Za-z]{3}-?\d{4}|\d{4}-\d{2}-\d{2}|\d{8}|\d{1,2}_\d{1,2}_\d{4}"
STEM = re.compile(rf"(?P<name>.+?)(?:[_\- ](?P<date>{DATE}))?(?: ?\(\d+\))?")


@dataclass(frozen=True)
class TableFile:
    """One file: where it is, its name without date and suffix, and that date."""

    path: Path
    name: str
    date: pd.Timestamp | None

    def is_called(self, wanted: str) -> bool:
        """Tell whether this is the name, whatever its case; ``*`` stands for anything."""
        return fnmatchcase(self.name.casefold(), wanted.casefold())


def list_tables(folder: Path, suffixes: Sequence[str], depth: int) -> list[TableFile]:
    """Return the tables of a folder, or of the one file that it is."""
    paths = [folder] if folder.is_file() else sorted(list_files(folder, depth))
    found = ((path, find_suffix(path, suffixes)) for path in paths)
    return [parse_file_name(path, suffix) for path, suffix in found if suffix]


def list_files(folder: Path, depth: int) -> Iterator[Path]:
    """Yield the files of a folder and of so many levels below; hidden ones stay hidden."""
    for entry in folder.iterdir():
        if entry.name.startswith("."):
            continue
        if not entry.is_dir():
            yield entry
        elif depth > 0:
            yield from list_files(entry, depth - 1)


def find_suffix(path: Path, suffixes: Sequence[str]) -> str:
    """Return the suffix that a file has, or nothing."""
    return next((end for end in suffixes if path.name.casefold().endswith(end)), "")


def parse_file_name(path: Path, suffix: str) -> TableFile:
    """Take a file's name apart."""
    stem = path.name[: len(path.name) - len(suffix)]
    match = STEM.fullmatch(stem)
    date = parse_date(match["date"]) if match else None
    # What only looks like a date belongs to the name.
    return TableFile(path, match["name"] if date is not None else strip_copy_number(stem), date)


def strip_copy_number(stem: str) -> str:
    """Return a name without a browser's number of the copy."""
    return re.sub(r" ?\(\d+\)$", "", stem) or stem


def parse_date(text: str | None) -> pd.Timestamp | None:
    """Return the date in a file name; None if there is none."""
    try:
        return None if text is None else pd.Timestamp(text.replace("_", "/"))
    except ValueError:
        return None


def choose_newest(files: Sequence[TableFile]) -> Path:
    """Return the newest file, with a warning if that was a choice."""
    oldest = pd.Timestamp.min
    dates = [oldest if file.date is None else file.date for file in files]
    latest = [file for file, date in zip(files, dates, strict=True) if date == max(dates)]
    if any(not have_same_bytes(latest[0].path, file.path) for file in latest[1:]):
        raise TableError(
            "A folder has one file of a table, or files of several dates",
            got=" and ".join(repr(str(file.path)) for file in latest[:2]) + ", which differ",
            remedy="Remove the one that is not meant",
        )
    others = [file.path.name for file in files if file not in latest]
    if others:
        warn(
            f"There are several files of one table: {latest[0].path.name!r} is read, "
            f"{', '.join(map(repr, others))} is not.",
            DataWarning,
            stacklevel=3,
        )
    return latest[0].path


def have_same_bytes(one: Path, other: Path) -> bool:
    """Tell whether two files hold the same."""
    return one.stat().st_size == other.stat().st_size and one.read_bytes() == other.read_bytes()


def read_cells(path: str | Path) -> pd.DataFrame:
    """Return every cell of a table as a string, the empty one as ``""``; ``attrs`` has its name."""
    path = Path(path)
    try:
        require_fetched(path, TableError)
        cells = read_text_table(path).rename(columns=str.strip)
    except FileNotFoundError:
        raise TableError("The file of a table exists", got=f"none at {str(path)!r}") from None
    except EmptyDataError:
        raise TableError("A table has a line of names", got=f"{path.name!r}, empty") from None
    except UNPACKING_ERRORS:
        raise TableError(
            "A compressed table can be unpacked",
            got=f"{path.name!r}, which cannot",
            remedy="Download it again",
        ) from None
    except NotTextError as failure:
        raise TableError(
            "A table is a file of text", got=f"{failure} in {path.name!r}", remedy=SAVE_AGAIN
        ) from None
    except (ParserError, ParserWarning):
        raise TableError(
            "Every row of a table has as many cells as there are names",
            got=f"another number in {path.name!r}",
            remedy="Download it again; it may be cut off, or no table",
        ) from None
    cells.attrs["name"] = path.name
    return cells
