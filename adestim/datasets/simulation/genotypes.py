"""Genotypes: drawn given the diagnosis, weighed as evidence for it, written as PLINK files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import expit, logit
from scipy.stats import binom

from adestim.datasets.simulation.groups import APOE, Task
from adestim.datasets.simulation.latent import Latent
from adestim.datasets.simulation.variants import APOE_VARIANTS, hg18_positions, variant_table
from adestim.datasets.simulation.write_files import replace_file

MISSING_CALLS = 0.01
LINKAGE = 0.85
# Two bits a sample, by the number of copies of the first allele; last, no call.
BED_CODE = np.array([3, 2, 0, 1], dtype=np.uint8)
BED_MAGIC = bytes([0x6C, 0x1B, 0x01])


@dataclass(frozen=True, eq=False)
class Genotypes:
    """Genotypes of everybody."""

    variants: pd.DataFrame  # (n_variants, ...); see ``variant_table``; the APOE pair is last
    dosages: np.ndarray  # (n_subjects, n_variants); copies of the alternate allele, all known
    called: np.ndarray  # (n_subjects, n_variants); where the array made a call
    # (n_subjects,); log-likelihood ratio of the second group against the first, APOE not counted
    evidence: np.ndarray


def draw_genotypes(task: Task, latent: Latent, random_state: np.random.Generator) -> Genotypes:
    """Draw Hardy-Weinberg genotypes in each group, with linkage blocks around known variants."""
    table = variant_table()
    frequencies = group_frequencies(task, table)
    first = draw_haplotype(table, frequencies[latent.y], random_state)
    second = draw_haplotype(table, frequencies[latent.y], random_state)
    dosages = np.column_stack([first + second, apoe_dosages(latent.apoe)]).astype(np.int8)
    called = random_state.random(dosages.shape) >= MISSING_CALLS
    called[:, -len(APOE_VARIANTS) :] = True
    apoe = pd.DataFrame(APOE_VARIANTS, columns=list(table.columns[:5]))
    return Genotypes(
        variants=pd.concat([table, apoe], ignore_index=True),
        dosages=dosages,
        called=called,
        evidence=snp_evidence(table, frequencies, first + second),
    )


def group_frequencies(task: Task, table: pd.DataFrame) -> np.ndarray:
    """Return the frequency of every alternate allele in both groups, shape (2, n_variants)."""
    effects = np.array([group.snp_effect for group in task.groups])[:, None]
    return expit(logit(table["frequency"].to_numpy()) + effects * table[task.disease].to_numpy())


def draw_haplotype(
    table: pd.DataFrame, frequencies: np.ndarray, random_state: np.random.Generator
) -> np.ndarray:
    """Draw one haplotype a subject; a tag copies its variant as often as they are linked."""
    alleles = random_state.random(frequencies.shape) < frequencies
    tagging = np.flatnonzero(table["tags"] != "")
    place_of = pd.Series(table.index, index=table["id"])
    tagged = place_of[table["tags"].iloc[tagging]].to_numpy()
    copied = random_state.random((len(alleles), len(tagging))) < LINKAGE
    alleles[:, tagging] = np.where(copied, alleles[:, tagged], alleles[:, tagging])
    return alleles.astype(np.int8)


def apoe_dosages(apoe: np.ndarray) -> np.ndarray:
    """Return the copies of e4 and of e2, shape (n_subjects, 2)."""
    copies = [[genotype.count(allele) for allele in "42"] for genotype in APOE]
    return np.array(copies)[apoe]


def snp_evidence(table: pd.DataFrame, frequencies: np.ndarray, dosages: np.ndarray) -> np.ndarray:
    """Weigh the known variants; linked ones add nothing once these are known."""
    own = np.flatnonzero(table["tags"] == "")
    first, second = (binom.logpmf(dosages[:, own], 2, group[own]) for group in frequencies)
    return (second - first).sum(axis=1)


def dosage_columns(genotypes: Genotypes, present: np.ndarray, index: pd.Index) -> pd.DataFrame:
    """Return one numeric column a variant; NaN without a call or without an array."""
    known = genotypes.called & present[:, None]
    values = np.where(known, genotypes.dosages, np.nan).astype(np.float32)
    return pd.DataFrame(values, index=index, columns=list(genotypes.variants["id"]))


def write_plink(
    prefix: Path,
    genotypes: Genotypes,
    subjects: pd.DataFrame,
    rows: np.ndarray,
    *,
    build: str,
    swapped: bool,
) -> None:
    """Write a PLINK 1 file set, variants in the order of the genome."""
    variants = genotypes.variants.copy()
    if build == "hg18":
        variants["position"] = hg18_positions(variants)
    order = variants.sort_values(["chromosome", "position"]).index.to_numpy()
    flipped = swapped & (np.arange(len(order)) % 3 == 0)
    calls = np.where(genotypes.called, genotypes.dosages, -1)[np.ix_(rows, order)].T
    calls[flipped] = np.where(calls[flipped] < 0, -1, 2 - calls[flipped])
    replace_file(prefix.with_suffix(".bed"), bed_bytes(calls))
    replace_file(prefix.with_suffix(".bim"), bim_text(variants.loc[order], flipped))
    replace_file(prefix.with_suffix(".fam"), fam_text(subjects.iloc[rows]))


def bed_bytes(calls: np.ndarray) -> bytes:
    """Pack calls (-1, 0, 1, 2 copies of the first allele), shape (n_variants, n_samples)."""
    codes = BED_CODE[calls]
    codes = np.pad(codes, ((0, 0), (0, -codes.shape[1] % 4)))
    quartets = codes.reshape(len(codes), -1, 4) << np.array([0, 2, 4, 6], dtype=np.uint8)
    return BED_MAGIC + quartets.sum(axis=2).astype(np.uint8).tobytes()


def bim_text(variants: pd.DataFrame, flipped: np.ndarray) -> str:
    """Return the table of variants; the first allele is the counted one."""
    first = np.where(flipped, variants["reference"], variants["alternate"])
    second = np.where(flipped, variants["alternate"], variants["reference"])
    table = variants[["chromosome", "id"]].assign(
        morgans=0, position=variants["position"], first=first, second=second
    )
    return table.to_csv(sep="\t", header=False, index=False, lineterminator="\n")


def fam_text(subjects: pd.DataFrame) -> str:
    """Return the table of samples; the diagnosis is left out (-9)."""
    sexes = np.where(subjects["female"], 2, 1)
    lines = [
        f"{name}\t{name}\t0\t0\t{sex}\t-9\n"
        for name, sex in zip(subjects.index, sexes, strict=True)
    ]
    return "".join(lines)
