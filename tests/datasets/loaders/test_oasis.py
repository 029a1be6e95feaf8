"""OASIS-3 from its tables and sessions."""

import numpy as np
import pandas as pd
import pytest

from adestim.datasets import index_images, load_oasis3, oasis3_diagnoses
from adestim.datasets.loaders.oasis import (
    PATTERN,
    find_first_sessions,
    parse_session_day,
    time_images,
)
from adestim.datasets.loaders.study import Study
from adestim.datasets.simulation.genotypes import write_plink
from adestim.datasets.simulation.tables import draw_tables
from adestim.exceptions import DataWarning, InputError, TableError
from tests.datasets.writers.oasis import make_participants, put, write_oasis3, write_sessions


def assert_same(cohort, frame, target, columns=None):
    """Everything that was written is read again."""
    expected = frame[columns or list(frame.columns)]
    pd.testing.assert_frame_equal(
        cohort.frame[expected.columns], expected, check_dtype=False, check_names=False
    )
    assert cohort.target.tolist() == target.tolist()


def small(root, visits, sex="2"):
    """Write visits, ``(subject, day, cdr, words)``, of people who are otherwise alike."""
    table = pd.DataFrame(visits, columns=["OASISID", "days_to_visit", "CDRTOT", "dx1"])
    put(table.assign(MMSE="29", CDRSUM="0"), root, "OASIS3_UDSb4_cdr.csv")
    people = pd.DataFrame({"OASISID": table["OASISID"].unique(), "AgeatEntry": "70", "GENDER": sex})
    put(people.assign(EDUC="16", APOE="33"), root, "OASIS3_demographics.csv")


# Round trips


@pytest.mark.parametrize(
    ("task", "rule"),
    [("nc_ad", "uds"), ("nc_ad", "dx1"), ("nc_ad", "cdr"), ("nc_mci", "uds"), ("nc_mci", "cdr"),
     ("smci_pmci", "uds"), ("smci_pmci", "cdr")],
)  # fmt: skip
def test_tables_give_what_was_written(tmp_path, task, rule):
    frame, target = make_participants(10, task, missing="adni")
    write_oasis3(frame, target, tmp_path)
    assert_same(load_oasis3(tmp_path, task, rule=rule), frame, target)


@pytest.mark.parametrize("rule", ["dx1", "cdr"])
def test_tables_before_2024_give_what_was_written(tmp_path, rule):
    frame, target = make_participants(10)
    days = pd.Series(range(0, 1000, 100), index=frame.index)
    write_oasis3(frame, target, tmp_path, generation="old", days=days)
    cohort = load_oasis3(tmp_path, rule=rule)
    assert_same(cohort, frame, target, ["age", "sex", "education", "apoe", "mmse", "cdr", "cdrsb"])
    assert not {"gds", "family_history"} & set(cohort.frame)


@pytest.mark.parametrize("typos", [True, False])
def test_forms_are_found_as_uds_and_as_usd(tmp_path, typos):
    frame, target = make_participants(6)
    write_oasis3(frame, target, tmp_path, typos=typos)
    assert_same(load_oasis3(tmp_path), frame, target)


def test_parts_of_the_cohort_agree(tmp_path):
    frame, target = make_participants(6)
    write_oasis3(frame, target, tmp_path)
    cohort = load_oasis3(tmp_path)
    assert cohort.name == "OASIS-3"
    assert cohort.columns["diagnostic"] == ["mmse", "cdr", "cdrsb"]
    assert not set(cohort.columns["diagnostic"]) & set(cohort.columns["clinical"])
    assert cohort.groups.tolist() == list(frame.index)
    assert "6 subjects" in cohort.description
    assert "form D1" in cohort.description


# Traps of coding


def test_sex_is_coded_one_for_male_and_two_for_female(tmp_path):
    small(tmp_path, [("OAS30001", 0, 0, "Cognitively normal")], sex="1")
    assert load_oasis3(tmp_path, rule="dx1").frame["sex"].tolist() == ["M"]


def test_sex_coded_as_in_another_study_is_refused(tmp_path):
    small(tmp_path, [("OAS30001", 0, 0, "Cognitively normal")], sex="0")
    with pytest.raises(
        TableError, match=r"another code in 1 rows\. Check that the table is of this"
    ):
        load_oasis3(tmp_path, rule="dx1")


def test_older_tables_have_no_form_d1(tmp_path):
    frame, target = make_participants(4)
    write_oasis3(frame, target, tmp_path, generation="old")
    with pytest.raises(TableError, match="Download form D1, or choose rule='dx1' or rule='cdr'"):
        load_oasis3(tmp_path)


def test_differing_rows_of_one_day_are_told(tmp_path):
    normal = "Cognitively normal"
    small(tmp_path, [("OAS30001", 0, 0.5, normal), ("OAS30001", 0, 0, normal)])
    with pytest.warns(DataWarning, match="differing rows of the same subject and day"):
        cohort = load_oasis3(tmp_path, rule="dx1")
    assert cohort.frame["cdr"].tolist() == [0]


