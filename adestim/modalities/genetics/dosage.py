"""The reference backbone ``"dosage"``: one token a SNP, which is its dosage. Needs no weights."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from adestim.encoding import BackboneSpec

__all__ = ["dosage_spec", "dosage_tokens"]


def dosage_spec(token_names: Sequence[str], counted_alleles: Sequence[str]) -> BackboneSpec:
    """Return the name tag of the backbone.

    Parameters
    ----------
    token_names : sequence of str
        One name a token.
    counted_alleles : sequence of str
        The allele whose copies each token counts; "0" where it is not known.

    Returns
    -------
    BackboneSpec

    Examples
    --------
    >>> from adestim.modalities.genetics.dosage import dosage_spec
    >>> dosage_spec(["rs7412"], ["T"]).option("feature_names")
    ('dosage',)
    """
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

    Parameters
    ----------
    dosages : ndarray of shape (n_subjects, n_snps)
        Between 0 and 2, NaN where there is no call.

    Returns
    -------
    tokens : ndarray of shape (n_subjects, n_snps, 1), dtype float32
        Zero where masked.
    mask : ndarray of shape (n_subjects, n_snps), dtype bool
        True where there is a call.

    Examples
    --------
    >>> import numpy as np
    >>> from adestim.modalities.genetics.dosage import dosage_tokens
    >>> tokens, mask = dosage_tokens(np.array([[2, np.nan]]))
    >>> tokens.ravel(), mask
    (array([2., 0.], dtype=float32), array([[ True, False]]))
    """
    known = ~np.isnan(dosages)
    return np.where(known, dosages, 0).astype(np.float32)[:, :, None], known
