"""One subject's model-ready input."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from adestim._support.keys import content_key


class Prepared(NamedTuple):
    """One subject's model-ready input."""

    # what the backbone reads; for a reference backbone the token table, shape (n_tokens, width),
    # float32
    inputs: Any
    mask: Any = None  # (n_tokens,); true where a token is real; None where all are
    key: str = ""  # key of the content of ``inputs``, where it is known

    def content_key(self) -> str:
        """Return the key of the content of the input."""
        return self.key or content_key(np.asarray(self.inputs))
