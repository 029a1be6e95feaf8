"""Labels from visits."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adestim.datasets import baseline_labels, diagnosis_labels, progression_labels
from adestim.datasets.labelling.labels import NOT_AD
from adestim.exceptions import InputError, TableError


def visits_of(**subjects):
    """Visits from one mapping of months to diagnosis a subject."""
    rows = [(name, *visit) for name, visits in subjects.items() for visit in visits.items()]
    return pd.DataFrame(rows, columns=["subject", "months", "diagnosis"])


def outcome(visits, **options):
    row = progression_labels(visits_of(s1=visits), **options).loc["s1"]
    return row["label"] if pd.isna(row["reason"]) else row["reason"]


# Codes


@pytest.mark.parametrize(
    ("rule", "codes", "labels"),
    [("diagnosis", [1, 2, 3], ["CN", "MCI", "AD"]),
     ("dxcurren", ["1", "2", "3"], ["CN", "MCI", "AD"]),
     ("dxchange", [1.0, 4.0, 5.0, 7.0], ["CN", "MCI", "AD", "CN"]),
     ("text", ["NL", "EMCI", "Dementia", "SMC"], ["CN", "MCI", "AD", "SMC"]),
     ("text", ["NL to MCI", "MCI to Dementia", "MCI to NL"], ["MCI", "AD", "CN"]),
     ({"hc": "CN"}, ["HC"], ["CN"])],
)  # fmt: skip
def test_codes_become_words(rule, codes, labels):
    assert list(diagnosis_labels(pd.DataFrame({"diagnosis": codes}), rule)) == labels


@pytest.mark.parametrize("cause", [2, "2", 2.0, "Dementia due to other etiology"])
def test_dementia_of_another_cause_is_set_apart(cause):
    visits = pd.DataFrame({"diagnosis": [3, 3, 2], "due": [cause, np.nan, cause]})
    assert list(diagnosis_labels(visits, cause="due")) == [NOT_AD, "AD", "MCI"]


def test_missing_code_is_a_missing_label():
    visits = pd.DataFrame({"diagnosis": ["1", None, "-4"]}, index=[5, 6, 7])
    labels = diagnosis_labels(visits)
    assert labels.isna().tolist() == [False, True, True]
    assert list(labels.index) == [5, 6, 7]


def test_code_that_the_rule_does_not_have_is_refused():
    with pytest.raises(TableError, match=r"others in 1 rows, the first being row 2"):
        diagnosis_labels(pd.DataFrame({"diagnosis": ["1", "7"]}))


# Baseline


def test_baseline_labels_do_not_look_ahead():
    labels = baseline_labels(visits_of(s1={0: "CN", 24: "MCI"}, s2={0: "AD"}))
    assert list(labels["label"]) == ["CN", "AD"]
    assert labels["reason"].isna().all()
    assert list(labels["months_followed"]) == [24, 0]


def test_stable_diagnosis_may_be_asked_for():
    visits = visits_of(s1={0: "CN", 24: "MCI"}, s2={0: "CN", 24: "CN"})
    labels = baseline_labels(visits, stable=True)
    assert labels.loc["s1", "reason"] == "diagnosis changed later"
    assert labels.loc["s2", "label"] == "CN"


@pytest.mark.parametrize(
    ("diagnosis", "reason"),
    [("MCI", "MCI at baseline, no class"), (NOT_AD, "dementia not due to AD"),
     (None, "no diagnosis at baseline")],
)  # fmt: skip
def test_every_missing_label_has_a_reason(diagnosis, reason):
    assert baseline_labels(visits_of(s1={0: diagnosis})).loc["s1", "reason"] == reason


def test_three_classes_may_be_asked_for():
    visits = visits_of(s1={0: "CN"}, s2={0: "MCI"}, s3={0: "AD"})
    assert list(baseline_labels(visits, ("CN", "MCI", "AD"))["label"]) == ["CN", "MCI", "AD"]


# Progression


@pytest.mark.parametrize(
    ("visits", "expected"),
    [({0: "MCI", 24: "AD"}, "pMCI"),
     ({0: "MCI", 36: "AD"}, "pMCI"),
     ({0: "MCI", 42: "AD"}, "pMCI"),
     ({0: "MCI", 36: "MCI"}, "sMCI"),
     ({0: "MCI", 30: "MCI"}, "sMCI"),
     ({0: "MCI", 36: "MCI", 60: "AD"}, "sMCI"),
     ({0: "MCI", 36: "MCI", 60: "CN"}, "sMCI"),
     ({0: "MCI", 12: "MCI", 60: "MCI"}, "sMCI"),
     ({0: "MCI", 12: "MCI", 60: "AD"}, "not seen near the horizon"),
     ({0: "MCI", 24: "MCI"}, "follow-up too short"),
     ({0: "MCI"}, "no follow-up"),
     ({0: "MCI", 12: "CN", 36: "CN"}, "reverted to CN"),
     ({0: "MCI", 12: "CN", 24: "MCI", 36: "MCI"}, "more than one change"),
     ({0: "MCI", 12: "AD", 24: "MCI", 36: "MCI"}, "more than one change"),
     ({0: "MCI", 12: "CN", 36: "AD"}, "more than one change"),
     ({0: "MCI", 24: NOT_AD}, "dementia not due to AD"),
     ({0: "CN", 24: "AD"}, "CN at baseline, not MCI"),
     ({0: "AD", 24: "AD"}, "AD at baseline, not MCI")],
)  # fmt: skip
def test_outcome_or_the_reason_why_there_is_none(visits, expected):
    assert outcome(visits) == expected


def test_short_follow_up_is_not_silently_stable():
    # clinicadl 1.6.1 calls this subject stable: last seen with MCI before the horizon.
    visits = {0: "MCI", 6: "MCI", 12: "MCI"}
    assert outcome(visits) == "follow-up too short"
    assert outcome(visits, short="stable") == "sMCI"


def test_nobody_is_stable_without_a_second_look():
    assert outcome({0: "MCI"}, short="stable") == "no follow-up"
    twice = pd.concat([visits_of(s1={0: "MCI"})] * 2)
    assert progression_labels(twice)["reason"].tolist() == ["no follow-up"]


def test_reverters_may_count_as_stable_if_followed():
    assert outcome({0: "MCI", 12: "CN", 36: "CN"}, reverters="stable") == "sMCI"
    assert outcome({0: "MCI", 12: "CN"}, reverters="stable") == "follow-up too short"


def test_horizon_and_tolerance_move_the_line():
    visits = {0: "MCI", 18: "MCI", 30: "AD"}
    assert outcome(visits, horizon=24, tolerance=6) == "pMCI"
    assert outcome(visits, horizon=24, tolerance=3) == "not seen near the horizon"
    assert outcome(visits, horizon=18, tolerance=3) == "sMCI"


def test_months_may_count_from_anything():
    assert outcome({100: "MCI", 124: "AD"}) == "pMCI"


def test_late_conversion_is_told_beside_the_label():
    row = progression_labels(visits_of(s1={3: "MCI", 39: "MCI", 63: "AD"})).loc["s1"]
    assert (row["label"], row["converted_at"], row["index_months"]) == ("sMCI", 60, 3)


def test_table_without_subjects_has_its_columns():
    table = progression_labels(visits_of())
    assert list(table) == ["label", "reason", "months_followed", "converted_at", "index_months"]
    assert table.index.name == "subject"


@pytest.mark.parametrize(
    ("name", "value"),
    [("horizon", 0), ("tolerance", -1), ("tolerance", 36), ("reverters", "drop"), ("short", True)],
)
def test_parameter_out_of_range_is_refused(name, value):
    with pytest.raises(InputError, match=f"The '{name}' parameter of progression_labels must be"):
        progression_labels(visits_of(), **{name: value})


def test_missing_column_is_refused():
    with pytest.raises(TableError, match="'months'"):
        progression_labels(pd.DataFrame({"subject": ["s1"], "diagnosis": ["MCI"]}))


DIAGNOSES = st.sampled_from(["CN", "MCI", "AD", NOT_AD, None])


@settings(deadline=None, max_examples=50)
@given(st.dictionaries(st.integers(0, 20).map(lambda n: 6 * n), DIAGNOSES, min_size=1))
def test_labels_mean_what_they_say(visits):
    row = progression_labels(visits_of(s1=visits)).loc["s1"]
    known = {month: dx for month, dx in sorted(visits.items()) if dx is not None}
    assert pd.isna(row["label"]) != pd.isna(row["reason"])
    if row["label"] == "sMCI":
        near = [dx for month, dx in known.items() if month <= row["index_months"] + 42]
        assert set(near) == {"MCI"}
        assert row["months_followed"] >= 30
    if row["label"] == "pMCI":
        assert row["converted_at"] <= 42
        assert known[row["index_months"]] == "MCI"


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 60), DIAGNOSES), max_size=12))
def test_order_of_rows_changes_no_label(rows):
    visits = pd.DataFrame(rows, columns=["subject", "months", "diagnosis"])
    backwards = progression_labels(visits.iloc[::-1])
    pd.testing.assert_frame_equal(progression_labels(visits).sort_index(), backwards.sort_index())
