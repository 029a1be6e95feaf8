"""Images and visits brought together by time."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adestim.datasets import match_visits
from adestim.exceptions import InputError

DAYS = {"image_time": "day", "visit_time": "day"}


def images_of(*rows):
    return pd.DataFrame(rows, columns=["subject", "day"])


def visits_of(*rows):
    return pd.DataFrame(rows, columns=["subject", "day", "cdr"])


def matched(images, visits, **options):
    return match_visits(images_of(*images), visits_of(*visits), **{**DAYS, **options})


def test_nearest_visit_wins_and_not_the_last_in_the_window():
    # oasis-scripts' oasis_data_matchup.py keeps the last row in the window: day 700.
    found = matched([("s1", 500)], [("s1", 480, 0.0), ("s1", 700, 0.5)], window=365)
    assert list(found["day_visit"]) == [480]
    assert list(found["days_apart"]) == [-20]


def test_nobody_gets_the_scores_of_another_subject():
    # Clinica 0.11.3's oasis3-to-bids merges by session alone.
    found = matched([("s1", 0), ("s2", 0)], [("s2", 0, 1.0), ("s1", 90, 0.0)])
    assert list(found["cdr"]) == [0.0, 1.0]
    assert matched([("s1", 0)], [("s2", 0, 1.0)])["cdr"].isna().all()


@pytest.mark.parametrize(("ties", "day"), [("earlier", 90), ("later", 110)])
def test_tie_is_settled_as_asked(ties, day):
    visits = [("s1", 110, 1.0), ("s1", 90, 0.0)]
    assert list(matched([("s1", 100)], visits, ties=ties)["day_visit"]) == [day]


@pytest.mark.parametrize(("window", "cdr"), [(20, 0.5), (19.9, np.nan)])
def test_window_includes_its_edge(window, cdr):
    found = matched([("s1", 100)], [("s1", 120, 0.5)], window=window)
    np.testing.assert_array_equal(found["cdr"], [cdr])


def test_index_and_order_of_images_are_kept():
    images = images_of(("s2", 5), ("s1", 9), ("s2", 1)).set_axis(["x", "y", "z"])
    visits = visits_of(("s1", 9, 1.0), ("s2", 1, 2.0)).set_axis([70, 80])
    found = match_visits(images, visits, **DAYS)
    assert list(found.index) == ["x", "y", "z"]
    assert list(found["visit_row"]) == [80, 70, 80]
    assert list(found["days_apart"]) == [-4, 0, 0]


def test_dates_match_as_days_do():
    dates = pd.to_datetime(["2005-09-08", "2005-09-18"])
    images = pd.DataFrame({"subject": ["s1"], "date": dates[:1]})
    visits = pd.DataFrame({"subject": ["s1"], "date": dates[1:], "mmse": [29]})
    found = match_visits(images, visits, window=10)
    assert (found["mmse"][0], found["days_apart"][0]) == (29, 10)


def test_row_without_a_time_matches_nothing():
    found = matched([("s1", np.nan), ("s1", 0)], [("s1", np.nan, 1.0)])
    assert found["cdr"].isna().all()
    assert len(found) == 2


def test_tables_without_rows_match_nothing():
    found = match_visits(images_of(("s1", 1)), visits_of().astype({"day": float}), **DAYS)
    assert list(found) == ["subject", "day", "day_visit", "cdr", "visit_row", "days_apart"]
    assert len(match_visits(images_of().astype(float), visits_of(("s1", 1, 0.0)), **DAYS)) == 0


def test_several_visits_at_one_time_are_refused_by_subject():
    with pytest.raises(InputError, match=r"one visit at a time\. Got several .* 's1'"):
        matched([("s1", 0)], [("s1", 0, 0.0), ("s1", 0, 1.0)])


def test_missing_column_is_refused():
    with pytest.raises(InputError, match=r"The table of visits has a subject and a time.*'date'"):
        match_visits(images_of(), visits_of(), image_time="day")


def test_dates_and_days_are_not_mixed():
    visits = visits_of(("s1", 0, 1.0)).assign(day=pd.Timestamp(2005, 1, 1))
    with pytest.raises(InputError, match="of one kind"):
        match_visits(images_of(("s1", 0)), visits, **DAYS)


def test_times_that_are_text_are_refused():
    with pytest.raises(InputError, match="column 'day' is neither"):
        matched([("s1", "2005-01-01")], [("s1", 0, 1.0)])


@pytest.mark.parametrize("option", [{"window": -1}, {"window": "365"}, {"ties": "both"}])
def test_parameter_out_of_range_is_refused(option):
    with pytest.raises(InputError, match=f"The '{next(iter(option))}' parameter of match_visits"):
        matched([("s1", 0)], [("s1", 0, 1.0)], **option)


TIMES = st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 30)), max_size=8, unique=True)


def by_hand(subject, day, visits, window):
    """Day of the nearest visit, found by looking at every one."""
    gaps = [(abs(other - day), other) for whose, other in visits if whose == subject]
    gap, nearest = min(gaps, default=(np.inf, np.nan))
    return nearest if gap <= window else np.nan


@settings(deadline=None, max_examples=50)
@given(TIMES.filter(len), TIMES.filter(len), st.integers(0, 12))
def test_agrees_with_looking_at_every_visit(images, visits, window):
    found = matched(images, [(*visit, 0.0) for visit in visits], window=window)
    expected = [by_hand(*image, visits, window) for image in images]
    np.testing.assert_array_equal(found["day_visit"].to_numpy(float), expected)
