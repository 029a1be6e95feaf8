import os
import stat
import subprocess
import sys
import threading
import time

import pytest

from adestim._support.files import this_machine
from adestim.store import claims
from adestim.store.claims import hold_claims, is_stale, take_claim, wait_for_one


@pytest.fixture
def path(tmp_path):
    return tmp_path / "ab" / ".abcd.claim"


@pytest.fixture
def dead():
    """The number of a process that is no more."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def claimed(path, process, machine=None, age=0.0):
    """Write the claim of another process."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"{machine or this_machine()} {process}")
    date = time.time() - age
    os.utime(path, (date, date))


def test_a_claim_is_had_by_one_and_let_go_of(path):
    with hold_claims([path]) as first, hold_claims([path]) as second:
        assert (first, second) == ([True], [False])
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not path.exists()
    with hold_claims([path]) as again:
        assert again == [True]


def test_a_failure_lets_go_too(path):
    with pytest.raises(ZeroDivisionError), hold_claims([path]):
        raise ZeroDivisionError
    assert not path.exists()


def test_of_many_threads_one_has_a_claim(path):
    got, start = [], threading.Barrier(8)

    def take():
        start.wait()
        got.append(take_claim(path))

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(got) == [False] * 7 + [True]


def test_the_claim_of_a_dead_process_is_taken_over(path, dead):
    claimed(path, dead)
    assert is_stale(path)
    with hold_claims([path]) as held:
        assert held == [True]
        assert not is_stale(path)


@pytest.mark.parametrize("machine", [None, "another"])
def test_the_claim_of_a_silent_process_is_taken_over(path, machine):
    claimed(path, os.getpid(), machine, age=claims.SILENT + 60)
    assert take_claim(path)


@pytest.mark.parametrize("content", ["another 1", "nonsense", "", "\0"])
def test_the_claim_of_who_cannot_be_asked_holds_for_a_while(path, content):
    path.parent.mkdir()
    path.write_text(content)
    assert not take_claim(path)


def test_who_works_renews_its_claims(path, monkeypatch):
    monkeypatch.setattr(claims, "BEAT", 0.01)
    with hold_claims([path]):
        os.utime(path, (0, 0))
        end = time.monotonic() + 60
        while is_stale(path) and time.monotonic() < end:
            time.sleep(0.01)
        assert not is_stale(path)


def test_where_nothing_can_be_written_everybody_has_a_claim(tmp_path):
    (tmp_path / "file").touch()
    with hold_claims([tmp_path / "file" / ".abcd.claim"]) as held:
        assert held == [True]


def test_waiting_ends_with_the_first_that_is_let_go_of(path):
    other = path.with_name(".efgh.claim")
    with hold_claims([other]):
        done = threading.Event()

        def hold():
            with hold_claims([path]):
                done.wait()

        thread = threading.Thread(target=hold)
        thread.start()
        threading.Timer(0.05, done.set).start()
        assert wait_for_one([path, other], 60)
        thread.join()


def test_waiting_ends_with_patience(path):
    with hold_claims([path]):
        assert not wait_for_one([path], 0.02)
    assert wait_for_one([path], 0.02)
    assert wait_for_one([], 0.02) is False
