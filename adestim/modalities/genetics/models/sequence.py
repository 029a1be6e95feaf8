"""From SNPs to DNA: a window of the reference genome around each SNP, once with each allele."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from typing import NamedTuple

import numpy as np
import pandas as pd

from adestim.exceptions import DataWarning, GenotypeError
from adestim.modalities.genetics.genotypes import UNKNOWN_ALLELE
from adestim.modalities.genetics.harmonise import COMPLEMENT
from adestim.modalities.genetics.models.reference import ReferenceGenome, open_reference

BASES = frozenset("ACGT")
AMBIGUITY = {
    **{base: base for base in "ACGT"},
    "R": "AG", "Y": "CT", "S": "CG", "W": "AT", "K": "GT", "M": "AC",
    "B": "CGT", "D": "AGT", "H": "ACT", "V": "ACG",
}  # fmt: skip
TOKEN = 6
# Third letter of its token, so that changing the grid by one or two would not pass unseen.
PLACE_IN_TOKEN = 2
LONGEST = 5994
STRANDS = ("forward", "either")
ANSWERS = ("raise", "drop")
BUILDS = (None, "hg18", "hg19", "hg38")
OTHER_BUILD_SHARE = 0.1
N_SHOWN = 5

NO_SNP = "without two alleles of one letter each (indels, symbolic and unknown alleles)"
NO_PLACE = "without a position on a chromosome of the reference genome"
OVER_THE_END = "too near to an end of their chromosome for a whole window"
NO_BASES = "with other letters than A, C, G and T in their window of the reference genome"
MISMATCH = "of which the reference genome has neither allele"
UNCLEAR_STRAND = "of the alleles A/T or C/G in a table with both strands"


@dataclass(frozen=True)
class WindowSettings:
    """How windows are cut out of a reference genome."""

    reference: str | PathLike  # FASTA file of the genome build that the genotypes are on
    length: int = 72  # length of a window in base pairs, a multiple of 6 up to 5994
    # whether alleles are those of the forward strand, as in VCF; or may be their complements where
    # only these fit. In the latter case alleles hardly tell another build
    strand: str = "forward"
    # what becomes of variants that have no window: an error that names them, or a warning
    unusable: str = "raise"
    build: str | None = None  # genome build of the genotypes, where it is known


class AlleleWindows(NamedTuple):
    """Windows of DNA around variants."""

    kept: np.ndarray  # (n_variants,); which variants have windows
    # one window a kept variant, with the counted and with the other allele; empty for a variant
    # that was asked for and is nowhere
    counted: list[str]
    other: list[str]
    offset: int  # place of the variant in a window, from 0


class Site(NamedTuple):
    """One variant's window, its alleles on the forward strand; or why it has none."""

    window: str = ""
    alleles: tuple[str, str] = ("", "")
    flipped: bool = False
    problem: str = ""


def are_snps(variants: pd.DataFrame) -> np.ndarray:
    """Tell which variants have two different alleles of one letter each, shape (n_variants,)."""
    counted, other = variants["counted"], variants["other"]
    return (counted.isin(BASES) & other.isin(BASES) & (counted != other)).to_numpy(bool)


def allele_windows(variants: pd.DataFrame, settings: WindowSettings) -> AlleleWindows:
    """Cut the window around each variant, once with each allele.

    The variant stands at a fixed place of every window, so that with tokens of six letters it
    changes one token, the middle one, and always the same letter of it.

    variants (n_variants, n_columns).
    """
    check_settings(settings)
    offset = settings.length // TOKEN // 2 * TOKEN + PLACE_IN_TOKEN
    with open_reference(settings.reference) as genome:
        require_build(genome.build, settings)
        sites: list[Site] = [
            site_of(genome, row, offset, settings)
            for row in variants[["chromosome", "position", "counted", "other"]].itertuples(
                index=False, name=None
            )
        ]
    require_matching_build(sites, settings)
    sites = drop_unclear_strands(sites)
    settle_problems(variants["id"].tolist(), [site.problem for site in sites], settings.unusable)
    kept = [site for site in sites if not site.problem]
    counted = [put(site, 0, offset) for site in kept]
    other = [put(site, 1, offset) for site in kept]
    has_window = np.array([not site.problem for site in sites], dtype=bool)
    return AlleleWindows(has_window, counted, other, offset)


