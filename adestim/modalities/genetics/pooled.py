"""Several genotype files read as one: by chromosome, by array, by cohort."""

from __future__ import annotations

import os
from collections.abc import Sequence
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


def open_genotypes(paths) -> list[GenotypeSet]:
    """Open one genotype file, or several in the order in which they are searched."""
    if isinstance(paths, (str, os.PathLike)):
        paths = [paths]
    if not paths:
        raise GenotypeError("genotypes= names at least one file", got="an empty list")
    return [open_one(Path(path).expanduser()) for path in paths]


def open_one(path: Path) -> GenotypeSet:
    """Open one genotype file by its ending; one that has not changed is not read again."""
    is_vcf = path.name.endswith((".vcf", ".vcf.gz", ".vcf.bgz"))
    files = [path] if is_vcf else plink_files(path)
    return OPENED.open(files, partial(open_vcf if is_vcf else open_plink, path))


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
    n_variants = len(alignments[0].columns)
    pooled = np.full((rows.shape[1], n_variants), np.nan, dtype=np.float32)
    watched = show_progress(blocks, "genetics", "file", verbose, total=len(sets))
    for number, (block, own_rows, alignment) in enumerate(
        zip(watched, rows, alignments, strict=True)
    ):
        place = np.ix_(own_rows >= 0, alignment.present)
        if number > 0:
            block = np.where(np.isnan(pooled[place]), block, pooled[place])
        pooled[place] = block
    return pooled


def read_present(genotypes: GenotypeSet, rows: np.ndarray, alignment: Alignment) -> np.ndarray:
    """Read the subjects and variants that one file has, counted as the reference counts."""
    present, known = alignment.present, rows >= 0
    if not known.any() or not present.any():
        return np.empty((known.sum(), present.sum()), dtype=np.float32)
    dosages = genotypes.dosages(rows[known], alignment.columns[present])
    return orient_dosages(dosages, alignment.swapped[present])


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
