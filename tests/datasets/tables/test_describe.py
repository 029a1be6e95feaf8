"""What tables look like, without what stands in them."""

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adestim.datasets import describe
from adestim.datasets.tables.describe import mask_path, round_to_range
from adestim.exceptions import TableError


@pytest.fixture
def write(tmp_path):
    def write(name, text):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_columns_are_described_by_type_and_counts(write):
    path = write("T.csv", "RID,X,D,A,N,M\n1,0.5,9/8/2005,>1700,,1\n2,,2005-01-01,200,,q\n")
    table = describe(path).set_index("column")
    assert list(table["dtype"]) == ["integer", "number", "date", "censored", "empty", "mixed"]
    assert list(table["n_present"]) == [2, 1, 2, 2, 0, 2]
    assert list(table["distinct"]) == ["2", "1", "2", "2", "0", "2"]
    assert set(table["n_rows"]) == {2}


def test_text_is_only_counted(write):
    table = describe(write("T.csv", "NOTE\nseen by Dr Who\nnothing\n"))
    assert list(table["dtype"]) == ["text"]
    assert "Who" not in table.to_string()


def test_first_row_of_data_is_not_taken_for_names(write):
    for text in ("023_S_0031,29,F\n023_S_0032,27,M\n", "smith,F\njones,F\n"):
        shown = describe(write("T.csv", text))
        assert shown["column"][0] == "column 1"
        assert not {"023", "29", "smith"} & set(shown["column"])


@pytest.mark.parametrize(
    ("name", "shown"),
    [("DXSUM_23Dec2025.csv", "DXSUM_23Dec2025.csv"),
     ("OASIS3_UDSb4_cdr.csv", "OASIS3_UDSb4_cdr.csv"),
     ("sub-ADNI002S0295/ses-M00/sub-ADNI002S0295_ses-M00_desc-x.tsv",
      "sub-*/ses-*/sub-*_ses-*_desc-x.tsv"),
     ("023_S_0031/Sag_MPRAGE/2006-04-18_08_20_30.0/I12345/x.dcm",
      "###_S_####/Sag_MPRAGE/####-##-##_##_##_##.#/I#####/x.dcm"),
     ("OAS30001_MR_d0129/scan.nii.gz", "OAS#####_MR_d####/scan.nii.gz"),
     ("023_S_0031_20060418.csv", "###_S_####_########.csv"),
     ("sub-01_space-MNI152NLin2009cAsym_atlas-4S456Parcels_timeseries.tsv",
      "sub-*_space-MNI152NLin2009cAsym_atlas-4S456Parcels_timeseries.tsv"),
     ("0031.csv", "####.csv"),
     ("12.csv", "##.csv")],
)  # fmt: skip
def test_names_of_files_lose_what_could_be_an_identifier(tmp_path, name, shown):
    assert mask_path(tmp_path / name, tmp_path) == shown


def test_names_of_columns_lose_what_could_be_an_identifier(write):
    table = describe(write("T.csv", f"SITE_10898,sub-A7,ST101SV,{'x' * 80}\na,b,c,d\n"))
    assert list(table["column"]) == ["SITE_#####", "sub-*", "ST101SV", "x" * 60 + "..."]


def test_files_of_one_pattern_are_described_once(write, tmp_path):
    for number in range(3):
        write(f"sub-{number}/sub-{number}_x.tsv", "a\tb\n1\t2\n")
        write(f"sub-{number}/sub-{number}_T1w.nii.gz", "")
    table = describe(tmp_path)
    assert list(table["file"].unique()) == ["sub-*/sub-*_T1w.nii.gz", "sub-*/sub-*_x.tsv"]
    assert set(table["n_files"]) == {3}
    assert table["dtype"][0] == "not a table"


def test_table_that_cannot_be_read_is_named(write):
    assert list(describe(write("T.csv", ""))["dtype"]) == ["unreadable"]


def test_table_without_rows_is_described(write):
    assert list(describe(write("T.csv", "RID,DX\n"))["column"]) == ["RID", "DX"]


def test_hidden_files_stay_hidden(write, tmp_path):
    write(".git/x.csv", "a\n1\n")
    write(".x.csv", "a\n1\n")
    assert describe(tmp_path).empty


def test_missing_path_is_refused(tmp_path):
    with pytest.raises(TableError, match="What is described exists"):
        describe(tmp_path / "none")


def test_numbers_of_values_are_ranges():
    assert [round_to_range(count) for count in (0, 1, 2, 4, 6, 21, 101, 5000)] == [
        "0", "1", "2", "3-5", "6-20", "21-100", "101-1000", ">1000",
    ]  # fmt: skip


@settings(deadline=None, max_examples=25)
@given(st.lists(st.from_regex(r"[qQ]{3}[0-9a-zA-Z ]{1,8}", fullmatch=True), min_size=1))
def test_no_value_is_ever_shown(tmp_path_factory, values):
    path = tmp_path_factory.mktemp("table") / "T.csv"
    pd.DataFrame({"NOTE": values, "RID": range(len(values))}).to_csv(path, index=False)
    shown = describe(path).to_string()
    assert not any(value.strip() in shown for value in values)
