"""What the extractor reads of its cells and files, and what it says where that cannot be used."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from adestim.exceptions import AdestimError, DataWarning, GenotypeError, NoModalityError
from adestim.extraction.prepared import Prepared
from adestim.modalities.genetics.apoe import apoe_from_snps
from adestim.modalities.genetics.columns import Cells, ColumnRoles, column_label
from adestim.modalities.genetics.dosage import dosage_tokens
from adestim.modalities.genetics.genotypes import UNKNOWN_ALLELE, GenotypeSet
from adestim.modalities.genetics.harmonise import align, warn_of_masked
from adestim.modalities.genetics.models.mixing import PreparedGenotypes
from adestim.modalities.genetics.pooled import locate, pool_dosages, sample_error


class Read(NamedTuple):
    """What was read of all subjects."""

    dosages: np.ndarray  # (n_subjects, n_snps); NaN where there is no call
    apoe: np.ndarray  # (n_subjects, 2); copies of e2 and e4 by the two SNPs, NaN where not known
    errors: dict[int, GenotypeError]  # what is wrong with a row


def sample_errors(
    sets: Sequence[GenotypeSet], rows: np.ndarray, names: Sequence[str | None]
) -> dict[int, GenotypeError]:
    """Return what is wrong with the sample ids, by row."""
    errors = {
        number: sample_error(sets, rows[:, number], name)
        for number, name in enumerate(names)
        if name is not None
    }
    return {number: error for number, error in errors.items() if error is not None}


def read_columns(
    frame: pd.DataFrame,
    cells: Cells,
    columns: ColumnRoles,
    variants: pd.DataFrame,
    apoe_snps: tuple[list[str], np.ndarray] | None,
) -> Read:
    """Read the chosen SNPs from columns of dosages.

    apoe_snps (list of str, ndarray of bool).
    """
    labels = [column_label(frame.columns[place]) for place in columns.dosages]
    chosen = dosages_of_columns(cells.dosages, labels, variants["id"])
    apoe = np.full((len(frame), 2), np.nan, dtype=np.float32)
    if apoe_snps is not None:
        names, swapped = apoe_snps
        snps = dosages_of_columns(cells.dosages, labels, names)
        apoe = apoe_from_snps(np.where(swapped, 2 - snps, snps))
    return Read(chosen, apoe, cells.errors)


def read_files(
    sets: Sequence[GenotypeSet],
    cells: Cells,
    variants: pd.DataFrame,
    apoe_snps: pd.DataFrame | None,
    n_jobs: int | None = None,
    verbose: bool = False,
) -> Read:
    """Read the chosen SNPs from genotype files."""
    rows = locate(sets, cells.names)
    alignments = [align(variants, item) for item in sets]
    paths = [str(item.path) for item in sets]
    warn_of_masked(dict(zip(paths, alignments, strict=True)))
    warn_of_absent_variants(variants, np.any([item.present for item in alignments], axis=0))
    errors = cells.errors | sample_errors(sets, rows, cells.names)
    if apoe_snps is not None:
        # Every file is passed once for both.
        alignments = [
            alignment.beside(align(apoe_snps, item))
            for alignment, item in zip(alignments, sets, strict=True)
        ]
    dosages = pool_dosages(sets, rows, alignments, n_jobs=n_jobs, verbose=verbose)
    dosages, snps = dosages[:, : len(variants)], dosages[:, len(variants) :]
    unknown = np.full((len(dosages), 2), np.nan, dtype=np.float32)
    return Read(dosages, unknown if apoe_snps is None else apoe_from_snps(snps), errors)


def prepare_dosages(dosages: np.ndarray) -> list[Prepared | None]:
    """Return every subject's dosages as tokens, None without a call."""
    return [
        Prepared(table, mask) if mask.any() else None
        for table, mask in zip(*dosage_tokens(dosages), strict=True)
    ]


def merge_errors(
    prepared: Sequence[Prepared | PreparedGenotypes | None],
    errors: dict[int, GenotypeError],
    index: pd.Index,
) -> list[Prepared | PreparedGenotypes | AdestimError | None]:
    """Return every subject's input, None without a call, or what is wrong with the cells."""
    results: list = list(prepared)
    for row, error in errors.items():
        results[row] = error.about(index[row])
    return results


def dosages_of_columns(dosages: np.ndarray, labels: list[str], wanted) -> np.ndarray:
    """Return the wanted columns of dosages, NaN for one that the table does not have."""
    found = pd.Index(labels, dtype=str).get_indexer(pd.Index(wanted, dtype=str))
    chosen = dosages[:, np.maximum(found, 0)] if labels else np.empty((len(dosages), len(found)))
    return np.where(found >= 0, chosen, np.float32(np.nan))


def require_samples(any_sample: bool) -> None:
    """Refuse to learn SNPs from training rows without genotypes."""
    if not any_sample:
        raise NoModalityError(
            "Modality 'genetics' needs a training subject whose sample id is in the genotype files",
            remedy="Drop its column, or train on a fold in which somebody has genotypes",
        )


def warn_of_absent_variants(variants: pd.DataFrame, present: np.ndarray) -> None:
    """Say how many SNPs of the training set none of the files can give."""
    learned = (variants["counted"] != UNKNOWN_ALLELE) | (variants["other"] != UNKNOWN_ALLELE)
    n_absent = int((learned & ~present).sum())
    if n_absent:
        warnings.warn(
            f"{n_absent} of {len(variants)} SNPs learned from the training set are in none of the "
            "genotype files, or not with its alleles. They are masked.",
            DataWarning,
            stacklevel=2,
        )
