"""Tables of text: encodings, separators, packed files, blank rows."""

import gzip

import pytest
from pandas.errors import ParserError

from adestim._support.tables import BLANKS, find_separator, read_rows, read_text_table
from adestim.exceptions import DataWarning, TableError


def written(path, text, encoding="utf-8"):
    path.write_bytes(text.encode(encoding))
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1", "utf-16", "utf-32"])
@pytest.mark.parametrize("has_names", [True, False])
def test_table_is_read_in_every_encoding(tmp_path, encoding, has_names):
    path = written(tmp_path / "a.csv", "Ort,x\nMünchen,1\n", encoding)
    cells = read_text_table(path, has_names=has_names)
    assert "München" in list(cells.iloc[:, 0])
    assert has_names == (list(cells.columns) == ["Ort", "x"])


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-32-be"])
def test_bytes_that_are_no_text_are_refused(tmp_path, encoding):
    with pytest.raises(ParserError, match="no text"):
        read_text_table(written(tmp_path / "a.csv", "RID,DX\n31,CN\n", encoding))


def test_packed_table_is_read(tmp_path):
    path = tmp_path / "a.tsv.gz"
    path.write_bytes(gzip.compress("RID\tOrt\n31\tMünchen\n".encode("latin-1")))
    assert read_text_table(path).to_dict("list") == {"RID": ["31"], "Ort": ["München"]}


@pytest.mark.parametrize(
    "text",
    ["RID,DX\n\n31,CN\n\n", "RID,DX\n,\n31,CN\n , \n", "\n\nRID,DX\n31,CN\n",
     "RID,DX,,\n31,CN,,\n,,,\n", "sep=,\nRID,DX\n31,CN\n", "RID;DX\r\n31;CN\r\n",
     "sep=|\r\nRID|DX\r\n31|CN\r\n"],
)  # fmt: skip
def test_what_excel_adds_is_no_part_of_a_table(tmp_path, text):
    path = written(tmp_path / "a.csv", text, "utf-16")
    assert read_text_table(path).to_dict("list") == {"RID": ["31"], "DX": ["CN"]}


@pytest.mark.parametrize(
    ("line", "separator"),
    [
        ("name, first;age;sex\n", ";"),
        ("RID\n", ","),
        ("a|b|c\n", "|"),
        ("years, of age\tyears, of school, all\n", "\t"),
        ("1,5;2,5;3,5\n", ";"),
        ('RID,DX,"one; other",AGE\n', ","),
    ],
)
def test_separator_is_found_in_the_first_line(line, separator):
    assert find_separator(line) == separator


def test_separator_of_a_line_without_any_is_the_fallback():
    assert find_separator("1 2 3\n", BLANKS) == BLANKS


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1", "utf-16"])
def test_small_table_is_read_in_every_encoding(tmp_path, encoding):
    path = written(tmp_path / "sub-01_scans.tsv", "filename\tname\n\t\nx\tJosé\n", encoding)
    assert read_rows(str(path)) == [{"filename": "x", "name": "José"}]


def test_small_table_in_other_bytes_is_refused(tmp_path):
    path = written(tmp_path / "sub-01_scans.tsv", "filename\tname\nx\tJosé\n", "utf-16-le")
    with pytest.raises(TableError, match=r"are text\. Got bytes that are no text"):
        read_rows(str(path))


def test_row_with_a_cell_too_many_is_refused_in_a_small_table(tmp_path):
    path = written(tmp_path / "sub-01_scans.tsv", "filename\tname\nx\ta\ny\tb\t7\n")
    with pytest.raises(TableError, match="Got more in row 3 of"):
        read_rows(str(path))


@pytest.mark.parametrize("separator", [",", None])
def test_rows_that_lack_cells_are_told(tmp_path, separator):
    path = written(tmp_path / "a.csv", "RID,DX,AGE\n31,CN,70\n32\n33,AD,\n34,AD\n")
    with pytest.warns(DataWarning, match=r"'a.csv' has fewer cells than names in rows 3, 5"):
        cells = read_text_table(path, separator=separator)
    assert list(cells["AGE"]) == ["70", "", "", ""]


def test_line_that_states_the_separator_lacks_no_cells(tmp_path):
    path = written(tmp_path / "a.csv", "\nsep=;\nRID;DX\n31;\n32;AD\n")
    assert list(read_text_table(path)["DX"]) == ["", "AD"]


@pytest.mark.parametrize(("text", "separator"), [("1,2\n3\n", None), ("1 2\n3 4\n5\n", BLANKS)])
def test_rows_that_lack_cells_are_refused_where_no_names_tell_which(tmp_path, text, separator):
    path = written(tmp_path / "a.csv", text)
    with pytest.raises(ParserError, match=r"fewer cells in row \d than elsewhere"):
        read_text_table(path, has_names=False, separator=separator)
