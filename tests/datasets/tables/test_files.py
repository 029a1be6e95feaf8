"""Files of tables: found in a folder, and read cell by cell."""

import gzip

import pandas as pd
import pytest

from adestim.datasets.tables.files import SUFFIXES, choose_newest, list_tables, read_cells
from adestim.exceptions import DataWarning, TableError


def files_of(folder, *names, depth=2):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("RID\n")
    return list_tables(folder, SUFFIXES, depth)


@pytest.mark.parametrize(
    "stem",
    ["DXSUM_23Dec2025", "DXSUM_20251223", "DXSUM_2025-12-23", "DXSUM_23-Dec-2025",
     "DXSUM_12_23_2025", "DXSUM_23Dec2025 (1)"],
)  # fmt: skip
def test_date_is_taken_from_the_name(tmp_path, stem):
    (file,) = files_of(tmp_path, f"{stem}.csv")
    assert (file.name, file.date) == ("DXSUM", pd.Timestamp(2025, 12, 23))


@pytest.mark.parametrize("name", ["UCSFFSX7", "OASIS3_UDSb4_cdr", "aibl_mmse", "X_99999999"])
def test_name_without_a_date_stays_whole(tmp_path, name):
    (file,) = files_of(tmp_path, f"{name}.csv")
    assert (file.name, file.date) == (name, None)


def test_number_of_a_copy_is_no_part_of_the_name(tmp_path):
    (file,) = files_of(tmp_path, "DXSUM (2).csv")
    assert file.name == "DXSUM"


def test_other_and_hidden_files_are_no_tables(tmp_path):
    assert files_of(tmp_path, "DXSUM.pdf", ".DXSUM.csv", ".cache/DXSUM.csv") == []


def test_search_goes_as_deep_as_asked(tmp_path):
    names = ("a.csv", "one/b.csv", "one/two/c.csv")
    assert [file.name for file in files_of(tmp_path, *names, depth=1)] == ["a", "b"]


def test_newest_is_read_with_a_warning_that_names_both(tmp_path):
    files = files_of(tmp_path, "DXSUM_01Jan2024.csv", "DXSUM_23Dec2025.csv", "DXSUM.csv")
    with pytest.warns(DataWarning, match=r"DXSUM_23Dec2025.*DXSUM.csv.*DXSUM_01Jan2024"):
        assert choose_newest(files).name == "DXSUM_23Dec2025.csv"


def test_two_copies_of_one_file_are_one(tmp_path):
    files = files_of(tmp_path, "DXSUM_23Dec2025.csv", "copy/DXSUM_23Dec2025.csv")
    assert choose_newest(files).name == "DXSUM_23Dec2025.csv"


def test_two_different_files_of_one_date_are_refused(tmp_path):
    files = files_of(tmp_path, "DXSUM_23Dec2025.csv", "old/DXSUM_23Dec2025.csv")
    files[0].path.write_text("RID\n31\n")
    with pytest.raises(TableError, match=r"which differ.*Remove the one"):
        choose_newest(files)


# Cells


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


def test_pointer_of_a_table_says_how_to_fetch_it(table):
    with pytest.raises(TableError, match=r"Got a git-lfs pointer.*git lfs pull"):
        read_cells(table("version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 9\n"))
