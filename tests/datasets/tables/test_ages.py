"""Ages from parts of a date of birth."""

import pandas as pd
import pytest

from adestim.datasets.tables.ages import ages, birth_dates
from adestim.exceptions import DataWarning


@pytest.mark.parametrize(
    ("text", "birth"),
    [
        ("05/1932", "1932-05-01"),
        ("1932-05-20", "1932-05-20"),
        ("/1932", "1932-07-01"),
        ("1932", "1932-07-01"),
        (None, None),
    ],
)
def test_as_much_of_the_birth_as_is_told_counts(text, birth):
    found = birth_dates(pd.Series([text], dtype="str"))[0]
    assert pd.isna(found) if birth is None else found == pd.Timestamp(birth)


def test_year_and_month_in_columns_of_their_own_count():
    text = pd.Series([None, None], dtype="str")
    found = birth_dates(text, pd.Series([1940.0, 1941.0]), pd.Series([3.0, None]))
    assert found.dt.strftime("%Y-%m").tolist() == ["1940-03", "1941-07"]


def test_age_is_in_years_to_one_decimal():
    births = pd.to_datetime(pd.Series(["1940-01-01"]))
    assert ages(births, pd.to_datetime(pd.Series(["2010-07-02"]))).tolist() == [70.5]


def test_no_age_is_told_where_a_visit_lies_before_the_birth():
    births = pd.to_datetime(pd.Series(["1940-01-01", "2012-01-01"]))
    visits = pd.to_datetime(pd.Series(["2010-01-01", "2010-01-01"]))
    with pytest.warns(DataWarning, match="1 visits are dated before the birth"):
        assert ages(births, visits).fillna(-1).tolist() == [70, -1]
