"""Files of weights that would fill the memory when read: recognised before anything is unpacked."""

from __future__ import annotations

import pickletools
import zipfile
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import IO, cast

from adestim._support.files import LARGEST_PICKLE, MOST_GROWTH
from adestim.exceptions import CheckpointError

# A file of the old format is a row of pickles: a magic number, a version, a platform, the object.
N_OLD_PICKLES = 4


def require_bounded_checkpoint(path: Path, largest: int = LARGEST_PICKLE) -> None:
    """Refuse a file of ``torch.save`` whose objects, apart from tensors, fill the memory."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
        size = max([item.file_size for item in members if item.filename.endswith(".pkl")] or [0])
        total = sum(item.file_size for item in members)
    else:
        size, total = measure_old_pickles(path, largest), 0
    if size > largest or total > largest + MOST_GROWTH * path.stat().st_size:
        raise refuse_growth(path, max(size, total), largest)


def refuse_growth(path: Path, found: int, largest: int) -> CheckpointError:
    """Return the error about a checkpoint that is mostly no tensors."""
    return CheckpointError(
        f"{path.name} must hold tensors, and little beside them: {largest} bytes at most",
        got=f"{found} bytes or more",
        remedy="Save the model's state_dict() alone; only if you trust where the file comes from, "
        "pass trust_checkpoint=True",
    )


def measure_old_pickles(path: Path, largest: int) -> int:
    """Return how long the pickles are with which a file of the old format begins."""
    with path.open("rb") as file:
        bounded = BoundedReader(file, largest)
        # What is wrong with it is told by whoever reads it.
        with suppress(ValueError):
            for _ in range(N_OLD_PICKLES):
                deque(pickletools.genops(cast(IO[bytes], bounded)), maxlen=0)
        return bounded.n_read


class BoundedReader:
    """A file of which no more is read than a bound, and what is longer counts as longer."""

    def __init__(self, file: IO[bytes], largest: int):
        self._file = file
        self._left = largest
        self.n_read = 0

    def read(self, size: int) -> bytes:
        """Return as many bytes."""
        return self._note(size, self._file.read(min(size, self._left)))

    def readline(self) -> bytes:
        """Return a line."""
        line = self._file.readline(self._left)
        return self._note(len(line) + (not line.endswith(b"\n")), line)

    def tell(self) -> int:
        """Return where the file is."""
        return self._file.tell()

    def _note(self, asked: int, found: bytes) -> bytes:
        """Count what was asked for."""
        self.n_read += asked
        self._left -= len(found)
        return found
