"""Counting the same allele on the same strand in every genotype file.

The training set's alleles are the reference. Another file may name them the other way round
(its dosages are then 2 minus the reference's) or on the complementary strand (A for T, C for G).
For the pairs A/T and C/G both look alike; only clearly different allele frequencies tell them
apart, and where they do not, the variant is masked.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from adestim.exceptions import DataWarning
from adestim.modalities.genetics.genotypes import UNKNOWN_ALLELE, GenotypeSet, digest_table

COMPLEMENT = {"A": "T", "T": "A", "C": "G", "G": "C", UNKNOWN_ALLELE: UNKNOWN_ALLELE}
NOT_ALIGNED = -1
BLOCK_VALUES = 2**24
# Alignments that are kept with an opened file, of references of at most as many variants.
MOST_REMEMBERED, LARGEST_REMEMBERED = 16, 2**14
# A frequency tells the strand when it is this far from one half, and by three standard errors.
CLEAR_MARGIN = 0.1
CLEAR_STANDARD_ERRORS = 3.0

SAME, SWAPPED, SAME_PALINDROMIC, SWAPPED_PALINDROMIC, INCOMPATIBLE = range(5)


@dataclass(frozen=True, eq=False)
class Alignment:
    """Where one file holds the reference variants, and which way round."""

    # (n_variants,); position in the file; -1 where the file has no usable variant
    columns: np.ndarray
    swapped: np.ndarray  # (n_variants,); whether the file counts the reference's other allele
    # variants whose alleles are others than the reference's, on either strand
    n_incompatible: int = 0
    n_unresolved: int = 0  # A/T and C/G variants whose strand the frequencies do not tell

    @property
    def present(self) -> np.ndarray:
        """True where the file has a usable variant, shape (n_variants,)."""
        return self.columns != NOT_ALIGNED

    def part(self, places: slice) -> Alignment:
        """Return the alignment of some of the variants."""
        return Alignment(self.columns[places], self.swapped[places])

    def beside(self, other: Alignment) -> Alignment:
        """Return the alignment of these variants and, after them, of others."""
        return Alignment(
            np.concatenate([self.columns, other.columns]),
            np.concatenate([self.swapped, other.swapped]),
        )


def align(reference: pd.DataFrame, genotypes: GenotypeSet) -> Alignment:
    """Find the reference variants in a file, once for a small reference and an opened file.

    reference (n_variants, n_columns).
    """
    if len(reference) > LARGEST_REMEMBERED:
        return find_variants(reference, genotypes)
    known, key = genotypes.alignments, (*reference.columns, digest_table(reference))
    found = known.get(key)
    if found is None:
        found = known[key] = find_variants(reference, genotypes)
        if len(known) > MOST_REMEMBERED:
            known.pop(next(iter(known)), None)
    return found


def find_variants(reference: pd.DataFrame, genotypes: GenotypeSet) -> Alignment:
    """Find the reference variants in a file.

    Variants are matched by chromosome and position, or by name where one of the two tables
    does not know the position; among several at one place the one whose alleles fit is taken.

    reference (n_variants, n_columns).

    .. [1] Winkler et al. (2014), Quality control and conduct of genome-wide association
       meta-analyses, Nature Protocols 9:1192, on strand and palindromic variants.
    """
    pairs = best_pairs(candidate_pairs(reference, genotypes.variants))
    columns = np.full(len(reference), NOT_ALIGNED, dtype=np.int64)
    swapped = np.zeros(len(reference), dtype=bool)
    places = pairs["place"].to_numpy()
    relation = resolve_relations(pairs, reference, genotypes)
    usable = (relation == SAME) | (relation == SWAPPED)
    columns[places[usable]] = pairs["column"].to_numpy()[usable]
    swapped[places[usable]] = relation[usable] == SWAPPED
    n_incompatible = int((relation == INCOMPATIBLE).sum())
    return Alignment(columns, swapped, n_incompatible, int((~usable).sum()) - n_incompatible)


def orient_dosages(dosages: np.ndarray, swapped: np.ndarray) -> np.ndarray:
    """Return dosages of the reference's counted allele."""
    if not swapped.any():
        return dosages
    return np.where(swapped, np.float32(2) - dosages, dosages)


