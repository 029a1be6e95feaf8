"""Subjects on the workers of a Dask cluster, of which some may die."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from threading import Lock

from joblib.parallel import get_active_backend

from adestim.exceptions import SubjectsError


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
