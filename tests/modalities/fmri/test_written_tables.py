"""Headers are recognised, not guessed: by words, as labels of an atlas, in comments."""

import gzip

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adestim.exceptions import AdestimError, DataWarning, TimeSeriesError
from adestim.modalities.fmri._tables import read_table

RNG = np.random.default_rng(0)
SERIES = RNG.normal(100, 1, (60, 4))
COUNTS = RNG.integers(9000, 9400, (60, 4))
NAMES = ("PCC", "mPFC", "V1", "M1")


def read(path, text=None, **options):
    if text is not None:
        path.write_text(text, **options)
    return read_table(path, "ROI series")


LABELS = {
    "of AAL": [2001, 2002, 2101, 2102],
    "of FreeSurfer": [1001, 1002, 2001, 12],
    "one region lost": [1, 2, 3, 5],
    "in order": [1, 2, 3, 4],
    "with decimals": [1.0, 2.0, 3.0, 5.0],
    "as text": ["2001", "2002", "2101", "2102"],
    "within the signal": [99, 100, 101, 102],
}


@pytest.mark.parametrize("kind", LABELS)
@pytest.mark.parametrize("index", [True, False])
@pytest.mark.parametrize("mark", ["\t", ",", ";", " "])
def test_labels_of_an_atlas_are_a_header(tmp_path, kind, index, mark):
    frame = pd.DataFrame(SERIES, columns=LABELS[kind])
    frame.to_csv(tmp_path / "a.tsv", sep=mark, index=index)
    table = read(tmp_path / "a.tsv")
    np.testing.assert_array_equal(table.values, SERIES)
    assert table.names == tuple(str(int(label)) for label in LABELS[kind])
    assert read_table(frame, "x").names == table.names


def test_columns_counted_by_pandas_are_nameless(tmp_path):
    pd.DataFrame(SERIES).to_csv(tmp_path / "a.csv", index=False)
    assert read(tmp_path / "a.csv").names is None
    assert read_table(pd.DataFrame(SERIES), "x").names is None


@pytest.mark.parametrize("labels", [[2001, 2002, 2101, 2102, 3001], [1, 2, 3, 4, 6]])
def test_labels_above_whole_numbers_are_told_by_their_order_and_range(tmp_path, labels):
    counts = RNG.integers(9000, 9400, (60, 5))
    pd.DataFrame(counts, columns=labels).to_csv(tmp_path / "a.csv", index=False)
    table = read(tmp_path / "a.csv")
    np.testing.assert_array_equal(table.values, counts)
    assert table.names == tuple(map(str, labels))


@pytest.mark.filterwarnings("ignore:the first row")
def test_whole_numbers_without_a_header_are_all_volumes(tmp_path):
    for counts in (COUNTS, np.sort(COUNTS, axis=1)[:, :3], COUNTS - 9200, np.eye(60)[:, :4]):
        np.savetxt(tmp_path / "a.txt", counts, fmt="%d")
        np.testing.assert_array_equal(read(tmp_path / "a.txt").values, counts)


def test_brighter_first_volume_of_whole_numbers_is_a_volume(tmp_path):
    level = RNG.integers(5000, 12000, 8)
    counts = np.vstack([level * 1.4, level + RNG.integers(-99, 99, (60, 8))])
    np.savetxt(tmp_path / "a.txt", counts, fmt="%d")
    assert len(read(tmp_path / "a.txt").values) == 61


def test_rising_first_volume_of_whole_numbers_is_told(tmp_path):
    counts = np.vstack([[1, 2, 4], RNG.integers(-5, 6, (60, 3))])
    np.savetxt(tmp_path / "a.txt", counts, fmt="%d")
    with pytest.warns(DataWarning, match="is taken for a volume. If it is a header"):
        assert len(read(tmp_path / "a.txt").values) == 61


@pytest.mark.filterwarnings("ignore:the first row")
@pytest.mark.parametrize("fmt", ["%g", "%.6f", "%d", "%.1f", "%.3e", "%.18e"])
def test_numbers_without_a_header_are_all_volumes(tmp_path, fmt):
    for seed in range(20):
        values = np.random.default_rng(seed).normal(100, 30, (40, 3))
        np.savetxt(tmp_path / "a.txt", values, fmt=fmt)
        assert len(read(tmp_path / "a.txt").values) == 40


