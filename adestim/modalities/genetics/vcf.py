"""VCF files, plain or compressed with gzip or bgzip, read as a stream."""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np

from adestim._support.files import require_fetched
from adestim.exceptions import GenotypeError
from adestim.modalities.genetics.genotypes import GenotypeSet, sample_lookup, variants_table

GZIP_MAGIC = b"\x1f\x8b"
FIRST_SAMPLE = 9
BASES = re.compile(r"[ACGTacgt]+|\.")
PASSED = frozenset({"PASS", "."})
BUILD_WORDS = {
    "hg18": re.compile(r"hg18|ncbi36|\bb36\b", re.IGNORECASE),
    "hg19": re.compile(r"hg19|grch37|hs37|\bb37\b", re.IGNORECASE),
    "hg38": re.compile(r"hg38|grch38|hs38", re.IGNORECASE),
}


class Site(NamedTuple):
    """One alternate allele of one line."""

    line: int
    alternate: int
    chromosome: str
    position: int
    name: str
    counted: str
    other: str


@dataclass(frozen=True, eq=False)
class VcfSet(GenotypeSet):
    """A VCF file. The counted allele is the alternate one (ALT), the other is REF.

    Every alternate allele of a multi-allelic site is a variant of its own, whose dosage counts
    that allele against all others. Sites that failed a filter, and alleles that are not
    spelled in A, C, G and T, are left out.
    """

    # (n_variants, 2); number of the line and of the alternate allele, of every variant
    lines: np.ndarray = field(repr=False, kw_only=True)

    def dosages(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Count the copies of ALT in one pass over the file, up to the last asked variant.

        ``DS``, the imputed dosage, is read where a diploid sample has it, ``GT`` elsewhere.
        Half a call is no call. A haploid call counts twice, as PLINK writes it.
        """
        wanted: dict[int, list[int]] = {}
        for place, column in enumerate(columns):
            wanted.setdefault(int(self.lines[column, 0]), []).append(place)
        dosages = np.full((len(rows), len(columns)), np.nan, dtype=np.float32)
        for number, line in lines_numbered(self.path, wanted):
            fields = line.split("\t")
            require_complete(fields, self.n_samples, self.path, number)
            for place in wanted[number]:
                alternate = int(self.lines[columns[place], 1])
                dosages[:, place] = line_dosages(fields, rows, alternate, self.path, number)
        return dosages


def open_vcf(path: str | Path) -> VcfSet:
    """Open a VCF file and index its variants.

    .. [1] Danecek et al. (2011), The variant call format and VCFtools, Bioinformatics 27:2156.
    """
    path = Path(path)
    build, samples = read_header(path)
    sites = [site for number, line in lines_numbered(path) for site in sites_of(line, number, path)]
    variants = variants_table(
        [site.name for site in sites],
        [site.chromosome for site in sites],
        [site.position for site in sites],
        [site.counted for site in sites],
        [site.other for site in sites],
    )
    lines = np.array([(site.line, site.alternate) for site in sites], dtype=np.int64)
    return VcfSet(
        path,
        len(samples),
        sample_lookup([(name, undouble_name(name)) for name in samples], path),
        variants,
        build,
        lines=lines.reshape(-1, 2),
    )


def undouble_name(name: str) -> str:
    """Return A for A_A, which PLINK writes when family and individual id are equal."""
    half = name[: len(name) // 2]
    return half if name == f"{half}_{half}" else name


@contextmanager
def open_lines(path: Path) -> Iterator[IO[str]]:
    """Open the text of a VCF file; whatever is wrong with its bytes becomes a GenotypeError."""
    if not path.is_file():
        raise GenotypeError(
            f"The VCF file {path} does not exist", remedy="Check the path given in genotypes="
        )
    require_fetched(path, GenotypeError)
    with path.open("rb") as stream:
        packed = stream.read(2) == GZIP_MAGIC
    try:
        with gzip.open(path, "rt") if packed else path.open() as text:
            yield text
    except (EOFError, gzip.BadGzipFile, zlib.error, UnicodeDecodeError) as error:
        raise GenotypeError(
            f"The VCF file {path} cannot be read to its end",
            got=type(error).__name__,
            remedy="The file is cut off or damaged; copy it again",
        ) from error


def read_header(path: Path) -> tuple[str | None, list[str]]:
    """Return the build that the header names, if any, and the names of the samples."""
    builds: set[str] = set()
    with open_lines(path) as text:
        for line in text:
            if line.startswith(("##reference", "##contig", "##assembly")):
                builds |= {build for build, word in BUILD_WORDS.items() if word.search(line)}
            if line.startswith("#CHROM"):
                samples = line.rstrip("\r\n").split("\t")[FIRST_SAMPLE:]
                return (builds.pop() if len(builds) == 1 else None), samples
            if not line.startswith("#"):
                break
    raise GenotypeError(
        f"A VCF file has a line that starts with #CHROM, but {path} has none",
        remedy="Pass a VCF file, plain or compressed with gzip or bgzip",
    )


def lines_numbered(path: Path, wanted=None) -> Iterator[tuple[int, str]]:
    """Yield the lines of variants with their numbers, all or the wanted ones."""
    left = len(wanted) if wanted is not None else -1
    if left == 0:
        return
    with open_lines(path) as text:
        for number, line in enumerate(text, start=1):
            if line.startswith("#") or not line.strip():
                continue
            if wanted is None or number in wanted:
                yield number, line.rstrip("\r\n")
                left -= 1
            if left == 0:
                return


def sites_of(line: str, number: int, path: Path) -> list[Site]:
    """Return the usable alternate alleles of one line."""
    fields = line.split("\t", 7)
    if len(fields) < 8 or not fields[1].isdigit():
        raise GenotypeError(
            f"Line {number} of {path} is no VCF line with tabs between its columns",
            remedy="The file is damaged; write it again",
        )
    chromosome, position, name, reference, alternates, _, passed, _ = fields
    if passed not in PASSED or not BASES.fullmatch(reference):
        return []
    return [
        Site(number, rank, chromosome, int(position), name.split(";")[0], allele, reference)
        for rank, allele in enumerate(alternates.split(","), start=1)
        if BASES.fullmatch(allele)
    ]


def require_complete(fields: list[str], n_samples: int, path: Path, number: int) -> None:
    """Refuse a line that is shorter or longer than the header."""
    if len(fields) != FIRST_SAMPLE + n_samples:
        raise GenotypeError(
            f"Line {number} of {path} must have {FIRST_SAMPLE + n_samples} columns",
            got=f"{len(fields)}",
            remedy="The file is cut off or damaged; write it again",
        )


def line_dosages(
    fields: list[str], rows: np.ndarray, alternate: int, path: Path, number: int
) -> np.ndarray:
    """Return the dosage of one alternate allele for the asked samples, shape (n_rows,)."""
    keys = fields[FIRST_SAMPLE - 1].split(":")
    called = keys.index("GT") if "GT" in keys else None
    imputed = keys.index("DS") if "DS" in keys else None
    try:
        dosages = [
            sample_dosage(fields[FIRST_SAMPLE + row], called, imputed, alternate) for row in rows
        ]
    except (ValueError, IndexError) as error:
        raise bad_genotype(path, number) from error
    values = np.array(dosages, dtype=np.float32)
    if ((values < 0) | (values > 2)).any():
        raise bad_genotype(path, number)
    return values


def bad_genotype(path: Path, number: int) -> GenotypeError:
    """Return the error about a genotype that cannot be counted."""
    return GenotypeError(
        f"Line {number} of {path} holds a genotype that is neither a call (GT) of one or two "
        "alleles nor a dosage (DS) between 0 and 2",
        remedy="Leave the variant out of the file, or write the file again",
    )


# A line holds few different texts, and the next line the same ones.
@lru_cache(maxsize=65536)
def sample_dosage(text: str, called: int | None, imputed: int | None, alternate: int) -> float:
    """Return the copies of one alternate allele in one sample's field."""
    values = text.split(":")
    genotype = values[called] if called is not None and called < len(values) else "."
    alleles = genotype.replace("|", "/").split("/")
    if imputed is not None and imputed < len(values) and (len(alleles) == 2 or genotype == "."):
        dosage = values[imputed].split(",")
        if dosage[0] not in ("", "."):
            return float(dosage[alternate - 1])
    return copies(alleles, alternate)


def copies(alleles: list[str], alternate: int) -> float:
    """Count one allele among those called; NaN unless all are called."""
    if "." in alleles or "" in alleles:
        return float("nan")
    if len(alleles) > 2:
        raise ValueError("more than two alleles")
    numbers = [int(allele) for allele in alleles]
    return 2 * numbers.count(alternate) / len(numbers)
