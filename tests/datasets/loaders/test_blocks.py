"""Measures matched to the index visit."""

import pandas as pd

from adestim.datasets.loaders.blocks import Block, match_blocks

PEOPLE = pd.DataFrame(
    {"number": ["1", "2"], "origin": pd.to_datetime(["2020-01-01", "2020-01-01"])},
    index=pd.Index(["a", "b"], name="subject"),
)
DAYS = pd.Series([0.0, 0.0], index=PEOPLE.index)


def block(**columns):
    rows = pd.DataFrame({"tracer": None, "source": "x.csv", "day": None, **columns})
    rows["date"] = pd.to_datetime(rows["date"])
    return Block("m", rows, ("m__a",))


def test_the_nearest_row_counts_and_strangers_do_not():
    dates = ["2020-03-01", "2019-12-20", "2020-01-01"]
    measures = match_blocks(
        [block(number=["1", "1", "9"], date=dates, m__a=[1.0, 2.0, 3.0])], PEOPLE, DAYS, 100
    )
    assert measures.cells["m__a"].fillna(-1).tolist() == [2, -1]
    assert measures.rows[["subject", "days_apart", "table"]].to_numpy().tolist() == [
        ["a", -12.0, "m"]
    ]


def test_without_tables_there_are_no_columns():
    measures = match_blocks([], PEOPLE, DAYS, 100)
    assert measures.cells.shape == (2, 0)
    assert measures.rows.empty
