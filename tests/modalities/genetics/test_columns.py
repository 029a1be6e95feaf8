import numpy as np
import pandas as pd
import pytest

from adestim.exceptions import GenotypeError
from adestim.modalities.genetics.columns import (
    ColumnRoles,
    column_roles,
    column_variants,
    read_genotype_cells,
)

SAMPLES = ["p1", "p2", "p3"]
APOE = ["3/4", None, "3/3"]


def roles(frame, *, from_files=True, sample=None, apoe=None):
    return column_roles(pd.DataFrame(frame), from_files=from_files, sample=sample, apoe=apoe)


def test_only_column_beside_files_holds_sample_ids():
    assert roles({"apoe_id": SAMPLES}) == ColumnRoles(0, None, ())


def test_apoe_column_is_found_by_its_name():
    assert roles({"APOE genotype": [None, None, None], "id": SAMPLES}) == ColumnRoles(1, 0, ())


def test_apoe_column_is_found_by_its_cells():
    assert roles({"id": SAMPLES, "genotype": APOE}) == ColumnRoles(0, 1, ())


@pytest.mark.parametrize("chosen", [{"sample": "a"}, {"apoe": "b"}, {"sample": "a", "apoe": "b"}])
def test_named_columns_settle_what_is_ambiguous(chosen):
    frame = {"a": [22, 33, 44], "b": [33, 34, 24]}
    with pytest.raises(GenotypeError, match="sample_column= and apoe_column="):
        roles(frame)
    assert roles(frame, **chosen) == ColumnRoles(0, 1, ())


def test_unknown_column_is_refused_with_the_choices():
    with pytest.raises(GenotypeError, match=r"sample_column= must be .*'pid'.*among: 'id'"):
        roles({"id": SAMPLES}, sample="pid")


def test_apoe_alone_beside_files_is_refused():
    with pytest.raises(GenotypeError, match="must hold the sample ids"):
        roles({"apoe": APOE}, apoe="apoe")


def test_third_column_beside_files_is_refused():
    with pytest.raises(GenotypeError, match=r"Got 3 columns.*second GeneticsExtractor"):
        roles({"id": SAMPLES, "apoe": APOE, "rs1": [0, 1, 2]})


def test_sample_column_without_files_is_refused():
    with pytest.raises(GenotypeError, match="genotypes= is None"):
        roles({"id": SAMPLES}, from_files=False, sample="id")


def test_apoe_stands_out_among_dosages():
    frame = {"rs1": [0, 1, 2], "genotype": APOE, "APOE4": [0, 1, 2]}
    assert roles(frame, from_files=False) == ColumnRoles(None, 1, (0, 2))


def test_empty_apoe_column_is_known_by_its_name():
    frame = {"rs1": [0, 1], "apoe": [None, None], "rs2": [np.nan, np.nan]}
    assert roles(frame, from_files=False) == ColumnRoles(None, 1, (0, 2))


def test_two_apoe_columns_are_refused():
    with pytest.raises(GenotypeError, match=r"'a', 'b'.*apoe_column="):
        roles({"a": APOE, "b": APOE}, from_files=False)


def test_sample_ids_are_read_as_text():
    frame = pd.DataFrame({"id": [1001.0, np.nan, "023_S_1", "fam  1"]}, dtype=object)
    assert read_genotype_cells(frame, ColumnRoles(0, None, ())).names == [
        "1001",
        None,
        "023_S_1",
        "fam 1",
    ]


def test_bad_cells_are_noted_by_row():
    frame = pd.DataFrame({"rs1": ["0", "x", 3.0, -1, np.inf, None], "apoe": [*["33"] * 5, "5/5"]})
    errors = read_genotype_cells(frame, ColumnRoles(None, 1, (0,))).errors
    assert {row: error.got for row, error in errors.items()} == {
        1: "a cell of text",
        2: "a number above 2",
        3: "Negative values in data",
        4: "infinity",
        5: "a cell of 3 character(s) that is none",
    }


def test_counted_allele_is_read_from_the_name_of_a_column():
    frame = pd.DataFrame({"rs1_A": [0.0], "rs2_T(/C)": [1.0], "rs3": [2.0]})
    table = column_variants(frame, ColumnRoles(None, None, (0, 1, 2)), frame.to_numpy())
    assert table["alias"].tolist() == ["rs1", "rs2", "rs3"]
    assert table["counted"].tolist() == ["A", "T", "0"]
    assert table["other"].tolist() == ["0", "C", "0"]
    assert table["frequency"].tolist() == [0, 0.5, 1]


def test_dosage_columns_of_one_name_are_refused():
    frame = pd.DataFrame([[0.0, 1.0]], columns=["rs1", "rs1"])
    with pytest.raises(GenotypeError, match="'rs1' more than once"):
        column_variants(frame, ColumnRoles(None, None, (0, 1)), frame.to_numpy())


# One odd cell

ODD = ["-4", -4, "e5/e6", 44.5, "E4+", "3", "0/0", "unknown", "3/4/4", "2025-01-01", True, b"3/4"]


@pytest.mark.parametrize("name", ["APOE", "apoe_genotype", "genotype"])
@pytest.mark.parametrize("odd", ODD, ids=str)
def test_an_odd_apoe_cell_is_its_own_subjects_error(odd, name):
    frame = pd.DataFrame({name: ["34", "3/3", odd]}, dtype=object)
    found = column_roles(frame, from_files=False, sample=None, apoe=None)
    assert found == ColumnRoles(None, 0, ())
    assert list(read_genotype_cells(frame, found).errors) == [2]


@pytest.mark.parametrize("word", ["NA", "nan", "None", ".", "n/a", "N/A", "null", "./.", " ", None])
def test_words_of_studies_for_missing_are_no_genotypes(word):
    frame = pd.DataFrame({"APOE": ["34", "3/3", word], "rs1": ["0", word, "1.5"]}, dtype=object)
    found = column_roles(frame, from_files=False, sample=None, apoe=None)
    cells = read_genotype_cells(frame, found)
    assert (found.apoe, cells.errors) == (0, {})
    assert np.isnan(cells.apoe[2]).all()
    assert np.isnan(cells.dosages[1, 0])


def test_numbers_of_alleles_are_dosages_whatever_the_column_is_called():
    assert roles({"APOE4": [0, 1, 2]}, from_files=False) == ColumnRoles(None, None, (0,))


def test_a_genotype_among_dosages_is_its_own_subjects_error():
    frame = pd.DataFrame({"rs1": [0, 1, 2, 34]})
    found = column_roles(frame, from_files=False, sample=None, apoe=None)
    assert found == ColumnRoles(None, None, (0,))
    assert list(read_genotype_cells(frame, found).errors) == [3]


@pytest.mark.parametrize("odd", [2.5, -0.5, np.inf, "x", "1,5", "0/1", -9, "1e400"], ids=str)
def test_an_odd_dosage_is_its_own_subjects_error(odd):
    frame = pd.DataFrame({"rs1": [0, 1, odd], "rs2": [0, 1, 2]}, dtype=object)
    found = column_roles(frame, from_files=False, sample=None, apoe=None)
    assert list(read_genotype_cells(frame, found).errors) == [2]


def test_apoe_beside_files_is_found_in_spite_of_an_odd_cell():
    frame = {"id": ["p1", "p2", "p3"], "genotype": ["3/4", "-4", "3/3"]}
    assert roles(frame) == ColumnRoles(0, 1, ())
