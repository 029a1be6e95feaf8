"""NACC from its quick-access file."""

import pandas as pd
import pytest

from adestim.datasets import load_nacc
from adestim.exceptions import DataWarning, InputError, TableError
from tests.datasets.writers.adni import write_bids
from tests.datasets.writers.nacc import make_participants, write_nacc

READ = [
    *("age", "sex", "education", "family_history", "gds", "apoe", "mmse", "moca", "cdr", "cdrsb"),
    *("race", "hispanic", "date"),
]


@pytest.fixture
def written(tmp_path):
    """The file of a cohort, and what it was written from."""
    frame, target = make_participants(10)
    return write_nacc(frame, target, tmp_path), frame, target


def edit(path, change):
    """Change the file on disk."""
    change(pd.read_csv(path, dtype="str", keep_default_na=False)).to_csv(path, index=False)


def set_cells(path, column, value, rows=0):
    """Put a value into cells of a column of the file."""

    def change(table):
        table.loc[table.index[rows], column] = value
        return table

    edit(path, change)


def assert_same(cohort, frame, target):
    """Everything that was written is read again."""
    pd.testing.assert_frame_equal(
        cohort.frame.loc[frame.index, READ], frame[READ], check_dtype=False, check_names=False
    )
    assert cohort.target[frame.index].tolist() == target.tolist()


def test_file_gives_what_was_written(written):
    path, frame, target = written
    cohort = load_nacc(path.parent)
    assert_same(cohort, frame, target)
    assert cohort.name == "NACC"
    assert cohort.site[frame.index].tolist() == frame["site"].tolist()
    assert cohort.groups[frame.index].tolist() == frame.index.tolist()


def test_missing_cells_stay_missing(tmp_path):
    frame, target = make_participants(40, seed=2, missing="adni")
    frame.loc[frame.index[[3, 4]], ["mmse", "education", "gds", "moca"]] = None
    frame.loc[frame.index[5], ["family_history", "race", "hispanic"]] = None
    write_nacc(frame, target, tmp_path)
    assert frame[["apoe", "mmse", "education", "gds", "moca", "race"]].isna().any().all()
    assert_same(load_nacc(tmp_path), frame, target)


@pytest.mark.parametrize("sentinel", ["-4", "88", "95", "96", "97", "98"])
def test_reason_for_no_mmse_is_no_score(written, sentinel):
    path = written[0]
    set_cells(path, "NACCMMSE", sentinel)
    assert load_nacc(path).frame["mmse"].isna().sum() == 1


def test_number_that_is_a_code_elsewhere_is_kept(written):
    path = written[0]
    set_cells(path, "NACCAGE", "88")
    set_cells(path, "NACCMMSE", "9")
    set_cells(path, "EDUC", "8", slice(None))
    first = load_nacc(path).frame.iloc[0]
    assert first[["age", "mmse", "education"]].tolist() == [88, 9, 8]


def test_file_is_read_under_any_name_where_it_is_named_itself(written):
    path, frame, target = written
    assert_same(load_nacc(path.rename(path.with_name("mine.csv"))), frame, target)


def test_file_with_the_ftld_module_is_found(written):
    path, frame, target = written
    path.rename(path.with_name("investigator_ftldlbd_nacc71.csv"))
    assert_same(load_nacc(path.parent), frame, target)


def test_file_of_images_is_not_taken_for_it(written):
    path = written[0]
    path.rename(path.with_name("investigator_mri_nacc71.csv"))
    with pytest.raises(TableError, match=r"'investigator_nacc\*' is in the folder.*naccdata\.org"):
        load_nacc(path.parent)


def test_two_releases_are_not_chosen_between(written):
    path, frame, target = written
    write_nacc(frame.iloc[:5], target.iloc[:5], path.parent, release=72)
    with pytest.raises(TableError, match="which differ"):
        load_nacc(path.parent)


def test_progression_is_labelled(tmp_path):
    frame, target = make_participants(10, "smci_pmci", seed=1)
    write_nacc(frame, target, tmp_path)
    cohort = load_nacc(tmp_path, "smci_pmci")
    assert cohort.target[frame.index].tolist() == target.tolist()


