import pickle

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import config_context
from sklearn.base import clone
from sklearn.dummy import DummyClassifier
from sklearn.model_selection import (
    GridSearchCV,
    RepeatedStratifiedKFold,
    cross_val_score,
    cross_validate,
)

from adestim.evaluation import RepeatedStratifiedGroupKFold, check_split, require_groups
from adestim.exceptions import InputError, LeakageError


def visits(n_subjects=30, n_visits=3):
    """Groups of every row, and labels that are one a subject."""
    groups = np.repeat([f"sub-{number:02d}" for number in range(n_subjects)], n_visits)
    return groups, np.repeat(np.arange(n_subjects) % 2, n_visits)


# Checking a split


def test_a_clean_split_passes():
    assert check_split([0, 1], [2, 3], ["a", "a", "b", "c"]) is None


def test_a_group_on_both_sides_is_refused_by_name():
    with pytest.raises(LeakageError, match=r"one side of fold 2\. Got 1 on both: 'a'.*groups="):
        check_split([0, 2], [1, 3], ["a", "a", "b", "c"], name="fold 2")


def test_three_groups_at_most_are_named_and_all_are_counted():
    groups = np.tile([f"s{number}" for number in range(5)], 2)
    with pytest.raises(LeakageError, match=r"5 on both: 's0', 's1', 's2', \.\.\."):
        check_split(range(5), range(5, 10), groups)


def test_a_row_on_both_sides_is_refused_without_groups():
    with pytest.raises(LeakageError, match=r"Rows must be on one side.*1 on both: '1'"):
        check_split([0, 1], [1, 2])


@pytest.mark.parametrize(("train", "test", "side"), [([], [0], "training"), ([0], [], "test")])
def test_an_empty_side_is_refused(train, test, side):
    with pytest.raises(InputError, match=f"no {side} rows"):
        check_split(train, test)


def test_masks_are_rows_too():
    mask = np.array([True, False, True, False])
    with pytest.raises(LeakageError, match="'a'"):
        check_split(mask, ~mask, ["a", "a", "b", "c"])


def test_rows_without_a_group_are_one_group():
    with pytest.raises(LeakageError, match="1 on both: 'nan'"):
        check_split([0], [1], [np.nan, np.nan])


def test_rows_beyond_the_table_are_refused():
    with pytest.raises(InputError, match=r"position 7 among 2 rows"):
        check_split([0], [7], ["a", "b"])


def test_a_leakage_error_is_an_input_error_that_survives_pickling():
    error = LeakageError("A rule", got="1")
    assert isinstance(error, InputError)
    assert str(pickle.loads(pickle.dumps(error))) == "A rule. Got 1."


# Groups that are needed


def test_no_groups_are_needed_where_every_subject_has_one_row():
    assert require_groups(pd.DataFrame({"a": [1, 2]}, index=["s1", "s2"])) is None
    assert require_groups(np.zeros((3, 2))) is None


def test_groups_are_demanded_where_a_subject_has_several_rows():
    table = pd.DataFrame({"a": range(4)}, index=["s1", "s2", "s1", "s2"])
    with pytest.raises(LeakageError, match=r"Got 2: 's1', 's2'\. Pass groups=X\.index"):
        require_groups(table)


def test_groups_that_were_given_come_back():
    assert require_groups(np.zeros((2, 1)), pd.Series(["b", "a"])).tolist() == ["b", "a"]


def test_groups_may_be_wider_than_subjects():
    table = pd.DataFrame({"a": range(3)}, index=["s1", "s1", "s2"])
    assert require_groups(table, ["family"] * 3).tolist() == ["family"] * 3


def test_groups_that_scatter_a_subject_are_refused():
    table = pd.DataFrame({"a": range(3)}, index=["s1", "s1", "s2"])
    with pytest.raises(LeakageError, match=r"1 in several: 's1'.*reset_index"):
        require_groups(table, ["a", "b", "c"])


def test_a_missing_group_is_refused():
    with pytest.raises(InputError, match=r"Every row needs a group\. Got 1 missing"):
        require_groups(np.zeros((2, 1)), ["a", None])


def test_groups_of_another_number_are_refused():
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        require_groups(np.zeros((2, 1)), ["a"])


# Repeated folds


