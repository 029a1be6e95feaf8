"""Tables from files, as strings."""

import gzip

import pytest

from adestim.datasets.tables.sheets import read_cells, separator_of
from adestim.exceptions import TableError


@pytest.fixture
def table(tmp_path):
    def write(content, name="table.csv", encoding="utf-8"):
        path = tmp_path / name
        path.write_bytes(content.encode(encoding))
        return path

    return write


@pytest.mark.parametrize(
    "content",
    [
        "RID,DX\n31,CN\n",
        '"RID","DX"\n"31","CN"\n',
        "RID;DX\n31;CN\n",
        "RID\tDX\r\n31\tCN\r\n",
        "RID|DX\n31|CN\n",
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_quotes_separators_and_byte_order_mark_do_not_matter(table, content, encoding):
    cells = read_cells(table(content, encoding=encoding))
    assert cells.to_dict("list") == {"RID": ["31"], "DX": ["CN"]}


def test_cells_stay_strings(table):
    cells = read_cells(table("RID,AGE\n0031,\n10898,70.50\n"))
    assert cells.to_dict("list") == {"RID": ["0031", "10898"], "AGE": ["", "70.50"]}


def test_bytes_that_are_not_utf8_are_latin1(table):
    assert read_cells(table("SITE\nMünchen\n", encoding="latin-1"))["SITE"][0] == "München"


def test_compressed_table_is_read(tmp_path):
    path = tmp_path / "table.csv.gz"
    path.write_bytes(gzip.compress(b"RID\n31\n"))
    assert list(read_cells(path)["RID"]) == ["31"]


def test_comma_at_the_end_of_every_row_shifts_nothing(table):
    assert list(read_cells(table("RID,DX,\n31,CN,\n"))["RID"]) == ["31"]


def test_row_with_a_cell_too_many_is_refused(table):
    with pytest.raises(TableError, match="as many cells as there are names"):
        read_cells(table("RID,DX\n31,CN\n32,CN,7\n"))


def test_every_row_with_a_cell_too_many_is_refused(table):
    with pytest.raises(TableError, match="as many cells as there are names"):
        read_cells(table("RID,DX\n31,CN,7\n32,CN,7\n"))


def test_empty_file_is_refused(table):
    with pytest.raises(TableError, match=r"A table has a line of names\. Got 'table.csv', empty"):
        read_cells(table(""))


def test_missing_file_is_refused(tmp_path):
    with pytest.raises(TableError, match="The file of a table exists"):
        read_cells(tmp_path / "none.csv")


def test_broken_archive_is_refused(tmp_path):
    path = tmp_path / "table.csv.gz"
    path.write_bytes(gzip.compress(b"RID\n" + b"31\n" * 999)[:40])
    with pytest.raises(TableError, match="A compressed table can be unpacked"):
        read_cells(path)


def test_separator_is_the_most_frequent_one():
    assert separator_of("name, first;age;sex\n") == ";"
    assert separator_of("RID\n") == ","


def test_pointer_of_a_table_says_how_to_fetch_it(table):
    with pytest.raises(TableError, match=r"Got a git-lfs pointer.*git lfs pull"):
        read_cells(table("version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 9\n"))