def test_volume_of_whole_numbers_by_chance_is_no_header(tmp_path):
    values = np.random.default_rng(0).normal(100, 30, (40, 3))
    values[0] = [120, 80, 100]
    np.savetxt(tmp_path / "a.txt", values, fmt="%g")
    with pytest.raises(TimeSeriesError, match="may be either, 120 80 100"):
        read(tmp_path / "a.txt")
    np.savetxt(tmp_path / "a.txt", values)
    assert len(read(tmp_path / "a.txt").values) == 40


def test_whole_numbers_that_may_be_either_are_refused(tmp_path):
    rows = [[3, 7, 12], *RNG.integers(500, 600, (30, 3)).tolist()]
    text = "\n".join(" ".join(map(str, row)) for row in rows)
    with pytest.raises(TimeSeriesError, match=r"may be either, 3 7 12 .*Write names in words"):
        read(tmp_path / "a.txt", text)


def test_labels_given_twice_are_no_volume(tmp_path):
    with pytest.raises(TimeSeriesError, match="may be either, 2001 2001 2101 2102"):
        read(tmp_path / "a.txt", "2001 2001 2101 2102\n" + lines())


def test_volume_of_zeros_is_a_volume(tmp_path):
    values = np.vstack([np.zeros(4), SERIES - 100])
    np.savetxt(tmp_path / "a.txt", values, fmt="%g")
    assert len(read(tmp_path / "a.txt").values) == len(values)


# Comments


def lines(mark=" ", rows=SERIES):
    return "".join(mark.join(map(str, row)) + "\n" for row in rows)


HEADERS = {
    "savetxt": "# PCC mPFC V1 M1\n",
    "without a blank": "#PCC mPFC V1 M1\n",
    "tabs": "# PCC\tmPFC\tV1\tM1\n",
    "several lines": "# made by a script\n# TR 2 s\n# PCC mPFC V1 M1\n#\n",
    "below it a ruler": "# PCC mPFC V1 M1\n# ---------------\n",
    "matlab": "% PCC mPFC V1 M1\n",
    "niml": '# <matrix\n#  ni_type = "4*double"\n#  ColumnLabels = "PCC ; mPFC ; V1 ; M1"\n# >\n',
    "blank lines": "\n# PCC mPFC V1 M1\n\n",
}


@pytest.mark.parametrize("header", HEADERS)
@pytest.mark.parametrize("mark", [" ", "\t", "  "])
def test_names_in_a_comment(tmp_path, header, mark):
    table = read(tmp_path / "a.1D", HEADERS[header] + lines(mark) + "# </matrix>\n")
    assert table.names == NAMES
    np.testing.assert_array_equal(table.values, SERIES)


@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_names_in_a_comment_of_the_rows_own_mark(tmp_path, mark):
    table = read(tmp_path / "a.csv", "#" + mark.join(NAMES) + "\n" + lines(mark))
    assert table.names == NAMES


def test_labels_in_a_comment(tmp_path):
    np.savetxt(tmp_path / "a.txt", SERIES, header="2001 2002 2101 2102")
    assert read(tmp_path / "a.txt").names == ("2001", "2002", "2101", "2102")


@pytest.mark.parametrize(
    "comment",
    ["# 3dvolreg\n", "# written on 1 June 2020 by a program of ours\n", "#\n", "# <x\n# >\n"],
)
def test_comment_that_is_no_header_is_passed_over(tmp_path, comment):
    table = read(tmp_path / "a.1D", comment + lines())
    assert table.names is None
    np.testing.assert_array_equal(table.values, SERIES)


def test_comment_that_nearly_fits_is_told(tmp_path):
    with pytest.warns(DataWarning, match="has 3 words for 4 columns"):
        assert read(tmp_path / "a.1D", "# PCC mPFC V1\n" + lines()).names is None


# Headers that do not fit