@settings(max_examples=25)
@given(
    n_subjects=st.integers(8, 40),
    n_splits=st.integers(2, 4),
    n_repeats=st.integers(1, 3),
    seed=st.integers(0, 99),
)
def test_groups_are_whole_and_every_row_is_tested_once_a_repeat(
    n_subjects, n_splits, n_repeats, seed
):
    groups, y = visits(n_subjects)
    splitter = RepeatedStratifiedGroupKFold(n_splits, n_repeats=n_repeats, random_state=seed)
    splits = list(splitter.split(y, y, groups))
    assert len(splits) == splitter.get_n_splits() == n_splits * n_repeats
    for train, test in splits:
        check_split(train, test, groups)
        assert len(train) + len(test) == len(y)
    for repeat in range(n_repeats):
        own = splits[repeat * n_splits : (repeat + 1) * n_splits]
        tested = np.concatenate([test for _, test in own])
        assert sorted(tested) == list(range(len(y)))


def test_folds_are_stratified():
    groups, y = visits(40)
    for _, test in RepeatedStratifiedGroupKFold(4, n_repeats=3, random_state=0).split(y, y, groups):
        assert y[test].mean() == 0.5


def test_repeats_differ():
    groups, y = visits()
    splits = RepeatedStratifiedGroupKFold(5, n_repeats=4, random_state=0).split(y, y, groups)
    assert len({tuple(test) for _, test in splits}) == 20


def test_a_seed_gives_the_same_splits_in_every_call():
    groups, y = visits()
    splitter = RepeatedStratifiedGroupKFold(3, n_repeats=2, random_state=7)
    first, second = ([test.tolist() for _, test in splitter.split(y, y, groups)] for _ in "ab")
    assert first == second


def test_without_groups_the_splits_are_those_of_scikit_learn():
    y = np.arange(40) % 2
    ours = RepeatedStratifiedGroupKFold(4, n_repeats=3, random_state=5).split(y, y)
    theirs = RepeatedStratifiedKFold(n_splits=4, n_repeats=3, random_state=5).split(y, y)
    assert [test.tolist() for _, test in ours] == [test.tolist() for _, test in theirs]


def test_the_global_generator_is_left_as_found_without_a_seed():
    groups, y = visits()
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    list(RepeatedStratifiedGroupKFold(3, n_repeats=2).split(y, y, groups))
    np.testing.assert_array_equal(before, np.random.get_state()[1])  # noqa: NPY002


def test_scikit_learn_hands_groups_on():
    groups, y = visits()
    splitter = RepeatedStratifiedGroupKFold(3, n_repeats=2, random_state=0)
    model = DummyClassifier()
    assert len(cross_val_score(model, y[:, None], y, groups=groups, cv=splitter)) == 6
    search = GridSearchCV(model, {"strategy": ["prior"]}, cv=splitter)
    assert search.fit(y[:, None], y, groups=groups).n_splits_ == 6


def test_metadata_routing_hands_groups_on_without_being_told():
    groups, y = visits()
    splitter = RepeatedStratifiedGroupKFold(3, n_repeats=1, random_state=0)
    with config_context(enable_metadata_routing=True):
        result = cross_validate(
            DummyClassifier(), y[:, None], y, cv=splitter, params={"groups": groups},
            return_indices=True,
        )  # fmt: skip
    for rows in zip(*result["indices"].values(), strict=True):
        check_split(*rows, groups)


def test_the_splitter_can_be_copied_and_shown():
    splitter = RepeatedStratifiedGroupKFold(3, n_repeats=2, random_state=1)
    assert "n_repeats=2" in repr(clone(splitter, safe=False))


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"n_splits": 1}, r"'n_splits'.*at least 2\. Got 1"),
        ({"n_splits": 2.5}, r"'n_splits'.*Got 2\.5"),
        ({"n_repeats": 0}, r"'n_repeats'.*at least 1\. Got 0"),
        ({"n_repeats": True}, r"'n_repeats'.*Got True"),
    ],
)
def test_numbers_that_are_none_are_refused(params, message):
    with pytest.raises(InputError, match=message):
        RepeatedStratifiedGroupKFold(**params).get_n_splits()


def test_more_folds_than_groups_are_refused():
    groups, y = visits(4)
    splitter = RepeatedStratifiedGroupKFold(5, n_repeats=1)
    with pytest.raises(ValueError, match="greater than the number of groups: 4"):
        list(splitter.split(y, y, groups))
