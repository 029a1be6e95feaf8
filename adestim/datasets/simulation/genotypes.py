"""Genotypes: drawn given the diagnosis, weighed as evidence for it, written as PLINK files.

Frequencies and effects of the alternate allele, positions in hg19: lead variants outside the
APOE region of Kunkle et al., Nature Genetics 51 (2019) 414 (Alzheimer's disease), and of Nalls
et al., Lancet Neurology 18 (2019) 1091 (Parkinson's disease; public part).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import expit, logit
from scipy.stats import binom

from adestim.datasets.simulation.latent import Latent
from adestim.datasets.simulation.tasks import APOE, Task
from adestim.datasets.simulation.write_bids import replace_file

COLUMNS = ("id", "chromosome", "position", "reference", "alternate", "frequency", "log_odds")
ALZHEIMER = (
    ("rs679515", 1, 207750568, "T", "C", 0.8126, -0.1508),
    ("rs6733839", 2, 127892810, "C", "T", 0.4067, 0.1693),
    ("rs34665982", 6, 32560306, "T", "C", 0.5213, -0.0967),
    ("rs114812713", 6, 41034000, "G", "C", 0.0301, 0.2980),
    ("rs1385742", 6, 47595155, "A", "T", 0.6344, -0.0876),
    ("rs11767557", 7, 143109139, "T", "C", 0.1968, -0.1028),
    ("rs73223431", 8, 27219987, "C", "T", 0.3669, 0.0936),
    ("rs867230", 8, 27468503, "C", "A", 0.6029, 0.1333),
    ("rs12416487", 10, 11721057, "A", "T", 0.6519, 0.0850),
    ("rs3740688", 11, 47380340, "G", "T", 0.5524, 0.0935),
    ("rs1582763", 11, 60021948, "G", "A", 0.3729, -0.1232),
    ("rs3851179", 11, 85868640, "T", "C", 0.6410, 0.1198),
    ("rs11218343", 11, 121435587, "T", "C", 0.0401, -0.2053),
    ("rs12590654", 14, 92938855, "G", "A", 0.3353, -0.0906),
    ("rs12151021", 19, 1050874, "A", "G", 0.6753, -0.1071),
)
PARKINSON = (
    ("rs35749011", 1, 155135036, "G", "A", 0.0191, 0.7508),
    ("rs823106", 1, 205656453, "G", "C", 0.8488, -0.1492),
    ("rs4488803", 3, 58218352, "G", "A", 0.3746, -0.1136),
    ("rs34311866", 4, 951947, "T", "C", 0.1958, 0.2272),
    ("rs4698412", 4, 15737348, "G", "A", 0.5530, 0.1258),
    ("rs7695720", 4, 77183300, "A", "C", 0.2091, -0.1255),
    ("rs356203", 4, 90666041, "C", "T", 0.6169, -0.2398),
    ("rs75646569", 5, 60345424, "T", "G", 0.1117, 0.1916),
    ("rs35265698", 6, 32561334, "C", "G", 0.1547, -0.2000),
    ("rs858295", 7, 23245569, "A", "G", 0.3947, -0.1039),
    ("rs620490", 8, 16697579, "T", "G", 0.2762, -0.1174),
    ("rs144814361", 10, 121410917, "C", "T", 0.0174, 0.4411),
)
# The counted alleles of the two APOE variants make e4 and e2.
APOE_VARIANTS = (
    ("rs429358", 19, 45411941, "T", "C"),
    ("rs7412", 19, 45412079, "C", "T"),
)
BUILD_MARKER = ("rs3094315", 1, 752566, "G", "A", 0.84, 0.0)
HG18_POSITION = {"rs3094315": 742429, "rs429358": 50103781, "rs7412": 50103919}
# Elsewhere hg18 is imitated: one shift a chromosome, in base pairs.
HG18_SHIFT = {19: 4691840}
HG18_SHIFT_ELSEWHERE = -10137

N_TAGS = 2
N_NEUTRAL = 40
TAG_DISTANCE = 4000
NEUTRAL_SEED = 8271


MISSING_CALLS = 0.01
LINKAGE = 0.85
# Two bits a sample, by the number of copies of the first allele; last, no call.
BED_CODE = np.array([3, 2, 0, 1], dtype=np.uint8)
BED_MAGIC = bytes([0x6C, 0x1B, 0x01])


@cache
def build_variant_table() -> pd.DataFrame:
    """Return all variants of the array but the APOE pair, by chromosome and position."""
    alzheimer = pd.DataFrame(ALZHEIMER, columns=COLUMNS).rename(columns={"log_odds": "ad"})
    parkinson = pd.DataFrame(PARKINSON, columns=COLUMNS).rename(columns={"log_odds": "pd"})
    marker = pd.DataFrame([BUILD_MARKER], columns=COLUMNS).drop(columns="log_odds")
    known = pd.concat([alzheimer, parkinson], ignore_index=True)
    table = pd.concat(
        [known, marker, make_tag_variants(known), draw_neutral_variants()], ignore_index=True
    ).fillna({"ad": 0.0, "pd": 0.0, "tags": ""})
    return table.sort_values(["chromosome", "position"], ignore_index=True)


def make_tag_variants(known: pd.DataFrame) -> pd.DataFrame:
    """Return the neighbours of each known variant, linked with it."""
    tags = known.loc[known.index.repeat(N_TAGS)].reset_index(drop=True)
    place = np.arange(len(tags)) % N_TAGS + 1
    tags["tags"] = tags["id"]
    tags["position"] = tags["position"] + TAG_DISTANCE * place
    return name_by_place(tags.drop(columns=["ad", "pd"]))


def draw_neutral_variants() -> pd.DataFrame:
    """Return variants that have nothing to do with anything; the same in every cohort."""
    draw = np.random.default_rng(NEUTRAL_SEED)
    bases = draw.permuted(np.tile(list("ACGT"), (N_NEUTRAL, 1)), axis=1)
    return name_by_place(
        pd.DataFrame(
            {
                "chromosome": draw.integers(1, 23, N_NEUTRAL),
                "position": draw.integers(5_000_000, 30_000_000, N_NEUTRAL),
                "reference": bases[:, 0],
                "alternate": bases[:, 1],
                "frequency": draw.beta(1.0, 2.0, N_NEUTRAL) * 0.45 + 0.05,
            }
        )
    )


def name_by_place(table: pd.DataFrame) -> pd.DataFrame:
    """Give variants without a number of their own a name by chromosome and position."""
    places = zip(table["chromosome"], table["position"], strict=True)
    return table.assign(id=[f"sim{chromosome}_{position}" for chromosome, position in places])


def shift_to_hg18(variants: pd.DataFrame) -> pd.Series:
    """Return positions in hg18: true for the three build markers, imitated for the others."""
    shift = variants["chromosome"].map(HG18_SHIFT).fillna(HG18_SHIFT_ELSEWHERE)
    imitated = (variants["position"] + shift).astype(int)
    return variants["id"].map(HG18_POSITION).fillna(imitated).astype(int)


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
    table = build_variant_table()
    frequencies = shift_frequencies(task, table)
    first = draw_haplotype(table, frequencies[latent.y], random_state)
    second = draw_haplotype(table, frequencies[latent.y], random_state)
    dosages = np.column_stack([first + second, count_apoe_alleles(latent.apoe)]).astype(np.int8)
    called = random_state.random(dosages.shape) >= MISSING_CALLS
    called[:, -len(APOE_VARIANTS) :] = True
    apoe = pd.DataFrame(APOE_VARIANTS, columns=list(table.columns[:5]))
    return Genotypes(
        variants=pd.concat([table, apoe], ignore_index=True),
        dosages=dosages,
        called=called,
        evidence=weigh_variants(table, frequencies, first + second),
    )


def shift_frequencies(task: Task, table: pd.DataFrame) -> np.ndarray:
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


def count_apoe_alleles(apoe: np.ndarray) -> np.ndarray:
    """Return the copies of e4 and of e2, shape (n_subjects, 2)."""
    copies = [[genotype.count(allele) for allele in "42"] for genotype in APOE]
    return np.array(copies)[apoe]


def weigh_variants(table: pd.DataFrame, frequencies: np.ndarray, dosages: np.ndarray) -> np.ndarray:
    """Weigh the known variants; linked ones add nothing once these are known."""
    own = np.flatnonzero(table["tags"] == "")
    first, second = (binom.logpmf(dosages[:, own], 2, group[own]) for group in frequencies)
    return (second - first).sum(axis=1)


def tabulate_dosages(genotypes: Genotypes, present: np.ndarray, index: pd.Index) -> pd.DataFrame:
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
        variants["position"] = shift_to_hg18(variants)
    order = variants.sort_values(["chromosome", "position"]).index.to_numpy()
    flipped = swapped & (np.arange(len(order)) % 3 == 0)
    calls = np.where(genotypes.called, genotypes.dosages, -1)[np.ix_(rows, order)].T
    calls[flipped] = np.where(calls[flipped] < 0, -1, 2 - calls[flipped])
    replace_file(prefix.with_suffix(".bed"), pack_calls(calls))
    replace_file(prefix.with_suffix(".bim"), format_bim(variants.loc[order], flipped))
    replace_file(prefix.with_suffix(".fam"), format_fam(subjects.iloc[rows]))


def pack_calls(calls: np.ndarray) -> bytes:
    """Pack calls (-1, 0, 1, 2 copies of the first allele), shape (n_variants, n_samples)."""
    codes = BED_CODE[calls]
    codes = np.pad(codes, ((0, 0), (0, -codes.shape[1] % 4)))
    quartets = codes.reshape(len(codes), -1, 4) << np.array([0, 2, 4, 6], dtype=np.uint8)
    return BED_MAGIC + quartets.sum(axis=2).astype(np.uint8).tobytes()


def format_bim(variants: pd.DataFrame, flipped: np.ndarray) -> str:
    """Return the table of variants; the first allele is the counted one."""
    first = np.where(flipped, variants["reference"], variants["alternate"])
    second = np.where(flipped, variants["alternate"], variants["reference"])
    table = variants[["chromosome", "id"]].assign(
        morgans=0, position=variants["position"], first=first, second=second
    )
    return table.to_csv(sep="\t", header=False, index=False, lineterminator="\n")


def format_fam(subjects: pd.DataFrame) -> str:
    """Return the table of samples; the diagnosis is left out (-9)."""
    sexes = np.where(subjects["female"], 2, 1)
    lines = [
        f"{name}\t{name}\t0\t0\t{sex}\t-9\n"
        for name, sex in zip(subjects.index, sexes, strict=True)
    ]
    return "".join(lines)
