"""The variants of the simulated arrays.

Frequencies and effects of the alternate allele, positions in hg19: lead variants outside the
APOE region of Kunkle et al., Nature Genetics 51 (2019) 414 (Alzheimer's disease), and of Nalls
et al., Lancet Neurology 18 (2019) 1091 (Parkinson's disease; public part).
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd

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


@cache
def variant_table() -> pd.DataFrame:
    """Return all variants of the array but the APOE pair, by chromosome and position."""
    alzheimer = pd.DataFrame(ALZHEIMER, columns=COLUMNS).rename(columns={"log_odds": "ad"})
    parkinson = pd.DataFrame(PARKINSON, columns=COLUMNS).rename(columns={"log_odds": "pd"})
    marker = pd.DataFrame([BUILD_MARKER], columns=COLUMNS).drop(columns="log_odds")
    known = pd.concat([alzheimer, parkinson], ignore_index=True)
    table = pd.concat(
        [known, marker, tag_variants(known), neutral_variants()], ignore_index=True
    ).fillna({"ad": 0.0, "pd": 0.0, "tags": ""})
    return table.sort_values(["chromosome", "position"], ignore_index=True)


def tag_variants(known: pd.DataFrame) -> pd.DataFrame:
    """Return the neighbours of each known variant, linked with it."""
    tags = known.loc[known.index.repeat(N_TAGS)].reset_index(drop=True)
    place = np.arange(len(tags)) % N_TAGS + 1
    tags["tags"] = tags["id"]
    tags["position"] = tags["position"] + TAG_DISTANCE * place
    return named_by_place(tags.drop(columns=["ad", "pd"]))


def neutral_variants() -> pd.DataFrame:
    """Return variants that have nothing to do with anything; the same in every cohort."""
    draw = np.random.default_rng(NEUTRAL_SEED)
    bases = draw.permuted(np.tile(list("ACGT"), (N_NEUTRAL, 1)), axis=1)
    return named_by_place(
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


def named_by_place(table: pd.DataFrame) -> pd.DataFrame:
    """Give variants without a number of their own a name by chromosome and position."""
    places = zip(table["chromosome"], table["position"], strict=True)
    return table.assign(id=[f"sim{chromosome}_{position}" for chromosome, position in places])


def hg18_positions(variants: pd.DataFrame) -> pd.Series:
    """Return positions in hg18: true for the three build markers, imitated for the others."""
    shift = variants["chromosome"].map(HG18_SHIFT).fillna(HG18_SHIFT_ELSEWHERE)
    imitated = (variants["position"] + shift).astype(int)
    return variants["id"].map(HG18_POSITION).fillna(imitated).astype(int)
