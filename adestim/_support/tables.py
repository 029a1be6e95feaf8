"""Tables of text on a disk, every cell as it is written: encoding, separator, compression."""

from __future__ import annotations

import csv
import re
from io import BytesIO, StringIO
from pathlib import Path
from warnings import catch_warnings, simplefilter

import numpy as np
import pandas as pd
from pandas.errors import ParserError, ParserWarning

from adestim._support.text_files import UNPACKING_ERRORS, find_encoding, read_content, read_text
from adestim.exceptions import TableError

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
    a table with names, every row has as many cells as there are names.
    """
    content = read_content(path)
    encoding = find_encoding(content)
    n_above, first = find_first_line(content, encoding)
    with catch_warnings():
        if has_names:
            simplefilter("error", ParserWarning)
        cells = pd.read_csv(
            BytesIO(content),
            sep=separator or find_separator(first, fallback),
            skiprows=n_above,
            header=0 if has_names else None,
            dtype="str",
            keep_default_na=False,
            encoding=encoding,
            skipinitialspace=True,
            # A row with a cell too many must not make the first column an index.
            index_col=False,
        )
    return drop_blank_cells(cells) if has_names else cells


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
    except (ParserError, *UNPACKING_ERRORS) as failure:
        raise TableError(
            "Tables of BIDS are text", got=f"{failure} in {path!r}", remedy="Convert it to UTF-8"
        ) from None
    rows = csv.DictReader(StringIO(text, newline=""), delimiter="\t")
    named = ({key: value for key, value in row.items() if key} for row in rows)
    return [row for row in named if any(value and value.strip() for value in row.values())]
