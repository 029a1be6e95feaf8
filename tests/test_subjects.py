import pytest

from adestim.exceptions import DataWarning, InputError, SubjectsError
from adestim.subjects import settle_failures, windows, without_failures


def test_results_come_a_few_at_a_time():
    taken = []

    def results():
        for number in range(5):
            taken.append(number)
            yield number

    coming = windows(results(), 2)
    assert next(coming) == [0, 1]
    assert taken == [0, 1]
    assert list(coming) == [[2, 3], [4]]


def test_a_list_comes_at_once():
    assert list(windows([1, 2, 3], 2)) == [[1, 2, 3]]


def test_nothing_has_no_windows():
    assert list(windows(iter([]), 2)) == []


def test_one_failure_is_raised_as_it_is_and_several_together():
    one, other = InputError("first rule"), InputError("second rule")
    with pytest.raises(InputError, match="first rule"):
        settle_failures([1, one], "raise")
    with pytest.raises(SubjectsError, match=r"2 subject\(s\).*first rule.*second rule"):
        settle_failures([one, other], "raise")


def test_failures_are_missing_where_asked_for():
    with pytest.warns(DataWarning, match="treated as missing"):
        assert settle_failures([1, InputError("rule")], "missing") == [1, None]
    assert without_failures([InputError("rule"), 2]) == [None, 2]
