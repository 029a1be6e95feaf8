"""Tables from files, as strings."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable
from pathlib import Path
from warnings import catch_warnings, simplefilter

import pandas as pd
from pandas.errors import EmptyDataError, ParserError, ParserWarning

from adestim._support.files import require_fetched
from adestim.exceptions import TableError

SEPARATORS = ",\t;|"
ENCODINGS = ("utf-8-sig", "latin-1")


def read_cells(path: str | Path, n_rows: int | None = None) -> pd.DataFrame:
    """Return every cell of a table as a string, the empty one as ``""``."""
    path = Path(path)
    try:
        require_fetched(path, TableError)
        return decoded(path, n_rows)
    except FileNotFoundError:
        raise TableError("The file of a table exists", got=f"none at {str(path)!r}") from None
    except EmptyDataError:
        raise TableError("A table has a line of names", got=f"{path.name!r}, empty") from None
    except (ParserError, ParserWarning):
        raise TableError(
            "Every row of a table has as many cells as there are names",
            got=f"another number in {path.name!r}",
            remedy="Download it again; it may be cut off, or no table",
        ) from None
    except (gzip.BadGzipFile, EOFError, zlib.error):
        raise TableError(
            "A compressed table can be unpacked",
            got=f"{path.name!r}, which cannot",
            remedy="Download it again",
        ) from None


def decoded(path: Path, n_rows: int | None) -> pd.DataFrame:
    """Read a table by the first encoding that fits."""
    for encoding in ENCODINGS[:-1]:
        try:
            return parsed(path, encoding, n_rows)
        except UnicodeDecodeError:
            continue
    return parsed(path, ENCODINGS[-1], n_rows)


def parsed(path: Path, encoding: str, n_rows: int | None) -> pd.DataFrame:
    """Read a table in one encoding."""
    opener: Callable = gzip.open if path.name.endswith(".gz") else open
    with opener(path, "rt", encoding=encoding, newline="") as file:
        separator = separator_of(file.readline())
    with catch_warnings():
        simplefilter("error", ParserWarning)
        cells = pd.read_csv(
            path,
            sep=separator,
            dtype="str",
            keep_default_na=False,
            encoding=encoding,
            skipinitialspace=True,
            # A row with a cell too many must not make the first column an index.
            index_col=False,
            nrows=n_rows,
        )
    return cells.rename(columns=str.strip)


def separator_of(header: str) -> str:
    """Return the separator that a line of names has most of."""
    return max(SEPARATORS, key=header.count)
