"""A cell that holds several visits of one person."""

import pickle

import numpy as np
import pandas as pd
import pytest

from adestim.datasets import Visits
from adestim.exceptions import InputError

ROWS = pd.DataFrame({"gds": [2.0, 5.0], "sex": ["F", "F"]})


def test_nothing_of_the_data_is_shown():
    assert repr(Visits([-1.5, 0], ROWS)) == "<Visits: 2, from -1.5 to 0.0 years, 2 columns>"


def test_they_survive_pickling():
    again = pickle.loads(pickle.dumps(Visits([-1.5, 0], ROWS)))
    np.testing.assert_array_equal(again.years, [-1.5, 0])
    pd.testing.assert_frame_equal(again.rows, ROWS)


@pytest.mark.parametrize("years", [[0.0], [], [[-1.0, 0.0]]])
def test_one_time_a_row_is_needed(years):
    with pytest.raises(InputError, match=r"one time a row.*2 rows"):
        Visits(years, ROWS)


def test_no_visit_at_all_is_refused():
    with pytest.raises(InputError, match="at least one row"):
        Visits([], ROWS.iloc[:0])


@pytest.mark.parametrize("years", [[0, -1], [-1, -1], [np.nan, 0], [-np.inf, 0]])
def test_times_ascend(years):
    with pytest.raises(InputError, match="each later than the one before"):
        Visits(years, ROWS)
