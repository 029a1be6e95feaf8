"""Many subjects: prepared in parallel, a few at a time, their failures told together."""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from itertools import islice, starmap
from threading import Lock
from typing import Any

import pandas as pd
from joblib import Parallel, delayed, effective_n_jobs
from joblib.parallel import get_active_backend

from adestim._support.progress import show_progress
from adestim.encoding import is_missing
from adestim.exceptions import AdestimError, DataWarning, SubjectsError
from adestim.extraction.stored import Prepared

N_FAILURES_SHOWN = 5

Preparation = Callable[[tuple], Prepared | None]
Begin = Callable[[Sequence[tuple]], Callable[[], list]]


def for_each_subject(
    preparation: Preparation,
    frame: pd.DataFrame,
    n_jobs: int | None,
    verbose: bool | int,
    title: str,
    n_at_a_time: int | None = None,
) -> Iterator[Prepared | AdestimError | None]:
    """Prepare every subject, in their order; a failure is yielded, not raised.

    frame (n_subjects, n_columns).
    """
    tasks = [
        delayed(prepare_subject)(preparation, cells, subject)
        for subject, cells in zip(
            frame.index, frame.itertuples(index=False, name=None), strict=True
        )
    ]
    results = in_order(tasks, n_jobs, n_at_a_time or max(1, len(tasks)))
    yield from show_progress(results, title, "subject", verbose, total=len(frame))


def in_order(tasks: Sequence[tuple], n_jobs: int | None, size: int) -> Iterator:
    """Yield the tasks' results; a portion is begun before that in front of it is handed out."""
    portions = [tasks[start : start + size] for start in range(0, len(tasks), size)]
    with here_or_elsewhere(n_jobs, len(portions)) as begin:
        ready: list = []
        for portion in portions:
            coming = begin(portion)
            yield from ready
            ready = coming()
        yield from ready


@contextmanager
def here_or_elsewhere(n_jobs: int | None, n_portions: int) -> Iterator[Begin]:
    """Return what begins a portion of tasks, and returns what waits for its results."""
    if on_dask() or effective_n_jobs(n_jobs) > 1:
        with workers(n_jobs) as parallel:
            yield lambda portion: partial(list, parallel(portion))
    elif n_portions == 1:
        yield lambda portion: partial(list, starmap(run_task, portion))
    else:
        thread = ThreadPoolExecutor(1)
        try:
            yield partial(begin_in_thread, thread)
        finally:
            # After an interrupt, nobody waits for more than the subject in hand.
            thread.shutdown(cancel_futures=True)


def begin_in_thread(thread: ThreadPoolExecutor, portion: Sequence[tuple]) -> Callable[[], list]:
    """Have a thread run tasks one after the other; return what waits for their results."""
    futures = [thread.submit(run_task, *task) for task in portion]
    return lambda: [future.result() for future in futures]


def run_task(function: Callable, given: tuple, named: dict) -> Any:
    """Run what joblib's ``delayed`` has put off."""
    return function(*given, **named)


def workers(n_jobs: int | None) -> Parallel:
    """Return what runs tasks in parallel, here or wherever ``joblib.parallel_config`` says."""
    if not on_dask():
        return Parallel(n_jobs=n_jobs, return_as="generator")
    answer_for_lost_tasks(get_active_backend()[0])
    # A subject whose worker dies must not take others of its batch with it.
    return Parallel(n_jobs=n_jobs, return_as="generator", batch_size=1)


def side_by_side(n_jobs) -> Parallel:
    """Return what runs extractors: threads; on Dask one by one, each spread over the cluster."""
    if on_dask():
        return Parallel(n_jobs=1, backend="sequential")
    return Parallel(n_jobs=n_jobs, prefer="threads")


def on_dask() -> bool:
    """Tell whether ``joblib.parallel_config`` has chosen the workers of a Dask cluster."""
    return type(get_active_backend()[0]).__name__ == "DaskDistributedBackend"