@pytest.mark.parametrize(
    "header",
    [
        "PCC mPFC V1", "PCC mPFC V1 M1 S1", "2001 2002 2101", "1 2 3", "1 2 3 4 5",
        "# PCC,mPFC,V1", "#PCC\tmPFC\tV1\tM1\tS1", '# ColumnLabels = "a ; b"',
    ],
)  # fmt: skip
@pytest.mark.parametrize("mark", ["\t", ",", " "])
def test_header_of_another_length_is_refused_with_both_counts(tmp_path, header, mark):
    comment = header.startswith("#")
    written = header if comment else header.replace(" ", mark)
    n_names = 2 if "Labels" in header else len(header.replace(",", " ").lstrip("# ").split())
    with pytest.raises(TimeSeriesError, match=f"{n_names} names above rows of 4 cells"):
        read(tmp_path / "a.csv", written + "\n" + lines(mark))


def test_table_of_r_has_no_name_above_its_row_numbers(tmp_path):
    rows = "".join(f'"{i}" ' + " ".join(map(str, row)) + "\n" for i, row in enumerate(SERIES, 1))
    table = read(tmp_path / "a.txt", '"PCC" "mPFC" "V1" "M1"\n' + rows)
    assert table.names == NAMES
    np.testing.assert_array_equal(table.values, SERIES)


@pytest.mark.parametrize("header", ["PCC\tmPFC\tV1\tM1\t\n", "PCC\tmPFC\tV1\tM1\n", ""])
def test_rows_that_end_in_their_separator(tmp_path, header):
    table = read(tmp_path / "a.tsv", header + lines("\t").replace("\n", "\t\n"))
    assert table.names == (NAMES if header else None)
    np.testing.assert_array_equal(table.values, SERIES)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("A\tB\n1.5\t2\n3.5\n", "same number of columns"),
        ("1.5\t2\n3.5\n1\t2\n", "same number of columns"),
        ("A\t0.5\n1.5\t2\n", "both, '0.5' among them"),
        ("12.5\terr\n1.5\t2\n", "both, '12.5' among them"),
        ("PCC\tPCC\n1.5\t2\n", "'PCC' 2 times"),
        ("PCC\t\n1.5\t2\n0.1\t5\n0.5\t1\n", "column number 2 without a name"),
        ("# A\n# B\n", "must be readable"),
        ("1.5\t2.0\n1\tx\n", "text in column 'number 1'"),
    ],
)
def test_what_cannot_be_read_is_refused(tmp_path, text, words):
    with pytest.raises(TimeSeriesError, match=words):
        read(tmp_path / "a.tsv", text)


# Numbers of rows


@pytest.mark.parametrize(
    "index", [range(60), range(1, 61), [*range(20), *range(25, 65)], np.arange(60) * 2.0]
)
@pytest.mark.parametrize("columns", [NAMES, [2001, 2002, 2101, 2102]])
def test_index_without_a_name_is_dropped(tmp_path, index, columns):
    pd.DataFrame(SERIES, columns=columns, index=index).to_csv(tmp_path / "a.csv")
    table = read(tmp_path / "a.csv")
    np.testing.assert_array_equal(table.values, SERIES)
    assert table.names == tuple(map(str, columns))


@pytest.mark.parametrize("name", ["Unnamed: 0", "Unnamed: 0.1", "index", "volume"])
def test_named_index_with_gaps_is_dropped(name):
    frame = pd.DataFrame(SERIES, columns=NAMES)
    frame.insert(0, name, [*range(20), *range(25, 65)])
    assert read_table(frame, "x").names == NAMES


@pytest.mark.parametrize("step", [1, 2, 0.72])
def test_numbers_of_rows_without_a_header_are_dropped(tmp_path, step):
    np.savetxt(tmp_path / "a.txt", np.column_stack([np.arange(60) * step, SERIES]), fmt="%.6f")
    np.testing.assert_allclose(read(tmp_path / "a.txt").values, SERIES, atol=1e-5)


# Spellings


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1", "cp1252"])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_any_encoding_and_end_of_line(tmp_path, encoding, newline):
    text = "\t".join(["Größe", *NAMES[1:]]) + "\n" + lines("\t")
    (tmp_path / "a.tsv").write_bytes(text.replace("\n", newline).encode(encoding))
    table = read(tmp_path / "a.tsv")
    assert table.names == ("Größe", *NAMES[1:])
    np.testing.assert_array_equal(table.values, SERIES)


