"""Files that are their owner's alone, and there whole or not at all."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from adestim.exceptions import AdestimError

DAY = 86400
TEMPORARY = re.compile(r"\.[0-9a-f]{32}\.(?P<machine>[0-9a-f]{8})\.(?P<process>\d{1,9})\.tmp")
# What lies where the file itself was never fetched.
POINTERS = {b"version https://git-lfs": "git-lfs", b"/annex/objects": "git-annex"}
FETCHED_BY = {"git-lfs": "git lfs pull", "git-annex": "git annex get"}
POINTER_BYTES = 64
# Most bytes of one line of text: half a million samples fit into one of a VCF file.
LARGEST_LINE = 2**26
# Most bytes of what a checkpoint holds beside tensors, and most by which a file grows unpacked.
LARGEST_PICKLE = 2**26
MOST_GROWTH = 200


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
    with replace_whole(path, stays) as temporary:
        with open(temporary, "xb", opener=lambda name, how: os.open(name, how, 0o600)) as file:
            file.write(content)
        temporary.chmod(0o600)


@contextmanager
def replace_whole(
    path: Path, stays: Callable[[Path], bool] = lambda path: False, ending: str = ""
) -> Iterator[Path]:
    """Yield a temporary name beside a path; what is written there takes the path when whole."""
    name = f".{uuid.uuid4().hex}.{this_machine()}.{os.getpid()}.tmp{ending}"
    temporary = path.with_name(name)
    try:
        yield temporary
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


def name_pointer(start: bytes) -> str | None:
    """Return which program a file's first bytes are a pointer of; None for a file itself."""
    return next((name for mark, name in POINTERS.items() if start.startswith(mark)), None)


def require_fetched(path: Path, refuse: type[AdestimError]) -> None:
    """Refuse a file that only says where its content is."""
    with path.open("rb") as file:
        pointer = name_pointer(file.read(POINTER_BYTES))
    if pointer is not None:
        raise refuse(
            f"{path.name} must be the file itself",
            got=f"a {pointer} pointer, which only says where the file is",
            remedy=f"Fetch the file itself with {FETCHED_BY[pointer]}",
        )
