"""VCF files: which alternate alleles they hold, and their dosages."""

from __future__ import annotations

import re
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from adestim._support.files import LARGEST_LINE
from adestim.exceptions import GenotypeError
from adestim.modalities.genetics.genotypes import GenotypeSet, sample_lookup, variants_table
from adestim.modalities.genetics.vcf_lines import LineReader, number_lines, warn_of_lost_end

FIRST_SAMPLE = 9
BASES = re.compile(r"[ACGTacgt]+|\.")
# What FILTER says of a site that failed none. Minimac tells there, too, how it came to one.
PASSED = frozenset({"PASS", ".", "", "0"})
OF_MINIMAC = frozenset({"GENOTYPED", "GENOTYPED_ONLY", "IMPUTED", "TYPED", "TYPED_ONLY"})
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?|[nN][aA][nN]", re.ASCII)
# One allele of a call; nothing, where a writer left it out.
CALL = re.compile(r"\d{1,4}|\.?", re.ASCII)
BUILD_WORDS = {
    "hg18": re.compile(r"hg18|ncbi36|\bb36\b", re.IGNORECASE),
    "hg19": re.compile(r"hg19|grch37|hs37|\bb37\b", re.IGNORECASE),
    "hg38": re.compile(r"hg38|grch38|hs38", re.IGNORECASE),
}
# By the code of a letter: the allele of a call, -1 for none, more than there can be for no call.
MOST_PLAIN_ALLELES = 9
ALLELE_OF_LETTER = np.full(256, MOST_PLAIN_ALLELES + 1, dtype=np.int8)
ALLELE_OF_LETTER[ord("0") : ord("9") + 1] = np.arange(10)
ALLELE_OF_LETTER[ord(".")] = -1
IS_BETWEEN = np.zeros(256, dtype=bool)
IS_BETWEEN[[ord("/"), ord("|")]] = True
# More digits than any position in base pairs has.
MOST_DIGITS = 12
# Texts of samples' fields that are remembered with their dosages, for each format of a line.
MOST_TEXTS = 2**16


