"""Visits told by codes and dates."""

import pandas as pd
import pytest

from adestim.datasets.tables.visit_codes import (
    add_times,
    find_origins,
    merge_visit_rows,
    name_slots,
    read_months,
)


def dates(*values):
    return pd.to_datetime(pd.Series(values)).astype("datetime64[us]")


@pytest.mark.parametrize(
    ("code", "slot", "months"),
    [
        ("bl", "bl", 0),
        ("sc", "bl", 0),
        ("scmri", "bl", 0),
        ("f", "bl", 0),
        ("m06", "m6", 6),
        ("M006", "m6", 6),
        ("ses-M000", "bl", 0),
        ("m150", "m150", 150),
        ("4_sc", "4_bl", None),
        ("4_m12", "4_m12", None),
    ],
)
def test_codes_of_one_visit_have_one_slot(code, slot, months):
    found = name_slots(pd.Series([code], dtype="str"), dates(None))
    assert found.tolist() == [slot]
    number = read_months(found)[0]
    assert pd.isna(number) if months is None else number == months


def test_codes_outside_the_schedule_are_told_apart_by_their_date():
    codes = pd.Series(["uns1", "uns1", "v11", None], dtype="str")
    found = name_slots(codes, dates("2012-01-01", "2014-01-01", None, "2015-05-05"))
    assert found.tolist() == ["uns1 2012-01-01", "uns1 2014-01-01", "v11", "2015-05-05"]
    assert read_months(found).isna().all()


def test_screening_fills_what_the_baseline_lacks():
    rows = pd.DataFrame(
        {
            "number": ["1", "1", "2"],
            "code": ["sc", "bl", "m06"],
            "slot": ["bl", "bl", "m6"],
            "diagnosis": ["MCI", "CN", "AD"],
            "mmse": [29.0, None, 20.0],
        }
    )
    merged = merge_visit_rows(rows)
    assert merged["diagnosis"].tolist() == ["CN", "AD"]
    assert merged["mmse"].tolist() == [29.0, 20.0]


def test_months_come_from_the_date_where_the_code_does_not_tell():
    visits = pd.DataFrame(
        {
            "number": ["1", "1", "1"],
            "slot": ["bl", "m6", "4_m12"],
            "date": dates("2010-01-01", None, "2024-01-01"),
        }
    )
    timed = add_times(visits)
    assert timed["months"].tolist() == [0, 6, 168.0]
    assert timed["day"].tolist() == [0, 183, 5113]


def test_the_baseline_follows_from_a_later_visit():
    visits = pd.DataFrame(
        {"number": ["1", "1"], "slot": ["bl", "m12"], "date": dates(None, "2011-01-01")}
    )
    assert find_origins(visits)["1"] == pd.Timestamp(2010, 1, 1)


def test_visits_without_any_date_are_timed_by_their_codes():
    visits = pd.DataFrame({"number": ["1"], "slot": ["m12"], "date": dates(None)})
    assert add_times(visits)[["months", "day"]].to_numpy().tolist() == [[12, 365]]
