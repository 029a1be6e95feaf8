"""Tables of OASIS-3."""

import numpy as np
import pandas as pd
import pytest

from adestim.datasets import oasis3_diagnoses
from adestim.datasets.labelling.labels import NOT_AD
from adestim.datasets.loaders.oasis_tables import (
    MCI_FLAGS,
    match_form,
    read_clinical,
    read_flags,
    read_oasis_people,
    read_scanners,
)
from adestim.exceptions import TableError
from tests.datasets.writers.oasis import put


def clinical(root, **cells):
    scores = {"CDRTOT": "0", "CDRSUM": "0", "MMSE": "29", "dx1": "Cognitively normal"}
    row = {"OASISID": "OAS30001", "days_to_visit": "0", **scores, **cells}
    put(pd.DataFrame([row]), root, "OASIS3_UDSb4_cdr.csv")
    return read_clinical(root).iloc[0]


@pytest.mark.parametrize("value", [8, 9])
def test_eight_and_nine_are_scores_where_they_can_be(tmp_path, value):
    row = clinical(tmp_path, MMSE=str(value), CDRSUM=str(value), CDRTOT=str(value))
    assert row["mmse"] == row["cdrsb"] == value
    assert pd.isna(row["cdr"])


def test_eighty_eight_is_an_age_and_a_day_but_no_score(tmp_path):
    row = clinical(tmp_path, days_to_visit="88", **{"age at visit": "88", "MMSE": "88"})
    assert row["day"] == row["age"] == 88
    assert pd.isna(row["mmse"])


@pytest.mark.parametrize("code", ["88", "99", "888", "999", "9999", "-4", ".", ""])
def test_codes_are_missing_scores(tmp_path, code):
    row = clinical(tmp_path, MMSE=code, CDRSUM=code, CDRTOT=code)
    assert row[["mmse", "cdrsb", "cdr"]].isna().all()


@pytest.mark.parametrize("label", ["OAS30001_UDSb4_d12345", "OAS30001_USDb4_d12345"])
def test_label_tells_the_day_if_no_column_does(tmp_path, label):
    row = clinical(tmp_path, OASIS_session_label=label, days_to_visit="")
    assert row["day"] == 12345


def test_visits_without_a_day_are_refused(tmp_path):
    with pytest.raises(TableError, match="have a day, in 'days_to_visit' or in their label"):
        clinical(tmp_path, days_to_visit="")


def test_missing_clinical_table_is_named(tmp_path):
    with pytest.raises(TableError, match="Download it: OASIS3_data_files of OASIS-3 at NITRC-IR"):
        read_clinical(tmp_path)


def test_form_d1_without_a_cause_is_refused(tmp_path):
    row = {"OASISID": "OAS30001", "days_to_visit": "0", "NORMCOG": "0", "DEMENTED": "1"}
    put(pd.DataFrame([row]), tmp_path, "OASIS3_UDSd1_diagnoses.csv")
    with pytest.raises(TableError, match="no cell in 'PROBAD', 'alzdis' and 'alzdisif'"):
        read_flags(tmp_path)


def test_forms_of_one_visit_may_differ_by_days():
    visits = pd.DataFrame({"subject": ["s1", "s1", "s2"], "day": [0.0, 400.0, 0.0]})
    form = pd.DataFrame({"subject": ["s1", "s1"], "day": [3.0, 460.0], "gds": [1.0, 2.0]})
    assert match_form(visits, form, ["gds"])["gds"].fillna(-1).tolist() == [1, -1, -1]


def test_people_are_those_of_either_table(tmp_path):
    row = clinical(tmp_path, APOE="43").to_frame().T
    put(pd.DataFrame({"OASISID": ["OAS30002"], "GENDER": ["2"], "EDUC": ["9"]}), tmp_path,
        "OASIS3_demographics.csv")  # fmt: skip
    people = read_oasis_people(tmp_path, row)
    assert list(people.index) == ["OAS30002", "OAS30001"]
    assert people.loc["OAS30001", "apoe"] == "43"
    assert people.loc["OAS30002", "education"] == 9


def test_people_without_demographics_are_those_of_the_visits(tmp_path):
    row = clinical(tmp_path, APOE="34", ageAtEntry="70").to_frame().T
    people = read_oasis_people(tmp_path, row)
    assert people.loc["OAS30001", "age_at_entry"] == 70
    assert pd.isna(people.loc["OAS30001", "sex"])


@pytest.mark.parametrize(
    ("mother", "father", "known"), [("1", "9", "yes"), ("0", "9", "no"), ("9", "9", None)]
)
def test_demented_parent_is_a_family_history(tmp_path, mother, father, known):
    row = {"OASISID": "OAS30001", "days_to_visit": "0", "MOMDEM": mother, "DADDEM": father}
    put(pd.DataFrame([row]), tmp_path, "USDa3-Form_A3/OASIS3_USDa3_family_history.csv")
    people = read_oasis_people(tmp_path, clinical(tmp_path).to_frame().T)
    found = people.loc["OAS30001", "family_history"]
    assert (None if pd.isna(found) else found) == known


