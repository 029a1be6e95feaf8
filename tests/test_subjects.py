from concurrent.futures import Future
from types import SimpleNamespace

import pytest

from adestim.exceptions import DataWarning, InputError, SubjectsError
from adestim.subjects import (
    answer_for_lost_tasks,
    settle_failures,
    windows,
    without_failures,
    workers,
)


class KilledWorker(Exception):  # noqa: N818
    """As Dask calls the end of a task whose workers died."""


class LosingBackend:
    """A backend whose tasks end without an answer, as those of joblib's Dask backend do."""

    def __init__(self, error):
        self.error = error

    def submit(self, batch, callback=None):
        future = Future()
        if self.error is None:
            callback("a result")
            future.set_result("a result")
        else:
            future.set_exception(self.error)
        return future


def answers(error):
    """What is called back about a task that prepares one subject."""
    backend, called = LosingBackend(error), []
    for _ in range(2):
        answer_for_lost_tasks(backend)
    batch = SimpleNamespace(items=[(None, ("preparation", ("cell",), "sub-07"), {})])
    backend.submit(batch, called.append)
    return called


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


def test_a_subject_whose_workers_died_is_a_failure_that_names_it():
    [[failure]] = answers(KilledWorker())
    assert isinstance(failure, SubjectsError)
    assert str(failure).startswith("Subject 'sub-07': ")
    assert "memory" in str(failure)


def test_a_task_lost_in_another_way_is_its_error():
    error = ImportError("adestim is not installed there")
    assert answers(error) == [error]


def test_a_task_that_ends_is_answered_once():
    assert answers(None) == ["a result"]


def test_results_come_one_by_one_from_every_backend():
    assert workers(2).return_generator