def check_settings(settings: WindowSettings) -> None:
    """Refuse options that make no window."""
    length = settings.length
    if not isinstance(length, int) or length % TOKEN or not TOKEN <= length <= LONGEST:
        raise GenotypeError(
            f"A window is a multiple of {TOKEN} base pairs long, at most {LONGEST}",
            got=repr(length),
            remedy="Pass backbone_params={'window': 72}",
        )
    for name, value, choices in (
        ("strand", settings.strand, STRANDS),
        ("unusable", settings.unusable, ANSWERS),
        ("build", settings.build, BUILDS),
    ):
        if value not in choices:
            raise GenotypeError(
                f"{name!r} in backbone_params must be one of {', '.join(map(repr, choices))}",
                got=repr(value),
                remedy=f"Leave it out for {choices[0]!r}",
            )


def require_build(found: str | None, settings: WindowSettings) -> None:
    """Refuse a reference genome that is known to be of another build than the genotypes."""
    if None not in (found, settings.build) and found != settings.build:
        raise GenotypeError(
            f"The reference genome must be of the genotypes' build, {settings.build}",
            got=f"{found}, by the lengths of its chromosomes",
            remedy=f"Pass a FASTA file of {settings.build}, or lift the genotypes over",
        )


def site_of(genome: ReferenceGenome, variant: tuple, offset: int, settings: WindowSettings) -> Site:
    """Cut one variant's window and read its alleles on the forward strand."""
    chromosome, position, counted, other = variant
    if counted == other == UNKNOWN_ALLELE:
        return Site()
    if not {counted, other} <= BASES or counted == other:
        return Site(problem=NO_SNP)
    if position <= 0 or chromosome not in genome.lengths:
        return Site(problem=NO_PLACE)
    start = int(position) - 1 - offset
    window = genome.fetch(chromosome, start, start + settings.length)
    if not window:
        return Site(problem=OVER_THE_END)
    return orient_site(window, (counted, other), offset, settings.strand)


def orient_site(window: str, alleles: tuple[str, str], offset: int, strand: str) -> Site:
    """Check a variant's alleles against the reference base and turn them where allowed."""
    reference = AMBIGUITY.get(window[offset], "")
    if not reference or not BASES.issuperset(window[:offset] + window[offset + 1 :]):
        return Site(problem=NO_BASES)
    if set(alleles) & set(reference):
        return Site(window, alleles)
    opposite = (COMPLEMENT[alleles[0]], COMPLEMENT[alleles[1]])
    if strand == "either" and set(opposite) & set(reference):
        return Site(window, opposite, flipped=True)
    return Site(problem=MISMATCH)


def drop_unclear_strands(sites: Sequence[Site]) -> list[Site]:
    """Take out A/T and C/G variants, which look alike on both strands, where both occur."""
    if not any(site.flipped for site in sites):
        return list(sites)
    return [
        Site(problem=UNCLEAR_STRAND)
        if site.window and COMPLEMENT[site.alleles[0]] == site.alleles[1]
        else site
        for site in sites
    ]


def require_matching_build(sites: Sequence[Site], settings: WindowSettings) -> None:
    """Refuse a reference genome that has other bases than the variants' alleles at many places."""
    n_other = sum(site.problem == MISMATCH for site in sites)
    n_checked = n_other + sum(bool(site.window) for site in sites)
    if n_other > OTHER_BUILD_SHARE * n_checked:
        raise GenotypeError(
            "The reference genome has one of a SNP's two alleles at its place, or else it is a "
            "FASTA of another build, or the alleles are of the other strand",
            got=f"neither allele at {n_other} of {n_checked} places ({n_other / n_checked:.0%})",
            remedy=f"Pass a FASTA file of {settings.build or 'the build of the genotypes'}; for "
            "alleles of both strands pass backbone_params={'strand': 'either'}",
        )


def settle_problems(names: Sequence[str], problems: Sequence[str], answer: str) -> None:
    """Raise an error that names the variants without a window, or warn."""
    found: Mapping[str, list[str]] = {problem: [] for problem in problems if problem}
    for name, problem in zip(names, problems, strict=True):
        if problem:
            found[problem].append(name)
    if not found:
        return
    text = "; ".join(
        f"{len(items)} {problem}: {', '.join(items[:N_SHOWN])}"
        + (", ..." if len(items) > N_SHOWN else "")
        for problem, items in found.items()
    )
    if answer == "raise" or all(problems):
        raise GenotypeError(
            "A DNA model reads SNPs that have a whole window in the reference genome",
            got=text,
            remedy="Leave them out of snps=, or pass backbone_params={'unusable': 'drop'}",
        )
    warnings.warn(f"Dropped SNPs without a window of DNA: {text}.", DataWarning, stacklevel=2)


def put(site: Site, which: int, offset: int) -> str:
    """Return a site's window with one of its alleles in place."""
    if not site.window:
        return ""
    return site.window[:offset] + site.alleles[which] + site.window[offset + 1 :]
