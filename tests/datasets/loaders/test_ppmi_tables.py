"""Forms of PPMI."""

import pandas as pd
import pytest

from adestim.datasets.loaders.ppmi_tables import (
    GDS_NO,
    GDS_YES,
    MOTOR,
    find_arm,
    read_dose_at_baseline,
    read_people_of_tables,
    read_ppmi_form,
    read_status,
    score_depression,
    select_baseline,
)
from adestim.exceptions import DataWarning, TableError
from tests.datasets.writers.ppmi import make_participants, write_ppmi


def motor(root, *rows):
    table = pd.DataFrame(rows, columns=["PATNO", "EVENT_ID", "PDSTATE", "NP3TOT", "NHY"])
    table.to_csv(root / "MDS-UPDRS_Part_III_24Jul2023.csv", index=False)
    return select_baseline(read_ppmi_form(root, MOTOR), MOTOR.numeric)


def test_baseline_comes_before_screening_and_later_visits_do_not_count(tmp_path):
    found = motor(tmp_path, ("3000", "SC", "", 9, 1), ("3000", "BL", "", 5, ""),
                  ("3001", "V04", "", 30, 3))  # fmt: skip
    assert found.loc["3000"].tolist() == [5, 1]
    assert "3001" not in found.index


def test_examination_off_medication_comes_first(tmp_path):
    found = motor(tmp_path, ("3000", "BL", "ON", 9, 1), ("3000", "BL", "OFF", 20, 2))
    assert found.loc["3000", "updrs3"] == 20


@pytest.mark.parametrize("code", ["101", "UR"])
def test_stage_that_could_not_be_rated_is_missing(tmp_path, code):
    assert motor(tmp_path, ("3000", "BL", "", 5, code))["hoehn_yahr"].isna().all()


def test_baseline_entered_twice_with_differing_values_is_told(tmp_path):
    rows = [("3000", "BL", "OFF", 20, 2), ("3000", "BL", "OFF", 25, 2), ("3001", "BL", "", 9, "")]
    with pytest.warns(DataWarning, match=r"differing rows of one baseline visit for '3000'; the"):
        found = motor(tmp_path, *rows, ("3001", "BL", "", "", 1), ("3001", "V04", "", 30, 3))
    assert found["updrs3"].tolist() == [20, 9]


def test_form_that_is_not_there_is_none(tmp_path):
    assert read_ppmi_form(tmp_path, MOTOR) is None
    assert select_baseline(None, ["updrs3"]).empty


def test_depression_counts_no_for_five_questions_and_yes_for_ten():
    happy = {**dict.fromkeys(GDS_NO, 1.0), **dict.fromkeys(GDS_YES, 0.0)}
    sad = {**dict.fromkeys(GDS_NO, 0.0), **dict.fromkeys(GDS_YES, 1.0)}
    rows = [happy, sad, {**happy, GDS_YES[0]: None}]
    table = pd.DataFrame(rows).assign(subject=["a", "b", "c"], event="BL", state=None)
    table["state"] = table["state"].astype("str").where(table["state"].notna())
    assert score_depression(table).fillna(-1).to_dict() == {"a": 0, "b": 15, "c": -1}


def test_status_without_its_column_names_the_nearest(tmp_path):
    path = tmp_path / "Participant_Status_24Jul2023.csv"
    path.write_text("PATNO,COHORT,ENROL_STATUS\n3000,1,Enrolled\n")
    with pytest.raises(TableError, match="nearest: 'ENROL_STATUS'"):
        read_status(tmp_path)


def test_last_of_differing_rows_counts(tmp_path):
    path = tmp_path / "Participant_Status_24Jul2023.csv"
    path.write_text("PATNO,COHORT,ENROLL_STATUS\n3000,1,Enrolled\n3000,1,Withdrew\n")
    with pytest.warns(DataWarning, match="differing rows of the same subject"):
        assert read_status(tmp_path)["status"].tolist() == ["Withdrew"]


