"""Claims: of several processes at the same records, one makes each, and the others wait for it.

A claim is a file that only one process can make. It says whose it is, and its date is renewed as
long as its owner works; that of a dead process, or of one that is silent for long, is taken over.
What goes wrong with claims costs work that is done twice, never a result.
"""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Thread

from adestim._support.files import make_private, process_runs, this_machine

# How often, in s, an owner renews its claims, and after how long a silent one has none any more.
BEAT = 30.0
SILENT = 600.0
# How long, in s, somebody waits for others of whom none gets anything done.
PATIENCE = 900.0
FIRST_LOOK, LONGEST_LOOK = 0.01, 0.5


@contextmanager
def hold_claims(paths: Sequence[Path]) -> Iterator[list[bool]]:
    """Yield which of some claims this process has got; it lets go of them afterwards."""
    held = [take_claim(path) for path in paths]
    own = [path for path, got in zip(paths, held, strict=True) if got]
    try:
        with renewing(own):
            yield held
    finally:
        for path in own:
            with suppress(OSError):
                path.unlink()


def take_claim(path: Path) -> bool:
    """Tell whether this process has got a claim; where none can be written, everybody has."""
    try:
        make_private(path.parent)
        return make_claim(path) or (free_stale(path) and make_claim(path))
    except OSError:
        return True


def make_claim(path: Path) -> bool:
    """Make the file of a claim, unless somebody else has."""
    try:
        number = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except FileExistsError:
        return False
    with os.fdopen(number, "wb") as file:
        file.write(f"{this_machine()} {os.getpid()}".encode())
    return True


def free_stale(path: Path) -> bool:
    """Remove a claim whose owner is no more; of several processes one does."""
    if not is_stale(path):
        return not path.exists()
    aside = path.with_name(f".{uuid.uuid4().hex}.{this_machine()}.{os.getpid()}.tmp")
    with suppress(OSError):
        path.rename(aside)
        aside.unlink()
        return True
    return False


def is_stale(path: Path) -> bool:
    """Tell whether a claim's owner is no more, or silent for long; what is gone is not stale."""
    try:
        words = path.read_bytes().split()
        silent = abs(time.time() - path.stat().st_mtime) > SILENT
    except OSError:
        return False
    here = len(words) == 2 and words[0] == this_machine().encode() and words[1].isdigit()
    return silent or (here and os.name == "posix" and not process_runs(int(words[1])))


@contextmanager
def renewing(paths: Sequence[Path]) -> Iterator[None]:
    """Renew the dates of claims in the meantime."""
    if not paths:
        yield
        return
    done = Event()
    thread = Thread(target=renew_until, args=(done, paths), daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def renew_until(done: Event, paths: Sequence[Path]) -> None:
    """Renew the dates of claims until the work is done."""
    while not done.wait(BEAT):
        for path in paths:
            with suppress(OSError):
                os.utime(path)


def wait_for_one(paths: Sequence[Path], patience: float | None = None) -> bool:
    """Wait until the owner of one of some claims has done; False where patience ends before."""
    end = time.monotonic() + (PATIENCE if patience is None else patience)
    look = FIRST_LOOK
    while not any_is_free(paths):
        if time.monotonic() > end:
            return False
        time.sleep(look)
        look = min(2 * look, LONGEST_LOOK)
    return True


def any_is_free(paths: Sequence[Path]) -> bool:
    """Tell whether nobody, or nobody any more, holds one of some claims."""
    return any(not path.exists() or is_stale(path) for path in paths)