@dataclass(frozen=True, eq=False)
class VcfSet(GenotypeSet):
    """A VCF file. The counted allele is the alternate one (ALT), the other is REF.

    Every alternate allele of a multi-allelic site is a variant of its own, whose dosage counts
    that allele against all others. Sites that failed a filter, and alleles that are not
    spelled in A, C, G and T, are left out and counted.
    """

    # (n_variants, 2); number of the line and of the alternate allele, of every variant
    lines: np.ndarray = field(repr=False, kw_only=True)

    def dosages(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Count the copies of ALT in one pass over the file, up to the last asked variant.

        ``DS``, the imputed dosage, is read where a diploid sample has it, ``GT`` elsewhere.
        Half a call is no call. A haploid call counts twice, as PLINK writes it.
        """
        return next(self.dosages_in_turn(rows, [columns]))

    def dosages_in_turn(
        self, rows: np.ndarray, pieces: Iterable[np.ndarray]
    ) -> Iterator[np.ndarray]:
        """Yield the dosages of pieces; in one pass where they come as in the file."""
        with closing(LineReader(self.path)) as reader:
            for columns in pieces:
                yield self._read_piece(reader, rows, columns)

    def _read_piece(self, reader: LineReader, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Return the dosages of some variants, (n_rows, n_columns)."""
        wanted: dict[int, list[int]] = {}
        for place, number in enumerate(self.lines[columns, 0].tolist()):
            wanted.setdefault(number, []).append(place)
        positions = self.variants["position"].to_numpy()[columns]
        dosages = np.full((len(rows), len(columns)), np.nan, dtype=np.float32)
        for number, line in reader.read_lines(sorted(wanted)):
            places = wanted[number]
            calls = Calls.of(line, self.n_samples, self.path, number)
            require_same_place(calls, positions[places], self.path)
            for place in places:
                alternate = int(self.lines[columns[place], 1])
                dosages[:, place] = line_dosages(calls, rows, alternate, self.path)
        return dosages


class Sites:
    """The alternate alleles that a file holds, and why others of its are left out."""

    def __init__(self):
        self.columns: tuple[list[str], ...] = ([], [], [], [])
        self.positions = array("q")
        self.lines = array("q")
        self.left_out: Counter[str] = Counter()
        self.kept: Counter[str] = Counter()
        # Few texts of chromosomes and alleles differ: each is kept once.
        self._texts: dict[str, str] = {}

    def add_line(self, fields: list[str], number: int) -> None:
        """Add what can be used of a line, given its first nine fields."""
        chromosome, position, name, reference, alternates, _, filters, _, format_ = fields
        alleles = alternates.split(",")
        fault = name_fault(filters, format_)
        if fault:
            self.left_out[fault] += len(alleles)
            return
        for rank, allele in enumerate(alleles, start=1):
            if not (BASES.fullmatch(reference) and BASES.fullmatch(allele)):
                self.left_out["have an allele that is not spelled in A, C, G and T"] += 1
                continue
            texts = (name.split(";")[0], chromosome, allele, reference)
            for column, text in zip(self.columns, texts, strict=True):
                column.append(text if column is self.columns[0] else self._keep_once(text))
            self.positions.append(int(position))
            self.lines.extend((number, rank))
            if filters.upper() not in PASSED:
                self.kept[f"of FILTER {filters}"] += 1

    def tabulate(self) -> pd.DataFrame:
        """Return the table of variants."""
        names, chromosomes, counted, other = self.columns
        positions = np.asarray(self.positions, dtype=np.int64)
        return variants_table(names, chromosomes, positions, counted, other)

    def _keep_once(self, text: str) -> str:
        """Return the text that is kept for all that are equal."""
        return self._texts.setdefault(text, text)


def open_vcf(path: str | Path) -> VcfSet:
    """Open a VCF file and index its variants.

    .. [1] Danecek et al. (2011), The variant call format and VCFtools, Bioinformatics 27:2156.
    """
    path = Path(path)
    with closing(number_lines(path)) as lines:
        build, samples = read_header(lines, path)
        lookup = sample_lookup([(name, undouble_name(name)) for name in samples], path)
        sites = read_sites(lines, len(samples), path)
    warn_of_lost_end(path)
    numbers = np.asarray(sites.lines, dtype=np.int64).reshape(-1, 2)
    return VcfSet(
        path,
        len(samples),
        lookup,
        sites.tabulate(),
        build,
        dict(sites.left_out),
        dict(sites.kept),
        lines=numbers,
    )


def undouble_name(name: str) -> str:
    """Return A for A_A, which PLINK writes when family and individual id are equal."""
    half = name[: len(name) // 2]
    return half if name == f"{half}_{half}" else name


def read_header(lines: Iterator[tuple[int, bytes]], path: Path) -> tuple[str | None, list[str]]:
    """Return the build that the header names, if any, and the names of the samples."""
    builds: set[str] = set()
    n_bytes = 0
    for _, line in lines:
        n_bytes += len(line)
        if line.startswith((b"##reference", b"##contig", b"##assembly")):
            text = line.decode("utf-8", "replace")
            builds |= {build for build, word in BUILD_WORDS.items() if word.search(text)}
        if line.startswith(b"#CHROM"):
            samples = line.decode("utf-8", "replace").split("\t")[FIRST_SAMPLE:]
            return (builds.pop() if len(builds) == 1 else None), samples
        if not line.startswith(b"#") or n_bytes > LARGEST_LINE:
            break
    raise GenotypeError(
        f"A VCF file has a line that starts with #CHROM, but {path} has none",
        remedy="Pass a VCF file, plain or compressed with gzip or bgzip",
    )


def read_sites(lines: Iterator[tuple[int, bytes]], n_samples: int, path: Path) -> Sites:
    """Return the alternate alleles of all lines after the header."""
    sites = Sites()
    for number, line in lines:
        if line.startswith(b"#"):
            continue
        fields = line.split(b"\t", FIRST_SAMPLE)
        if len(fields) < FIRST_SAMPLE or not fields[1].isdigit() or len(fields[1]) > MOST_DIGITS:
            raise GenotypeError(
                f"Line {number} of {path} is no VCF line with tabs between its columns",
                remedy="The file is damaged; write it again",
            )
        require_length(line.count(b"\t") + 1, n_samples, path, number)
        head = [text.decode("utf-8", "replace") for text in fields[:FIRST_SAMPLE]]
        sites.add_line(head, number)
    return sites


def name_fault(filters: str, format_: str) -> str:
    """Return why a site is left out, empty where it is not."""
    failed = name_failed(filters)
    if failed:
        return f"failed the filter {failed}"
    known = {"GT", "DS"} & set(format_.split(":"))
    return "" if known else "have neither calls (GT) nor dosages (DS)"


def name_failed(filters: str) -> str:
    """Return the filters that a site failed, empty where it failed none."""
    names = [name.strip() for name in filters.split(";")]
    return ", ".join(name for name in names if name.upper() not in PASSED | OF_MINIMAC)


def require_length(found: int, n_samples: int, path: Path, number: int) -> None:
    """Refuse a line with another number of columns than the header."""
    if found != FIRST_SAMPLE + n_samples:
        raise GenotypeError(
            f"Line {number} of {path} must have {FIRST_SAMPLE + n_samples} columns",
            got=f"{found}",
            remedy="The file is cut off or damaged; write it again",
        )


class Calls(NamedTuple):
    """What a line says of its samples."""

    number: int  # of the line
    position: bytes
    n_alternates: int
    format: bytes
    samples: bytes  # the fields of all samples, tabs between them

    @classmethod
    def of(cls, line: bytes, n_samples: int, path: Path, number: int) -> Calls:
        """Return what a line says; refuse one that is shorter or longer than the header."""
        require_length(line.count(b"\t") + 1, n_samples, path, number)
        fields = line.split(b"\t", FIRST_SAMPLE)
        n_alternates = 0 if fields[4] == b"." else fields[4].count(b",") + 1
        return cls(number, fields[1], n_alternates, fields[FIRST_SAMPLE - 1], fields[FIRST_SAMPLE])


def require_same_place(calls: Calls, positions: np.ndarray, path: Path) -> None:
    """Refuse a line that is not of the variants that it held when the file was opened."""
    if not calls.position.isdigit() or (positions != int(calls.position)).any():
        raise GenotypeError(
            f"The VCF file {path} must not change while it is read",
            got=f"another variant in line {calls.number}",
            remedy="Start again when nobody writes to it",
        )


def line_dosages(calls: Calls, rows: np.ndarray, alternate: int, path: Path) -> np.ndarray:
    """Return the dosage of one alternate allele for the asked samples, shape (n_rows,)."""
    quick = read_plain_calls(calls, alternate)
    if quick is not None:
        return quick[rows]
    known = texts_of(calls.format, calls.n_alternates, alternate)
    texts = calls.samples.decode("utf-8", "replace").split("\t")
    try:
        dosages = [known[texts[row]] for row in rows.tolist()]
    except (ValueError, IndexError) as error:
        raise bad_genotype(path, calls.number) from error
    values = np.array(dosages, dtype=np.float32)
    if ((values < 0) | (values > 2)).any():
        raise bad_genotype(path, calls.number)
    return values


def read_plain_calls(calls: Calls, alternate: int) -> np.ndarray | None:
    """Return the dosages of all samples where each is a call of two letters, else None.

    -> (n_samples,).
    """
    letters = np.frombuffer(calls.samples + b"\t", dtype=np.uint8)
    if calls.format != b"GT" or len(letters) % 4 or calls.n_alternates > MOST_PLAIN_ALLELES:
        return None
    letters = letters.reshape(-1, 4)
    alleles = ALLELE_OF_LETTER[letters[:, ::2]]
    plain = IS_BETWEEN[letters[:, 1]].all() and (letters[:, 3] == ord("\t")).all()
    if not plain or (alleles > calls.n_alternates).any():
        return None
    counted = (alleles == alternate).sum(axis=1, dtype=np.float32)
    return np.where((alleles < 0).any(axis=1), np.float32(np.nan), counted)


def bad_genotype(path: Path, number: int) -> GenotypeError:
    """Return the error about a genotype that cannot be counted."""
    return GenotypeError(
        f"Line {number} of {path} holds a genotype that is neither a call (GT) of one or two "
        "alleles nor a dosage (DS) between 0 and 2",
        remedy="Leave the variant out of the file, or write the file again",
    )


class FieldFormat(NamedTuple):
    """Where a sample's field holds what, and how many alternate alleles there are."""

    called: int | None  # place of GT
    imputed: int | None  # place of DS
    n_alternates: int


class KnownTexts(dict):
    """Dosages by the text of a sample's field: a line holds few, and the next line the same."""

    def __init__(self, format_: FieldFormat, alternate: int):
        super().__init__()
        self._format = format_
        self._alternate = alternate

    def __missing__(self, text: str) -> float:
        if len(self) >= MOST_TEXTS:
            self.clear()
        self[text] = dosage = sample_dosage(text, self._format, self._alternate)
        return dosage


@lru_cache(maxsize=16)
def texts_of(format_: bytes, n_alternates: int, alternate: int) -> KnownTexts:
    """Return the dosages of one alternate allele by text, in lines of one format."""
    keys = format_.decode("utf-8", "replace").split(":")
    called = keys.index("GT") if "GT" in keys else None
    imputed = keys.index("DS") if "DS" in keys else None
    return KnownTexts(FieldFormat(called, imputed, n_alternates), alternate)


def sample_dosage(text: str, format_: FieldFormat, alternate: int) -> float:
    """Return the copies of one alternate allele in one sample's field."""
    called, imputed, n_alternates = format_
    values = text.split(":")
    genotype = values[called] if called is not None and called < len(values) else "."
    alleles = genotype.replace("|", "/").split("/")
    if imputed is not None and imputed < len(values) and (len(alleles) == 2 or genotype == "."):
        dosage = values[imputed].split(",")
        if len(dosage) > max(1, n_alternates):
            raise ValueError("more dosages than alternate alleles")
        if dosage[0] not in ("", "."):
            return read_number(dosage[alternate - 1])
    return copies(alleles, alternate, n_alternates)


def read_number(text: str) -> float:
    """Return a number written as VCF writes them."""
    if not NUMBER.fullmatch(text):
        raise ValueError("no number")
    return float(text)


def copies(alleles: list[str], alternate: int, n_alternates: int) -> float:
    """Count one allele among those called; NaN unless all are called."""
    if len(alleles) > 2 or any(not CALL.fullmatch(allele) for allele in alleles):
        raise ValueError("no call")
    if "." in alleles or "" in alleles:
        return float("nan")
    numbers = [int(allele) for allele in alleles]
    if max(numbers) > n_alternates:
        raise ValueError("an allele that the line does not name")
    return 2 * numbers.count(alternate) / len(numbers)
