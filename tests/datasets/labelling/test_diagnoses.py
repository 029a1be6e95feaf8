"""Codes of diagnosis."""

import numpy as np
import pandas as pd
import pytest

from adestim.datasets.labelling.diagnoses import (
    RULES,
    choose_rule,
    fold_diagnosis_codes,
    read_histories,
    require_visit_columns,
)
from adestim.exceptions import InputError, TableError


@pytest.mark.parametrize("codes", [[3, 3], [3.0, np.nan], ["3", "3.0"], ["3 ", None]])
def test_code_is_one_however_it_is_written(codes):
    assert set(fold_diagnosis_codes(pd.Series(codes)).dropna()) == {"3"}


@pytest.mark.parametrize("code", ["-4", "-1", -4, -1.0, ""])
def test_codes_for_missing_are_missing(code):
    assert fold_diagnosis_codes(pd.Series([code])).isna().all()


def test_codes_of_change_name_where_it_arrived():
    arrived = {"CN": "179", "MCI": "248", "AD": "356"}
    assert RULES["dxchange"] == {code: dx for dx, codes in arrived.items() for code in codes}


def test_unknown_rule_is_refused():
    with pytest.raises(InputError, match="'rule' parameter must be one of 'diagnosis'"):
        choose_rule("dx")


def test_missing_column_is_refused():
    with pytest.raises(TableError, match=r"Visits have the columns 'subject', 'months'.*'months'"):
        require_visit_columns(pd.DataFrame({"subject": []}), ["subject", "months"])


def history(months, diagnoses, within=6):
    visits = pd.DataFrame({"subject": "s1", "months": months, "diagnosis": diagnoses})
    (found,) = read_histories(visits, within)
    return found


def test_months_count_from_the_baseline_in_order_of_time():
    found = history([26, 2, 14], ["AD", "CN", "MCI"])
    assert list(found.months) == [0, 12, 24]
    assert found.diagnoses == ["CN", "MCI", "AD"]
    assert (found.start, found.followed, found.converted_at) == (2, 24, 24)


def test_visits_without_diagnosis_or_time_tell_nothing():
    found = history([0, 12, np.nan, 24], ["CN", None, "AD", "CN"])
    assert (list(found.months), found.diagnoses) == ([0, 24], ["CN", "CN"])


@pytest.mark.parametrize(
    ("months", "diagnoses", "reason"),
    [([np.nan], ["CN"], "no visit with a time"),
     ([0], [None], "no diagnosis at baseline"),
     ([0, 12], [None, "CN"], "no diagnosis at baseline"),
     ([0, 0], ["CN", "MCI"], "two diagnoses at one time")],
)  # fmt: skip
def test_history_without_a_baseline_says_why(months, diagnoses, reason):
    found = history(months, diagnoses)
    assert found.reason == reason
    assert np.isnan(found.followed)
    assert np.isnan(found.converted_at)


def test_baseline_may_come_a_little_after_the_first_visit():
    assert history([0, 6], [None, "CN"]).start == 6


def test_one_diagnosis_twice_at_one_time_is_no_conflict():
    assert history([0, 0], ["CN", "CN"]).reason is None


def test_history_is_cut_at_a_month():
    found = history([0, 36, 42, 60], ["MCI", "MCI", "AD", "AD"])
    assert found.until(42) == ["MCI", "MCI", "AD"]
    assert found.after(42) == ["AD"]


def test_subjects_stay_apart_and_in_order():
    visits = pd.DataFrame(
        {"subject": ["b", "a", "b"], "months": [0, 0, 12], "diagnosis": ["CN", "AD", "MCI"]}
    )
    found = {one.subject: one.diagnoses for one in read_histories(visits, 6)}
    assert found == {"b": ["CN", "MCI"], "a": ["AD"]}
    assert list(found) == ["b", "a"]