def dose(root, *rows):
    """Levodopa equivalents of one participant whose baseline is in March 2012."""
    table = pd.DataFrame(rows, columns=["STARTDT", "STOPDT", "LEDD"]).assign(PATNO="3000")
    table.to_csv(root / "LEDD_Concomitant_Medication_Log_24Jul2023.csv", index=False)
    baseline = pd.Series(pd.to_datetime(["2012-03-01", None]), index=["3000", "3001"])
    return read_dose_at_baseline(root, baseline)


@pytest.mark.parametrize(
    ("rows", "ledd", "medicated"),
    [([], 0, False),
     ([("02/2012", "", "300")], 300, True),
     ([("02/2012", "", "300"), ("01/2012", "03/2012", "100")], 400, True),
     ([("02/2012", "02/2012", "300")], 0, False),
     ([("03/2012", "", "300")], 0, False),
     ([("", "", "300")], 300, True),
     ([("02/2012", "", "300"), ("02/2012", "", "LD x 0.33")], None, True)],
)  # fmt: skip
def test_dose_is_what_was_taken_before_the_month_of_the_baseline(tmp_path, rows, ledd, medicated):
    found = dose(tmp_path, *rows).loc["3000"]
    assert found["medicated"] == medicated
    assert (None if pd.isna(found["ledd"]) else found["ledd"]) == ledd


def test_participant_without_a_date_is_not_known(tmp_path):
    assert dose(tmp_path, ("02/2012", "", "300")).loc["3001"].isna().all()


def test_nobody_is_known_without_a_log(tmp_path):
    baseline = pd.Series(pd.to_datetime(["2012-03-01"]), index=["3000"])
    assert read_dose_at_baseline(tmp_path, baseline).isna().all(axis=None)


@pytest.mark.parametrize(
    ("definition", "code", "arm"),
    [("Parkinson's Disease", "1", "PD"), ("Parkinson\u2019s disease", "2", "PD"),
     ("Healthy Control", "1", "CN"), (None, "2.0", "CN"), (None, "3", "SWEDD"),
     (None, "4", "Prodromal"), (None, "9", "code 9"), ("Early Imaging", "9", "Early Imaging"),
     (None, "Parkinson's Disease", "PD"), (None, None, None)],
)  # fmt: skip
def test_words_tell_the_arm_before_the_code(definition, code, arm):
    found = find_arm(pd.Series([definition], dtype="str"), pd.Series([code], dtype="str"))
    assert (None if pd.isna(found.iloc[0]) else found.iloc[0]) == arm


@pytest.mark.parametrize(
    ("status", "counts"),
    [("Enrolled", True), ("withdrew", True), ("WITHDRAWN", True), ("Complete", True),
     ("completed", True), ("screen_failed", False), ("Declined", False), ("excluded", False)],
)  # fmt: skip
def test_status_tells_who_was_enrolled(tmp_path, status, counts):
    _, frame, target = make_participants(4)
    write_ppmi(frame, target, tmp_path, ENROLL_STATUS=status)
    assert set(read_people_of_tables(tmp_path)["enrolled"]) == {counts}


def test_age_is_that_of_the_visit_or_else_of_the_enrolment(tmp_path):
    _, frame, target = make_participants(4)
    write_ppmi(frame, target, tmp_path)
    assert read_people_of_tables(tmp_path)["age"].tolist() == frame["age"].tolist()
    next(tmp_path.glob("Age_at_visit*")).unlink()
    expected = (frame["age"] - 0.2).round(1).tolist()
    assert read_people_of_tables(tmp_path)["age"].tolist() == expected


