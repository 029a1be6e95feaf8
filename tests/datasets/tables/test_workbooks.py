"""Workbooks of Excel."""

import pandas as pd
import pytest

from adestim.datasets.tables.workbooks import read_sheets, require_bounded
from adestim.exceptions import TableError

pytest.importorskip("openpyxl")


@pytest.fixture
def book(tmp_path):
    path = tmp_path / "book.xlsx"
    with pd.ExcelWriter(path) as file:
        pd.DataFrame({"RID": [31, 7], "x": [2.5, None]}).to_excel(
            file, sheet_name="data", index=False
        )
        pd.DataFrame({2010: ["a"]}).to_excel(file, sheet_name="other", index=False)
    return path


def test_cells_and_names_are_text(book):
    sheets = read_sheets(book)
    assert sheets["data"].to_dict("list") == {"RID": ["31", "7"], "x": ["2.5", ""]}
    assert list(sheets["other"]) == ["2010"]


def test_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(TableError, match="The file of a table exists"):
        read_sheets(tmp_path / "none.xlsx")


@pytest.mark.parametrize("share", [0, 0.1, 0.5, 0.9, 0.99])
def test_workbook_that_is_cut_off_is_refused(book, share):
    content = book.read_bytes()
    book.write_bytes(content[: int(share * len(content))])
    with pytest.raises(TableError, match=r"'book.xlsx', which cannot be read"):
        read_sheets(book)


def test_workbook_that_grows_wildly_is_refused(book, monkeypatch):
    require_bounded(book)
    monkeypatch.setattr("adestim.datasets.tables.workbooks.MOST_BYTES", 100)
    with pytest.raises(TableError, match="cannot be read"):
        read_sheets(book)
