"""Targets of time to event: what is read, and what is refused."""

import numpy as np
import pandas as pd
import pytest

from adestim import make_survival
from adestim._support.survival_targets import (
    read_survival,
    read_times_within,
    require_some_events,
)
from adestim.exceptions import InputError


def test_what_is_made_is_read():
    event, time = read_survival(make_survival([1, 0, 1], [2, 3.5, 1]))
    assert event.dtype == bool
    np.testing.assert_array_equal(event, [True, False, True])
    np.testing.assert_array_equal(time, [2, 3.5, 1])


def test_fields_may_have_any_names():
    y = np.array([(True, 1.0), (False, 2.0)], dtype=[("converted", bool), ("years", "f4")])
    event, time = read_survival(y)
    assert event.tolist() == [True, False]
    assert time.dtype == np.float64


@pytest.mark.parametrize(
    ("y", "got"),
    [
        (None, "Got None"),
        ([1.0, 2.0], "Got a list"),
        (np.array([1.0, 2.0]), r"shape \(2,\) and dtype float64"),
        (pd.Series([1.0]), "dtype float64"),
        (np.zeros(2, dtype=[("a", bool), ("b", float), ("c", float)]), "Got an array"),
        (np.zeros((2, 1), dtype=[("a", bool), ("b", float)]), r"shape \(2, 1\)"),
    ],
)
def test_what_is_no_structured_array_is_refused(y, got):
    with pytest.raises(InputError, match=rf"structured array.*{got}.*make_survival"):
        read_survival(y)


@pytest.mark.parametrize("dtype", [[("event", int), ("time", float)], [("t", float), ("e", bool)],
                                   [("event", bool), ("time", "M8[D]")]])  # fmt: skip
def test_fields_of_other_types_are_refused(dtype):
    with pytest.raises(InputError, match=r"the first must be boolean.*Got"):
        read_survival(np.ones(3, dtype=dtype))


@pytest.mark.parametrize(
    ("time", "got"),
    [(-1.0, "below 0"), (0.0, "1 that are 0"), (np.nan, "missing"), (np.inf, "infinite")],
)
def test_times_that_are_none_are_refused(time, got):
    y = np.array([(True, 1.0), (False, time)], dtype=[("event", bool), ("time", float)])
    with pytest.raises(InputError, match=f"Times of Forest.*{got}"):
        read_survival(y, "Forest")
    with pytest.raises(InputError, match=f"Times of make_survival.*{got}"):
        make_survival([True, False], [1.0, time])


@pytest.mark.parametrize("event", [[2, 0], [np.nan, 1.0], ["yes", "no"], [None, True]])
def test_events_that_are_neither_true_nor_false_are_refused(event):
    with pytest.raises(InputError, match="Events of make_survival"):
        make_survival(event, [1.0, 2.0])


@pytest.mark.parametrize("time", [["1", "2"], pd.to_datetime(["2020-01-01", "2021-01-01"])])
def test_times_that_are_no_numbers_are_refused(time):
    with pytest.raises(InputError, match=r"numbers of years.*365.25"):
        make_survival([True, False], time)


def test_columns_of_different_lengths_are_refused():
    with pytest.raises(InputError, match=r"shapes \(2,\) and \(1,\)"):
        make_survival([True, False], [1.0])


def test_a_table_without_an_event_is_refused():
    require_some_events(np.array([False, True]), "Forest")
    with pytest.raises(InputError, match=r"Forest needs subjects.*none among 2"):
        require_some_events(np.array([False, False]), "Forest")


def test_times_within_follow_up_are_read():
    assert read_times_within([0, 2.5], 2.5, "Forest").tolist() == [0, 2.5]


@pytest.mark.parametrize(
    ("times", "got"), [([1, 3.0], "3"), ([-1.0], "-1"), ([np.nan], "NaN"), (1.0, "an array")]
)
def test_times_outside_follow_up_are_refused(times, got):
    with pytest.raises(InputError, match=rf"of Forest lie within.*to 2.5 years.*Got {got}"):
        read_times_within(times, 2.5, "Forest")
