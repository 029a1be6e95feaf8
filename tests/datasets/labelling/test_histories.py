"""A person's visits up to the index visit, in one cell."""

import numpy as np
import pandas as pd
import pytest

from adestim.datasets import gather_visits
from adestim.exceptions import InputError

VISITS = pd.DataFrame(
    {
        "subject": ["s1", "s2", "s1", "s1", "s1", None],
        "date": pd.to_datetime(
            ["2011-01-01", "2010-05-01", "2010-01-01", "2012-01-01", None, "2010-01-01"]
        ),
        "gds": [2, 7, 1, 3, 4, 5],
        "mmse": [29, 28, 30, 27, 26, 25],
    }
)
INDEX = pd.Series(pd.to_datetime(["2011-01-01", "2010-01-01"]), index=["s1", "s2"])


def test_visits_up_to_the_index_are_kept_in_their_order():
    cell = gather_visits(VISITS, INDEX)["s1"]
    np.testing.assert_allclose(cell.years, [-365 / 365.25, 0])
    assert cell.rows["gds"].tolist() == [1, 2]
    assert list(cell.rows) == ["gds", "mmse"]


def test_who_has_only_later_visits_has_none():
    cells = gather_visits(VISITS, INDEX)
    assert cells["s2"] is None
    assert cells.index.tolist() == ["s1", "s2"]


def test_columns_are_chosen():
    assert list(gather_visits(VISITS, INDEX, columns=["gds"])["s1"].rows) == ["gds"]


def test_days_serve_as_well_as_dates():
    table = VISITS.assign(day=[365, 0, 0, 730, np.nan, 0])
    cell = gather_visits(table, pd.Series({"s1": 400}), time="day", columns=["gds"])["s1"]
    np.testing.assert_allclose(cell.years, np.array([-400, -35]) / 365.25)


@pytest.mark.parametrize(
    ("index", "options", "match"),
    [
        (INDEX.mask(INDEX.index == "s1"), {}, "Everybody in 'index_times' has a time.*'s1'"),
        (pd.concat([INDEX, INDEX]), {}, "one index visit.*'s1'"),
        (pd.Series({"s1": 3.0}), {}, "Times of images and visits are of one kind"),
        (INDEX, {"on": "person"}, "no column 'person'"),
        (INDEX, {"columns": ["faq"]}, "'columns' parameter .*'faq'"),
    ],
)
def test_bad_input_is_refused(index, options, match):
    with pytest.raises(InputError, match=match):
        gather_visits(VISITS, index, **options)


def test_two_visits_at_one_time_are_refused():
    twice = pd.concat([VISITS, VISITS.iloc[[0]]])
    with pytest.raises(InputError, match=r"one visit at a time.*'s1'"):
        gather_visits(twice, INDEX)
