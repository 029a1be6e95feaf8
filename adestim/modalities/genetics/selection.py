"""Which variants become tokens: those asked for, or those that the training rows support."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from adestim.exceptions import GenotypeError
from adestim.modalities.genetics.apoe import APOE_SNPS
from adestim.modalities.genetics.genotypes import (
    AUTOSOMES,
    OTHER_CHROMOSOMES,
    UNKNOWN_ALLELE,
    GenotypeSet,
)
from adestim.modalities.genetics.harmonise import (
    NOT_ALIGNED,
    Alignment,
    align,
    count_alleles,
    pieces,
)
from adestim.modalities.genetics.left_out import LeftOut, keep_first_reasons, left_out_of_files
from adestim.modalities.genetics.pooled import pool_in_turn, reference_variants

N_SHOWN = 5
CHR_PREFIX = re.compile(r"^chr(?=[0-9XYM])")


class Rule(NamedTuple):
    """What a variant must meet to be chosen without being asked for."""

    min_maf: float
    min_call_rate: float
    max_snps: int | None


def candidates(sets: Sequence[GenotypeSet], requested: Sequence[str] | None) -> pd.DataFrame:
    """Return the variants that may be chosen, with the training set's alleles.

    Without a request these are the autosomal variants with two known alleles, each once, and
    not the two that make APOE, which has tokens of its own.
    """
    reference = reference_variants(sets)
    reference = reference.assign(alias=place_names(reference))
    if requested is not None:
        names = {spelling for name in requested for spelling in spellings(name)}
        return reference[reference["id"].isin(names) | reference["alias"].isin(names)]
    reference = reference[~reference["id"].isin(APOE_SNPS)]
    usable = ~np.logical_or.reduce(list(unusable(reference).values()))
    reference = reference[usable]
    return reference[~repeats(reference)]


def unusable(variants: pd.DataFrame) -> dict[str, pd.Series]:
    """Return by reason which variants are never chosen without a request."""
    known = (variants["counted"] != UNKNOWN_ALLELE) & (variants["other"] != UNKNOWN_ALLELE)
    chromosome = variants["chromosome"]
    return {
        "have no second allele in the file": ~known,
        "have twice the same allele": known & (variants["counted"] == variants["other"]),
        "lie on X, Y or MT": chromosome.isin(OTHER_CHROMOSOMES),
        "lie on none of the chromosomes 1 to 22, X, Y and MT": ~chromosome.isin(
            AUTOSOMES | OTHER_CHROMOSOMES
        ),
    }


def repeats(variants: pd.DataFrame) -> pd.Series:
    """Tell which variants have the place and the alleles of an earlier one."""
    alleles = np.sort(variants[["counted", "other"]].to_numpy(dtype=object), axis=1)
    keys = variants[["chromosome", "position"]].assign(first=alleles[:, 0], second=alleles[:, 1])
    keys["id"] = variants["id"].where(variants["position"] == 0, "")
    return keys.duplicated()


def count_unusable(sets: Sequence[GenotypeSet]) -> LeftOut:
    """Count by reason the variants of files that are never chosen without a request."""
    left_out = left_out_of_files(sets)
    reference = reference_variants(sets)
    reference = reference[~reference["id"].isin(APOE_SNPS)]
    conditions = unusable(reference)
    counted = keep_first_reasons(conditions)
    left_out.asked["lie on X, Y or MT"] += counted.pop("lie on X, Y or MT")
    left_out.unasked.update(counted)
    usable = reference[~np.logical_or.reduce(list(conditions.values()))]
    left_out.unasked["repeat an earlier variant"] += int(repeats(usable).sum())
    return left_out


def training_counts(
    reference: pd.DataFrame, sets: Sequence[GenotypeSet], rows: np.ndarray
) -> pd.DataFrame:
    """Return the variants with their allele frequency and calls over the training rows.

    rows (n_sets, n_subjects).
    """
    counted = reference.reset_index(drop=True).assign(frequency=np.nan, n_called=0)
    if len(sets) > 1:
        # The frequency where an allele pair was first seen settles its strand elsewhere.
        counted = add_counts(counted, sets, rows, [own_alignment(counted, item) for item in sets])
    return add_counts(counted, sets, rows, [align(counted, item) for item in sets])


def own_alignment(reference: pd.DataFrame, genotypes: GenotypeSet) -> Alignment:
    """Find those reference variants in a file whose alleles were taken from it."""
    own = np.flatnonzero(reference["origin"] == genotypes.fingerprint)
    found = align(reference.iloc[own], genotypes)
    columns = np.full(len(reference), NOT_ALIGNED, dtype=np.int64)
    columns[own] = found.columns
    return Alignment(columns, np.zeros(len(reference), dtype=bool))


def add_counts(
    reference: pd.DataFrame,
    sets: Sequence[GenotypeSet],
    rows: np.ndarray,
    alignments: Sequence[Alignment],
) -> pd.DataFrame:
    """Count alleles and calls in all files together, a piece of the variants at a time."""
    places = list(pieces(len(reference), rows.shape[1]))
    frequency, n_called = count_alleles(pool_in_turn(sets, rows, alignments, places))
    return reference.assign(frequency=frequency, n_called=n_called)


def select(counted: pd.DataFrame, n_subjects: int, rule: Rule) -> pd.DataFrame:
    """Choose variants by allele frequency and call rate, at most ``max_snps`` of them.

    Too many are thinned along the genome: in order of position they are cut into
    ``max_snps`` runs of equal length, and from each run the one with the highest call rate
    is kept (among equals the most common minor allele, then the first).
    """
    ranked = rank(counted, n_subjects)
    passing = (ranked["minor"] >= rule.min_maf) & (ranked["call_rate"] >= rule.min_call_rate)
    ranked = ranked[passing.to_numpy()]
    return sort_variants(thin_variants(sort_variants(ranked), rule.max_snps))[counted.columns]


def rank(counted: pd.DataFrame, n_subjects: int) -> pd.DataFrame:
    """Return the variants with their minor allele's frequency and their call rate."""
    frequency = counted["frequency"]
    minor = np.minimum(frequency, 1 - frequency)
    return counted.assign(minor=minor, call_rate=counted["n_called"] / max(1, n_subjects))


