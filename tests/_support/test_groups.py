"""Rows of one subject: by label, by identical data, through any chain of both."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from imblearn.over_sampling import RandomOverSampler

from adestim._support.groups import group_own_rows, join_groups
from adestim.encoding import BackboneSpec, Encoding, encodings_frame
from tests.counting import calls_into


def partition(groups):
    """Return groups as a set of sets of rows, whatever their numbers."""
    return {frozenset(np.flatnonzero(groups == group)) for group in np.unique(groups)}


def encodings(n_subjects, **columns):
    """Return a table whose encodings all hold equal tokens, each an object of its own."""
    tokens = np.zeros((1, 1), dtype=np.float32)
    cells = [Encoding(tokens, tokens, None, BackboneSpec("tabular")) for _ in range(n_subjects)]
    index = [f"s{number}" for number in range(n_subjects)]
    return encodings_frame(cells, "smri", pd.Index(index)).assign(**columns)


def test_different_rows_of_different_subjects_stand_alone():
    frame = pd.DataFrame({"a": [1.0, 2.0, np.nan]}, index=["s1", "s2", "s3"])
    assert len(partition(group_own_rows(frame))) == 3


def test_rows_of_one_label_are_one_group():
    frame = pd.DataFrame({"a": [1.0, 2.0, 3.0]}, index=["s1", "s2", "s1"])
    assert partition(group_own_rows(frame)) == {frozenset({0, 2}), frozenset({1})}


@pytest.mark.parametrize("dtype", ["float64", "float32", object])
def test_rows_that_differ_in_their_last_column_alone_stand_alone(dtype):
    numbers = np.zeros((6, 200))
    numbers[:, -1] = [0, 1, 2, 3, 1, 4]
    frame = pd.DataFrame(numbers, index=list("abcdef")).astype(dtype)
    if dtype is object:
        # Of objects the same ones are equal.
        frame = frame.map({number: number for number in np.unique(numbers)}.get)
    groups = {frozenset({0}), frozenset({1, 4}), *(frozenset({row}) for row in (2, 3, 5))}
    assert partition(group_own_rows(frame)) == groups


def test_rows_that_differ_at_once_are_not_read_to_the_end():
    wide = pd.DataFrame(np.random.default_rng(0).normal(size=(20, 800)))
    few, many = (
        calls_into("pandas", lambda frame=wide.iloc[:, :n_columns]: group_own_rows(frame))
        for n_columns in (400, 800)
    )
    assert many == few


def test_rows_of_equal_numbers_are_one_group():
    frame = pd.DataFrame({"a": [1.0, np.nan, 1.0, np.nan], "b": [2, 3, 2, 4]})
    assert partition(group_own_rows(frame)) == {frozenset({0, 2}), frozenset({1}), frozenset({3})}


def test_chain_of_label_and_data_is_one_group():
    frame = pd.DataFrame({"a": [1.0, 1.0, 2.0, 3.0]}, index=["s1", "s2", "s2", "s3"])
    assert partition(group_own_rows(frame)) == {frozenset({0, 1, 2}), frozenset({3})}


def test_one_encoding_in_two_rows_is_one_group():
    frame = encodings(3)
    doubled = pd.concat([frame, frame.iloc[[1]].set_axis(["copy"])])
    assert partition(group_own_rows(doubled)) == {frozenset({0}), frozenset({1, 3}), frozenset({2})}


def test_encodings_of_equal_content_are_different_subjects():
    assert len(partition(group_own_rows(encodings(4)))) == 4


def test_encodings_and_numbers_are_both_looked_at():
    frame = encodings(2, age=[70.0, 80.0])
    repeated = pd.concat([frame, frame]).set_axis(list("abcd"))
    changed = repeated.assign(age=[70.0, 80.0, 70.0, 81.0])
    assert partition(group_own_rows(changed)) == {frozenset({0, 2}), frozenset({1}), frozenset({3})}


def test_oversampled_rows_stay_with_the_row_they_repeat():
    frame, y = encodings(7), [0, 0, 0, 0, 0, 1, 1]
    sampled, _ = RandomOverSampler(random_state=0).fit_resample(frame, y)
    groups = group_own_rows(sampled)
    assert len(sampled) == 10
    assert len(np.unique(groups)) == 7
    for _, cells in sampled["smri"].groupby(groups):
        assert len({id(cell) for cell in cells}) == 1


@pytest.mark.parametrize("labels", [[np.nan, np.nan, "s1"], [None, None, "s1"]])
def test_rows_without_a_label_have_nothing_in_common(labels):
    frame = pd.DataFrame({"a": [1.0, 2.0, 3.0]}, index=labels)
    assert len(partition(group_own_rows(frame))) == 3


def test_labels_of_several_levels_are_compared_whole():
    index = pd.MultiIndex.from_tuples([("s1", "m00"), ("s1", "m12"), ("s1", "m00")])
    groups = group_own_rows(pd.DataFrame({"a": [1.0, 2.0, 3.0]}, index=index))
    assert partition(groups) == {frozenset({0, 2}), frozenset({1})}


def test_columns_of_text_are_compared_too():
    frame = pd.DataFrame({"site": ["Oslo", "Oslo", "Bergen"]})
    assert partition(group_own_rows(frame)) == {frozenset({0, 1}), frozenset({2})}


def merged(first, second):
    """Union-find: the number of every row's root."""
    roots = list(range(len(first)))

    def root(row):
        while roots[row] != row:
            row = roots[row]
        return row

    for row in range(len(first)):
        for other in range(row):
            if first[row] == first[other] or second[row] == second[other]:
                roots[root(row)] = root(other)
    return np.array([root(row) for row in range(len(first))])


@settings(derandomize=True, deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=12))
def test_connected_agrees_with_union_find(pairs):
    first, second = np.array(pairs).T
    assert partition(join_groups(first, second)) == partition(merged(first, second))


def test_sameness_means_nothing_in_a_coarse_table():
    frame = pd.DataFrame({"sex": [0, 1] * 20, "carrier": [0, 0, 1, 1] * 10})
    assert len(np.unique(group_own_rows(frame))) == 40
