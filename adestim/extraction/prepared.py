"""One subject's cells in, a model's input out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from adestim._support.keys import content_key


class Prepared(NamedTuple):
    """One subject's model-ready input."""

    # what the backbone reads; for a reference backbone the token table, shape (n_tokens, width),
    # float32
    inputs: Any
    mask: Any = None  # (n_tokens,); true where a token is real; None where all are
    key: str = ""  # key of the content of ``inputs``, where it is known
    remarks: tuple[str, ...] = ()  # what deserves a look in the data, though they were used

    def content_key(self) -> str:
        """Return the key of the content of the input."""
        return self.key or content_key(np.asarray(self.inputs))


class MadeElsewhere:
    """What stands for a result that another process is at work on."""


@dataclass(frozen=True)
class SubjectPreparation:
    """One subject's cells in, a model's input out; picklable."""

    # cells in, raw data out, None where they are missing. Its ``also_reads``, if it has one, names
    # further files on which the result depends
    read: Callable[[tuple], Any]
    prepare: Callable[[Any], Prepared]  # raw data in, the model's input out

    def __call__(self, cells: tuple) -> Prepared | None:
        """Read and prepare."""
        raw = self.read(cells)
        return None if raw is None else self.prepare(raw)

    def also_reads(self, cells: tuple) -> list[Path]:
        """Return the files beside a subject's cells that reading depends on."""
        return files_beside(self.read, cells)


@dataclass(frozen=True)
class TokenPreparation:
    """One subject's raw data in, the tokens of a built-in model out; picklable."""

    model: Callable[[Any], tuple]  # raw data in, tokens and their mask out

    def __call__(self, raw: Any) -> Prepared:
        """Make the tokens."""
        return Prepared(*self.model(raw))


def files_beside(read: Callable, cells: tuple) -> list[Path]:
    """Return the further files, beside a subject's cells, that reading names."""
    return read.also_reads(cells) if hasattr(read, "also_reads") else []