def answer_for_lost_tasks(backend) -> None:
    """Have joblib's Dask backend answer for tasks that Dask gives up; it would wait for ever."""
    backend.submit = LostTasks(type(backend).submit.__get__(backend)).submit


class LostTasks:
    """Tasks that Dask gives up: each is tried once more by itself, then answered for.

    Dask blames the death of a worker on every task that the worker had been sent, those included
    that only waited there. A task that runs while no other does is blamed for its own deeds.
    """

    def __init__(self, submit: Callable):
        self._submit = submit
        self._lock = Lock()
        self._lost: deque[tuple] = deque()
        self._n_running = 0

    def submit(self, batch, callback):
        """Start a task, and see to its end."""
        return self._start(batch, callback, self._lost.append)

    def _start(self, batch, callback, give_up):
        with self._lock:
            self._n_running += 1

        def succeed(result):
            # This starts further tasks; only then is it known whether any is running.
            callback(result)
            self._end()

        def fail(done):
            error = done.exception()
            if error is None:
                return
            if is_killing(error):
                give_up((batch, callback))
            else:
                callback(error)
            self._end()

        future = self._submit(batch, succeed)
        future.add_done_callback(fail)
        return future

    def _end(self) -> None:
        """Count a task as ended; where none is running, try the first of the lost again."""
        with self._lock:
            self._n_running -= 1
            again = self._lost.popleft() if self._lost and not self._n_running else None
        if again is not None:
            batch, callback = again
            self._start(batch, callback, answer_of_lost)


def is_killing(error: BaseException) -> bool:
    """Tell whether Dask gave a task up because workers died of it."""
    return type(error).__name__ == "KilledWorker"


def answer_of_lost(lost: tuple) -> None:
    """Answer for a task of which workers died even while it was alone: a failure by its subject."""
    batch, callback = lost
    callback(
        [
            SubjectsError(
                "A subject must be prepared without its worker process being killed",
                got="one that died every time that Dask tried",
                remedy="Look for its end in Dask's log; where memory ran out, start fewer "
                "workers, each with more memory",
            ).about(arguments[-1])
            for _, arguments, _ in batch.items
        ]
    )


def windows(results: Iterable, size: int) -> Iterator[list]:
    """Yield results a few at a time as they come; what is a list already, at once."""
    if isinstance(results, list):
        yield results
        return
    coming = iter(results)
    while window := list(islice(coming, size)):
        yield window


def prepare_subject(
    preparation: Preparation, cells: tuple, subject: Hashable
) -> Prepared | AdestimError | None:
    """Prepare one subject; return None where missing, the error where it fails."""
    if all(is_missing(cell) for cell in cells):
        return None
    try:
        return preparation(cells)
    except AdestimError as error:
        return error.about(subject)


def settle_failures(results: Sequence, errors: str) -> list[Prepared | None]:
    """Raise one error about all failing subjects, or warn and count them as missing."""
    failures = [item for item in results if isinstance(item, AdestimError)]
    if len(failures) == 1 and errors == "raise":
        raise failures[0]
    if failures and errors == "raise":
        raise SubjectsError(failures_text(failures), remedy="Mend them, or pass errors='missing'")
    if failures:
        warnings.warn(
            f"{failures_text(failures)} They are treated as missing.", DataWarning, stacklevel=5
        )
    return without_failures(results)


def without_failures(results: Sequence) -> list[Prepared | None]:
    """Return results with None in the place of failures."""
    return [None if isinstance(item, AdestimError) else item for item in results]


def failures_text(failures: Sequence[AdestimError]) -> str:
    """Name the failing subjects, the first few with their reasons."""
    shown = " | ".join(str(failure) for failure in failures[:N_FAILURES_SHOWN])
    rest = len(failures) - N_FAILURES_SHOWN
    return f"{len(failures)} subject(s) could not be read: {shown}" + (
        f" | and {rest} more" if rest > 0 else ""
    )
