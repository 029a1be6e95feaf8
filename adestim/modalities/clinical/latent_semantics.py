"""Free text as a few numbers: latent semantic analysis of hashed words and word pairs."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.utils.extmath import randomized_svd

from adestim.modalities.clinical.cells import find_known_cells, plain_cells

N_HASHED = 2**12
SMALLEST_SIZE = 1e-6


@dataclass(frozen=True, eq=False)
class LatentSemantics:
    """A projection of texts, learned from the training texts.

    .. [1] Deerwester, S. et al. (1990). Indexing by latent semantic analysis. Journal of the
       American Society for Information Science, 41(6), 391-407.
    .. [2] Weinberger, K. et al. (2009). Feature hashing for large scale multitask learning.
       Proceedings of ICML, 1113-1120.
    """

    # (width, n_hashed); right singular vectors of the training texts; zero rows where too few texts
    # differed
    components: np.ndarray

    @property
    def width(self) -> int:
        """Number of coordinates of a text."""
        return len(self.components)

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """Return the texts' coordinates, shape (n_texts, width), at most 1 in absolute value."""
        return np.asarray(count_hashed(texts) @ self.components.T, dtype=np.float32)

    def parts(self, text: str) -> tuple[list[str], np.ndarray]:
        """Return what every word adds to a text's coordinates.

        -> parts (n_words, width).
        """
        plain = hashing()
        words = plain.build_tokenizer()(plain.build_preprocessor()(text))
        if not words:
            return [], np.zeros((0, self.width), dtype=np.float32)
        pairs = [" ".join(pair) for pair in pairwise(words)]
        length = np.sqrt(hashing(norm=None).transform([text]).power(2).sum())
        counts = hashing(norm=None, analyzer=list, ngram_range=(1, 1))
        found = counts.transform([[item] for item in words + pairs]) @ self.components.T
        own, halves = np.split(found / max(length, 1.0), [len(words)])
        before, after = (np.pad(halves / 2, (ends, (0, 0))) for ends in ((1, 0), (0, 1)))
        return words, own + before + after

    def digest(self) -> str:
        """Return the SHA-256 of the projection."""
        return hashlib.sha256(np.ascontiguousarray(self.components).tobytes()).hexdigest()


def learn_latent_semantics(texts: Sequence[str], width: int, seed: int) -> LatentSemantics:
    """Learn the projection from texts."""
    n_components = min(width, len(texts))
    _, sizes, vectors = randomized_svd(
        count_hashed(texts), n_components=n_components, random_state=seed
    )
    # What is beyond the rank is rounding, which standardisation would make as large as the rest.
    real = sizes > SMALLEST_SIZE * sizes.max(initial=0)
    components = np.zeros((width, N_HASHED), dtype=np.float32)
    components[:n_components] = np.where(real[:, None], vectors, 0)
    return LatentSemantics(components)


def count_hashed(texts: Sequence[str]) -> csr_matrix:
    """Return the hashed counts of words and word pairs, rows of unit length."""
    return hashing().transform(texts)


def hashing(**changes: Any) -> HashingVectorizer:
    """Return what counts words and word pairs."""
    usual = {"ngram_range": (1, 2), "strip_accents": "unicode", "norm": "l2"}
    return HashingVectorizer(n_features=N_HASHED, **usual | changes)


def keep_known_texts(column: pd.Series) -> list[str]:
    """Return the texts of the subjects who have one."""
    cells = plain_cells(column)
    return [str(cell) for cell in cells[find_known_cells(cells)]]
