"""Levels of attributes, and who is of which."""

import numpy as np
import pandas as pd
import pytest

from adestim.evaluation.subgroups.levels import (
    NOT_KNOWN,
    ONE_CLASS,
    OTHER,
    SCORED,
    TOO_FEW,
    align_attributes,
    name_levels,
    split_into_levels,
)
from adestim.exceptions import InputError

EVERYBODY = np.arange(12)
Y = np.tile(["AD", "CN"], 6)


def split(values, y=Y, min_size=4, people=EVERYBODY):
    levels = name_levels(pd.Series(values, dtype=object))
    return list(split_into_levels(levels, np.arange(len(values)), people, y, min_size))


def test_who_has_no_value_is_a_level():
    levels = split(["F"] * 4 + [None] * 4 + [np.nan] * 2 + ["F"] * 2)
    assert [(level.name, len(level.rows)) for level in levels] == [("F", 6), (NOT_KNOWN, 6)]


def test_small_levels_are_pooled_and_named():
    *large, other = split(["a"] * 6 + ["b"] * 2 + ["c"] * 2 + ["d"] * 2)
    assert [level.name for level in large] == ["a"]
    assert (other.name, other.status, other.pooled) == (OTHER, SCORED, ("b", "c", "d"))


def test_a_single_small_level_keeps_its_name():
    last = split(["a"] * 10 + ["b"] * 2)[-1]
    assert (last.name, last.status, last.pooled) == ("b", TOO_FEW, ())


def test_a_level_without_a_class_is_not_scored():
    y = np.repeat(["AD", "CN", "CN"], 4)
    found = [(level.name, level.status) for level in split(["x"] * 8 + ["y"] * 4, y=y)]
    assert found == [("x", SCORED), ("y", ONE_CLASS)]


def test_two_levels_that_lack_a_class_are_scored_together():
    y = np.repeat(["AD", "CN"], 6)
    found = [(level.name, level.status) for level in split(["x"] * 6 + ["y"] * 6, y=y)]
    assert found == [(OTHER, SCORED)]


def test_people_are_counted_and_not_their_rows():
    levels = split(["a"] * 8 + ["b"] * 4, people=EVERYBODY // 2)
    assert [level.status for level in levels] == [SCORED, TOO_FEW]


def test_levels_keep_their_order():
    bands = pd.cut(pd.Series([60.0, 80.0, 70.0]), [0, 65, 75, 120], labels=["<65", "65-75", ">75"])
    assert list(name_levels(bands).categories) == ["<65", "65-75", ">75", NOT_KNOWN]
    assert list(name_levels(pd.Series([10, 9, 2])).categories) == ["2", "9", "10", NOT_KNOWN]


def test_rows_that_were_not_predicted_may_be_there():
    groups = pd.DataFrame({"sex": ["F", "M", "F"]}, index=["s1", "s2", "s3"])
    found = align_attributes(groups, pd.Index(["s3", "s2", "s2"]))
    assert found["sex"].tolist() == ["F", "M", "M"]


def test_visits_of_a_subject_may_differ_where_rows_are_those_predicted():
    groups = pd.DataFrame({"band": ["old", "older", "old"]}, index=["s1", "s1", "s2"])
    assert align_attributes(groups, groups.index)["band"].tolist() == ["old", "older", "old"]
    with pytest.raises(InputError, match=r"the same attributes in all.*'s1'"):
        align_attributes(groups, pd.Index(["s1", "s2"]))


def test_a_series_is_one_attribute():
    sex = pd.Series(["F", "M"], name="sex")
    assert list(align_attributes(sex, sex.index)) == ["sex"]


@pytest.mark.parametrize(
    ("groups", "words"),
    [
        (pd.DataFrame({"age": np.arange(30.0)}), "at most 20 values.*pandas.cut"),
        (pd.DataFrame({"sex": ["F"] * 30}), "two levels or more.*1 of 'sex'"),
        (pd.DataFrame(index=range(30)), "'groups' is a DataFrame"),
        (["F", "M"], "'groups' is a DataFrame"),
        (pd.DataFrame({"sex": ["F", "M"]}, index=["s1", "s2"]), "has a row in 'groups'"),
        (pd.DataFrame([["F", "M"]] * 30, columns=["sex", "sex"]), "is in 'groups' once"),
    ],
)
def test_other_attributes_are_refused(groups, words):
    with pytest.raises(InputError, match=f"(?s){words}"):
        align_attributes(groups, pd.RangeIndex(30))
