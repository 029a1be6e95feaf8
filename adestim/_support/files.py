"""Files that are their owner's alone, and there whole or not at all."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import uuid
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path

DAY = 86400
TEMPORARY = re.compile(r"\.[0-9a-f]{32}\.(?P<machine>[0-9a-f]{8})\.(?P<process>\d{1,9})\.tmp")


def make_private(folder: Path) -> None:
    """Make a folder, and those above it, for its owner alone; those that are there stay."""
    if folder.is_dir():
        return
    make_private(folder.parent)
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
        folder.chmod(0o700)


def write_whole(
    path: Path, content: bytes, stays: Callable[[Path], bool] = lambda path: False
) -> None:
    """Write a file under a temporary name and give it its own when it is whole.

    Nothing waits for the disk: after a loss of power a file may be damaged.
    """
    temporary = path.with_name(f".{uuid.uuid4().hex}.{this_machine()}.{os.getpid()}.tmp")
    try:
        with open(temporary, "xb", opener=lambda name, how: os.open(name, how, 0o600)) as file:
            file.write(content)
        temporary.chmod(0o600)
        give_name(temporary, path, stays)
    finally:
        with suppress(OSError):
            temporary.unlink()


def give_name(temporary: Path, path: Path, stays: Callable[[Path], bool]) -> None:
    """Give a file its name; of several processes the first wins, unless what it wrote is no use."""
    try:
        os.link(temporary, path)
    # The name is taken, or the file system knows no hard links.
    except OSError:
        if not stays(path):
            temporary.replace(path)


def is_abandoned(path: Path, now: float) -> bool:
    """Tell whether a temporary file of ours was left by a process that is no more."""
    name = TEMPORARY.fullmatch(path.name)
    if name is None:
        return False
    if name["machine"] == this_machine() and os.name == "posix":
        return not process_runs(int(name["process"]))
    return now - path.stat().st_mtime > DAY


@cache
def this_machine() -> str:
    """Return a short name of this machine."""
    return hashlib.sha256(platform.node().encode()).hexdigest()[:8]


def process_runs(number: int) -> bool:
    """Tell whether a process of this machine is running; another user's counts too."""
    try:
        os.kill(number, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True
