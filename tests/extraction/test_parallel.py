import pytest
from joblib import delayed

from adestim.extraction import parallel
from adestim.extraction.parallel import run_in_order, windows, workers


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


def double(number):
    return 2 * number


@pytest.mark.parametrize("n_jobs", [None, 2])
@pytest.mark.parametrize("size", [1, 3, 10])
def test_results_are_in_the_order_of_the_tasks(n_jobs, size):
    tasks = [delayed(double)(number) for number in range(7)]
    assert list(run_in_order(tasks, n_jobs, size)) == [0, 2, 4, 6, 8, 10, 12]


def test_a_single_portion_needs_no_thread(monkeypatch):
    monkeypatch.setattr(parallel, "ThreadPoolExecutor", None)
    assert list(run_in_order([delayed(double)(1), delayed(double)(2)], None, 2)) == [2, 4]


def test_results_come_one_by_one_from_every_backend():
    assert workers(2).return_generator
