"""Reference genomes: FASTA files, their index, the build that they are on."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from adestim.exceptions import GenotypeError, MissingDependencyError

# Lengths of chromosomes 1 and 19 in the UCSC and Genome Reference Consortium releases.
BUILD_OF_LENGTH = {
    ("1", 247249719): "hg18",
    ("1", 249250621): "hg19",
    ("1", 248956422): "hg38",
    ("19", 63811651): "hg18",
    ("19", 59128983): "hg19",
    ("19", 58617616): "hg38",
}


class ReferenceGenome:
    """An open FASTA file, read by chromosome and position."""

    def __init__(self, fasta: Any):
        self._fasta = fasta
        self._names = {plain_name(name): name for name in fasta.references}
        self.lengths: Mapping[str, int] = {
            plain: fasta.get_reference_length(name) for plain, name in self._names.items()
        }

    @property
    def build(self) -> str | None:
        """Genome build, told by the lengths of chromosomes 1 and 19; None for others."""
        found = {BUILD_OF_LENGTH.get(item) for item in self.lengths.items()} - {None}
        return found.pop() if len(found) == 1 else None

    def fetch(self, chromosome: str, start: int, stop: int) -> str:
        """Return a stretch of DNA in upper case."""
        if start < 0 or stop > self.lengths.get(chromosome, 0):
            return ""
        try:
            dna = self._fasta.fetch(self._names[chromosome], start, stop).upper()
        except (OSError, ValueError):
            dna = ""
        if len(dna) != stop - start:
            raise GenotypeError(
                "The index of a reference genome must be its own",
                got=f"{len(dna)} letters where there are {stop - start} by the index",
                remedy="Delete the index (.fai) beside the FASTA file, so that it is made again",
            )
        return dna


def plain_name(name: str) -> str:
    """Return a chromosome's name without "chr"; the mitochondrial one is MT."""
    plain = name[3:] if name.lower().startswith("chr") else name
    return "MT" if plain.upper() == "M" else plain.upper()


@contextmanager
def open_reference(path: str | os.PathLike) -> Iterator[ReferenceGenome]:
    """Open a reference genome.

    An index that is lacking is made beside the file, or for the time being where that folder
    cannot be written to.
    """
    try:
        import pysam
    except ImportError as error:
        raise MissingDependencyError(
            "Reading a reference genome needs the package pysam",
            remedy="Run pip install 'adestim[sequence]'",
        ) from error
    path = Path(str(path)).expanduser()
    if not path.is_file():
        raise GenotypeError(
            "The reference genome must be an existing FASTA file",
            got=str(path),
            remedy="Pass its path as backbone_params={'reference': path}",
        )
    with TemporaryDirectory() as folder, silence_library(pysam):
        fai, gzi = indices(path, Path(folder), pysam)
        with open_fasta(path, fai, gzi, pysam) as fasta:
            yield ReferenceGenome(fasta)


@contextmanager
def silence_library(pysam: Any) -> Iterator[None]:
    """Keep the C library from writing to the terminal what is said here as an error."""
    level = pysam.set_verbosity(0)
    try:
        yield
    finally:
        pysam.set_verbosity(level)


def open_fasta(path: Path, fai: Path, gzi: Path | None, pysam: Any) -> Any:
    """Open a FASTA file, whose index must be its own."""
    try:
        fasta = pysam.FastaFile(
            str(path), filepath_index=str(fai), filepath_index_compressed=str(gzi) if gzi else None
        )
    except (OSError, ValueError) as error:
        raise refuse_broken_index(path, fai, "an index that cannot be read") from error
    if not fasta.references:
        raise refuse_broken_index(path, fai, "an index without a single sequence")
    return fasta


def refuse_broken_index(path: Path, fai: Path, got: str) -> GenotypeError:
    """Return the error about an index that is not that of its file."""
    return GenotypeError(
        f"The index {fai.name} must be that of the reference genome {path.name}",
        got=got,
        remedy="Delete the index, so that it is made again",
    )


def reference_build(path: str | os.PathLike) -> str | None:
    """Return the build of a reference genome, None where its chromosomes do not tell it."""
    with open_reference(path) as genome:
        return genome.build


def indices(path: Path, folder: Path, pysam: Any) -> tuple[Path, Path | None]:
    """Return the index of a FASTA file, and that of its compression; made where lacking."""
    suffixes = [".fai", ".gzi"] if path.suffix in (".gz", ".bgz") else [".fai"]
    beside = [path.with_name(path.name + suffix) for suffix in suffixes]
    if not all(index.is_file() for index in beside):
        made = [folder / index.name for index in beside]
        make_indices(path, made, pysam)
        beside = [kept_index(*pair) for pair in zip(made, beside, strict=True)]
    return beside[0], beside[1] if len(beside) == 2 else None


def make_indices(path: Path, made: list[Path], pysam: Any) -> None:
    """Index a FASTA file."""
    options = ["--fai-idx", str(made[0])]
    if len(made) == 2:
        options += ["--gzi-idx", str(made[1])]
    try:
        pysam.faidx(str(path), *options)
    except pysam.SamtoolsError as error:
        raise GenotypeError(
            "The reference genome must be a FASTA file, plain or compressed by bgzip",
            got=str(path),
            remedy="Unpack it, or compress it again with bgzip instead of gzip",
        ) from error


def kept_index(made: Path, wanted: Path) -> Path:
    """Move an index to its place, in one step for who else reads it; or leave it where it is."""
    passing = wanted.with_name(f"{wanted.name}.{os.getpid()}")
    try:
        shutil.copyfile(made, passing)
        passing.replace(wanted)
    except OSError:
        return made
    return wanted