def allele_frequency(dosages: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the counted allele's frequency (NaN without a call) and the number of calls.

    dosages (n_samples, n_variants) -> frequency (n_variants,), n_called (n_variants,).
    """
    n_called = (~np.isnan(dosages)).sum(axis=0)
    total = np.nansum(dosages, axis=0, dtype=np.float64)
    frequency = np.full(len(n_called), np.nan)
    return np.divide(total, 2 * n_called, out=frequency, where=n_called > 0), n_called


def warn_of_masked(alignments: dict[str, Alignment]) -> None:
    """Say how many variants of which file are masked because of their alleles."""
    for path, alignment in alignments.items():
        if alignment.n_incompatible or alignment.n_unresolved:
            warnings.warn(
                f"{path}: {alignment.n_incompatible} variant(s) have other alleles than in the "
                f"training set, and {alignment.n_unresolved} A/T or C/G variant(s) have allele "
                "frequencies that do not tell the strand. They are masked for its samples.",
                DataWarning,
                stacklevel=2,
            )


def candidate_pairs(reference: pd.DataFrame, variants: pd.DataFrame) -> pd.DataFrame:
    """Return every pair of a reference variant and a variant of the file at the same place."""
    left = reference.assign(place=np.arange(len(reference)))[has_alleles(reference)]
    here = variants["position"]
    near = known_rows(variants, here.isin(left["position"]) & (here > 0))
    by_place = left.merge(near, on=["chromosome", "position"], suffixes=("", "_file"))
    named = known_rows(variants, variants["id"].isin(left["id"]))
    by_name = left.merge(named, on="id", suffixes=("", "_file"))
    unplaced = (by_name["position"] == 0) | (by_name["position_file"] == 0)
    pairs = pd.concat([by_place, by_name[unplaced]], ignore_index=True)
    return pairs.assign(relation=allele_relation(pairs))


def known_rows(variants: pd.DataFrame, chosen: pd.Series) -> pd.DataFrame:
    """Return the chosen variants that name an allele, with their places in the file."""
    columns = np.flatnonzero(chosen)
    part = variants.iloc[columns].assign(column=columns)
    return part[has_alleles(part)]


def has_alleles(variants: pd.DataFrame) -> pd.Series:
    """Tell which variants name at least one allele."""
    return (variants["counted"] != UNKNOWN_ALLELE) | (variants["other"] != UNKNOWN_ALLELE)


def best_pairs(pairs: pd.DataFrame) -> pd.DataFrame:
    """Keep, for every reference variant, the pair whose alleles fit best."""
    return pairs.sort_values(["place", "relation"], kind="stable").drop_duplicates("place")


def allele_relation(pairs: pd.DataFrame) -> np.ndarray:
    """Tell for every pair how the file names the reference's alleles, shape (n_pairs,)."""
    ours = (pairs["counted"], pairs["other"])
    theirs = (pairs["counted_file"], pairs["other_file"])
    opposite = tuple(alleles.map(COMPLEMENT) for alleles in theirs)
    same, swapped = fit_alleles(ours, theirs), fit_alleles(ours, theirs[::-1])
    flipped, both = fit_alleles(ours, opposite), fit_alleles(ours, opposite[::-1])
    ambiguous = (same | flipped) & (swapped | both)
    return np.select(
        [ambiguous & same, ambiguous & swapped, same | flipped, swapped | both],
        [SAME_PALINDROMIC, SWAPPED_PALINDROMIC, SAME, SWAPPED],
        INCOMPATIBLE,
    )


def fit_alleles(ours, theirs) -> np.ndarray:
    """Tell where two pairs of alleles agree; one that a monomorphic file left out fits any."""
    fits = np.ones(len(ours[0]), dtype=bool)
    for mine, yours in zip(ours, theirs, strict=True):
        unknown = (mine == UNKNOWN_ALLELE) | (yours == UNKNOWN_ALLELE)
        fits &= ((mine == yours) | unknown).to_numpy()
    return fits


def resolve_relations(
    pairs: pd.DataFrame, reference: pd.DataFrame, genotypes: GenotypeSet
) -> np.ndarray:
    """Return the relations, palindromic ones settled where frequencies are clear.

    In the file that the reference was taken from, names mean what they say.
    """
    relation = pairs["relation"].to_numpy().copy()
    own = (pairs["origin"] == genotypes.fingerprint).to_numpy()
    relation[own & (relation == SAME_PALINDROMIC)] = SAME
    open_ = np.isin(relation, (SAME_PALINDROMIC, SWAPPED_PALINDROMIC))
    if open_.any():
        pending = pairs[open_]
        theirs = clear_side(*file_frequency(genotypes, pending["column"].to_numpy()))
        known = reference.iloc[pending["place"]]
        ours = clear_side(known["frequency"].to_numpy(), known["n_called"].to_numpy())
        settled = np.where(ours == theirs, SAME, SWAPPED)
        relation[open_] = np.where(ours * theirs == 0, relation[open_], settled)
    return relation


def file_frequency(genotypes: GenotypeSet, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the frequencies over all samples of a file, which do not depend on who is asked."""
    everybody = np.arange(genotypes.n_samples)
    order = np.argsort(columns, kind="stable")
    parts = [columns[order[places]] for places in pieces(len(columns), len(everybody))]
    blocks = genotypes.dosages_in_turn(everybody, parts)
    frequency, n_called = count_alleles(blocks)
    back = np.argsort(order, kind="stable")
    return frequency[back], n_called[back]


def count_alleles(blocks: Iterable[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Return the counted alleles' frequencies and the numbers of calls, piece after piece.

    each block (n_samples, n_variants of the piece) -> two of (n_variants,).
    """
    counts = [allele_frequency(block) for block in blocks]
    frequency, n_called = (np.concatenate(values) for values in zip(*counts, strict=True))
    return frequency, n_called


def pieces(n_variants: int, n_samples: int) -> Iterator[slice]:
    """Cut variants into pieces whose dosages fit into memory; at least one piece."""
    size = max(1, BLOCK_VALUES // max(1, n_samples))
    for start in range(0, max(1, n_variants), size):
        yield slice(start, start + size)


def clear_side(frequency: np.ndarray, n_called: np.ndarray) -> np.ndarray:
    """Return +1 where the counted allele is clearly the major one, -1 the minor one, else 0."""
    standard_error = np.sqrt(0.25 / np.maximum(2 * n_called, 1))
    margin = np.maximum(CLEAR_MARGIN, CLEAR_STANDARD_ERRORS * standard_error)
    distance = np.nan_to_num(frequency - 0.5)
    return np.where(np.abs(distance) > margin, np.sign(distance), 0).astype(int)