# Who is left out


def test_flow_tells_why_somebody_is_not_there(tmp_path):
    small(
        tmp_path,
        [("OAS30001", 0, 0, "Cognitively normal"), ("OAS30002", 0, 0.5, "uncertain dementia"),
         ("OAS30003", 0, 1, "DLBD, primary"), ("OAS30004", 0, "", ".")],
    )  # fmt: skip
    people = pd.read_csv(tmp_path / "OASIS3_demographics.csv", dtype="str")
    stranger = people.iloc[:1].assign(OASISID="OAS30005")
    put(pd.concat([people, stranger]), tmp_path, "OASIS3_demographics.csv")
    cohort = load_oasis3(tmp_path, rule="dx1")
    assert cohort.flow.excluded.set_index("subject")["reason"].to_dict() == {
        "OAS30005": "no form with a diagnosis",
        "OAS30002": "Uncertain at baseline, no class",
        "OAS30003": "dementia not due to AD",
        "OAS30004": "no diagnosis at baseline",
    }


@pytest.mark.parametrize(
    ("options", "message"),
    [({"rule": "npi"}, "'rule' parameter must be one of 'uds', 'dx1', 'cdr'"),
     ({"rule": "dx1", "task": "nc_mci"}, "none for mild cognitive impairment"),
     ({"task": "nc_pd"}, "'task' parameter must be one of")],
)  # fmt: skip
def test_parameter_out_of_range_is_refused(tmp_path, options, message):
    with pytest.raises(InputError, match=message):
        load_oasis3(tmp_path, **options)


def test_unknown_rule_of_diagnoses_is_refused():
    with pytest.raises(InputError, match="'rule' parameter must be one of"):
        oasis3_diagnoses(pd.DataFrame({"cdr": [0.0]}), "npi")


# Images


@pytest.fixture
def normal(tmp_path):
    """Two people with visits around their sessions, as OASIS's own matching script has them."""
    visits = [(name, day, 0, "Cognitively normal")
              for name in ("OAS30001", "OAS30002") for day in (0, 480, 700)]  # fmt: skip
    small(tmp_path / "tables", visits)
    return tmp_path


def load(root, sessions, **options):
    write_sessions(sessions, root / "images", with_json=root / "tables")
    return load_oasis3(
        root / "tables", rule="dx1", images=root / "images", **{"window_days": 365, **options}
    )


def test_visit_of_a_session_is_the_nearest_not_the_last(normal):
    cohort = load(normal, [("OAS30001", 500, ["t1w"])])
    assert cohort.frame.loc["OAS30001", "months"] == pytest.approx(480 / (365.25 / 12))
    assert cohort.images["days_apart"].tolist() == [20]
    assert cohort.frame.loc["OAS30001", "t1w"].endswith("sub-OAS30001_ses-d0500_T1w.nii.gz")


def test_session_is_never_matched_with_another_person(tmp_path):
    small(
        tmp_path / "tables",
        [("OAS30001", 0, 0, "Cognitively normal"), ("OAS30002", 0, 0, "Cognitively normal"),
         ("OAS30002", 500, 1, "AD Dementia")],
    )  # fmt: skip
    sessions = [("OAS30001", 500, ["t1w"]), ("OAS30002", 500, ["t1w"])]
    cohort = load(tmp_path, sessions, window_days=30)
    assert cohort.target.to_dict() == {"OAS30001": "CN", "OAS30002": "AD"}
    assert pd.isna(cohort.frame.loc["OAS30001", "t1w"])


def test_images_are_of_the_first_session_with_a_t1w(normal):
    sessions = [("OAS30001", 10, ["bold"]), ("OAS30001", 490, ["t1w", "bold"]),
                ("OAS30001", 710, ["t1w"])]  # fmt: skip
    cohort = load(normal, sessions)
    paths = cohort.frame.loc["OAS30001", ["t1w", "bold"]]
    assert paths.str.contains("ses-d0490").all()
    assert cohort.images["repetition_time"].dropna().tolist() == [2.2]
    assert cohort.columns["fmri"] == ["bold"]
    assert cohort.images["acquired"].isna().all()


def test_missing_modality_is_a_missing_cell_or_a_reason(normal):
    sessions = [("OAS30001", 490, ["t1w"]), ("OAS30002", 490, ["t1w", "bold"])]
    cohort = load(normal, sessions)
    assert cohort.frame["bold"].isna().tolist() == [True, False]
    strict = load(normal, sessions, require=["bold"])
    assert strict.flow.excluded.to_dict("list") == {
        "subject": ["OAS30001"], "step": ["index visit"], "reason": ["no bold"],
    }  # fmt: skip


def test_site_is_the_scanner_of_the_session(normal):
    cohort = load(normal, [("OAS30001", 491, ["t1w"])])
    assert cohort.site["OAS30001"] == "Siemens TrioTim 3.0 T"
    assert pd.isna(cohort.site["OAS30002"])


