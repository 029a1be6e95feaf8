"""The order in which a fit reads subjects and columns: what they hold decides it, not the table.

Folds, batches and trees are drawn by number. Where equal content bears equal numbers, a table whose
rows or columns are permuted gives the same fit.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from hashlib import blake2b
from typing import Any
from zlib import crc32

import numpy as np
import pandas as pd

from adestim._support.digests import checksum
from adestim.encoding.encoding import Encoding, read_array
from adestim.encoding.numbers import PackedNumbers
from adestim.encoding.tokens import row_blocks

# G. L. Steele, D. Lea and C. H. Flood, "Fast splittable pseudorandom number generators", OOPSLA
# 2014: how splitmix64 mixes.
MULTIPLIERS = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))
SHIFTS = (np.uint64(30), np.uint64(27), np.uint64(31))
NOTHING = 0x9E3779B97F4A7C15


def digest_contents(cells: Mapping[str, Sequence[Encoding | None]]) -> np.ndarray:
    """Return a digest of what every subject has, whatever the order of the modalities.

    cells (n_subjects,) -> (n_subjects,).
    """
    by_modality = [digest_column(column, name) for name, column in cells.items()]
    return mix(mix(np.array(by_modality, dtype=np.uint64)).sum(axis=0))


def sort_columns(names: Sequence[str], block: np.ndarray) -> np.ndarray:
    """Return the order of numeric columns: by name, by content where names only count places.

    block (n_subjects, n_columns) -> (n_columns,).
    """
    keys = digest_columns(block) if count_places(names) else np.array(names)
    return np.argsort(keys, kind="stable")


def order_subjects(
    content: np.ndarray, targets: np.ndarray, weight: np.ndarray, groups: np.ndarray
) -> np.ndarray:
    """Return the order of subjects; who is tied is alike in all, the group's others included.

    content (n_subjects,), targets (n_subjects,), weight (n_subjects,), groups (n_subjects,) ->
    (n_subjects,).
    """
    whole = mix(content ^ mix(digest_numbers(targets)) ^ mix(mix(digest_numbers(weight))))
    number = np.unique(groups, return_inverse=True)[1]
    by_group = np.zeros(len(groups), dtype=np.uint64)
    np.add.at(by_group, number, whole)
    return np.lexsort((by_group[number], weight, targets, content))


def number_by_appearance(groups: np.ndarray) -> np.ndarray:
    """Return groups as integers from 0, in the order in which they appear."""
    return pd.factorize(groups)[0]


def count_places(names: Sequence[str]) -> bool:
    """Tell whether names are those that columns without a name get: they move with nothing."""
    return set(names) == {f"x{place}" for place in range(len(names))}


def digest_columns(block: np.ndarray) -> np.ndarray:
    """Return a digest of every column, whatever the order of rows and columns.

    block (n_subjects, n_columns) -> (n_columns,).
    """
    rows = np.concatenate([mix(mix(bits).sum(axis=1)) for _, bits in read_bits(block)])
    parts = [mix(bits ^ rows[part, None]).sum(axis=0) for part, bits in read_bits(block)]
    return mix(np.stack(parts).sum(axis=0))


def read_bits(block: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """Yield slices of rows and the bits of their numbers, (n_rows, n_columns)."""
    for part in row_blocks(block):
        yield part, digest_numbers(block[part])


def digest_numbers(values: np.ndarray) -> np.ndarray:
    """Return the bits of numbers; zero has one sign, and all that is unknown is alike."""
    numbers = np.asarray(values, dtype=np.float64) + 0.0
    return np.where(np.isnan(numbers), np.uint64(NOTHING), numbers.view(np.uint64))


def digest_column(cells: Sequence[Encoding | None], modality: str) -> list[int]:
    """Return a digest of every subject's encoding; of numbers no object a subject is made."""
    if not isinstance(cells, PackedNumbers):
        return [digest_cell(cell, modality) for cell in cells]
    shapes, known = (cells.tokens.shape[1:], cells.mask.shape[1:]), cells.mask.sum(axis=1)
    pairs = zip(split_rows(cells.tokens), split_rows(cells.mask), known, strict=True)
    return [
        digest_text(f"{modality} {shapes[0]}{crc32(tokens):08x} {shapes[1]}{crc32(mask):08x}")
        if some
        else NOTHING
        for tokens, mask, some in pairs
    ]


def split_rows(block: np.ndarray) -> list[memoryview]:
    """Return the bytes of every row, none of them copied where rows lie one after another."""
    whole = np.ascontiguousarray(block).reshape(-1).view(np.uint8).data
    size = block[:1].nbytes
    return [whole[start : start + size] for start in range(0, size * len(block), size or 1)]


def digest_text(text: str) -> int:
    """Return 64 bits that tell a text."""
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest())


def digest_cell(cell: Encoding | None, modality: str) -> int:
    """Return a digest of an encoding as one of a modality; all that are missing are alike."""
    if cell is None:
        return NOTHING
    # The model's own summary follows from the tokens.
    arrays = [digest_array(cell.unread(name)) for name in ("tokens", "mask")]
    return digest_text(" ".join([modality, *arrays]))


def digest_array(array: Any) -> str:
    """Return shape and checksum of an array; where its file says the checksum it is not read."""
    if array is None:
        return "none"
    known = getattr(array, "crc32", "") if np.dtype(array.dtype) != np.float32 else ""
    return f"{array.shape}{known or checksum(halve(read_array(array)))}"


def halve(array: np.ndarray) -> np.ndarray:
    """Return tokens as a store keeps them, so that it does not matter whether one does.

    Numbers of a table, a column each, are in no store.
    """
    if array.dtype != np.float32 or array.shape[-1] == 1:
        return array
    with np.errstate(over="ignore"):
        half = array.astype(np.float16)
    return half if np.isfinite(half).all() else array


def mix(values: np.ndarray) -> np.ndarray:
    """Return integers whose bits all depend on all bits of others."""
    values = (values ^ values >> SHIFTS[0]) * MULTIPLIERS[0]
    values = (values ^ values >> SHIFTS[1]) * MULTIPLIERS[1]
    return values ^ values >> SHIFTS[2]
