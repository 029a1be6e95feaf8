"""What travels from the extractors to the fusion: one subject's one modality."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from adestim._support.versioned import Versioned

OF_THE_WEIGHTS = ("architecture", "files", "unadapted")


@dataclass(frozen=True)
class BackboneSpec:
    """The name tag of the model that made an encoding: small, hashable, picklable.

    Parameters
    ----------
    name : str
        Name of the backbone in the registry, ``"morphometry"`` for instance.
    digest : str, default=""
        SHA-256 of the weights; empty where the backbone has none.
    options : tuple of (str, hashable) pairs, default=()
        What else decides the tokens' meaning. Reference backbones give
        ``"token_names"`` and ``"feature_names"``, tuples of str; foundation models give
        ``"architecture"``, pairs of parameters of their class.
    sources : tuple of (str, str) pairs, default=()
        Where what the model needs was found: files, its ``"weights"`` first, and ``"home"``, the
        importable name of its class, for a process in which nobody has registered it. Not
        compared: the same weights in another folder are the same backbone.
    adapter : bytes, default=b""
        Weights that phase 1 trained, as a safetensors file. Not compared, since ``digest`` covers
        them.
    rare : tuple of (int, int) pairs, default=()
        Token and level of the categories that one to four training subjects have: no saved model
        names them. Not compared.

    Examples
    --------
    >>> from adestim.encoding import BackboneSpec
    >>> spec = BackboneSpec("dosage", options=(("token_names", ("rs7412",)),))
    >>> spec.option("token_names")
    ('rs7412',)
    """

    name: str
    digest: str = ""
    options: tuple[tuple[str, Hashable], ...] = ()
    sources: tuple[tuple[str, str], ...] = field(default=(), compare=False)
    adapter: bytes = field(default=b"", compare=False, repr=False)
    rare: tuple[tuple[int, int], ...] = field(default=(), compare=False, repr=False)

    def option(self, key: str, default: Any = None) -> Any:
        """Return the value of one option, or ``default``."""
        return dict(self.options).get(key, default)

    @property
    def is_foundation(self) -> bool:
        """Whether the model was trained elsewhere and is loaded from a file."""
        return self.option("architecture") is not None

    def identity(self) -> tuple:
        """Return what decides the model's weights: nothing of how inputs are prepared."""
        options = tuple(pair for pair in self.options if pair[0] in OF_THE_WEIGHTS)
        return self.name, self.digest, options

    def source(self, key: str) -> str | None:
        """Return the path of one file that the model needs, or None."""
        return dict(self.sources).get(key)


def read_array(value: Any) -> Any:
    """Return an array; one that lies in a file is read.

    Parameters
    ----------
    value : ndarray, StoredArray or None
        An array, or what stands for it.

    Returns
    -------
    ndarray or None
    """
    return value.read() if hasattr(value, "read") else value


class ReadWhenAsked:
    """A field that holds an array, or something in a file whose ``read`` returns one."""

    def __init__(self, optional: bool = False):
        self.optional = optional

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, holder: Any, owner: type) -> Any:
        # Asked of the class, this is the default of the field.
        if holder is None and self.optional:
            return None
        if holder is None:
            raise AttributeError(self.name)
        return read_array(vars(holder)[self.name])

    def __set__(self, holder: Any, value: Any) -> None:
        vars(holder)[self.name] = value


@dataclass(frozen=True, eq=False)
class Encoding(Versioned):
    """One subject's one modality, as the fusion reads it. Immutable.

    Arrays may lie in a file: they are read whenever they are asked for, and not kept.

    Parameters
    ----------
    inputs : ndarray
        The model-ready input, which an anchor reads again. A reference backbone's input
        is its token table, the same array as ``tokens``.
    tokens : ndarray of shape (n_tokens, width)
        Output of the frozen model.
    mask : ndarray of shape (n_tokens,), dtype bool, or None
        True where a token is real; None where all are.
    backbone : BackboneSpec
        The model that made the tokens.
    pooled : ndarray of shape (width_pooled,) or None, default=None
        The model's own summary of the subject; None where it is the mean of the tokens.

    Examples
    --------
    >>> import numpy as np
    >>> from adestim.encoding import BackboneSpec, Encoding
    >>> tokens = np.zeros((68, 3), dtype=np.float32)
    >>> Encoding(tokens, tokens, None, BackboneSpec("morphometry"))
    <Encoding morphometry 68x3>
    """

    inputs: np.ndarray = ReadWhenAsked()  # type: ignore[assignment]
    tokens: np.ndarray = ReadWhenAsked()  # type: ignore[assignment]
    mask: np.ndarray | None = ReadWhenAsked()  # type: ignore[assignment]
    backbone: BackboneSpec  # type: ignore[misc]
    pooled: np.ndarray | None = ReadWhenAsked(optional=True)  # type: ignore[assignment]

    @property
    def n_tokens(self) -> int:
        """Number of tokens, masked ones included."""
        return vars(self)["tokens"].shape[0]

    @property
    def width(self) -> int:
        """Number of features of a token."""
        return vars(self)["tokens"].shape[1]

    def unread(self, name: str) -> Any:
        """Return one of the arrays, or what stands for it where it lies in a file."""
        return vars(self)[name]

    def __repr__(self):
        return f"<Encoding {self.backbone.name} {self.n_tokens}x{self.width}>"


def encodings_frame(cells: Sequence[Encoding | None], name: str, index: pd.Index) -> pd.DataFrame:
    """Return a one-column table of encodings.

    Parameters
    ----------
    cells : sequence of (Encoding or None)
        One cell a subject.
    name : str
        Name of the modality, which becomes the column's.
    index : pandas.Index
        Subjects' labels.

    Returns
    -------
    pandas.DataFrame of shape (n_subjects, 1), dtype object
    """
    column = np.empty(len(cells), dtype=object)
    column[:] = list(cells)
    return pd.DataFrame({name: pd.Series(column, index=index, dtype=object)})
