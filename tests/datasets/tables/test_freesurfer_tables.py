"""Tables that asegstats2table and aparcstats2table write."""

import numpy as np
import pytest

from adestim.datasets import read_freesurfer_tables
from adestim.exceptions import TableError

ASEG = ["Measure:volume", "Left-Hippocampus", "EstimatedTotalIntraCranialVol"]
APARC = ["lh.aparc.thickness", "lh_insula_thickness", "eTIV"]


def write(path, rows, separator="\t"):
    path.write_text("\n".join(separator.join(map(str, row)) for row in rows) + "\n")
    return path


def test_tables_stand_side_by_side(tmp_path):
    first = write(tmp_path / "aseg", [ASEG, ["s1", 4000.5, 1.5e6], ["s2", 3000, 1.6e6]])
    second = write(tmp_path / "aparc", [APARC, ["s2", 2.9, 1.6e6], ["s3", 2.8, 1.4e6]])
    table = read_freesurfer_tables([first, str(second)])
    assert list(table.columns) == [*ASEG[1:], *APARC[1:]]
    assert (table.index.name, list(table.index)) == ("subject", ["s1", "s2", "s3"])
    assert table.loc["s2"].tolist() == [3000, 1.6e6, 2.9, 1.6e6]
    assert np.isnan(table.loc["s1", "eTIV"])


@pytest.mark.parametrize("separator", ["\t", ",", ";", " "])
def test_any_separator_is_read(tmp_path, separator):
    path = write(tmp_path / "aseg", [ASEG, ["s1", 4000.5, 1.5e6]], separator)
    assert read_freesurfer_tables(path).loc["s1", "Left-Hippocampus"] == 4000.5


def test_transposed_tables_are_turned(tmp_path):
    rows = [["Measure:volume", "s1", "s2"], [ASEG[1], 4000, 3000], [ASEG[2], 1.5e6, 1.6e6]]
    table = read_freesurfer_tables(write(tmp_path / "aseg", rows))
    assert table["Left-Hippocampus"].to_dict() == {"s1": 4000, "s2": 3000}


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([ASEG, ["s1", "many", 1.5e6]], "something else than numbers.*'Left-Hippocampus'"),
        ([ASEG, ["s1", 4e3, 1e6], ["s1", 4e3, 1e6]], "a subject twice: 's1'"),
        ([ASEG], "3 columns and 0 rows"),
        ([["Measure:volume"], ["s1"]], "1 columns"),
    ],
)
def test_what_is_no_such_table_is_refused(tmp_path, rows, said):
    with pytest.raises(TableError, match=said):
        read_freesurfer_tables(write(tmp_path / "aseg", rows))


def test_a_table_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(TableError, match="FileNotFoundError"):
        read_freesurfer_tables(tmp_path / "aseg")
    with pytest.raises(TableError, match="Got none"):
        read_freesurfer_tables([])


def test_tables_of_different_runs_are_refused(tmp_path):
    first = write(tmp_path / "a", [APARC, ["s1", 2.9, 1.6e6]])
    second = write(tmp_path / "b", [["rh.aparc.area", "rh_insula_area", "eTIV"], ["s1", 9, 1.4e6]])
    with pytest.raises(TableError, match=r"different values of 'eTIV' for 1 subject"):
        read_freesurfer_tables([first, second])