def test_scanner_is_named_as_far_as_it_is_known(tmp_path):
    rows = {"subject_id": ["OAS30001"] * 2, "label": ["OAS30001_MR_d0129", "OAS30001_MR_d0757"],
            "Manufacturer": ["Siemens", ""], "ManufacturersModelName": ["", ""],
            "MagneticFieldStrength": ["1.5", ""]}  # fmt: skip
    put(pd.DataFrame(rows), tmp_path, "OASIS3_MR_json.csv")
    scanners = read_scanners(tmp_path).set_index("day")["scanner"]
    assert scanners[129] == "Siemens 1.5 T"
    assert pd.isna(scanners[757])


def by_form(cdr, **flags):
    """The diagnosis of one form D1, ``None`` if there is none."""
    label = oasis3_diagnoses(pd.DataFrame([{"cdr": cdr, **flags}])).iloc[0]
    return None if pd.isna(label) else label


@pytest.mark.parametrize(
    ("cdr", "flags", "label"),
    [(0, {"NORMCOG": 1}, "CN"),
     (0.5, {"NORMCOG": 1}, None),
     (np.nan, {"NORMCOG": 1}, None),
     (1, {"DEMENTED": 1, "PROBAD": 1}, "AD"),
     (0, {"DEMENTED": 1, "PROBAD": 1}, None),
     (0.5, {"DEMENTED": 1, "ALZDIS": 1, "ALZDISIF": 1}, "AD"),
     (1, {"DEMENTED": 1, "ALZDIS": 1, "ALZDISIF": 2}, NOT_AD),
     (1, {"DEMENTED": 1, "POSSAD": 1, "POSSADIF": 1}, NOT_AD),
     (1, {"DEMENTED": 1, "PROBAD": 0}, NOT_AD),
     (0.5, {"IMPNOMCI": 1}, "Impaired (not MCI)"),
     (0.5, {"NORMCOG": 0, "DEMENTED": 0}, None),
     (0, {"NORMCOG": 1, "DEMENTED": 1, "PROBAD": 1}, None)],
)  # fmt: skip
def test_form_and_cdr_make_the_diagnosis(cdr, flags, label):
    assert by_form(cdr, **flags) == label


@pytest.mark.parametrize("flag", MCI_FLAGS)
def test_each_of_the_sixteen_flags_is_mild_cognitive_impairment(flag):
    assert len(MCI_FLAGS) == 16
    assert by_form(0.5, **{flag: 1}) == "MCI"


def test_probad_alone_would_lose_the_third_version_of_the_form():
    visits = pd.DataFrame(
        {"cdr": [1.0, 1.0], "DEMENTED": [1, 1], "PROBAD": [1, None], "ALZDIS": [None, 1],
         "ALZDISIF": [None, 1]}
    )  # fmt: skip
    assert list(oasis3_diagnoses(visits)) == ["AD", "AD"]
    assert visits["PROBAD"].eq(1).sum() == 1


@pytest.mark.parametrize(
    ("words", "cdr", "label"),
    [("Cognitively normal", 0, "CN"), ("cognitively normal ", 0, "CN"),
     ("Cognitively normal", 0.5, None), ("AD Dementia", 1, "AD"), ("AD Dementia", 0, None),
     ("AD dem w/depresss- not contribut", 0.5, "AD"), ("DAT", 2, "AD"),
     ("uncertain dementia", 0.5, "Uncertain"), ("Unc: ques. Impairment", 0.5, "Uncertain"),
     ("No dementia", 0, "Uncertain"), ("0.5 in memory only", 0.5, "Uncertain"),
     ("DLBD- primary", 1, NOT_AD), ("Vascular Demt- primary", 1, NOT_AD),
     ("Non AD dem- Other primary", 1, NOT_AD), ("Active Mood disorder", 0, "Other diagnosis"),
     (None, 0, None), ("", 0, None)],
)  # fmt: skip
def test_words_and_cdr_make_the_diagnosis(words, cdr, label):
    found = oasis3_diagnoses(pd.DataFrame({"dx1": [words], "cdr": [cdr]}, dtype=object), "dx1")
    assert (None if pd.isna(found.iloc[0]) else found.iloc[0]) == label


def test_cdr_alone_makes_the_diagnosis():
    labels = oasis3_diagnoses(pd.DataFrame({"cdr": [0, 0.5, 1, 2, 3, np.nan]}), "cdr")
    assert labels.fillna("").tolist() == ["CN", "MCI", "AD", "AD", "AD", ""]
