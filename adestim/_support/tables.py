"""Tables of text on a disk, every cell as it is written: encoding, separator, compression."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Sequence
from io import BytesIO, StringIO
from pathlib import Path
from warnings import catch_warnings, simplefilter, warn

import numpy as np
import pandas as pd
from pandas.errors import ParserError, ParserWarning

from adestim._support.text_files import UNPACKING_ERRORS, find_encoding, read_content, read_text
from adestim._support.written_numbers import name_rows
from adestim.exceptions import DataWarning, TableError

BLANKS = r"\s+"
# What Excel reads, and writes for itself, above the names.
STATED_SEPARATOR = re.compile(r'"?sep=(?P<separator>[^"\r\n])"?\s*')
LINE_END = re.compile(r"\r\n|\r|\n")
FIRST_LINES = 2**16


def read_text_table(
    path: Path, *, has_names: bool = True, separator: str | None = None, fallback: str = ","
) -> pd.DataFrame:
    """Return every cell of a table as a string, the empty one as ``""``; wholly blank rows go.

    Without a separator named, it is that of the first line, ``fallback`` where that has none. Of
    a table with names, no row has more cells than there are names; of fewer a warning tells.
    """
    content = read_content(path)
    encoding = find_encoding(content)
    n_above, first = find_first_line(content, encoding)
    separator = separator or find_separator(first, fallback)
    with catch_warnings():
        if has_names:
            simplefilter("error", ParserWarning)
        cells = pd.read_csv(
            BytesIO(content),
            sep=separator,
            skiprows=n_above,
            header=0 if has_names else None,
            dtype="str",
            keep_default_na=False,
            encoding=encoding,
            skipinitialspace=True,
            # A row with a cell too many must not make the first column an index.
            index_col=False,
        )
    short = find_short_rows(cells, content.decode(encoding), separator)
    settle_short_rows([row for row in short if row > n_above], has_names, path)
    return drop_blank_cells(cells) if has_names else cells


def find_short_rows(cells: pd.DataFrame, text: str, separator: str) -> list[int]:
    """Return the numbers of rows that have fewer cells than the first; the first row is 1."""
    # A row that lacks cells lacks the last.
    if not len(cells) or not (cells.iloc[:, -1].fillna("") == "").any():
        return []
    lines = StringIO(text, newline="")
    rows: Iterable = (
        (line.split() for line in lines)
        if separator == BLANKS
        else csv.reader(lines, delimiter=separator, skipinitialspace=True)
    )
    try:
        lengths = [len(row) if any(row) else cells.shape[1] for row in rows]
    except csv.Error as failure:
        raise ParserError(str(failure)) from None
    return [place + 1 for place, length in enumerate(lengths) if length < cells.shape[1]]


def settle_short_rows(rows: Sequence[int], has_names: bool, path: Path) -> None:
    """Warn of rows that lack cells, where names say which; refuse them where none do."""
    if rows and not has_names:
        raise ParserError(f"fewer cells in {name_rows(row - 1 for row in rows)} than elsewhere")
    if rows:
        warn(
            f"{path.name!r} has fewer cells than names in {name_rows(row - 1 for row in rows)}, "
            "the names being row 1; what these lack at their end counts as missing.",
            DataWarning,
            stacklevel=4,
        )


def find_first_line(content: bytes, encoding: str) -> tuple[int, str]:
    """Return how many lines stand above a table, and its first line, which may name its own mark.

    Lines above are blank, or Excel's statement of the separator.
    """
    lines = LINE_END.split(content[:FIRST_LINES].decode(encoding, errors="ignore"))
    n_blank = next((place for place, line in enumerate(lines) if line.strip()), 0)
    line = lines[n_blank]
    stated = STATED_SEPARATOR.fullmatch(line)
    return (n_blank + 1, stated["separator"]) if stated else (0, line)


def drop_blank_cells(cells: pd.DataFrame) -> pd.DataFrame:
    """Leave out rows without a single cell, and unnamed columns without one."""
    cells = cells[~find_blank_rows(cells)].reset_index(drop=True)
    nameless = [name for name in cells if str(name).startswith("Unnamed: ")]
    idle = [name for name in nameless if (cells[name].str.strip() == "").all()]
    return cells.drop(columns=idle) if len(cells) else cells


def find_blank_rows(cells: pd.DataFrame) -> np.ndarray:
    """Tell which rows of text hold blanks alone, shape (n_rows,), dtype bool."""
    blank = np.ones(len(cells), dtype=bool)
    for place in range(cells.shape[1]):
        left = cells.iloc[blank, place]
        blank[blank] = (left.str.strip() == "").to_numpy(dtype=bool)
        if not blank.any():
            break
    return blank


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
    """Return a small table of BIDS, quickly: there is one a subject. Wholly blank rows go."""
    try:
        text = read_text(path)
        lines = [
            line for line in csv.reader(StringIO(text, newline=""), delimiter="\t") if any(line)
        ]
    except (csv.Error, ParserError, *UNPACKING_ERRORS) as failure:
        raise TableError(
            "Tables of BIDS are text", got=f"{failure} in {path!r}", remedy="Convert it to UTF-8"
        ) from None
    names, *rows = lines or [[]]
    long = [place + 1 for place, row in enumerate(rows) if any(row[len(names) :])]
    if long:
        raise TableError(
            "Every row of a table has as many cells as there are names",
            got=f"more in {name_rows(long)} of {path!r}, the names being row 1",
            remedy="Separate the cells by tabs",
        )
    return [
        {name.strip(): cell.strip() for name, cell in zip(names, row, strict=False) if name.strip()}
        for row in rows
    ]
