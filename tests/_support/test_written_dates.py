"""Dates as people write them."""

import datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adestim._support.written_dates import looks_like_date, read_written_dates
from adestim.exceptions import TableError, TimeSeriesError

SPELLINGS = (
    "%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%Y%m%d", "%d.%m.%Y", "%d-%b-%Y", "%d %B %Y", "%d%b%Y",
    "%b %d, %Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%m-%d-%Y", "%Y-%m-%dT%H:%M:%S",
    "%d.%m.%Y %H:%M",
)  # fmt: skip


def read(*texts, **options):
    return read_written_dates(texts, **options).values.astype("datetime64[D]").tolist()


@pytest.mark.parametrize(
    "cell",
    ["2005-09-08", "2005-9-8", "2005/09/08", "2005.09.08", "20050908", "20050908.0", "8.9.2005",
     "08.09.2005", "8-Sep-2005", "08-SEP-2005", "08Sep2005", "8 September 2005", "8/Sep/2005",
     "Sep 8, 2005", "2005-09-08 10:11:12", "2005-09-08T10:11:12+02:00", "8.9.2005 10:11",
     "08SEP2005:10:11:12", " 2005-09-08 "],
)  # fmt: skip
def test_day_is_read_in_every_spelling(cell):
    assert read(cell) == [datetime.date(2005, 9, 8)]
    assert looks_like_date(cell)


@pytest.mark.parametrize("cell", ["03/2012", "2012-03", "Mar 2012", "March-2012"])
def test_month_and_year_are_the_first_of_the_month(cell):
    assert read(cell) == [datetime.date(2012, 3, 1)]


@pytest.mark.parametrize(
    ("texts", "dates"),
    [
        (["9/8/2005", "9/18/2005"], [(9, 8), (9, 18)]),
        (["9/8/2005", "18/9/2005"], [(8, 9), (9, 18)]),
        (["9-8-2005", "18-9-2005"], [(8, 9), (9, 18)]),
        (["9/9/2005"], [(9, 9)]),
    ],
)
def test_days_above_12_tell_the_order_of_the_column(texts, dates):
    assert read(*texts) == [datetime.date(2005, *date) for date in dates]


def test_contradicting_orders_are_refused_by_row():
    with pytest.raises(TimeSeriesError, match=r"of column 'x' .*\. Got the day first in row 2, and "
                       r"the month first in row 3"):  # fmt: skip
        read("9/8/2005", "13/2/2010", "2/13/2010", what="column 'x'", refuse=TimeSeriesError)


def test_order_that_no_cell_tells_is_refused():
    with pytest.raises(TableError, match="Got no day above 12 that would tell"):
        read("9/8/2005", "3/4/2005")


@pytest.mark.parametrize(("usual", "month"), [("month", 9), ("day", 8)])
def test_order_that_no_cell_tells_is_the_usual_one_and_that_is_said(usual, month):
    dates = read_written_dates(["9/8/2005"], usual=usual)
    assert dates.is_guessed
    assert dates.values.astype("datetime64[M]").tolist() == [datetime.date(2005, month, 1)]


@pytest.mark.parametrize(
    "cell", ["2005-02-30", "13/13/2005", "1805-01-01", "2999-01-01", "2005", "x", "12.2010",
             "3/4/05", "40/1/2005", "00/00/2005"],
)  # fmt: skip
def test_impossible_date_is_unreadable(cell):
    dates = read_written_dates([cell, "NA"], usual="month")
    assert np.isnat(dates.values).all()
    assert dates.is_unreadable.tolist() == [True, False]


@pytest.mark.parametrize("cell", ["3/4", "120/80", "29", "12.5", "2010", "1-2", "mild", "III-2"])
def test_other_cells_do_not_look_like_dates(cell):
    assert not looks_like_date(cell)


@settings(deadline=None, max_examples=100)
@given(
    st.lists(st.dates(datetime.date(1900, 1, 1), datetime.date(2025, 12, 31)), min_size=1),
    st.sampled_from(SPELLINGS),
)
def test_column_in_any_spelling_is_refused_or_read_right(dates, spelling):
    texts = [date.strftime(spelling) for date in dates]
    try:
        found = read(*texts)
    except TableError:
        return
    assert found == dates
