"""Several genotype files read as one: by chromosome, by array, by cohort."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from joblib import Parallel, delayed

from adestim._support.progress import show_progress
from adestim.exceptions import GenotypeError
from adestim.modalities.genetics.genotypes import ABSENT, AMBIGUOUS, GenotypeSet
from adestim.modalities.genetics.harmonise import Alignment, orient_dosages
from adestim.modalities.genetics.opened import OPENED
from adestim.modalities.genetics.plink import open_plink, plink_files
from adestim.modalities.genetics.vcf import open_vcf

OTHER_FORMATS = {
    ".pgen": ("genotypes of PLINK 2", "Convert them: plink2 --pfile PREFIX --make-bed"),
    ".ped": ("genotypes of PLINK as text", "Convert them: plink --file PREFIX --make-bed"),
    ".bgen": ("genotypes in BGEN", "Convert them: plink2 --bgen FILE ref-first --make-bed"),
    ".bcf": ("a binary VCF file", "Convert it: bcftools view -Oz -o FILE.vcf.gz FILE.bcf"),
    ".raw": (
        "dosages that PLINK recoded",
        "Read it with pandas.read_csv, and pass its columns of dosages without genotypes=",
    ),
    **dict.fromkeys(
        (".csv", ".tsv", ".txt", ".xlsx"),
        ("a table", "Read it with pandas, and pass its columns of dosages without genotypes="),
    ),
}


def open_genotypes(paths) -> list[GenotypeSet]:
    """Open one genotype file, or several in the order in which they are searched."""
    if isinstance(paths, (str, os.PathLike)):
        paths = [paths]
    if not paths:
        raise GenotypeError("genotypes= names at least one file", got="an empty list")
    return [open_one(Path(path).expanduser()) for path in paths]


def open_one(path: Path) -> GenotypeSet:
    """Open one genotype file by its ending; one that has not changed is not read again."""
    require_known_format(path)
    is_vcf = path.name.lower().endswith((".vcf", ".vcf.gz", ".vcf.bgz"))
    files = [path] if is_vcf else plink_files(path)
    return OPENED.open(files, partial(open_vcf if is_vcf else open_plink, path))


def require_known_format(path: Path) -> None:
    """Refuse files of other formats, and say how to convert them."""
    ending = next((end for end in OTHER_FORMATS if path.name.lower().endswith(end)), None)
    if ending is not None and path.is_file():
        raise GenotypeError(
            "genotypes= names PLINK 1 file sets (.bed, .bim, .fam) and VCF files",
            got=f"{path.name}, {OTHER_FORMATS[ending][0]}",
            remedy=OTHER_FORMATS[ending][1],
        )


def locate(sets: Sequence[GenotypeSet], names: Sequence[str | None]) -> np.ndarray:
    """Return every subject's row in every file, shape (n_sets, n_subjects).

    ``ABSENT`` where the file has no such sample, ``AMBIGUOUS`` where it has several.
    """
    return np.stack([item.rows_of(names) for item in sets])


def sample_error(sets: Sequence[GenotypeSet], rows: np.ndarray, name: str) -> GenotypeError | None:
    """Return what is wrong with one subject's sample id, given its row in every file.

    The message says nothing about other samples than how many there are.
    """
    files = ", ".join(f"{item.path} ({item.n_samples} samples)" for item in sets)
    if (rows == AMBIGUOUS).any():
        return GenotypeError(
            f"A sample id must stand for one sample of a genotype file: {files}",
            got=f"{name!r}, which stands for several",
            remedy="Write it as family and individual id, 'FID IID'",
        )
    if (rows == ABSENT).all():
        return GenotypeError(
            f"A sample id must be in one of the genotype files: {files}",
            got=f"{name!r}",
            remedy="Check the spelling (IID, 'FID IID' or FID_IID), or leave the cell empty "
            "where the genotypes are missing",
        )
    return None


def pool_dosages(
    sets: Sequence[GenotypeSet],
    rows: np.ndarray,
    alignments: Sequence[Alignment],
    *,
    n_jobs=None,
    verbose=False,
) -> np.ndarray:
    """Read the reference variants of every subject, whichever file has them.

    rows (n_sets, n_subjects) -> (n_subjects, n_variants).
    """
    tasks = [
        delayed(read_present)(item, own_rows, alignment)
        for item, own_rows, alignment in zip(sets, rows, alignments, strict=True)
    ]
    blocks = Parallel(n_jobs=n_jobs, prefer="threads", return_as="generator")(tasks)
    watched = show_progress(blocks, "genetics", "file", verbose, total=len(sets))
    return lay_over(watched, rows, alignments)


def pool_in_turn(
    sets: Sequence[GenotypeSet],
    rows: np.ndarray,
    alignments: Sequence[Alignment],
    places: Sequence[slice],
) -> Iterator[np.ndarray]:
    """Yield the dosages of the reference variants a piece at a time, each file in one go.

    rows (n_sets, n_subjects) -> each (n_subjects, n_variants of the piece).
    """
    parts = [[alignment.part(each) for each in places] for alignment in alignments]
    readers = [
        read_in_turn(item, own_rows, own_parts)
        for item, own_rows, own_parts in zip(sets, rows, parts, strict=True)
    ]
    for piece in zip(*parts, strict=True):
        yield lay_over(map(next, readers), rows, piece)


def lay_over(
    blocks: Iterable[np.ndarray], rows: np.ndarray, alignments: Sequence[Alignment]
) -> np.ndarray:
    """Return the dosages that several files give: where two have a call, of the earlier.

    each block (n_rows, n_present), rows (n_sets, n_subjects) -> (n_subjects, n_variants).
    """
    n_variants = len(alignments[0].columns)
    pooled = np.full((rows.shape[1], n_variants), np.nan, dtype=np.float32)
    for number, (block, own_rows, alignment) in enumerate(
        zip(blocks, rows, alignments, strict=True)
    ):
        place = np.ix_(own_rows >= 0, alignment.present)
        if number > 0:
            block = np.where(np.isnan(pooled[place]), block, pooled[place])
        pooled[place] = block
    return pooled


def read_present(genotypes: GenotypeSet, rows: np.ndarray, alignment: Alignment) -> np.ndarray:
    """Read the subjects and variants that one file has, counted as the reference counts."""
    return next(read_in_turn(genotypes, rows, [alignment]))


def read_in_turn(
    genotypes: GenotypeSet, rows: np.ndarray, alignments: Sequence[Alignment]
) -> Iterator[np.ndarray]:
    """Yield what one file has of the subjects and of one piece of the variants after the other."""
    known = rows[rows >= 0]
    wanted = [alignment.columns[alignment.present] for alignment in alignments]
    if not len(known) or not any(map(len, wanted)):
        yield from (np.empty((len(known), len(each)), dtype=np.float32) for each in wanted)
        return
    blocks = genotypes.dosages_in_turn(known, wanted)
    for dosages, alignment in zip(blocks, alignments, strict=True):
        yield orient_dosages(dosages, alignment.swapped[alignment.present])


def reference_variants(sets: Sequence[GenotypeSet]) -> pd.DataFrame:
    """Return the variants of several files, each with the alleles of the first that has it.

    -> (n_variants, 6).
    """
    tables: list[pd.DataFrame] = []
    seen: set[str] = set()
    for item in sets:
        table = item.variants.assign(origin=item.fingerprint)
        place = table["chromosome"] + ":" + table["position"].astype(str)
        place = place.where(table["position"] > 0, table["id"])
        tables.append(table[~place.isin(seen)])
        seen.update(place)
    return pd.concat(tables, ignore_index=True)