def test_age_is_reckoned_from_the_birth_if_no_table_has_it(tmp_path):
    _, frame, target = make_participants(4)
    write_ppmi(frame, target, tmp_path, ENROLL_AGE="")
    next(tmp_path.glob("Age_at_visit*")).unlink()
    path = next(tmp_path.glob("Demographics*"))
    pd.read_csv(path, dtype="str").assign(BIRTHDT="03/1950").to_csv(path, index=False)
    assert read_people_of_tables(tmp_path)["age"].tolist() == [62.0] * 4


def doubled(root, table, **changes):
    """Write a person's row of a table a second time, with other cells."""
    path = next(root.glob(f"{table}_*"))
    cells = pd.read_csv(path, dtype="str", keep_default_na=False)
    pd.concat([cells, cells.iloc[[0]].assign(**changes)]).to_csv(path, index=False)
    return cells["PATNO"][0]


@pytest.fixture
def written(tmp_path):
    _, frame, target = make_participants(6)
    write_ppmi(frame, target, tmp_path)
    return tmp_path


TABLES = [
    "Participant_Status", "Demographics", "Age_at_visit", "Socio-Economics",
    "Geriatric_Depression_Scale__Short_Version_", "Montreal_Cognitive_Assessment__MoCA_",
    "University_of_Pennsylvania_Smell_Identification_Test", "iu_genetic_consensus",
    "Center-Subject_List", "DaTScan_SBR_Analysis", "LEDD_Concomitant_Medication_Log",
    "MDS-UPDRS_Part_I", "MDS_UPDRS_Part_II__Patient_Questionnaire", "MDS-UPDRS_Part_III",
]  # fmt: skip


@pytest.mark.parametrize("table", TABLES)
def test_row_that_is_there_twice_is_one(written, table):
    once = read_people_of_tables(written)
    doubled(written, table)
    pd.testing.assert_frame_equal(read_people_of_tables(written), once)


@pytest.mark.parametrize(
    "table", [name for name in TABLES if name[:4] not in {"Part", "iu_g", "Cent", "LEDD"}]
)
@pytest.mark.parametrize("event", ["V04", "U01"])
def test_row_of_another_event_changes_nothing(written, table, event):
    once = read_people_of_tables(written)
    doubled(written, table, EVENT_ID=event, INFODT="09/2020")
    pd.testing.assert_frame_equal(read_people_of_tables(written), once)


@pytest.mark.parametrize(
    ("table", "changes", "said"),
    [
        ("Demographics", {"SEX": "0"}, "'Demographics_.*differing cells of 'sex'"),
        ("Demographics", {"SEX": "0", "EVENT_ID": "SC"}, "differing cells of 'sex'"),
        ("Socio-Economics", {"EDUCYRS": "3"}, "'Socio.*differing cells of 'education'"),
        ("iu_genetic_consensus", {"APOE": "E2/E2"}, "differing cells of 'apoe'"),
        ("Center-Subject_List", {"CNO": "999"}, "differing cells of 'site'"),
        ("Participant_Status", {"COHORT": "4"}, "differing rows of the same subject"),
        ("Age_at_visit", {"AGE_AT_VISIT": "50"}, "differing rows of one baseline visit"),
        ("DaTScan_SBR_Analysis", {"DATSCAN_PUTAMEN_L": "9"}, "differing rows of one baseline"),
    ],
)
def test_contradicting_rows_are_told_by_table_and_participant(written, table, changes, said):
    path = next(written.glob("Demographics_*"))
    pd.read_csv(path, dtype="str").assign(SEX="1").to_csv(path, index=False)
    who = doubled(written, table, **changes)
    with pytest.warns(DataWarning, match=f"{said}.*'{who}'"):
        assert read_people_of_tables(written).index.is_unique


def test_screening_dated_twice_is_told(written):
    doubled(written, "Demographics", EVENT_ID="SC")
    doubled(written, "Demographics", EVENT_ID="SC", INFODT="09/2020")
    with pytest.warns(DataWarning, match="'Demographics_.*differing rows of one baseline visit"):
        assert read_people_of_tables(written)["date"].dt.year.eq(2012).all()