@pytest.mark.parametrize("mark", [";", "\t", " "])
@pytest.mark.parametrize("header", [True, False])
def test_decimal_commas(tmp_path, mark, header):
    text = (mark.join(NAMES) + "\n" if header else "") + lines(mark).replace(".", ",")
    table = read(tmp_path / "a.csv", text)
    np.testing.assert_array_equal(table.values, SERIES)


def test_points_beside_commas_are_refused(tmp_path):
    with pytest.raises(TimeSeriesError, match=r"decimal comma|text in column"):
        read(tmp_path / "a.csv", "A;B\n1,52;2.25\n1,5;2.5\n")


def test_names_as_bytes_are_decoded():
    frame = pd.DataFrame(SERIES, columns=[name.encode() for name in NAMES])
    assert read_table(frame, "x").names == NAMES


@pytest.mark.parametrize("word", ["n/a", "NA", "nan", "None", "<NA>", ".", ""])
def test_words_for_missing(tmp_path, word):
    table = read(tmp_path / "a.tsv", f"A\tB\n{word}\t1.5\n2.5\t3.5\n")
    np.testing.assert_array_equal(table.values, [[np.nan, 1.5], [2.5, 3.5]])


# Any bytes


def tell_fate(path, expected, names):
    """How a file is taken: refused in our words, read right, or read wrong."""
    try:
        table = read_table(path, "ROI series")
    except AdestimError:
        return "refused"
    right = table.names == names and np.array_equal(table.values, expected, equal_nan=True)
    return "right" if right else "other"


@pytest.mark.parametrize("kind", ["bit", "cut", "bytes"])
def test_damaged_packed_table_is_refused_or_read_right(tmp_path, kind):
    rng, path = np.random.default_rng(1), tmp_path / "a.tsv.gz"
    content = gzip.compress(("\t".join(NAMES) + "\n" + lines("\t")).encode())
    for _ in range(100):
        found = bytearray(content)
        if kind == "cut":
            found = found[: rng.integers(len(found))]
        else:
            for place in rng.integers(len(found), size=1 if kind == "bit" else 4):
                found[place] ^= 1 << rng.integers(8)
        path.write_bytes(bytes(found))
        assert tell_fate(path, SERIES, NAMES) != "other"


@settings(max_examples=60, deadline=None)
@given(content=st.one_of(st.binary(max_size=99), st.text(max_size=50).map(str.encode)))
@pytest.mark.filterwarnings("ignore::adestim.exceptions.DataWarning")
def test_any_bytes_end_in_a_table_or_one_clear_error(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "any.tsv"
    path.write_bytes(content)
    tell_fate(path, None, None)


NUMBERS = st.floats(-1e6, 1e6, allow_nan=False).map(lambda x: round(x, 3))
WORDS = st.text(st.characters(categories=["L"]), min_size=1, max_size=6)


@settings(max_examples=80, deadline=None)
@given(
    rows=st.lists(st.lists(NUMBERS, min_size=3, max_size=3), min_size=3, max_size=12),
    names=st.lists(WORDS, min_size=3, max_size=3, unique=True),
    mark=st.sampled_from(["\t", ",", ";", " ", "|"]),
    headed=st.booleans(),
)
@pytest.mark.filterwarnings("ignore::adestim.exceptions.DataWarning")
def test_what_was_written_is_read_or_refused(tmp_path_factory, rows, names, mark, headed):
    from adestim._support.missing import NUMBER_WORDS
    from adestim.modalities.fmri._tables import INDEX_NAMES, TIME_NAMES

    special = NUMBER_WORDS | INDEX_NAMES | TIME_NAMES | {"inf", "infinity", "nan"}
    path = tmp_path_factory.getbasetemp() / "written.csv"
    header = [mark.join(names)] if headed else []
    body = [mark.join(f"{number:.3f}" for number in row) for row in rows]
    path.write_text("\n".join([*header, *body]) + "\n", encoding="utf-8")
    if special.isdisjoint(name.lower() for name in names):
        expected = np.array([[float(f"{number:.3f}") for number in row] for row in rows])
        assert tell_fate(path, expected, tuple(names) if headed else None) != "other"
