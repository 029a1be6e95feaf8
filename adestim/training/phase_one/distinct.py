"""Which columns of a table differ: a connectome's tokens, side by side, hold every edge twice."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class DistinctColumns:
    """The columns of a table that vary and are no copy of an earlier one."""

    first: np.ndarray  # (n_distinct,); their places
    copies: np.ndarray  # (n_distinct,); how many columns hold the same, themselves included
    own: np.ndarray  # (n_features,); number of every column's distinct one, -1 for constant columns

    @classmethod
    def find(cls, features: np.ndarray, varies: np.ndarray) -> DistinctColumns:
        """Compare the columns of a table.

        features (n_subjects, n_features), varies (n_features,).
        """
        columns = np.ascontiguousarray(features.T)
        numbers: dict[bytes, int] = {}
        own = np.full(len(columns), -1)
        for place in np.flatnonzero(varies):
            own[place] = numbers.setdefault(columns[place].tobytes(), len(numbers))
        first = np.unique(own, return_index=True)[1][int((own < 0).any()) :]
        copies = np.bincount(own[own >= 0], minlength=len(first))
        return cls(first, copies.astype(float), own)

    def spread(self, coef: np.ndarray) -> np.ndarray:
        """Split weights between copies: (n_distinct, n_scores) -> (n_features, n_scores)."""
        shared = np.vstack([coef / self.copies[:, None], np.zeros((1, coef.shape[1]))])
        return shared[self.own]
