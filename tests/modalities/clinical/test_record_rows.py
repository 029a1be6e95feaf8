"""Rows of a table become records, and who was cut is told once."""

import numpy as np
import pandas as pd
import pytest

from adestim.exceptions import DataWarning, InputError, TableError
from adestim.extraction.foundation import ModelPreparation
from adestim.modalities.clinical.record_rows import (
    RecordPreparation,
    list_written_columns,
    record_of,
    warn_of_cuts,
)
from adestim.modalities.clinical.table import Column

AGE, NOTE = Column("age", 0, "numeric"), Column("note", 1, "text")
FRAME = pd.DataFrame({"age": [70, None, 1], "note": ["a", None, "b"]}, index=["s1", "s2", "s3"])


class ShortSighted:
    """Reads an age, of which it sees one digit."""

    @staticmethod
    def prepare(raw, limit):
        return np.array([int(digit) for digit in f"{raw['age']:.0f}"][:limit])

    @staticmethod
    def is_cut(raw, limit):
        return len(f"{raw['age']:.0f}") > limit


def preparation(limit):
    home = f"{__name__}:ShortSighted"
    return RecordPreparation((AGE,), ModelPreparation("short-sighted", {"limit": limit}, home))


def rows(frame=FRAME):
    return list(frame.itertuples(index=False, name=None))


def test_records_hold_the_columns_that_are_used():
    assert record_of(tuple(FRAME.iloc[0]), (AGE,)) == {"age": 70}


def test_row_without_a_used_value_is_missing():
    assert preparation(1)(rows()[1]) is None


def test_subjects_whose_texts_were_cut_are_told_once():
    prepared = [preparation(1)(row) for row in rows()]
    with pytest.warns(DataWarning, match=r"1 record\(s\) of more than 1 tokens.*: 's1'\.") as told:
        passed = list(warn_of_cuts(prepared, FRAME, preparation(1)))
    assert passed == prepared
    assert len(told) == 1


def test_nothing_is_told_of_texts_that_fit_or_failed():
    prepared = [preparation(2)(rows()[0]), None, InputError("A rule")]
    assert list(warn_of_cuts(prepared, FRAME, preparation(2))) == prepared


def test_free_text_is_left_out_unless_it_is_named():
    columns, remarks = list_written_columns((AGE, NOTE), ())
    assert columns == (AGE,)
    assert "'note' holds free text" in remarks[0]
    assert list_written_columns((AGE, NOTE), ["note"]) == ((AGE, NOTE), [])


def test_free_text_alone_is_refused():
    with pytest.raises(TableError, match="at least one column"):
        list_written_columns((NOTE,), ())


def test_dash_among_numbers_says_that_one_is_missing():
    assert record_of(("-", "-"), (AGE, NOTE)) == {"age": None, "note": "-"}
