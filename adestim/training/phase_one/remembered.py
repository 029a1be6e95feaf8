"""Phase 1 remembered by content: trials and candidates that change phase 2 alone fit it once.

What is remembered is a pickle of what was fitted, so that nobody who changes a fitted estimator
changes what others get, and its bytes are known.
"""

from __future__ import annotations

import pickle
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from contextlib import suppress
from hashlib import blake2b
from threading import Lock
from typing import Any

import numpy as np

from adestim.encoding.tokens import TokenTable

# A ten-fold search asks for the folds by turns: they must not push each other out.
LARGEST_NUMBER = 32
LARGEST_SIZE = 2**27  # bytes


class PhaseOneMemory:
    """Fitted phases 1 by what they were fitted to, those asked for last, in bounded memory."""

    def __init__(self, largest_size: int = LARGEST_SIZE):
        self.largest_size = largest_size
        self._kept: OrderedDict[Hashable, bytes] = OrderedDict()
        self._lock = Lock()

    @property
    def size(self) -> int:
        """Bytes that are held."""
        with self._lock:
            return sum(map(len, self._kept.values()))

    def __len__(self) -> int:
        return len(self._kept)

    def find(self, key: Hashable) -> bytes | None:
        """Return what is known under a key, None for nothing."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)

    def keep(self, key: Hashable, found: bytes) -> None:
        """Remember; what was asked for longest ago makes room."""
        with self._lock:
            self._kept[key] = found
            left = sum(map(len, self._kept.values())) - self.largest_size
            while self._kept and (left > 0 or len(self._kept) > LARGEST_NUMBER):
                left -= len(self._kept.popitem(last=False)[1])

    def forget(self) -> None:
        """Let go of everything."""
        with self._lock:
            self._kept.clear()


MEMORY = PhaseOneMemory()


def recall_phase_one(fit: Callable, tables: Mapping[str, TokenTable], *given: Any) -> Any:
    """Return ``fit(tables, *given)``, computed once where all of it can be told by its content."""
    key = name_content(fit, tables, given) if MEMORY.largest_size else None
    known = None if key is None else MEMORY.find(key)
    if known is not None:
        return pickle.loads(known)
    found = fit(tables, *given)
    # Of classes within functions nothing is remembered.
    with suppress(pickle.PicklingError, AttributeError, TypeError):
        if key is not None:
            MEMORY.keep(key, pickle.dumps(found, pickle.HIGHEST_PROTOCOL))
    return found


def name_content(
    fit: Callable, tables: Mapping[str, TokenTable], given: Sequence[Any]
) -> Hashable | None:
    """Return what tells a fit from all others; None where something does not tell what it is."""
    if not all(isinstance(table.tokens, np.ndarray) for table in tables.values()):
        # Tokens of foundation models may lie in files, and are not read twice.
        return None
    digest = blake2b(digest_size=16)
    try:
        for part in spell_content([*tables, *given]):
            digest.update(part)
    except TypeError:
        return None
    for table in tables.values():
        for block in (table.pooled(), table.present):
            digest.update(f"{block.shape} {block.dtype.str}".encode())
            digest.update(np.ascontiguousarray(block).data)
    return fit, digest.digest()


def spell_content(value: Any) -> Iterable[bytes]:
    """Yield bytes that differ where plain values, arrays or sequences of them differ."""
    if isinstance(value, np.ndarray):
        if value.dtype.hasobject:
            raise TypeError("objects do not tell what they hold")
        yield f"array {value.shape} {value.dtype.str}".encode()
        yield value.tobytes()
    elif isinstance(value, tuple | list):
        yield f"sequence {len(value)}".encode()
        for item in value:
            yield from spell_content(item)
    elif value is None or isinstance(value, str | int | float | np.generic):
        yield f"{type(value).__name__} {value!r} ".encode()
    else:
        raise TypeError(f"a {type(value).__name__} does not tell what it holds")
