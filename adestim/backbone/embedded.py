"""What frozen models embed of subjects' inputs: made once a subject, kept in bounded memory.

No adapter and no auxiliary token reaches what lies before the first block, so that it is the same
in every epoch, fold and anchor.
"""

from __future__ import annotations

import weakref
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from numbers import Integral
from threading import RLock
from typing import Any

import numpy as np
import torch
from torch import Tensor

from adestim.backbone.contract import Backbone
from adestim.exceptions import InputError

LIMIT = 2**30
# Subjects that are asked for by turns must not push each other out before their turn comes.
IDLE = 10
LARGEST_NUMBER = 4


@dataclass(eq=False)
class Kept:
    """One subject's embedded tokens."""

    tokens: Tensor  # (T, width); on the CPU
    source: weakref.ref | None  # the array that they were made of; None where its name alone tells
    asked: int  # when they were last asked for

    @property
    def size(self) -> int:
        """Bytes of the tokens."""
        return self.tokens.nbytes


class EmbeddedSubjects:
    """Embedded tokens by model and subject, up to a number of bytes.

    Where it is full, tokens that nobody has asked for in a long while make room; others stay, and
    new ones are not taken in.
    """

    def __init__(self, limit: int):
        self.limit = limit
        self.size = 0
        self._kept: OrderedDict[tuple, Kept] = OrderedDict()
        self._n_asked = 0
        # A subject's array may be collected, and its tokens with it, in the midst of a change.
        self._lock = RLock()

    def find(self, model: Hashable, source: Any) -> Tensor | None:
        """Return a subject's tokens, None where they are not kept.

        -> (T, width).
        """
        with self._lock:
            self._n_asked += 1
            key = model, name_source(source)
            kept = self._kept.get(key)
            if kept is None or (kept.source is not None and kept.source() is not source):
                return None
            kept.asked = self._n_asked
            self._kept.move_to_end(key)
            return kept.tokens

    def keep(self, model: Hashable, source: Any, tokens: Tensor) -> None:
        """Keep a subject's tokens where there is room.

        tokens (T, width).
        """
        key = model, name_source(source)
        with self._lock:
            self._forget(key)
            while self.size + tokens.nbytes > self.limit and self._oldest_is_idle():
                self._forget(next(iter(self._kept)))
            if self.size + tokens.nbytes > self.limit:
                return
            self._kept[key] = Kept(tokens, self._watched(key, source), self._n_asked)
            self.size += tokens.nbytes

    def clear(self) -> None:
        """Forget all subjects."""
        with self._lock:
            self._kept.clear()
            self.size = 0

    def _oldest_is_idle(self) -> bool:
        """Tell whether what was last asked for longest ago has not been for a long while."""
        if not self._kept:
            return False
        oldest = next(iter(self._kept.values()))
        return self._n_asked - oldest.asked > IDLE * len(self._kept)

    def _watched(self, key: tuple, source: Any) -> weakref.ref | None:
        """Have an array's tokens forgotten with the array; a file's name tells by itself."""
        if not isinstance(source, np.ndarray):
            return None
        return weakref.ref(source, lambda _: self._forget(key))

    def _forget(self, key: tuple) -> None:
        """Forget one subject."""
        with self._lock:
            kept = self._kept.pop(key, None)
            if kept is not None:
                self.size -= kept.size


EMBEDDED = EmbeddedSubjects(LIMIT)


def limit_embedded(n_bytes: int) -> None:
    """Say how much memory a process may use to keep what frozen anchors embed of subjects.

    Parameters
    ----------
    n_bytes : int
        1 GiB unless said otherwise; 0 keeps nothing, and what was kept is forgotten.

    Raises
    ------
    InputError
        When it is no number of bytes.

    Examples
    --------
    >>> from adestim.backbone import limit_embedded
    >>> limit_embedded(2**30)
    """
    is_number = isinstance(n_bytes, Integral) and not isinstance(n_bytes, bool)
    if not is_number or n_bytes < 0:
        raise InputError(
            "'n_bytes' of limit_embedded must be a number from 0",
            got=repr(n_bytes),
            remedy="Write for example limit_embedded(2**30) for 1 GiB",
        )
    EMBEDDED.limit = int(n_bytes)
    EMBEDDED.clear()


def embed_once(
    model: Hashable,
    body: Backbone,
    embed: Callable[[Tensor], Tensor],
    inputs: Tensor,
    sources: Sequence[Any],
) -> Tensor:
    """Return embedded inputs; those of subjects that are known are not made again.

    A subject is embedded by itself, so that its tokens do not depend on who else was known.

    inputs (B, ...) -> (B, T, width).
    """
    if len(sources) != len(inputs) or not is_worth_keeping(body, inputs):
        return embed(inputs)
    model = model, torch.is_autocast_enabled(inputs.device.type)
    parts = []
    for source, value in zip(sources, inputs, strict=True):
        tokens = EMBEDDED.find(model, source)
        if tokens is None:
            tokens = embed(value[None])[0].to("cpu", copy=True)
            EMBEDDED.keep(model, source, tokens)
        parts.append(tokens)
    return torch.stack(parts).to(inputs.device, non_blocking=True)


def is_worth_keeping(body: Backbone, inputs: Tensor) -> bool:
    """Tell whether tokens are no larger than what they are made of, and all of one number.

    Larger ones come of a look-up or a projection, which costs less than their memory.
    """
    if EMBEDDED.limit == 0 or inputs.requires_grad or body.own_mask(inputs) is not None:
        return False
    return body.n_stand_in * body.width * LARGEST_NUMBER <= inputs[0].nbytes


def name_source(source: Any) -> Hashable:
    """Return what tells a subject's input from others."""
    return id(source) if isinstance(source, np.ndarray) else source
