"""DNA as non-overlapping 6-mers, the tokens of the Nucleotide Transformer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from adestim.exceptions import GenotypeError

K = 6
# Not alphabetical: the order in which the released vocabularies count.
LETTERS = "ATCG"
N_CODE = len(LETTERS)
NO_LETTER = 255
WEIGHTS = N_CODE ** np.arange(K - 1, -1, -1)

CODES = np.full(256, NO_LETTER, dtype=np.uint8)
CODES[[ord(letter) for letter in LETTERS + "N"]] = np.arange(N_CODE + 1)


@dataclass(frozen=True)
class KmerTokenizer:
    """Turns DNA into token ids: 6-mers from the left, single letters where none fits.

    ``N`` is always a token of its own and the 6-mers start anew after it; what is left over
    before it, or at the end, becomes single letters. The class token comes first, and no token
    ends the sequence.

    H. Dalla-Torre et al., "Nucleotide Transformer", Nature Methods 22 (2025) 287; vocabularies of
    https://github.com/instadeepai/nucleotide-transformer.
    """

    # id of AAAAAA; the others follow in the order of the letters A, T, C, G, and after them the
    # single letters A, T, C, G and N
    first_kmer: int
    unknown: int = 0  # ids of the special tokens; ``start`` is the class token
    pad: int = 1
    mask: int = 2
    start: int = 3

    @property
    def n_ids(self) -> int:
        """Number of ids, which is the least number of rows of an embedding."""
        return self.first_kmer + N_CODE**K + N_CODE + 1

    def __call__(self, sequence: str) -> np.ndarray:
        """Return the ids of a sequence, the class token first.

        -> (n_tokens,).
        """
        return np.concatenate([[self.start], self.pieces(sequence)])

    def pieces(self, sequence: str) -> np.ndarray:
        """Return the ids of a sequence without the class token."""
        codes = letter_codes(sequence)
        whole, starts = token_starts(codes)
        spread = np.concatenate([codes, np.zeros(K, dtype=np.int64)])
        values = np.lib.stride_tricks.sliding_window_view(spread, K)[:-1] @ WEIGHTS
        single = N_CODE**K + codes
        return self.first_kmer + np.where(whole, values, single)[starts]


KMERS_V1 = KmerTokenizer(first_kmer=4)
# Two further special tokens, <eos> and <bos>, come before the 6-mers: every id is two higher.
KMERS_V2 = KmerTokenizer(first_kmer=6)


def letter_codes(sequence: str) -> np.ndarray:
    """Return A, T, C, G, N as 0 to 4, or refuse other letters; the sequence is not shown."""
    codes = CODES[np.frombuffer(sequence.encode("latin-1", "replace"), dtype=np.uint8)]
    n_strange = int((codes == NO_LETTER).sum())
    if n_strange:
        raise GenotypeError(
            "DNA is written with the letters A, C, G, T and N, in upper case",
            got=f"{n_strange} other letter(s) among {len(codes)}",
            remedy="Upper-case soft-masked sequences, and leave windows with ambiguity codes out",
        )
    return codes.astype(np.int64)


def token_starts(codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Tell where a whole 6-mer starts, and where any token starts; both (n_letters,)."""
    places = np.arange(len(codes))
    is_n = codes == N_CODE
    before = np.maximum.accumulate(np.where(is_n, places, -1))
    after = np.minimum.accumulate(np.where(is_n, places, len(codes))[::-1])[::-1]
    depth = places - before - 1
    in_grid = ~is_n & (depth < (after - before - 1) // K * K)
    whole = in_grid & (depth % K == 0)
    return whole, whole | ~in_grid
