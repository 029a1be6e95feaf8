"""PLINK 1 binary file sets: a .bed file of genotypes, its .bim of variants, its .fam of samples."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from adestim._support.files import require_fetched
from adestim._support.tables import BLANKS, read_text_table
from adestim.exceptions import GenotypeError
from adestim.modalities.genetics.genotypes import GenotypeSet, sample_lookup, variants_table

MAGIC = b"\x6c\x1b"
VARIANT_MAJOR = b"\x01"
HEADER_LENGTH = 3
# So many variants tell whether a file holds more samples than are named.
N_LOOKED_AT = 4096
# Two bits a sample: homozygous first allele, no call, heterozygous, homozygous second allele.
DOSAGE_OF_CODE = np.array([2, np.nan, 1, 0], dtype=np.float32)


@dataclass(frozen=True, eq=False)
class PlinkSet(GenotypeSet):
    """A PLINK 1 file set. The counted allele is the first one of the .bim (A1)."""

    def dosages(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Count the copies of A1, reading only the bytes of the asked samples and variants."""
        genotypes = np.memmap(
            self.path,
            dtype=np.uint8,
            mode="r",
            offset=HEADER_LENGTH,
            shape=(len(self.variants), bytes_per_variant(self.n_samples)),
        )
        packed = genotypes[columns][:, rows // 4]
        codes = (packed >> (2 * (rows % 4)).astype(np.uint8)) & 3
        return DOSAGE_OF_CODE[codes].T


def open_plink(path: str | Path) -> PlinkSet:
    """Open a PLINK 1 file set.

    .. [1] PLINK 1 binary format, https://www.cog-genomics.org/plink/1.9/formats#bed
    """
    bed, bim, fam = plink_files(path)
    for file in (bed, bim, fam):
        require_file(file)
    variants, samples = read_bim(bim), read_fam(fam)
    require_sound_bed(bed, len(variants), len(samples))
    require_no_further_samples(bed, len(variants), len(samples))
    return PlinkSet(bed, len(samples), sample_lookup(samples, fam), variants)


def plink_files(path: str | Path) -> tuple[Path, Path, Path]:
    """Return the .bed, .bim and .fam file of a prefix or a .bed file."""
    bed = Path(path) if str(path).endswith(".bed") else Path(f"{path}.bed")
    return bed, bed.with_suffix(".bim"), bed.with_suffix(".fam")


def bytes_per_variant(n_samples: int) -> int:
    """Return the length of one variant's row: four samples a byte."""
    return -(-n_samples // 4)


def require_file(file: Path) -> None:
    """Refuse a file set with a part missing."""
    if not file.is_file():
        raise GenotypeError(
            f"A PLINK file set has a .bed, a .bim and a .fam file, but {file} does not exist",
            remedy="Check the prefix, and keep the three files in one folder",
        )
    require_fetched(file, GenotypeError)


def read_bim(file: Path) -> pd.DataFrame:
    """Read the variants; the counted allele is the fifth column."""
    table = read_plink_columns(file, 6)
    positions = pd.to_numeric(table[3], errors="coerce")
    if positions.isna().any() or (positions % 1 != 0).any():
        raise GenotypeError(
            f"The fourth column of a .bim file is a position in base pairs: {file}",
            got=f"other text in line {int(positions.isna().to_numpy().argmax()) + 1}",
            remedy="Write the file set again with PLINK",
        )
    # A negative position marks a variant that PLINK leaves out of its analyses.
    return variants_table(table[1], table[0], positions.abs(), table[4], table[5])


def read_fam(file: Path) -> list[tuple[str, ...]]:
    """Read every sample's names: individual id, then family and individual id together.

    Sex and phenotype stand in this file too; they are never used.
    """
    table = read_plink_columns(file, 6)
    return [
        (person, f"{family} {person}", f"{family}_{person}")
        for family, person in zip(table[0], table[1], strict=True)
    ]


def read_plink_columns(file: Path, n_columns: int) -> pd.DataFrame:
    """Read a headerless table of text, white space between its columns."""
    try:
        table = read_text_table(file, has_names=False, separator=BLANKS)
    except (pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise refuse_malformed(file, n_columns, type(error).__name__) from error
    if table.shape[1] != n_columns:
        raise refuse_malformed(file, n_columns, f"{table.shape[1]} columns")
    return table


def refuse_malformed(file: Path, n_columns: int, got: str) -> GenotypeError:
    """Return the error about a table that is not of PLINK's shape."""
    return GenotypeError(
        f"{file} must hold {n_columns} columns in every line",
        got=got,
        remedy="Write the file set again with PLINK",
    )


def require_sound_bed(file: Path, n_variants: int, n_samples: int) -> None:
    """Refuse genotypes whose header or length is not what the other two files say."""
    with file.open("rb") as stream:
        header = stream.read(HEADER_LENGTH)
    if header[:2] != MAGIC:
        raise GenotypeError(
            f"A .bed file starts with the bytes 6c 1b, but {file} does not",
            got=header[:2].hex(" ") or "an empty file",
            remedy="Pass a PLINK 1 file set, not a table of genomic intervals",
        )
    if header[2:] != VARIANT_MAJOR:
        raise GenotypeError(
            f"A .bed file must be in variant-major order: {file}",
            got=f"the order byte {header[2:].hex() or 'missing'}",
            remedy="Convert it with: plink --bfile PREFIX --make-bed",
        )
    expected = HEADER_LENGTH + n_variants * bytes_per_variant(n_samples)
    found = file.stat().st_size
    if found != expected:
        raise GenotypeError(
            f"{file} must be {expected} bytes long for {n_variants} variants (.bim) "
            f"and {n_samples} samples (.fam)",
            got=f"{found} bytes",
            remedy="The file is cut off, or the three files do not belong together; copy them "
            "again",
        )


def require_no_further_samples(file: Path, n_variants: int, n_samples: int) -> None:
    """Refuse genotypes of more samples than are named: behind the last one all bits are zero."""
    width, n_used = bytes_per_variant(n_samples), n_samples % 4
    if not n_used or not n_variants:
        return
    packed = np.memmap(file, np.uint8, "r", HEADER_LENGTH, (n_variants, width))
    last = packed[:: max(1, n_variants // N_LOOKED_AT), -1]
    if (last >> np.uint8(2 * n_used)).any():
        raise GenotypeError(
            f"{file} must hold genotypes of the {n_samples} samples of the .fam file alone",
            got="genotypes of more samples",
            remedy="A line of the .fam file is lost, or the three files do not belong together; "
            "copy them again",
        )
