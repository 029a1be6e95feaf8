"""Variants that are not used, counted by the reason, and what is said of them."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from adestim.exceptions import DataWarning, GenotypeError
from adestim.modalities.genetics.genotypes import GenotypeSet

# Most reasons that a message tells, the commonest first.
N_SHOWN = 8


class LeftOut:
    """How many variants are left out for which reason; some reasons nobody asked for."""

    def __init__(
        self, unasked: Mapping[str, int] | None = None, kept: Mapping[str, int] | None = None
    ):
        self.asked: Counter[str] = Counter()
        self.unasked: Counter[str] = Counter(unasked or {})
        # Variants that are not left out, by what is said of them.
        self.kept: Counter[str] = Counter(kept or {})

    @property
    def counts(self) -> dict[str, int]:
        """All reasons that hold for a variant, with their numbers of variants."""
        both = (*self.unasked.most_common(), *self.asked.most_common())
        return {reason: number for reason, number in both if number}

    def tell(self) -> str:
        """Say how many variants are left out, and why; nothing where there are none."""
        return list_counts(self.counts)


def list_counts(counts: Mapping[str, int]) -> str:
    """Return numbers with what they are of, in words; the last of many together."""
    items = list(counts.items())
    told = "; ".join(f"{number} {reason}" for reason, number in items[:N_SHOWN])
    rest = sum(number for _, number in items[N_SHOWN:])
    return told + (f"; {rest} for other reasons" if rest else "")


def left_out_of_files(sets: Sequence[GenotypeSet]) -> LeftOut:
    """Return what readers have left out of several files."""
    total = LeftOut()
    for item in sets:
        total.unasked.update(item.left_out)
        total.kept.update(item.kept)
    return total


def keep_first_reasons(conditions: Mapping[str, pd.Series | np.ndarray]) -> dict[str, int]:
    """Count variants by the first of the reasons that holds for each.

    each condition (n_variants,).
    """
    counted: dict[str, int] = {}
    seen: np.ndarray | None = None
    for reason, holds in conditions.items():
        here = np.asarray(holds, dtype=bool)
        seen = np.zeros(len(here), dtype=bool) if seen is None else seen
        counted[reason] = int((here & ~seen).sum())
        seen = seen | here
    return counted


def warn_of_unused_variants(left_out: LeftOut, n_kept: int) -> None:
    """Tell of variants that are left out, or kept, for a reason that nobody asked for."""
    said = []
    if +left_out.unasked:
        said.append(
            f"{sum(left_out.counts.values())} variant(s) of the genotypes are left out, and "
            f"{n_kept} kept: {left_out.tell()}. Mend the file where that is not meant: its FILTER, "
            "alleles or names of chromosomes."
        )
    if left_out.kept:
        said.append(
            f"{list_counts(left_out.kept)} are read as others: Minimac writes there whether it "
            "imputed a variant. Leave out of the file what is not meant to be used."
        )
    if said:
        warnings.warn(" ".join(said), DataWarning, stacklevel=2)


def require_a_variant(n_kept: int, has_apoe: bool, left_out: LeftOut) -> None:
    """Refuse to go on without a single token, and say why there is none."""
    if n_kept or has_apoe:
        return
    raise GenotypeError(
        "At least one SNP of the training rows' genotypes must pass all that is asked of it",
        got=f"none: {left_out.tell() or 'no variant at all'}",
        remedy="Lower min_maf= or min_call_rate=, name the SNPs with snps=, or mend the file "
        "where FILTER, alleles or names of chromosomes are not what was meant",
    )
