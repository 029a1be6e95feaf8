"""Many tasks: run here, in processes or on a cluster, a few at a time and in their order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from itertools import islice, starmap
from typing import Any

from joblib import Parallel, effective_n_jobs
from joblib.parallel import get_active_backend

from adestim.extraction.dask import answer_for_lost_tasks, on_dask

Begin = Callable[[Sequence[tuple]], Callable[[], list]]


def run_in_order(tasks: Sequence[tuple], n_jobs: int | None, size: int) -> Iterator:
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


def windows(results: Iterable, size: int) -> Iterator[list]:
    """Yield results a few at a time as they come; what is a list already, at once."""
    if isinstance(results, list):
        yield results
        return
    coming = iter(results)
    while window := list(islice(coming, size)):
        yield window
