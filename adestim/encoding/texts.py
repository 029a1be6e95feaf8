"""Which words a modality's tokens stand for."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np


class Word(NamedTuple):
    """One word of a record."""

    text: str
    # column of the table that its sentence is about; empty before the first sentence, and where
    # sentences cannot be told apart
    column: str
    tokens: tuple[int, ...]  # places of its tokens


@dataclass(frozen=True, eq=False)
class FreeText:
    """One column of free text, each text a token whose features are sums over its words."""

    column: str
    token: int  # place of its token
    features: slice  # the token's features that are coordinates of the text
    semantics: Any  # ``parts(text)`` gives its words and what each adds to the coordinates
    texts: tuple[str | None, ...]

    @cached_property
    def parts(self) -> list[tuple[int, list[str], np.ndarray]]:
        """Row, words and their parts of the coordinates, of those whose text has words."""
        known = ((row, text) for row, text in enumerate(self.texts) if text is not None)
        read = ((row, *self.semantics.parts(text)) for row, text in known)
        return [(row, words, parts) for row, words, parts in read if words]
