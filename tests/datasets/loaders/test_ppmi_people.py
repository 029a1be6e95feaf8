"""Participants of PPMI."""

import pandas as pd
import pytest

from adestim.datasets.loaders.ppmi_people import cohort_of, people_of_tables, read_people
from adestim.exceptions import TableError
from tests.datasets.writers.ppmi import make_participants, write_ppmi


@pytest.mark.parametrize(
    ("definition", "code", "arm"),
    [("Parkinson's Disease", "1", "PD"), ("Parkinson\u2019s disease", "2", "PD"),
     ("Healthy Control", "1", "CN"), (None, "2.0", "CN"), (None, "3", "SWEDD"),
     (None, "4", "Prodromal"), (None, "9", "code 9"), ("Early Imaging", "9", "Early Imaging"),
     (None, "Parkinson's Disease", "PD"), (None, None, None)],
)  # fmt: skip
def test_words_tell_the_arm_before_the_code(definition, code, arm):
    found = cohort_of(pd.Series([definition], dtype="str"), pd.Series([code], dtype="str"))
    assert (None if pd.isna(found.iloc[0]) else found.iloc[0]) == arm


@pytest.mark.parametrize(
    ("status", "counts"),
    [("Enrolled", True), ("withdrew", True), ("WITHDRAWN", True), ("Complete", True),
     ("completed", True), ("screen_failed", False), ("Declined", False), ("excluded", False)],
)  # fmt: skip
def test_status_tells_who_was_enrolled(tmp_path, status, counts):
    _, frame, target = make_participants(4)
    write_ppmi(frame, target, tmp_path, ENROLL_STATUS=status)
    assert set(people_of_tables(tmp_path)["enrolled"]) == {counts}


def test_age_is_that_of_the_visit_or_else_of_the_enrolment(tmp_path):
    _, frame, target = make_participants(4)
    write_ppmi(frame, target, tmp_path)
    assert people_of_tables(tmp_path)["age"].tolist() == frame["age"].tolist()
    next(tmp_path.glob("Age_at_visit*")).unlink()
    expected = (frame["age"] - 0.2).round(1).tolist()
    assert people_of_tables(tmp_path)["age"].tolist() == expected


def test_age_is_reckoned_from_the_birth_if_no_table_has_it(tmp_path):
    _, frame, target = make_participants(4)
    write_ppmi(frame, target, tmp_path, ENROLL_AGE="")
    next(tmp_path.glob("Age_at_visit*")).unlink()
    path = next(tmp_path.glob("Demographics*"))
    pd.read_csv(path, dtype="str").assign(BIRTHDT="03/1950").to_csv(path, index=False)
    assert people_of_tables(tmp_path)["age"].tolist() == [62.0] * 4


def test_tables_without_participants_are_refused(tmp_path):
    (tmp_path / "Participant_Status.csv").write_text("PATNO,COHORT,ENROLL_STATUS\n")
    (tmp_path / "Demographics.csv").write_text("PATNO,SEX\n")
    with pytest.raises(TableError, match="The tables of PPMI name participants"):
        read_people(tmp_path, "auto")
