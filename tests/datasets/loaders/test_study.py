"""From tables of people and visits to a cohort."""

from dataclasses import replace

import pandas as pd
import pytest

from adestim.datasets.loaders.study import Request, Study, assemble_cohort, check_request
from adestim.exceptions import InputError, TableError


@pytest.fixture
def study():
    people = pd.DataFrame(
        {
            "number": ["1", "2", "3"],
            "person": ["1", "2", "3"],
            "origin": pd.to_datetime(["2010-01-01"] * 3),
            "site": ["002", None, "003"],
            "sex": ["F", "M", "F"],
        },
        index=pd.Index(["s1", "s2", "s3"], name="subject", dtype="str"),
    )
    visits = pd.DataFrame(
        {
            "number": ["1", "1", "2"],
            "subject": ["s1", "s1", "s2"],
            "slot": ["bl", "m12", "bl"],
            "months": [0.0, 12.0, 0.0],
            "day": [0.0, 365.0, 0.0],
            "date": pd.to_datetime(["2010-01-01", "2011-01-01", "2010-01-01"]),
            "diagnosis": ["CN", "MCI", "AD"],
            "age": [70.0, 71.0, 80.0],
            "mmse": [29.0, 27.0, 20.0],
        }
    )
    return Study("ADNI", people, visits, r"(\d+)", ("age", "sex"), ("mmse",), notes=("A note.",))


def test_columns_are_those_of_the_index_visit(study):
    cohort = assemble_cohort(study, Request("nc_ad"))
    assert cohort.frame[["age", "mmse", "visit"]].to_numpy().tolist() == [
        [70.0, 29.0, "bl"], [80.0, 20.0, "bl"],
    ]  # fmt: skip
    assert cohort.columns["diagnostic"] == ["mmse"]
    assert cohort.site.isna().tolist() == [False, True]


def test_everybody_is_in_the_flow(study):
    cohort = assemble_cohort(study, Request("nc_ad"))
    assert cohort.flow.subjects == ("s1", "s2", "s3")
    assert cohort.flow.excluded["reason"].tolist() == ["no form with a diagnosis"]
    assert list(cohort.labels.index) == ["s1", "s2", "s3"]


def test_description_tells_counts_labels_and_notes(study):
    text = assemble_cohort(study, Request("nc_ad", label_params={"stable": False})).description
    assert "ADNI, task nc_ad: 2 subjects, 1 CN, 1 AD." in text
    assert "stable=False" in text
    assert text.endswith("A note.")


def test_parameters_of_labels_are_passed_on(study):
    cohort = assemble_cohort(study, Request("nc_ad", label_params={"stable": True}))
    assert cohort.labels.loc["s1", "reason"] == "diagnosis changed later"


def test_a_cohort_of_nobody_is_refused_with_the_reasons(study):
    with pytest.raises(TableError, match=r"task 'smci_pmci'. Got 3 people: .*not MCI \(1\)"):
        assemble_cohort(study, Request("smci_pmci"))


def test_what_is_required_must_be_a_column(study):
    with pytest.raises(InputError, match=r"names columns of the frame\. Got 't1w' besides"):
        assemble_cohort(study, Request("nc_ad", require=["t1w"]))


def test_excluding_memory_concern_needs_the_research_group(study):
    with pytest.raises(TableError, match="no table with the column 'DX_bl'"):
        assemble_cohort(study, Request("nc_ad", smc="exclude"))


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (Request("ad_nc"), "'task' parameter must be one of 'nc_ad'"),
        (Request("nc_ad", smc="drop"), "'smc' parameter must be 'keep' or 'exclude'"),
        (Request("nc_ad", window_days=-1), "'window_days' parameter must be 0 or more"),
        (Request("nc_ad", require="t1w"), "'require' parameter must be a list of names"),
        (
            Request("nc_ad", label_params={"short": "stable"}),
            "names parameters of baseline_labels. Got 'short' besides",
        ),
    ],
)
def test_parameters_out_of_range_are_refused(request_, message):
    with pytest.raises(InputError, match=message):
        check_request(request_)


def test_times_to_conversion_are_targets_of_the_frames_rows(study):
    later = pd.DataFrame(
        {
            "number": ["1", "1", "2", "2"],
            "subject": ["s1", "s1", "s2", "s2"],
            "months": [0.0, 18.0, 0.0, 30.0],
            "day": [0.0, 540.0, 0.0, 900.0],
            "diagnosis": ["MCI", "MCI", "MCI", "AD"],
            "age": [70.0, 71.0, 80.0, 82.0],
        }
    )
    request = Request("time_to_ad", label_params={"baseline_within": 3})
    check_request(request)
    cohort = assemble_cohort(replace(study, visits=later), request)
    assert list(cohort.frame.index) == ["s1", "s2"]
    assert cohort.target.tolist() == [(False, 1.5), (True, 2.5)]
    assert cohort.labels["label"].tolist()[:2] == ["censored", "converted"]
    assert "task time_to_ad: 2 subjects" in cohort.description


def test_index_visit_comes_after_the_history_which_is_one_cell(study):
    cohort = assemble_cohort(study, Request("nc_mci", history=10))
    assert cohort.frame[["age", "mmse"]].to_numpy().tolist() == [[71.0, 27.0]]
    assert cohort.target.tolist() == ["MCI"]
    past = cohort.frame["visits"]["s1"]
    assert past.years.tolist() == [-365 / 365.25, 0]
    assert past.rows[["age", "mmse"]].to_numpy().tolist() == [[70.0, 29.0], [71.0, 27.0]]
    assert past.rows["sex"].tolist() == ["F", "F"]
    assert "history_months=10" in cohort.description


def test_history_holds_no_diagnosis_and_no_later_visit(study):
    past = assemble_cohort(study, Request("nc_ad", history=0)).frame["visits"]
    assert list(past["s1"].rows) == ["age", "sex", "mmse"]
    assert past["s1"].years.tolist() == [0]


def test_who_was_not_seen_long_enough_is_counted(study):
    cohort = assemble_cohort(study, Request("nc_mci", history=10))
    assert dict(
        zip(cohort.flow.excluded["subject"], cohort.flow.excluded["reason"], strict=True)
    ) == {
        "s3": "no form with a diagnosis",
        "s2": "not seen 10 months after the first visit",
    }


def test_forms_of_one_day_are_one_visit_of_the_past(study):
    more = study.visits.iloc[[0]].assign(slot="v1", mmse=None, age=70.5)
    study = replace(study, visits=pd.concat([study.visits, more], ignore_index=True))
    past = assemble_cohort(study, Request("nc_mci", history=10)).frame["visits"]["s1"]
    assert past.rows["mmse"].tolist() == [29.0, 27.0]


def test_without_a_history_there_is_no_such_column(study):
    assert "visits" not in assemble_cohort(study, Request("nc_ad")).frame


def test_negative_history_is_refused():
    with pytest.raises(InputError, match=r"'history_months' parameter must be 0 or more"):
        check_request(Request("nc_ad", history=-1))