def count_failing(counted: pd.DataFrame, n_subjects: int, rule: Rule) -> dict[str, int]:
    """Count by reason the variants that do not pass, and those that are thinned out."""
    ranked = rank(counted, n_subjects)
    counts = keep_first_reasons(
        {
            "have no call in the training rows": ranked["n_called"] == 0,
            f"have a call rate below {rule.min_call_rate}": ranked["call_rate"]
            < rule.min_call_rate,
            "do not vary in the training rows": (ranked["minor"] == 0) & (rule.min_maf > 0),
            f"have a minor allele rarer than {rule.min_maf}": ranked["minor"] < rule.min_maf,
        }
    )
    n_passing = len(counted) - sum(counts.values())
    n_thinned = 0 if rule.max_snps is None else max(0, n_passing - rule.max_snps)
    return {**counts, f"exceed max_snps={rule.max_snps}": n_thinned}


def sort_variants(variants: pd.DataFrame) -> pd.DataFrame:
    """Sort by chromosome and position; variants without a position keep their order."""
    chromosome = pd.to_numeric(variants["chromosome"], errors="coerce").fillna(0)
    order = np.lexsort((variants["position"], chromosome))
    return variants.iloc[order].reset_index(drop=True)


def thin_variants(variants: pd.DataFrame, max_snps: int | None) -> pd.DataFrame:
    """Keep the best variant of each of ``max_snps`` runs."""
    if max_snps is None or len(variants) <= max_snps:
        return variants
    run = np.arange(len(variants)) * max_snps // len(variants)
    best_first = variants.assign(run=run).sort_values(
        ["run", "call_rate", "minor"], ascending=[True, False, False], kind="stable"
    )
    return best_first.drop_duplicates("run")


def keep_requested(
    counted: pd.DataFrame, requested: Sequence[str], absent: str, left_out: str = ""
) -> pd.DataFrame:
    """Return the asked variants in the order asked for."""
    names = list(dict.fromkeys(str(name) for name in requested))
    found = {
        name: counted[counted["id"].isin(spellings(name)) | counted["alias"].isin(spellings(name))]
        for name in names
    }
    lacking = [name for name in names if found[name].empty]
    if lacking and absent == "raise":
        raise GenotypeError(
            "Every SNP asked for in snps= must be in the genotypes of the training rows",
            got=f"{len(lacking)} that are not: {', '.join(lacking[:N_SHOWN])}"
            + (", ..." if len(lacking) > N_SHOWN else "")
            + (f"; of the files are left out: {left_out}" if left_out else ""),
            remedy="Leave them out of snps=, or pass absent='mask'",
        )
    tables = [found[name] if name not in lacking else placeholder(name) for name in names]
    chosen = pd.concat([counted.iloc[:0], *tables], ignore_index=True)
    return chosen[~chosen.duplicated(["id", "chromosome", "position", "counted", "other"])]


def placeholder(name: str) -> pd.DataFrame:
    """Return the row of a variant that the training set does not have."""
    return pd.DataFrame(
        {
            "id": [name],
            "chromosome": [""],
            "position": [0],
            "counted": [UNKNOWN_ALLELE],
            "other": [UNKNOWN_ALLELE],
            "origin": [""],
            "frequency": [np.nan],
            "n_called": [0],
            "alias": [""],
        }
    )


def spellings(name: str) -> list[str]:
    """Return a requested name with and without the chr that some put before a chromosome."""
    return list(dict.fromkeys([str(name).strip(), CHR_PREFIX.sub("", str(name).strip())]))


def place_names(variants: pd.DataFrame) -> pd.Series:
    """Return ``chromosome:position`` of every variant, empty where unknown."""
    names = variants["chromosome"] + ":" + variants["position"].astype(str)
    return names.where(variants["position"] > 0, "")


def token_names(variants: pd.DataFrame) -> list[str]:
    """Return one name a variant; alleles of one site are told apart by the counted allele."""
    shared = variants["id"].duplicated(keep=False)
    return variants["id"].where(~shared, variants["id"] + "_" + variants["counted"]).tolist()
