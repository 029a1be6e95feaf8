"""APOE: the genotype in its many spellings, or from the two SNPs that make it."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from adestim._support.missing import NUMBER_WORDS
from adestim.encoding import is_missing
from adestim.exceptions import DataWarning, GenotypeError
from adestim.modalities.genetics.build import BUILDS, MARKERS
from adestim.modalities.genetics.genotypes import GenotypeSet, sample_name
from adestim.modalities.genetics.harmonise import align

APOE_SNPS = ("rs429358", "rs7412")
APOE_TOKENS = ("APOE_e2", "APOE_e4")
# The e is Latin or Greek; four code points are in use for it.
GENOTYPE = re.compile(
    r"(?:apo-?e[\s:_-]*)?[eεɛϵ]?\s*([234])\s*[/|,;_\s-]*\s*[eεɛϵ]?\s*([234])", re.IGNORECASE
)
# As VCF writes what was not called.
NO_GENOTYPE = NUMBER_WORDS | {".", "./."}
# Nobody has more than two alleles; a tenth is left for imputed dosages.
MAX_COPIES = 2.1
# Imputed dosages further apart than this round to different genotypes.
MAX_DIFFERENCE = 0.5


def is_no_genotype(cell: Any) -> bool:
    """Tell whether a cell says that a genotype is not known, in the words of tables or of VCF."""
    return is_missing(cell) or (isinstance(cell, str) and cell.strip() in NO_GENOTYPE)


def parse_apoe(text: Any) -> tuple[int, int] | None:
    """Read an APOE genotype.

    Parameters
    ----------
    text : str, int, float or None
        ``"3/4"``, ``"E3E4"``, ``"e3/e4"``, ``"ε3/ε4"``, ``"34"``, 34, 34.0 and the like.

    Returns
    -------
    (int, int) or None
        The two alleles, each 2, 3 or 4, the smaller first; None for a missing cell.

    Raises
    ------
    GenotypeError
        When the cell is something else.

    Examples
    --------
    >>> from adestim.modalities.genetics import parse_apoe
    >>> parse_apoe("E4/E3"), parse_apoe(22), parse_apoe(None)
    ((3, 4), (2, 2), None)
    """
    if is_no_genotype(text):
        return None
    match = GENOTYPE.fullmatch(sample_name(text))
    if match is None:
        raise GenotypeError(
            "An APOE genotype is two of the alleles 2, 3 and 4, such as '3/4', 'E3E4' or 34",
            got=f"a cell of {len(str(text))} character(s) that is none",
            remedy="Correct the cell, or leave it empty where APOE is not known",
        )
    first, second = sorted(int(allele) for allele in match.groups())
    return first, second


def apoe_counts(cell: Any) -> tuple[float, float]:
    """Return the numbers of e2 and e4 alleles in a cell; NaN where it is missing."""
    alleles = parse_apoe(cell)
    if alleles is None:
        return float("nan"), float("nan")
    return float(alleles.count(2)), float(alleles.count(4))


def apoe_reference(build: str | None) -> pd.DataFrame:
    """Return the two SNPs that make APOE as a reference for harmonising.

    Counted are C at rs429358, which e4 alone has, and T at rs7412, which e2 alone has.
    Where the build is not known they are found by name.
    """
    positions = [position_on(name, build) for name in APOE_SNPS]
    return pd.DataFrame(
        {
            "id": list(APOE_SNPS),
            "chromosome": ["19", "19"],
            "position": positions,
            "counted": ["C", "T"],
            "other": ["T", "C"],
            "frequency": np.nan,
            "n_called": 0,
            "origin": "",
        }
    )


def position_on(name: str, build: str | None) -> int:
    """Return the position of an APOE SNP on a build, 0 where the build is not known."""
    return MARKERS[name].positions[BUILDS.index(build)] if build else 0


def apoe_places(reference: pd.DataFrame | None, sets: Sequence[GenotypeSet]) -> tuple[int, ...]:
    """Return where rs429358 and rs7412 are in genotype files, 0 where in none of them.

    -> (int, int).
    """
    places = np.zeros(len(APOE_SNPS), dtype=np.int64)
    for item in sets if reference is not None else ():
        found = align(reference, item)
        here = item.variants["position"].to_numpy()[np.maximum(found.columns, 0)]
        places = np.where((places == 0) & found.present, here, places)
    return tuple(places.tolist())


def apoe_sites(places: Sequence[int]) -> pd.DataFrame:
    """Return the copies of e2 and e4 as variants: T at rs7412 and C at rs429358.

    A genotype of APOE is the genotypes of these two SNPs, so that it has DNA even where it was
    determined in a laboratory and no array measured them.

    -> (2, 5).
    """
    return pd.DataFrame(
        {
            "id": list(APOE_TOKENS),
            "chromosome": "19",
            "position": list(places)[::-1],
            "counted": ["T", "C"],
            "other": ["C", "T"],
        }
    )


def place_apoe(variants: pd.DataFrame, build: str | None) -> pd.DataFrame:
    """Return variants with the positions on a build of those of APOE that have none."""
    lost = variants["id"].isin(APOE_TOKENS) & (variants["position"] == 0)
    if not lost.any():
        return variants
    if build not in BUILDS:
        raise GenotypeError(
            "APOE is read at two places of chromosome 19, so the genome build must be known",
            got=f"build {build!r}",
            remedy=f"Pass backbone_params={{'build': ...}}, one of {', '.join(BUILDS)}",
        )
    on_build = {
        token: position_on(name, build)
        for token, name in zip(APOE_TOKENS, APOE_SNPS[::-1], strict=True)
    }
    return variants.assign(
        position=variants["position"].mask(lost, variants["id"].map(on_build)).astype(np.int64)
    )


def apoe_from_snps(dosages: np.ndarray) -> np.ndarray:
    """Return the copies of e2 and e4 from the two SNPs.

    e2 carries T-T at rs429358-rs7412, e3 T-C and e4 C-C, so C at rs429358 counts e4 and T at
    rs7412 counts e2. A double heterozygote is e2/e4; the other reading, e1/e3, is very rare.
    Combinations that need e1 are unknown.

    dosages (n_subjects, 2) -> (n_subjects, 2).

    .. [1] Corder et al. (1993), Gene dose of apolipoprotein E type 4 allele and the risk of
       Alzheimer's disease in late onset families, Science 261:921.
    """
    counts = dosages[:, ::-1].astype(np.float32)
    impossible = np.isnan(counts).any(axis=1) | (counts.sum(axis=1) > MAX_COPIES)
    return np.where(impossible[:, None], np.float32(np.nan), counts)


def merge_apoe(reported: np.ndarray, by_snps: np.ndarray) -> np.ndarray:
    """Return the reported copies of e2 and e4, and those by SNPs where none are reported.

    reported (n_subjects, 2), by_snps (n_subjects, 2) -> (n_subjects, 2).
    """
    n_discordant = int((np.abs(reported - by_snps) > MAX_DIFFERENCE).any(axis=1).sum())
    if n_discordant:
        warnings.warn(
            f"{n_discordant} subject(s) have another APOE genotype in the APOE column than by "
            "rs429358 and rs7412. The column is used.",
            DataWarning,
            stacklevel=2,
        )
    return np.where(np.isnan(reported), by_snps, reported).astype(np.float32)
