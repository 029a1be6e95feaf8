"""Splits of ClinicaDL, read and brought to the rows of a table."""

import numpy as np
import pandas as pd
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.model_selection import cross_val_score

from adestim.datasets import SubjectSplits, read_clinicadl_split
from adestim.exceptions import DataWarning, InputError, LeakageError, TableError
from tests.datasets.writers.clinicadl import write_kfold, write_side, write_split

PEOPLE = tuple(f"sub-ADNI002S0{number}" for number in range(290, 300))
FOLDS = tuple(
    (PEOPLE[:start] + PEOPLE[start + 2 :], PEOPLE[start : start + 2]) for start in range(0, 10, 2)
)


@pytest.mark.parametrize("mark", ["-", "_"])
@pytest.mark.parametrize("name", ["validation", "val"])
def test_folds_are_those_that_were_written(tmp_path, mark, name):
    write_kfold(FOLDS, tmp_path, mark, name)
    assert tuple(read_clinicadl_split(tmp_path)) == FOLDS
    assert read_clinicadl_split(tmp_path / "5_fold").folds == FOLDS


def test_folds_are_in_the_order_of_their_numbers(tmp_path):
    folds = [((f"a{number}",), (f"b{number}",)) for number in range(12)]
    write_kfold(folds, tmp_path)
    assert list(read_clinicadl_split(tmp_path)) == folds


def test_a_single_split_is_one_fold(tmp_path):
    write_split(PEOPLE[:7], PEOPLE[7:], tmp_path)
    assert read_clinicadl_split(tmp_path).folds == ((PEOPLE[:7], PEOPLE[7:]),)


def test_the_split_comes_before_the_folds_inside_its_folder(tmp_path):
    write_split(PEOPLE[:7], PEOPLE[7:], tmp_path)
    write_kfold([(PEOPLE[:4], PEOPLE[4:7]), (PEOPLE[4:7], PEOPLE[:4])], tmp_path)
    assert len(read_clinicadl_split(tmp_path)) == 1
    assert len(read_clinicadl_split(tmp_path / "2_fold")) == 2


def test_baseline_is_preferred_where_a_side_has_two_tables(tmp_path):
    write_split(PEOPLE[:7], PEOPLE[7:], tmp_path, "validation")
    write_side(PEOPLE[7:], tmp_path / "validation.tsv", ("ses-M000", "ses-M006"))
    assert read_clinicadl_split(tmp_path).folds == ((PEOPLE[:7], PEOPLE[7:]),)


def test_identifiers_of_numbers_stay_strings(tmp_path):
    write_split(["0001", "0002"], ["0003"], tmp_path)
    assert read_clinicadl_split(tmp_path).folds == ((("0001", "0002"), ("0003",)),)


def test_positions_follow_the_index_of_a_table():
    index = pd.Index(PEOPLE[::-1])
    for (train, test), (train_rows, test_rows) in zip(
        FOLDS, SubjectSplits(FOLDS).splits_for(index), strict=True
    ):
        assert set(index[train_rows]) == set(train)
        assert set(index[test_rows]) == set(test)


@pytest.mark.parametrize("spelling", ["002_S_0{}", "ADNI002S0{}", "sub-ADNI002S0{}", "sub-002S0{}"])
def test_spellings_of_a_subject_are_the_same(spelling):
    index = [spelling.format(number) for number in range(290, 300)]
    first = SubjectSplits(FOLDS).splits_for(index)[0]
    assert first[1].tolist() == [0, 1]


def test_other_identifiers_are_translated():
    index = [f"{number:05d}" for number in range(10)]
    splits = SubjectSplits(FOLDS).splits_for(index, ids=dict(zip(index, PEOPLE, strict=True)))
    assert splits[1][1].tolist() == [2, 3]


def test_every_row_of_a_subject_is_on_its_side():
    splits = SubjectSplits(FOLDS).splits_for(np.repeat(PEOPLE, 2))
    assert splits[0][1].tolist() == [0, 1, 2, 3]


def test_splits_serve_as_cv():
    cv = SubjectSplits(FOLDS).splits_for(PEOPLE)
    scores = cross_val_score(DummyClassifier(), np.zeros((10, 1)), [0, 1] * 5, cv=cv)
    assert scores.tolist() == [0.5] * 5


def test_a_subject_on_both_sides_is_refused_by_name(tmp_path):
    write_split(PEOPLE[:7], PEOPLE[6:], tmp_path)
    with pytest.raises(LeakageError, match="1 on both sides of split 0: 'sub-ADNI002S0296'"):
        read_clinicadl_split(tmp_path)


def test_people_of_one_side_alone_are_told():
    with pytest.warns(DataWarning, match=r"1 row\(s\) in no fold \('sub-Z'\); 1 subject\(s\)"):
        splits = SubjectSplits(FOLDS).splits_for([*PEOPLE[:-1], "sub-Z"])
    assert 9 not in np.concatenate(splits[0])


def test_a_table_of_other_people_is_refused():
    with pytest.raises(InputError, match=r"none on the training side of split 0. Pass ids="):
        SubjectSplits(FOLDS).splits_for(["x", "y"])


def test_subjects_that_differ_in_marks_alone_are_refused():
    splits = SubjectSplits(((("sub-1",), ("sub_1",)),))
    with pytest.raises(InputError, match=r"more than case, marks and prefixes.*'sub-1', 'sub_1'"):
        splits.splits_for(["1"])


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(TableError, match="folder of a split exists"):
        read_clinicadl_split(tmp_path / "nowhere")


def test_a_folder_without_splits_is_refused(tmp_path):
    with pytest.raises(TableError, match="Got neither in"):
        read_clinicadl_split(tmp_path)


def test_several_folders_of_folds_are_refused(tmp_path):
    write_kfold(FOLDS, tmp_path)
    write_kfold(FOLDS[:2], tmp_path)
    with pytest.raises(TableError, match="2 folders of folds: '2_fold', '5_fold'"):
        read_clinicadl_split(tmp_path)


def test_several_tables_that_may_be_the_other_side_are_refused(tmp_path):
    write_split(PEOPLE[:7], PEOPLE[7:], tmp_path)
    write_side(PEOPLE[7:], tmp_path / "validation_baseline.tsv")
    with pytest.raises(TableError, match=r"a training table and one other. Got tables"):
        read_clinicadl_split(tmp_path)


def test_a_table_without_participants_is_refused(tmp_path):
    write_split(PEOPLE[:7], PEOPLE[7:], tmp_path)
    (tmp_path / "test_baseline.tsv").write_text("subject\tsession\n")
    with pytest.raises(TableError, match=r"has a column 'participant_id'. Got 2 other columns"):
        read_clinicadl_split(tmp_path)
