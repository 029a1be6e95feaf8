"""Tasks that Dask gives up."""

from concurrent.futures import Future
from types import SimpleNamespace

import pytest

from adestim.exceptions import SubjectsError
from adestim.extraction.dask import answer_for_lost_tasks


class KilledWorker(Exception):  # noqa: N818
    """As Dask calls the end of a task whose workers died."""


class ManualBackend:
    """A backend whose tasks end when they are told to, as a test wants them to."""

    def __init__(self):
        self.running = []

    def submit(self, batch, callback=None):
        future = Future()
        self.running.append((name_of(batch), future, callback))
        return future

    def names(self):
        return [name for name, *_ in self.running]

    def end(self, error=None):
        """End the task that has run for longest; of one that is lost, Dask's backend says nothing.

        A success is told to the future first, then called back.
        """
        name, future, callback = self.running.pop(0)
        if error is not None:
            future.set_exception(error)
            return
        future.set_result(name)
        callback(name)


def batch_of(name):
    """What joblib calls a batch: here of one subject."""
    return SimpleNamespace(items=[(None, ("preparation", ("cell",), name), {})])


def name_of(batch):
    return batch.items[0][1][-1]


@pytest.fixture
def backend():
    backend = ManualBackend()
    for _ in range(2):
        answer_for_lost_tasks(backend)
    return backend


def test_a_task_that_ends_is_answered_once(backend):
    called = []
    backend.submit(batch_of("a"), called.append)
    backend.end()
    assert called == ["a"]


def test_a_task_lost_in_another_way_is_its_error(backend):
    called, error = [], ImportError("adestim is not installed there")
    backend.submit(batch_of("a"), called.append)
    backend.end(error)
    assert called == [error]
    assert not backend.running


def test_a_lost_subject_is_tried_again_alone(backend):
    called = []
    for name in "abc":
        backend.submit(batch_of(name), called.append)
    backend.end(KilledWorker())
    assert backend.names() == ["b", "c"]
    backend.end()
    backend.end(KilledWorker())
    assert backend.names() == ["a"]
    backend.end()
    assert backend.names() == ["c"]
    backend.end()
    assert called == ["b", "a", "c"]


def test_a_lost_subject_waits_for_what_an_end_has_started(backend):
    called = []

    def start_another(result):
        called.append(result)
        backend.submit(batch_of("c"), called.append)

    backend.submit(batch_of("a"), called.append)
    backend.submit(batch_of("b"), start_another)
    backend.end(KilledWorker())
    backend.end()
    assert backend.names() == ["c"]
    backend.end()
    assert backend.names() == ["a"]


def test_a_subject_that_kills_its_worker_alone_too_is_a_failure_that_names_it(backend):
    called = []
    backend.submit(batch_of("sub-07"), called.append)
    for _ in range(2):
        backend.end(KilledWorker())
    [[failure]] = called
    assert isinstance(failure, SubjectsError)
    assert str(failure).startswith("Subject 'sub-07': ")
    assert "memory" in str(failure)
    assert not backend.running
