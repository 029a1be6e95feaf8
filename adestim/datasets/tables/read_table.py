"""Tables of a study, found by their name and read by the names of their columns."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from warnings import warn

import pandas as pd

from adestim._support.missing import DASHES, mask_missing
from adestim._support.words import first_names
from adestim.datasets.tables.cells import (
    convert_cells,
    drop_codes,
    extract_signs,
    find_lost,
    make_empty_column,
)
from adestim.datasets.tables.columns import (
    Spellings,
    Wanted,
    check_required,
    find_columns,
    list_alternatives,
    warn_of_absent,
)
from adestim.datasets.tables.files import (
    SUFFIXES,
    TableFile,
    choose_newest,
    list_tables,
    read_cells,
)
from adestim.exceptions import DataWarning, InputError, TableError

__all__ = ["find_table", "read_table", "settle_duplicates"]

Sentinels = Sequence[str] | Mapping[str, Sequence[str]]
DUPLICATES = ("raise", "first", "last", "keep")
UNREADABLE = ("raise", "missing")


def find_table(
    root: str | Path,
    name: str,
    aliases: Sequence[str] = (),
    *,
    where: str | None = None,
    suffixes: Sequence[str] = SUFFIXES,
    depth: int = 2,
    required: bool = True,
) -> Path | None:
    """Find a table in a folder by its name, whatever the date in its file name.

    Parameters
    ----------
    root : str or Path
        Folder, searched with its sub-folders; or the file itself.
    name : str
        Name without date and suffix, such as ``"DXSUM"``; case does not matter, ``*`` stands for
        anything.
    aliases : sequence of str, default=()
        Further names; an earlier one is preferred.
    where : str, default=None
        Where the table can be had, said if it is missing.
    suffixes : sequence of str, default=(".csv", ".csv.gz", ".tsv", ".tsv.gz")
        Suffixes of files that count.
    depth : int, default=2
        How many levels of sub-folders are searched.
    required : bool, default=True
        Whether a missing table is an error. False: it is None.

    Returns
    -------
    Path or None
        The file; of several dates the newest.

    Raises
    ------
    TableError
        When the folder or the table is missing, or two different files are equally new.

    Warns
    -----
    DataWarning
        When there are several dates.

    Notes
    -----
    File names as they are handed out: ``NAME.csv``, ``NAME_23Dec2025.csv``, ``NAME_20251223.csv``,
    ``NAME_2025-12-23.csv``, ``NAME_23-Dec-2025.csv``, ``NAME_12_23_2025.csv``, and a browser's
    second copy ``NAME (1).csv``.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from adestim.datasets.tables.read_table import find_table
    >>> with TemporaryDirectory() as folder:
    ...     _ = Path(folder, "DXSUM_23Dec2025.csv").write_text("RID")
    ...     find_table(folder, "DXSUM", ["DXSUM_PDXCONV_ADNIALL"]).name
    'DXSUM_23Dec2025.csv'
    """
    folder = Path(root).expanduser()
    if not folder.exists():
        raise TableError("The folder of a study exists", got=f"none at {str(folder)!r}")
    files = list_tables(folder, tuple(suffixes), depth)
    for wanted in (name, *aliases):
        found = [file for file in files if file.is_called(wanted)]
        if found:
            return choose_newest(found)
    if required:
        raise TableError(
            f"The table {name!r} is in the folder {folder.name!r}",
            got=suggest_tables(name, aliases, files),
            remedy=f"Download it: {where}" if where else "Download it, or name its folder",
        )
    return None


def suggest_tables(name: str, aliases: Sequence[str], files: Sequence[TableFile]) -> str:
    """Say which names were looked for and which are there that resemble them."""
    looked = ", nor " + first_names(aliases) if aliases else ""
    names = {file.name.casefold(): file.path.name for file in files}
    near = get_close_matches(name.casefold(), names, n=3, cutoff=0.5)
    if near:
        return f"no file of that name{looked}; nearest: {first_names(names[n] for n in near)}"
    return f"no file of that name{looked}, among {len(files)} tables"


def read_table(  # noqa: PLR0913 - keyword-only, and each is an option of its own
    source: str | Path | pd.DataFrame,
    columns: Spellings,
    *,
    required: Wanted = (),
    expected: Wanted = (),
    ids: Collection[str] = (),
    dates: Collection[str] = (),
    numeric: Collection[str] = (),
    censored: Collection[str] = (),
    sentinels: Sentinels = (),
    key: Sequence[str] = (),
    duplicates: str = "raise",
    unreadable: str = "raise",
    day_first: bool | None = None,
) -> pd.DataFrame:
    """Read columns of a table by name, whatever their spelling, with missing values as missing.

    Parameters
    ----------
    source : str, Path or DataFrame
        File with one line of column names; or the cells of a sheet, as strings.
    columns : mapping of str to str or sequence of str
        Name to use, and the spellings under which a file may have it; of several in one
        file the first of these. Case, blanks, dots, hyphens and underscores do not matter.
    required : collection of str or tuple of str, default=()
        Names that the file must have; of a tuple, any one.
    expected : collection of str or tuple of str, default=()
        Names that the file should have: one that it lacks is all missing, with a warning that
        suggests the nearest.
    ids : collection of str, default=()
        Names of identifiers: strings, never numbers.
    dates : collection of str, default=()
        Names of dates: ISO, ``2003/2/1``, ``20030201``, ``1.2.2003``, ``1-Feb-2003``,
        ``MM/YYYY`` (its first day), or day and month in either order before the year: one order a
        column, see ``day_first``. Two digits are no year.
    numeric : collection of str, default=()
        Names of numbers; their type is float64. Decimal commas, marks between thousands, percent
        and one unit for all of a column are read, with a warning, where the cells tell that they
        are.
    censored : collection of str, default=()
        Names of numbers that may lie beyond an assay's limit, such as ``">1700"``: the limit
        is the number, and a column ``<name>_censored`` has ``">"``, ``"<"`` or ``""``.
    sentinels : sequence of str, or mapping of str to sequence of str, default=()
        Codes for missing values: of every column but identifiers, or by name, ``"*"`` for
        every column. Empty cells, ``.``, ``n/a`` and the like are missing anyway.
    key : sequence of str, default=()
        Names that tell rows apart.
    duplicates : {"raise", "first", "last", "keep"}, default="raise"
        What to do with rows of the same key, see :func:`settle_duplicates`.
    unreadable : {"raise", "missing"}, default="raise"
        What to do with a cell that is no number, or no possible date, where one is due:
        an error, or a missing value and a warning.
    day_first : bool, default=None
        Whether the day comes first in dates such as ``3/4/2010``, where no day above 12 in their
        column tells. None: the month, with a warning.

    Returns
    -------
    DataFrame of shape (n_rows, n_columns)
        The names of ``columns``, in their order. What the file does not have is all missing;
        ``attrs["found"]`` maps the names that it has to their spelling.

    Raises
    ------
    TableError
        When the file cannot be read, a required column is missing, a cell cannot be
        read, the cells of a column contradict each other (decimal commas beside points, days
        first beside months first, several units) or leave open what they mean (``"1,234"``), or
        rows of the same key differ.

    Warns
    -----
    DataWarning
        When cells or rows were dropped, as asked, an expected column is not there, or numbers or
        dates are written in another way than programs write them.

    Notes
    -----
    Commas, semicolons, tabs and bars separate columns; quotes may be there or not. Files are
    UTF-8, with a byte-order mark or without, UTF-16 as Excel saves "Unicode text", or else
    Windows-1252 and Latin-1. Blank rows are no rows.

    Examples
    --------
    >>> import pandas as pd
    >>> from adestim.datasets.tables.read_table import read_table
    >>> cells = pd.DataFrame({"RID": ["31", "10898"], "ABETA": [">1700", "-4"]}, dtype="str")
    >>> read_table(
    ...     cells, {"subject": ("PTID", "RID"), "abeta": "ABETA"}, ids=["subject"],
    ...     censored=["abeta"], sentinels=["-4"],
    ... )
      subject   abeta abeta_censored
    0      31  1700.0              >
    1   10898     NaN
    """
    kinds = assign_kinds(columns, ids=ids, dates=dates, number=numeric, censored=censored)
    named = [name for entry in (*required, *expected) for name in list_alternatives(entry)]
    check_reading(duplicates, unreadable, key, named, columns)
    cells = source if isinstance(source, pd.DataFrame) else read_cells(source)
    name = cells.attrs.get("name", "table")
    found = find_columns(cells.columns, columns)
    check_required(cells.columns, columns, found, required, name)
    warn_of_absent(cells.columns, columns, found, expected, name)
    read = {}
    for column, kind in kinds.items():
        there = cells[found[column]] if column in found else make_empty_column(len(cells))
        what = f"column {column!r} of {name!r}"
        text, read[column] = read_cells_as(
            there, kind, choose_codes(column, sentinels), what, day_first
        )
        check_read(text, read[column], column, kind, name, unreadable)
        if kind == "censored":
            read[f"{column}_censored"] = extract_signs(text)
    table = pd.DataFrame(read, index=range(len(cells)))
    table.attrs["found"] = found
    return settle_duplicates(table, key, duplicates, name) if key else table


def read_cells_as(
    cells: pd.Series, kind: str, codes: Collection[str], what: str, day_first: bool | None
) -> tuple[pd.Series, pd.Series]:
    """Return a column's cells as text without codes for missing values, and converted.

    Worked out once for each distinct cell, of which most columns have few.
    """
    places, distinct = pd.factorize(cells, use_na_sentinel=False)
    text = leave_out_codes(pd.Series(distinct), kind, codes)
    try:
        values = convert_cells(text, kind, what, day_first)
    except TableError:
        # Once more on all of them, so that the message names the rows of the table.
        convert_cells(leave_out_codes(cells, kind, codes), kind, what, day_first)
        raise
    return text.take(places).reset_index(drop=True), values.take(places).reset_index(drop=True)


def leave_out_codes(cells: pd.Series, kind: str, codes: Collection[str]) -> pd.Series:
    """Return cells as text, missing where a word or a code says so."""
    text = mask_missing(cells)
    if kind in ("number", "censored", "dates"):
        text = text.mask(text.isin(DASHES))
    return text if kind == "ids" else drop_codes(text, codes)


def assign_kinds(columns: Collection[str], **named: Collection[str]) -> dict[str, str]:
    """Return what each column is; refuse names that no column has."""
    strangers = sorted({name for names in named.values() for name in names} - set(columns))
    if strangers:
        raise InputError(
            "The parameters of read_table name columns that it reads",
            got=f"{first_names(strangers)} besides",
        )
    kinds = dict.fromkeys(columns, "text")
    for kind, names in named.items():
        kinds.update(dict.fromkeys(names, kind))
    return kinds


def check_reading(
    duplicates: str,
    unreadable: str,
    key: Collection[str],
    required: Collection[str],
    columns: Collection[str],
) -> None:
    """Refuse parameters out of range."""
    assign_kinds(columns, key=key, required=required)
    choices = {"duplicates": (duplicates, DUPLICATES), "unreadable": (unreadable, UNREADABLE)}
    for name, (value, known) in choices.items():
        if value not in known:
            raise InputError(
                f"The {name!r} parameter must be one of {', '.join(map(repr, known))}",
                got=f"{value!r} instead",
            )


def choose_codes(column: str, sentinels: Sentinels) -> list[str]:
    """Return the codes for a missing value in a column."""
    if isinstance(sentinels, Mapping):
        return [*sentinels.get("*", ()), *sentinels.get(column, ())]
    return list(sentinels)


def check_read(
    text: pd.Series, values: pd.Series, column: str, kind: str, source: str, unreadable: str
) -> None:
    """Refuse, or report, cells that cannot be read; say where they are, not what they hold."""
    places = find_lost(text, values)
    if not len(places):
        return
    due = "possible dates" if kind == "dates" else "numbers"
    rows = ", ".join(str(place + 1) for place in places[:5]) + (", ..." if len(places) > 5 else "")
    if unreadable == "raise":
        raise TableError(
            f"Cells of column {column!r} of {source!r} are {due}",
            got=f"{len(places)} that are not, in data rows {rows}",
            remedy="Correct them, or name their codes for missing values",
        )
    warn(
        f"{len(places)} cells of column {column!r} of {source!r} are no {due} and count as "
        f"missing: data rows {rows}.",
        DataWarning,
        stacklevel=3,
    )


def settle_duplicates(
    table: pd.DataFrame, key: Sequence[str], duplicates: str = "raise", source: str = "table"
) -> pd.DataFrame:
    """Leave one row a key.

    Rows that are the same in every column are one. What differs is a conflict; rows that
    lack a part of the key have none.

    Parameters
    ----------
    table : DataFrame
        As read, in an order of your choice.
    key : sequence of str
        Columns that tell rows apart, the subject first.
    duplicates : {"raise", "first", "last", "keep"}, default="raise"
        What a conflict is: an error; settled by the first or the last row, with a
        warning; or left alone, as equal rows are too.
    source : str, default="table"
        Name of the table, for messages.

    Returns
    -------
    DataFrame
        Numbered anew, in the same order.

    Raises
    ------
    InputError
        When ``duplicates`` is none of these.
    TableError
        When rows of the same key differ.

    Warns
    -----
    DataWarning
        When rows were dropped that differ from those kept.

    Examples
    --------
    >>> import pandas as pd
    >>> from adestim.datasets.tables.read_table import settle_duplicates
    >>> table = pd.DataFrame({"subject": ["s1", "s1"], "visit": ["bl", "bl"], "mmse": [29, 29]})
    >>> len(settle_duplicates(table, ["subject", "visit"]))
    1
    """
    check_reading(duplicates, "raise", (), (), ())
    if duplicates == "keep":
        return table
    key = list(key)
    table = table.drop_duplicates(ignore_index=True)
    double = table.duplicated(key, keep=False) & table[key].notna().all(axis=1)
    if not double.any():
        return table
    whom = first_names(table.loc[double, key[0]].unique())
    if duplicates == "raise":
        raise TableError(
            f"{source!r} has one row for each {' and '.join(key)}",
            got=f"differing rows for {whom}",
            remedy="Correct the table, or choose duplicates='first' or 'last'",
        )
    surplus = double & table.duplicated(key, keep=duplicates)
    warn(
        f"{source!r} has differing rows of the same {' and '.join(key)} for {whom}; the "
        f"{duplicates} of each was kept, {int(surplus.sum())} were dropped.",
        DataWarning,
        stacklevel=2,
    )
    return table[~surplus].reset_index(drop=True)