def test_dementia_of_another_cause_is_no_class_and_counted(written):
    path, _, target = written
    person = target.index[target == "AD"][0]

    def change(table):
        return table.assign(NACCALZP=table["NACCALZP"].mask(table["NACCID"] == person, "3"))

    edit(path, change)
    assert load_nacc(path).flow.excluded.loc[0, "reason"] == "dementia not due to AD"
    assert load_nacc(path, cause="any").target[person] == "AD"


def test_dementia_without_a_recorded_cause_is_no_diagnosis(written):
    path, _, target = written
    person = target.index[target == "AD"][0]

    def change(table):
        return table.assign(NACCALZP=table["NACCALZP"].mask(table["NACCID"] == person, "-4"))

    edit(path, change)
    assert load_nacc(path).flow.excluded.loc[0, "reason"] == "no diagnosis at baseline"


def test_impaired_without_mci_is_no_class_and_counted(written):
    path = written[0]
    set_cells(path, "NACCUDSD", "2")
    reasons = load_nacc(path).flow.excluded["reason"].tolist()
    assert reasons == ["Impaired (not MCI) at baseline, no class"]


def test_scores_are_apart_and_race_goes_to_no_extractor(written):
    columns = load_nacc(written[0]).columns
    assert columns["diagnostic"] == ["mmse", "moca", "cdr", "cdrsb"]
    assert columns["clinical"] == ["age", "sex", "education", "family_history", "gds"]
    assert columns["background"] == ["race", "hispanic"]


def test_images_are_found_by_naccid(written, tmp_path):
    path, frame, _ = written
    write_bids(frame, tmp_path / "bids", prefix="")
    cohort = load_nacc(path, images=tmp_path / "bids", require=["t1w"])
    assert len(cohort.frame) == len(frame)
    assert cohort.frame["t1w"].str.contains("ses-M000").all()


def test_visit_without_a_possible_date_is_left_out_with_a_warning(written):
    path, frame, _ = written
    set_cells(path, "VISITMO", "2", 1)
    set_cells(path, "VISITDAY", "31", 1)
    with pytest.warns(DataWarning, match=rf"1 visits .* no possible date.*{frame.index[0]}"):
        cohort = load_nacc(path)
    assert frame.index[0] in cohort.frame.index


def test_visit_entered_twice_counts_once(written):
    path = written[0]
    edit(path, lambda table: pd.concat([table, table.iloc[[0]].assign(NACCMMSE="11")]))
    with pytest.warns(DataWarning, match="differing rows of the same subject and visit"):
        assert load_nacc(path).frame["mmse"].iloc[0] == 11


def test_unknown_code_of_race_is_missing_with_a_warning(written):
    path = written[0]
    set_cells(path, "RACE", "7", slice(None))
    with pytest.warns(DataWarning, match=r"'RACE' .* does not name in \d+ rows"):
        assert "race" not in load_nacc(path).frame


def test_renamed_score_is_never_missing_in_silence(written):
    path = written[0]
    edit(path, lambda table: table.rename(columns={"NACCMMSE": "NACCMMSE_V2"}))
    with pytest.warns(DataWarning, match=r"'NACCMMSE' .*nearest: 'NACCMMSE_V2'"):
        assert "mmse" not in load_nacc(path).frame


@pytest.mark.parametrize(
    ("column", "value", "match"),
    [
        ("NACCUDSD", "5", r"'NACCUDSD' of 'investigator_nacc71\.csv' is coded 1 = CN"),
        ("SEX", "0", r"'SEX' .* is coded 1 = M, 2 = F.*another code in 1 rows"),
        ("NACCID", "S1", "Identifiers of .* are NACC followed by digits"),
    ],
)
def test_code_of_another_study_is_refused(written, column, value, match):
    set_cells(written[0], column, value)
    with pytest.raises(TableError, match=match):
        load_nacc(written[0])


def test_file_that_does_not_tell_the_cause_of_dementia_is_refused(written):
    set_cells(written[0], "NACCALZP", "-4", slice(None))
    with pytest.raises(TableError, match=r"no cell in 'NACCALZP'.*the other 'cause'"):
        load_nacc(written[0])


def test_file_without_status_is_refused(written):
    edit(written[0], lambda table: table.drop(columns="NACCUDSD"))
    with pytest.raises(TableError, match="has a column 'NACCUDSD'"):
        load_nacc(written[0])


def test_unknown_cause_is_refused(written):
    with pytest.raises(InputError, match="'cause' parameter must be one of 'primary', 'any'"):
        load_nacc(written[0], cause="all")
