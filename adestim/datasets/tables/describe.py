"""What a folder of tables looks like, without what stands in it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path, PurePath
from warnings import catch_warnings, simplefilter

import numpy as np
import pandas as pd

from adestim._support.missing import mask_missing
from adestim.datasets.tables.cells import convert_cells
from adestim.datasets.tables.files import STEM, SUFFIXES, find_suffix, parse_date, read_cells
from adestim.exceptions import DataWarning, TableError

COLUMNS = ["file", "n_files", "n_rows", "column", "dtype", "n_present", "distinct"]
BUCKETS = {0: "0", 1: "1", 2: "2", 5: "3-5", 20: "6-20", 100: "21-100", 1000: "101-1000"}
ENTITY = r"(?P<entity>sub|ses)-[A-Za-z0-9]+"
# What names a space, an atlas or a kind of image is the format, not the patient.
FORMAT = r"(?:space|atlas|seg|res|den|desc|stat|measure|cohort)-[A-Za-z0-9]+|T[12]w"
ROSTER = re.compile(r"\d{3}_S_\d+")
LONGEST_NAME = 60


def describe(path: str | Path) -> pd.DataFrame:
    r"""Describe tables, and the files around them, without a single value.

    For a report that a format has changed: it is safe to send. Names of files and columns are
    shown with their digits masked where these could be an identifier or a date of a visit.

    Parameters
    ----------
    path : str or Path
        A table, or a folder with its sub-folders.

    Returns
    -------
    DataFrame
        One row a column of a table, and one a kind of other file: ``file`` (its masked name);
        ``n_files`` of that name, of which the first is described; ``n_rows``; ``column``;
        ``dtype`` (``"integer"``, ``"number"``, ``"date"``, ``"censored"``: numbers such as
        ``"<8"``; ``"mixed"``: mostly numbers; ``"text"``, ``"empty"``, ``"not a table"`` or
        ``"unreadable"``); ``n_present``, cells that are there; ``distinct``, the number of
        different ones as a range.

    Raises
    ------
    TableError
        When there is nothing at ``path``.

    Notes
    -----
    A first row that looks like data is not shown: the columns are then numbered. Workbooks are
    named, not opened.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from adestim.datasets import describe
    >>> with TemporaryDirectory() as folder:
    ...     _ = Path(folder, "MMSE_23Dec2025.csv").write_text("RID,MMSCORE\n31,29\n32,\n")
    ...     describe(folder)[["file", "column", "dtype", "n_present"]]
                     file   column    dtype  n_present
    0  MMSE_23Dec2025.csv      RID  integer          2
    1  MMSE_23Dec2025.csv  MMSCORE  integer          1
    """
    root = Path(path).expanduser()
    if not root.exists():
        raise TableError("What is described exists", got=f"nothing at {str(root)!r}")
    rows: list[tuple] = []
    for name, files in group_by_masked_name(root):
        rows.extend((name, len(files), *row) for row in describe_columns(files[0]))
    return pd.DataFrame.from_records(rows, columns=COLUMNS).astype({"n_rows": "Int64"})


def group_by_masked_name(root: Path) -> Iterator[tuple[str, list[Path]]]:
    """Yield the files that differ by masked characters only, under that name."""
    named = sorted((mask_path(file, root), file) for file in list_files_below(root))
    for name, pairs in groupby(named, key=lambda pair: pair[0]):
        yield name, [file for _, file in pairs]


def list_files_below(root: Path) -> Iterator[Path]:
    """Yield a file itself, or the files of a folder that are not hidden."""
    if root.is_file():
        yield root
    for folder, subfolders, names in os.walk(root):
        subfolders[:] = [name for name in subfolders if not name.startswith(".")]
        yield from (Path(folder, name) for name in names if not name.startswith("."))


def mask_path(file: Path, root: Path) -> str:
    """Return a file's path below the root, without what could be an identifier."""
    inside = file.relative_to(root) if file != root else PurePath(file.name)
    suffix = find_suffix(file, SUFFIXES)
    name = mask_stem(file.name[: len(file.name) - len(suffix)]) if suffix else hide(file.name)
    return "/".join(
        [*map(hide, inside.parts[:-1]), name + file.name[-len(suffix) :] * bool(suffix)]
    )


