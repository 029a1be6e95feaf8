"""Tables of numbers over time, as people write them."""

import gzip

import numpy as np
import pandas as pd
import pytest

from adestim.exceptions import TimeSeriesError
from adestim.modalities.fmri._tables import read_table

VALUES = np.array([[1.5, -2.0, 3.25], [0.5, 4.0, -1.0], [2.0, 2.5, 8.0], [7.0, 1.0, 1.0]])
NAMES = ("PCC", "mPFC", "V1")


def written(path, text):
    path.write_text(text, encoding="utf-8")
    return read_table(path, what="ROI series")


def lines(mark, header=None):
    rows = [mark.join(map(str, row)) for row in VALUES]
    return "\n".join(([mark.join(header)] if header else []) + rows) + "\n"


@pytest.mark.parametrize(
    ("name", "mark"), [("a.tsv", "\t"), ("a.csv", ","), ("a.csv", ";"), ("a.1D", "  ")]
)
@pytest.mark.parametrize("header", [None, NAMES])
def test_separators_and_headers_are_recognised(tmp_path, name, mark, header):
    table = written(tmp_path / name, lines(mark, header))
    np.testing.assert_array_equal(table.values, VALUES)
    assert table.names == header


def test_compressed_table(tmp_path):
    path = tmp_path / "a.tsv.gz"
    path.write_bytes(gzip.compress(lines("\t", NAMES).encode()))
    assert read_table(path, what="ROI series").names == NAMES


@pytest.mark.parametrize("index", [True, False])
def test_unnamed_columns_written_by_pandas(tmp_path, index):
    path = tmp_path / "a.csv"
    pd.DataFrame(VALUES).to_csv(path, index=index)
    table = read_table(path, what="ROI series")
    np.testing.assert_array_equal(table.values, VALUES)
    assert table.names is None


def test_index_written_by_pandas_is_dropped(tmp_path):
    path = tmp_path / "a.csv"
    pd.DataFrame(VALUES, columns=NAMES).to_csv(path)
    table = read_table(path, what="ROI series")
    np.testing.assert_array_equal(table.values, VALUES)
    assert table.names == NAMES


def test_counting_column_is_dropped_and_a_signal_of_that_name_kept():
    counted = pd.DataFrame(VALUES, columns=NAMES)
    counted.insert(0, "volume", range(1, 5))
    assert read_table(counted, what="ROI series").names == NAMES
    signal = counted.assign(volume=[0.3, 0.1, 0.2, 0.9])
    assert read_table(signal, what="ROI series").names == ("volume", *NAMES)


def test_time_column_gives_the_step():
    frame = pd.DataFrame(VALUES, columns=NAMES).assign(time=np.arange(4) * 0.607)
    table = read_table(frame, what="ROI series")
    assert table.names == NAMES
    assert table.step == pytest.approx(0.607)


def test_uneven_times_give_no_step():
    frame = pd.DataFrame(VALUES, columns=NAMES).assign(time=[0.0, 2.0, 6.0, 8.0])
    assert read_table(frame, what="ROI series").step is None


def test_missing_words_become_nan(tmp_path):
    table = written(tmp_path / "a.tsv", "A\tB\nn/a\t1\n2\tn/a\n")
    np.testing.assert_array_equal(table.values, [[np.nan, 1], [2, np.nan]])


def test_frame_of_any_numeric_dtype():
    frame = pd.DataFrame({"A": [1, 2], "B": pd.array([1.5, None], dtype="Float64")})
    np.testing.assert_array_equal(read_table(frame, "x").values, [[1, 1.5], [2, np.nan]])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("A\tB\n1\tx\n", "text in column 'B'"),
        ("A\tA\n1\t2\n", "'A' 2 times"),
        ("A\tB\n", "at least one row"),
        ("", "must be readable"),
        ("1\t2\n1\t2\t3\t4\n", "same number of columns"),
    ],
)
def test_bad_tables_are_refused(tmp_path, text, words):
    with pytest.raises(TimeSeriesError, match=words):
        written(tmp_path / "a.tsv", text)


def test_absent_and_binary_files_are_refused(tmp_path):
    with pytest.raises(TimeSeriesError, match="must be readable"):
        read_table(tmp_path / "absent.tsv", what="ROI series")
    (tmp_path / "b.tsv").write_bytes(b"\xff\xfe\x00\x81")
    with pytest.raises(TimeSeriesError, match="must be readable"):
        read_table(tmp_path / "b.tsv", what="ROI series")


def test_packed_table_that_is_cut_off_is_refused(tmp_path):
    path = tmp_path / "a.tsv.gz"
    path.write_bytes(gzip.compress(lines("\t", NAMES).encode() * 99)[:60])
    with pytest.raises(TimeSeriesError, match="must be readable"):
        read_table(path, what="ROI series")


def test_names_may_be_in_latin_1(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes("Größe,V1\n1,2\n3,4\n".encode("latin-1"))
    assert read_table(path, what="ROI series").names == ("Größe", "V1")


def test_table_of_nothing_but_time_is_refused():
    with pytest.raises(TimeSeriesError, match="beside its time"):
        read_table(pd.DataFrame({"time": [0.0, 1.0]}), what="ROI series")


def test_real_series_with_a_header(realdata):
    table = read_table(realdata / "nitime_fmri" / "fmri_timeseries.csv", what="ROI series")
    assert table.values.shape == (250, 31)
    assert (table.names[0], table.names[-1]) == ("WM", "RPrec")
    assert table.values[0, 0] == 10125.9
