"""The tables of genotype files that were read before, read anew when a file has changed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from adestim._support.digests import is_settled, read_path_state
from adestim.modalities.genetics.genotypes import GenotypeSet

# Most variants and names of samples that a process keeps, each of some 100 bytes.
LIMIT = 2**21
# What a file set counts beside them, so that there are never many.
OVERHEAD = 2**12


class Opened(NamedTuple):
    """An opened file set, and the state of its files when they were read."""

    states: list[tuple]
    genotypes: GenotypeSet


class OpenedFiles:
    """The tables of the file sets that were opened last; no file is held open.

    What is kept is replaced as a whole and never changed, so that threads need no lock and a
    forked process gets a sound one. Others begin with nothing.
    """

    def __init__(self, limit: int):
        self.limit = limit
        self._kept: dict[tuple[Path, ...], Opened] = {}

    @property
    def size(self) -> int:
        """How much is kept, as ``limit`` counts."""
        return sum(size_of(item.genotypes) for item in self._kept.values())

    def open(self, files: Sequence[Path], read: Callable[[], GenotypeSet]) -> GenotypeSet:
        """Return a file set, ``read`` only where its files are not as they were last time."""
        key, states = tuple(files), read_states(files)
        others = self._kept.copy()
        known = others.pop(key, None)
        if known is not None and known.states == states:
            self._kept = {**others, key: known}
            return known.genotypes
        self._kept = others
        settled = states is not None and all(map(is_settled, files))
        genotypes = read()
        if settled and states == read_states(files):
            self._keep(key, Opened(states, genotypes))
        return genotypes

    def _keep(self, key: tuple[Path, ...], opened: Opened) -> None:
        """Keep a file set, and forget those asked for longest ago where there is no room."""
        kept, room = {}, self.limit
        for name, item in [(key, opened), *reversed(self._kept.items())]:
            room -= size_of(item.genotypes)
            if room < 0:
                break
            kept[name] = item
        self._kept = dict(reversed(kept.items()))


def read_states(files: Sequence[Path]) -> list[tuple] | None:
    """Return what changes when one of the files does, None where one is not there."""
    try:
        return [read_path_state(file) for file in files]
    except OSError:
        return None


def size_of(genotypes: GenotypeSet) -> int:
    """Return how much a file set counts."""
    return OVERHEAD + len(genotypes.variants) + len(genotypes.lookup)


OPENED = OpenedFiles(LIMIT)
