"""Workbooks of Excel, every cell as a string."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from zipfile import BadZipFile, ZipFile

import pandas as pd

from adestim._support.files import require_fetched
from adestim._support.text_files import MOST_BYTES
from adestim.exceptions import MissingDependencyError, TableError

WORKBOOK = ".xlsx"


def read_sheets(path: Path, what: str = "A workbook") -> dict[str, pd.DataFrame]:
    """Return the sheets of a workbook by name, their cells as strings, the empty one as ``""``."""
    if find_spec("openpyxl") is None:
        raise MissingDependencyError(
            f"openpyxl reads the workbook {path.name!r}",
            got="no such package",
            remedy="pip install 'adestim[excel]', or save the sheet of the visits as .csv",
        )
    if not path.is_file():
        raise TableError("The file of a table exists", got=f"none at {str(path)!r}")
    require_fetched(path, TableError)
    try:
        require_bounded(path)
        sheets = pd.read_excel(
            path, sheet_name=None, dtype=str, keep_default_na=False, engine="openpyxl"
        )
    # Of a damaged workbook openpyxl raises whatever its parsers do.
    except Exception as failure:
        raise TableError(
            f"{what} is a workbook",
            got=f"{path.name!r}, which cannot be read ({type(failure).__name__})",
            remedy="Download it again",
        ) from None
    return {name: cells.rename(columns=str).map(str) for name, cells in sheets.items()}


def require_bounded(path: Path) -> None:
    """Refuse a workbook that unpacks to more than a table can be."""
    with ZipFile(path) as archive:
        if sum(member.file_size for member in archive.infolist()) > MOST_BYTES:
            raise BadZipFile("more than a workbook holds")