def mask_stem(stem: str) -> str:
    """Mask a table's name; its date stays, unless it may be that of a visit."""
    match = STEM.fullmatch(stem)
    if match is None or parse_date(match["date"]) is None:
        return hide(stem) if stem.isdigit() else hide_long_numbers(stem)
    name = hide_long_numbers(match["name"])
    return hide(stem) if name != match["name"] else stem


def hide_long_numbers(name: str) -> str:
    """Mask labels and numbers of three digits or more; smaller ones count versions and forms."""
    return mask_numbers(name, r"\d{3,}")


def hide(name: str) -> str:
    """Mask labels and every digit."""
    return mask_numbers(name, r"\d")


def mask_numbers(name: str, numbers: str) -> str:
    """Mask labels of subject and session, and numbers that are no part of the format."""

    def mask(match: re.Match) -> str:
        if match["format"]:
            return match[0]
        return f"{match['entity']}-*" if match["entity"] else "#" * len(match[0])

    return re.sub(rf"(?P<format>{FORMAT})|{ENTITY}|{numbers}", mask, name)


def describe_columns(file: Path) -> Iterator[tuple]:
    """Yield rows, column, type, cells and distinct values of each column of a file."""
    if not find_suffix(file, SUFFIXES):
        yield pd.NA, "", "not a table", 0, ""
        return
    try:
        cells = read_cells(file)
    except (TableError, OSError):
        yield pd.NA, "", "unreadable", 0, ""
        return
    for name, (_, column) in zip(show_names(cells), cells.items(), strict=True):
        there = mask_missing(column).dropna()
        yield len(cells), name, name_type(there), len(there), round_to_range(there.nunique())


def show_names(cells: pd.DataFrame) -> list[str]:
    """Return the names of columns, masked; numbers instead if the first row looks like data."""
    names = [str(name) for name in cells.columns]
    if any(is_value(name, cells.iloc[:, place]) for place, name in enumerate(names)):
        return [f"column {place + 1}" for place in range(len(names))]
    return [mask_column(name) for name in names]


def is_value(name: str, column: pd.Series) -> bool:
    """Tell whether a name is a number, a date, an identifier, or stands in its column."""
    cell = mask_missing(pd.Series([name], dtype="str"))
    number = name_type(cell.dropna()) in ("integer", "number", "date", "censored")
    return number or bool(ROSTER.search(name)) or bool((column == name).any())


def mask_column(name: str) -> str:
    """Mask what could be an identifier in the name of a column."""
    shown = mask_numbers(name, r"\d{4,}")
    return shown if len(shown) <= LONGEST_NAME else f"{shown[:LONGEST_NAME]}..."


def name_type(cells: pd.Series) -> str:
    """Name what the cells that are there have in common."""
    if cells.empty:
        return "empty"
    numbers = convert_quietly(cells, "number")
    if numbers.notna().all():
        return "integer" if np.all(numbers == np.floor(numbers)) else "number"
    for kind, name in (("dates", "date"), ("censored", "censored")):
        if convert_quietly(cells, kind).notna().all():
            return name
    return "mixed" if numbers.notna().mean() >= 0.5 else "text"


def convert_quietly(cells: pd.Series, kind: str) -> pd.Series:
    """Return cells as numbers or dates, all missing where the column leaves open which."""
    with catch_warnings():
        simplefilter("ignore", DataWarning)
        try:
            return convert_cells(cells, kind)
        except TableError:
            return pd.Series(np.nan, index=cells.index)


def round_to_range(count: int) -> str:
    """Return a number as a range."""
    return next((text for most, text in BUCKETS.items() if count <= most), ">1000")
