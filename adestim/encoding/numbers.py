"""Numeric features as encodings, without an object a subject where nobody asks for one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from adestim._support.identifiers import find_identifier
from adestim.encoding.encoding import BackboneSpec, Encoding


class PackedNumbers(Sequence):
    """Encodings of numeric features, each made when it is asked for; None where all is NaN.

    A feature is a token, and NaN a masked one: tokens (n_subjects, n_features, 1), mask
    (n_subjects, n_features). The block is copied once, into the tokens.
    """

    def __init__(self, block: np.ndarray, names: Sequence[str]):
        options = (("token_names", tuple(names)), ("feature_names", ("value",)))
        self.backbone = BackboneSpec("tabular", options=options)
        tokens = block.astype(np.float32, order="C")
        self.mask = ~np.isnan(tokens)
        np.copyto(tokens, 0, where=~self.mask)
        self.tokens = tokens[:, :, None]

    def __len__(self) -> int:
        return len(self.tokens)

    def __getitem__(self, row):
        if isinstance(row, slice):
            return [self[place] for place in range(*row.indices(len(self)))]
        token, mask = self.tokens[row], self.mask[row]
        return Encoding(token, token, mask, self.backbone) if mask.any() else None

    def find_identifiers(self) -> dict[str, str]:
        """Return the features that name or count the subjects, with the reason."""
        values = self.tokens[:, :, 0]
        whole = np.flatnonzero((values == np.floor(values)).all(axis=0)).tolist()
        names = self.backbone.option("token_names")
        reasons = {
            names[place]: find_identifier(
                str(names[place]), np.where(self.mask[:, place], values[:, place], np.nan)
            )
            for place in whole
        }
        return {name: reason for name, reason in reasons.items() if reason}
