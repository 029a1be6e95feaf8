"""What subjects are to a DNA model: the sequence they carry, and the dosages that mix tokens."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from adestim.encoding import BackboneSpec, Encoding
from adestim.extraction.prepared import Prepared


class PreparedGenotypes(NamedTuple):
    """One subject's genotypes as a DNA model reads them."""

    # (n_tokens,); token ids of the carried alleles' windows, which an anchor reads
    inputs: np.ndarray
    dosages: np.ndarray  # (n_snps,); copies of the counted alleles, NaN where there is no call


def prepare_genotypes(
    dosages: np.ndarray, prepare: Callable[[np.ndarray], Prepared]
) -> list[PreparedGenotypes | None]:
    """Return every subject's input and dosages; None without a single call.

    dosages (n_subjects, n_snps).
    """
    return [
        None if np.isnan(row).all() else PreparedGenotypes(prepare(row).inputs, row)
        for row in dosages
    ]


def mix_alleles(
    item: PreparedGenotypes, alleles: Sequence[np.ndarray], spec: BackboneSpec
) -> Encoding:
    """Return one subject's tokens: the two alleles' of each SNP, weighed by its dosage.

    At a dosage d this is ``(1 - d / 2) * other + d / 2 * counted``: two chromosomes, averaged.

    alleles (n_snps, width).
    """
    counted, other = alleles
    known = ~np.isnan(item.dosages)
    share = np.where(known, item.dosages, 0)[:, None] / 2
    tokens = (known[:, None] * ((1 - share) * other + share * counted)).astype(np.float32)
    return Encoding(item.inputs, tokens, None if known.all() else known, spec)
