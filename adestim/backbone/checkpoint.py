"""Checkpoints: read without running their code, matched to a model key by key."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor, nn

from adestim.encoding import BackboneSpec
from adestim.exceptions import CheckpointError, MissingDependencyError

__all__ = [
    "CheckpointLayout",
    "canonical_state",
    "file_digest",
    "load_strict",
    "read_checkpoint",
    "read_state",
]

N_KEYS_SHOWN = 4


@dataclass(frozen=True)
class CheckpointLayout:
    """How a released file holds the weights of a model.

    Parameters
    ----------
    wrappers : tuple of str, default=()
        Keys of the file under which the state may be, the first one found is taken.
    prefixes : tuple of str, default=()
        Prefixes of the names, dropped one after the other where they occur.
    ignored : tuple of str, default=()
        Beginnings of names, after the first prefix is dropped, that belong to parts which are not
        used: decoders, heads.
    rename : callable or None, default=None
        Takes a name without prefixes, returns the module's name for it.
    fingerprint : tuple of str, default=()
        Names, without prefixes, that tell this architecture from all others.
    """

    wrappers: tuple[str, ...] = ()
    prefixes: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    rename: Callable[[str], str] | None = None
    fingerprint: tuple[str, ...] = ()


def read_state(path: str, layout: CheckpointLayout, trust_pickle: bool) -> dict[str, Tensor]:
    """Read a file and return the state of the model in it, under the module's names."""
    return canonical_state(read_checkpoint(path, trust_pickle), layout)


def read_checkpoint(path: str | Path, trust_pickle: bool = False) -> Mapping:
    """Read a checkpoint, by default without running any code that it may hold.

    Parameters
    ----------
    path : str or path-like
        A ``.safetensors`` file, or one that ``torch.save`` wrote.
    trust_pickle : bool, default=False
        Whether other objects than tensors may be unpickled, which runs code from the file.

    Returns
    -------
    mapping
        What the file holds, tensors on the CPU.

    Raises
    ------
    CheckpointError
        When there is no such file, it is damaged, or it holds other objects than tensors.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise CheckpointError(
            "Weights must be an existing file", got=str(path), remedy="Pass its path as weights="
        )
    if path.suffix == ".safetensors":
        return read_safetensors(path)
    return read_torch(path, trust_pickle)


def read_safetensors(path: Path) -> dict[str, Tensor]:
    """Read a safetensors file."""
    try:
        from safetensors import SafetensorError  # noqa: PLC0415 - an optional package
        from safetensors.torch import load_file  # noqa: PLC0415
    except ImportError as error:
        raise MissingDependencyError(
            "Reading .safetensors files needs the package safetensors",
            remedy="Run pip install 'adestim[foundation]'",
        ) from error
    try:
        return load_file(path)
    except SafetensorError as error:
        raise damaged(path) from error


def read_torch(path: Path, trust_pickle: bool) -> Mapping:
    """Read a file that ``torch.save`` wrote."""
    try:
        return torch.load(path, map_location="cpu", weights_only=not trust_pickle)
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"{path.name} holds other objects than tensors, and reading those runs code from the "
            "file",
            remedy="If you trust where it comes from, pass trust_checkpoint=True",
        ) from error
    except (RuntimeError, EOFError) as error:
        raise damaged(path) from error


def damaged(path: Path) -> CheckpointError:
    """Return the error about a file that breaks off or is no checkpoint."""
    return CheckpointError(
        f"{path.name} must be a whole checkpoint, as torch.save or safetensors write it",
        got=f"a damaged or truncated file of {path.stat().st_size} bytes",
        remedy="Download it again and compare its size with the source's",
    )


def canonical_state(raw: Mapping, layout: CheckpointLayout) -> dict[str, Tensor]:
    """Return the tensors of the model, under the module's names.

    Parameters
    ----------
    raw : mapping
        What a checkpoint file holds.
    layout : CheckpointLayout
        How it holds the weights.

    Returns
    -------
    dict of str to Tensor
    """
    wrapper = next((key for key in layout.wrappers if key in raw), None)
    state = {
        key: value
        for key, value in (raw if wrapper is None else raw[wrapper]).items()
        if isinstance(value, Tensor)
    }
    for prefix in layout.prefixes:
        state = without_ignored(state, layout.ignored)
        state = {key.removeprefix(prefix): value for key, value in state.items()}
    state = without_ignored(state, layout.ignored)
    rename = layout.rename or str
    return {rename(key): value for key, value in state.items()}


def without_ignored(state: Mapping[str, Tensor], ignored: tuple[str, ...]) -> dict[str, Tensor]:
    """Drop the parts that are not used."""
    return {key: value for key, value in state.items() if not key.startswith(ignored or ("\0",))}


def load_strict(module: nn.Module, state: Mapping[str, Tensor], spec: BackboneSpec) -> None:
    """Fill a module, built on the meta device, with a state that has exactly its tensors.

    Parameters
    ----------
    module : torch.nn.Module
        The model; its tensors become those of ``state``.
    state : mapping of str to Tensor
        Its weights.
    spec : BackboneSpec
        For messages.

    Raises
    ------
    CheckpointError
        When names are missing or left over, or shapes differ.
    """
    wanted = module.state_dict()
    missing = sorted(wanted.keys() - state.keys())
    unexpected = sorted(state.keys() - wanted.keys())
    shapes = [
        f"{key} {tuple(state[key].shape)} instead of {tuple(value.shape)}"
        for key, value in wanted.items()
        if key in state and state[key].shape != value.shape
    ]
    problems = [
        f"{len(names)} {what}: {', '.join(names[:N_KEYS_SHOWN])}"
        for what, names in (
            ("missing", missing), ("unexpected", unexpected), ("of another shape", shapes)
        )
        if names
    ]
    if problems:
        raise CheckpointError(
            f"A checkpoint of {spec.name!r} must hold exactly that model's weights",
            got="; ".join(problems),
            remedy="Pass the weights of this model, or name the backbone they belong to",
        )
    module.load_state_dict(state, strict=True, assign=True)


def file_digest(path: str | Path) -> str:
    """Return the SHA-256 of a file, computed once for a path, size and time of change."""
    path = Path(path).expanduser().resolve()
    stat = path.stat()
    return _digest(str(path), stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=256)
def _digest(path: str, size: int, changed: int) -> str:
    """Return the SHA-256 of a file of a given size and time of change."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
