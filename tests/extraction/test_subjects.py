import time
from concurrent.futures import Future
from types import SimpleNamespace

import pandas as pd
import pytest

from adestim.exceptions import DataWarning, InputError, SubjectsError
from adestim.extraction import subjects
from adestim.extraction.stored import Prepared
from adestim.extraction.subjects import (
    answer_for_lost_tasks,
    for_each_subject,
    settle_failures,
    windows,
    without_failures,
    workers,
)


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


# Tasks that Dask gives up


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


# Preparation while a model runs


class Noted:
    """A preparation that notes begin and end of every subject, and takes a while."""

    def __init__(self, folder, seconds=0.02):
        self.folder, self.seconds = folder, seconds

    def __call__(self, cells):
        note(self.folder, f"begin {cells[0]}")
        time.sleep(self.seconds)
        note(self.folder, f"end {cells[0]}")
        return Prepared(cells[0])


def note(folder, words):
    """Add a line to the notes; what is shorter than a page is written at once."""
    with open(folder / "notes", "a") as file:  # noqa: PTH123
        file.write(f"{words}\n")


def run_through(folder, n_jobs, n_subjects=12, size=3):
    """Prepare subjects while a stand-in for a model works on them; return the order of events."""
    frame = pd.DataFrame({"cell": [f"s{number:02d}" for number in range(n_subjects)]})
    coming = for_each_subject(Noted(folder), frame, n_jobs, False, "cell", size)
    for portion in windows(coming, size):
        note(folder, f"model {portion[0].inputs}")
        time.sleep(0.2)
        note(folder, f"model-done {portion[0].inputs}")
    return (folder / "notes").read_text().splitlines()


@pytest.mark.parametrize("n_jobs", [None, 2], ids=["in a thread", "in processes"])
def test_subjects_are_prepared_while_the_model_runs(tmp_path, n_jobs):
    events = run_through(tmp_path, n_jobs)
    for first, next_portion in (("s00", "s03"), ("s03", "s06"), ("s06", "s09")):
        running = slice(events.index(f"model {first}"), events.index(f"model-done {first}"))
        assert f"end {next_portion}" in events[running]


@pytest.mark.parametrize("n_jobs", [None, 2], ids=["in a thread", "in processes"])
def test_no_more_than_one_portion_is_prepared_ahead(tmp_path, n_jobs):
    events = run_through(tmp_path, n_jobs)
    for first, too_early in (("s00", "s06"), ("s03", "s09")):
        before = events[: events.index(f"model-done {first}")]
        assert f"begin {too_early}" not in before


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_results_are_in_the_subjects_order(tmp_path, n_jobs):
    frame = pd.DataFrame({"cell": [f"s{number:02d}" for number in range(7)]})
    found = for_each_subject(Noted(tmp_path, 0), frame, n_jobs, False, "cell", 3)
    assert [item.inputs for item in found] == frame["cell"].tolist()


def test_who_turns_away_waits_for_the_subject_in_hand_alone(tmp_path):
    frame = pd.DataFrame({"cell": [f"s{number:02d}" for number in range(40)]})
    coming = for_each_subject(Noted(tmp_path), frame, None, False, "cell", 20)
    next(coming)
    coming.close()
    begun = (tmp_path / "notes").read_text().count("begin")
    assert 20 <= begun <= 23


def test_a_single_portion_needs_no_thread(tmp_path, monkeypatch):
    monkeypatch.setattr(subjects, "ThreadPoolExecutor", None)
    frame = pd.DataFrame({"cell": ["s00", "s01"]})
    assert len(list(for_each_subject(Noted(tmp_path, 0), frame, None, False, "cell"))) == 2


def test_nobody_is_prepared_of_an_empty_table(tmp_path):
    frame = pd.DataFrame({"cell": []})
    assert list(for_each_subject(Noted(tmp_path, 0), frame, None, False, "cell", 3)) == []


def test_results_come_one_by_one_from_every_backend():
    assert workers(2).return_generator
