"""Tables of pandas are what they were."""

import numpy as np
import pandas as pd
import pytest

from adestim.exceptions import SavedModelError
from adestim.handover.left_out import LeavingOut
from adestim.handover.pack import Packer
from adestim.handover.trust import Trust
from adestim.handover.unpack import Unpacker

DATES = pd.to_datetime(["2026-01-02", None])
TABLE = pd.DataFrame(
    {
        "number": [1.5, np.nan],
        "count": pd.array([1, None], dtype="Int64"),
        "word": pd.array(["a", None], dtype="str"),
        "text": pd.array(["a", None], dtype="string"),
        "object": pd.Series(["a", 2], dtype=object),
        "stage": pd.Categorical(["low", None], categories=["low", "high"], ordered=True),
        "date": DATES,
        "flag": pd.array([True, None], dtype="boolean"),
        7: [1, 2],
    },
    index=pd.Index(["s1", "s2"], name="who"),
)


def there_and_back(value):
    trust = Trust()
    packer = Packer(trust, LeavingOut())
    root = packer.pack(value)
    return Unpacker(packer.nodes, packer.shelf.arrays, trust).unpack(root)


def test_a_table_is_what_it_was():
    pd.testing.assert_frame_equal(there_and_back(TABLE), TABLE)


def test_a_table_without_rows_or_columns_is_what_it_was():
    for table in (TABLE.iloc[:0], TABLE.iloc[:, :0]):
        pd.testing.assert_frame_equal(there_and_back(table), table)


def test_columns_of_one_name_stay_two():
    table = pd.DataFrame([[1, 2.0]], columns=["a", "a"])
    pd.testing.assert_frame_equal(there_and_back(table), table)


@pytest.mark.parametrize("name", TABLE.columns)
def test_a_column_is_what_it_was(name):
    pd.testing.assert_series_equal(there_and_back(TABLE[name]), TABLE[name])


@pytest.mark.parametrize(
    "index",
    [
        pd.RangeIndex(2, 10, 3, name="row"),
        pd.Index([1.5, 2.5]),
        DATES,
        pd.MultiIndex.from_tuples([("a", 1), ("b", 2)], names=["site", "visit"]),
    ],
    ids=["range", "numbers", "dates", "levels"],
)
def test_labels_are_what_they_were(index):
    pd.testing.assert_index_equal(there_and_back(index), index)


def test_columns_of_other_types_are_refused():
    with pytest.raises(SavedModelError, match="numbers, words, dates or categories"):
        there_and_back(pd.Series(pd.arrays.SparseArray([1, 0])))
