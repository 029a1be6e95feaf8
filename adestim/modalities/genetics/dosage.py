"""The reference backbone ``"dosage"``: one token a SNP, which is its dosage. Needs no weights."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from adestim.encoding import BackboneSpec


def dosage_spec(token_names: Sequence[str], counted_alleles: Sequence[str]) -> BackboneSpec:
    """Return the name tag of the backbone."""
    return BackboneSpec(
        "dosage",
        options=(
            ("token_names", tuple(token_names)),
            ("feature_names", ("dosage",)),
            ("counted_alleles", tuple(counted_alleles)),
        ),
    )


def dosage_tokens(dosages: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return one token a SNP for every subject, masked where there is no call.

    dosages (n_subjects, n_snps) -> tokens (n_subjects, n_snps, 1), mask (n_subjects, n_snps).
    """
    known = ~np.isnan(dosages)
    return np.where(known, dosages, 0).astype(np.float32)[:, :, None], known