def test_index_of_images_can_be_given(normal):
    write_sessions([("OAS30001", 500, ["t1w"])], normal / "images")
    index = index_images(normal / "images")
    cohort = load_oasis3(normal / "tables", rule="dx1", images=index)
    assert cohort.frame["t1w"].notna().tolist() == [True, False]


def test_no_session_near_a_visit_is_refused(normal):
    with pytest.raises(InputError, match=r"none of 1 sessions, 30 days\. Widen the window"):
        load(normal, [("OAS30001", 3000, ["t1w"])], window_days=30)


def test_any_distance_counts_without_a_window(normal):
    cohort = load(normal, [("OAS30001", 3000, ["t1w"])], window_days=None)
    assert cohort.images["days_apart"].tolist() == [2300]


def test_progression_counts_from_the_visit_of_the_session(tmp_path):
    frame, target = make_participants(8, "smci_pmci", seed=1)
    days = pd.Series(1000, index=frame.index)
    write_oasis3(frame, target, tmp_path / "tables", days=days)
    # An earlier normal visit would make the baseline another one.
    cells = pd.read_csv(next((tmp_path / "tables").rglob("*b4_cdr.csv")), dtype="str")
    early = cells.drop_duplicates("OASISID").assign(
        days_to_visit="9", CDRTOT="0", OASIS_session_label="x_UDSb4_d0009"
    )
    put(pd.concat([early, cells]), tmp_path / "tables",
        "scans/UDSb4-Form_B4/resources/csv/files/OASIS3_UDSb4_cdr.csv")  # fmt: skip
    write_sessions([(name, 1010, ["t1w"]) for name in frame.index], tmp_path / "images")
    cohort = load_oasis3(tmp_path / "tables", "smci_pmci", rule="cdr", images=tmp_path / "images")
    assert cohort.target.tolist() == target.tolist()
    assert np.allclose(cohort.frame["age"], frame["age"])


def test_samples_are_found_by_name(tmp_path):
    frame, target = make_participants(6)
    write_oasis3(frame, target, tmp_path)
    people = pd.DataFrame({"female": (frame["sex"] == "F").to_numpy()}, index=frame.index)
    genotypes = draw_tables(6, "nc_ad", None, 0).genotypes
    prefix = tmp_path / "array"
    write_plink(prefix, genotypes, people, np.arange(4), build="hg19", swapped=True)
    cohort = load_oasis3(tmp_path, genotypes=prefix)
    assert cohort.frame["genotypes"].isna().tolist() == [False] * 4 + [True] * 2
    assert cohort.genotype_files == [str(prefix)]


def study_of(*subjects):
    people = pd.DataFrame({"number": list(subjects)}, index=list(subjects))
    return Study("OASIS-3", people, pd.DataFrame(), PATTERN, (), ())


@pytest.mark.parametrize(
    ("session", "day"), [("ses-d0757", 757), ("ses-d12345", 12345), ("ses-M006", 183),
                         ("ses-M00", 0), ("ses-01", np.nan), (np.nan, np.nan)]
)  # fmt: skip
def test_session_tells_its_day(session, day):
    assert parse_session_day(session) == pytest.approx(day, nan_ok=True)


def test_images_of_others_are_left_out_and_broken_ones_told(tmp_path):
    write_sessions([(name, 7, ["t1w"]) for name in ("OAS30001", "OAS30002", "OAS30003")], tmp_path)
    next(tmp_path.rglob("sub-OAS30002*")).write_bytes(b"")
    with pytest.warns(DataWarning, match="1 images of 'OAS30002' cannot be used"):
        images = time_images(index_images(tmp_path), study_of("OAS30001", "OAS30002"))
    assert images["subject"].tolist() == ["OAS30001"]
    assert images["day"].tolist() == [7]


def test_session_without_a_day_is_told(tmp_path):
    write_sessions([("OAS30001", 7, ["t1w"])], tmp_path)
    index = index_images(tmp_path)
    index = pd.concat([index, index.assign(session="ses-01")], ignore_index=True)
    with pytest.warns(DataWarning, match="1 images of 'OAS30001' are in sessions that do not name"):
        assert len(time_images(index, study_of("OAS30001"))) == 1


def test_images_of_another_study_are_refused(tmp_path):
    write_sessions([("OAS30001", 7, ["t1w"])], tmp_path)
    with pytest.raises(InputError, match="Images belong to people whom the tables name"):
        time_images(index_images(tmp_path), study_of("OAS39999"))


def test_visit_without_a_diagnosis_is_no_match():
    images = pd.DataFrame(
        {"subject": "s1", "session": ["ses-d0100"], "day": [100.0], "modality": "t1w"}
    )
    visits = pd.DataFrame(
        {"subject": "s1", "day": [100.0, 150.0], "diagnosis": [np.nan, "CN"]}, dtype=object
    ).astype({"day": float})
    assert find_first_sessions(images, visits, 183).loc["s1", "visit_day"] == 150
