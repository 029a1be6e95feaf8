"""Tables of text on a disk, every cell as it is written: encoding, separator, compression."""

from __future__ import annotations

import csv
import gzip
import zlib
from collections.abc import Callable
from pathlib import Path
from warnings import catch_warnings, simplefilter

import pandas as pd
from pandas.errors import ParserError, ParserWarning

from adestim.exceptions import TableError

# Tried in this order; every byte is a letter of the last.
ENCODINGS = ("utf-8-sig", "latin-1")
BLANKS = r"\s+"
# What a packed file raises that is cut off or none; beside these OSError and ValueError.
UNPACKING_ERRORS = (gzip.BadGzipFile, EOFError, zlib.error)


def read_text_table(
    path: Path, *, has_names: bool = True, separator: str | None = None, fallback: str = ","
) -> pd.DataFrame:
    """Return every cell of a table as a string, the empty one as ``""``; wholly blank rows go.

    Without a separator named, it is that of the first line, ``fallback`` where that has none. Of
    a table with names, every row has as many cells as there are names.
    """
    for encoding in ENCODINGS[:-1]:
        try:
            return parse_table(path, encoding, has_names, separator, fallback)
        except UnicodeDecodeError:
            continue
    return parse_table(path, ENCODINGS[-1], has_names, separator, fallback)


def parse_table(
    path: Path, encoding: str, has_names: bool, separator: str | None, fallback: str
) -> pd.DataFrame:
    """Read a table in one encoding."""
    first = read_first_line(path, encoding)
    with catch_warnings():
        if has_names:
            simplefilter("error", ParserWarning)
        return pd.read_csv(
            path,
            sep=separator or find_separator(first, fallback),
            header=0 if has_names else None,
            dtype="str",
            keep_default_na=False,
            encoding=encoding,
            skipinitialspace=True,
            # A row with a cell too many must not make the first column an index.
            index_col=False,
        )


def read_first_line(path: Path, encoding: str) -> str:
    """Return the first line of a file, packed or not; refuse bytes that are no text."""
    opener: Callable = gzip.open if path.name.endswith(".gz") else open
    with opener(path, "rt", encoding=encoding, newline="") as file:
        line = file.readline()
    if "\0" in line:
        raise ParserError("bytes that are no text in UTF-8 or Latin-1")
    return line


def find_separator(line: str, fallback: str = ",") -> str:
    """Return what separates the cells of a line.

    A tab wherever there is one; semicolons where the commas may be of decimals between them; else
    the more frequent of comma and bar.
    """
    if "\t" in line:
        return "\t"
    if 0 < line.count(";") >= line.count(",") - 1:
        return ";"
    mark = max(",|", key=line.count)
    return mark if mark in line else fallback


def read_rows(path: str) -> list[dict[str, str]]:
    """Return a small table of BIDS, quickly: there is one a subject."""
    try:
        with open(path, encoding=ENCODINGS[0], newline="") as file:  # noqa: PTH123
            rows = list(csv.DictReader(file, delimiter="\t"))
    except UnicodeDecodeError:
        raise TableError(
            "Tables of BIDS are UTF-8", got=f"other bytes in {path!r}", remedy="Convert it"
        ) from None
    return [{key: value for key, value in row.items() if key} for row in rows]
