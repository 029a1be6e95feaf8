"""Remarks on data reach the user, by the subjects they are about."""

import warnings

import pytest

from adestim._support.remarks import gather_remarks, remark, remark_of, tell_remarks
from adestim.exceptions import DataWarning


def test_remark_that_nobody_gathers_is_a_warning():
    with pytest.warns(DataWarning, match="mirrored"):
        remark("mirrored")


def test_remarks_are_gathered_once_each_and_inner_ones_apart():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with gather_remarks() as outer:
            remark("a")
            remark("a")
            with gather_remarks() as inner:
                remark("b")
            remark("c")
    assert (outer, inner) == (["a", "c"], ["b"])


@pytest.mark.parametrize(
    ("subjects", "words"),
    [
        (["s1"], r"^Subject 's1': mirrored"),
        (["s1", "s2"], r"^2 subjects, 's1', 's2': mirrored"),
        ([f"s{i}" for i in range(9)], r"^9 subjects, 's0', .*'s4' and 4 more: mirrored"),
    ],
)
def test_subjects_are_named_and_counted(subjects, words):
    with pytest.warns(DataWarning, match=words) as caught:
        tell_remarks({"mirrored": subjects})
    assert len(caught) == 1


def test_remark_says_what_it_is_about():
    with pytest.warns(DataWarning, match="^parcellation: mirrored"), remark_of("parcellation"):
        remark("mirrored")
