"""How a released file holds the weights of a model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from operator import methodcaller
from typing import Any, NamedTuple

from torch import Tensor, nn

from adestim.exceptions import CheckpointError

N_KEYS_SHOWN = 4


class Relative(NamedTuple):
    """Weights that people take for those of a model, and which it does not read."""

    what: str  # as one says it behind "These look like"
    remedy: str
    # ends of names that tell them from all others, with the number of dimensions
    marks: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class CheckpointLayout:
    """How a released file holds the weights of a model.

    Parameters
    ----------
    wrappers : tuple of str, default=()
        Keys of the file under which the state may be, the first one found is taken. A file
        without them that holds exactly one table of tensors is read as well.
    prefixes : tuple of str, default=()
        Prefixes of the names, dropped one after the other where they occur.
    ignored : tuple of str, default=()
        Beginnings of names, before or after any prefix is dropped, that belong to parts which are
        not used: decoders, heads.
    rename : callable or None, default=None
        Takes a name without prefixes, returns the module's name for it.
    fingerprint : tuple of str, default=()
        Names, without prefixes, that tell this architecture from all others.
    relatives : tuple of Relative, default=()
        Weights that people take for those of the model, such as an older version of it: what they
        are, what to do, and the ends of their names, with numbers of dimensions, that tell them.

    Examples
    --------
    >>> import torch
    >>> from adestim.backbone.weights.layout import CheckpointLayout, canonical_state
    >>> layout = CheckpointLayout(("model",), prefixes=("module.",), ignored=("decoder.",))
    >>> file = {"model": {"module.norm.bias": torch.zeros(2), "module.decoder.bias": torch.ones(2)}}
    >>> canonical_state(file, layout)
    {'norm.bias': tensor([0., 0.])}
    """

    wrappers: tuple[str, ...] = ()
    prefixes: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    rename: Callable[[str], str] | None = None
    fingerprint: tuple[str, ...] = ()
    relatives: tuple[Relative, ...] = ()


def canonical_state(
    raw: Mapping, layout: CheckpointLayout, owner_of: Callable[[Mapping], str | None] | None = None
) -> dict[str, Tensor]:
    """Return the tensors of the model, under the module's names."""
    state = drop_ignored(select_tensors(find_state(raw, layout.wrappers, owner_of)), layout.ignored)
    for prefix in layout.prefixes:
        state = rename_tensors(state, methodcaller("removeprefix", prefix))
        state = drop_ignored(state, layout.ignored)
    return rename_tensors(state, layout.rename or str)


def find_state(
    raw: Mapping,
    wrappers: tuple[str, ...],
    owner_of: Callable[[Mapping], str | None] | None = None,
) -> Mapping:
    """Return the table of tensors in a file: under a wrapper, at the top, or the only one."""
    wrapper = next((key for key in wrappers if key in raw), None)
    if wrapper is not None:
        return require_tensors(raw[wrapper], f"its entry {wrapper!r}")
    if select_tensors(raw):
        return raw
    tables = {
        str(key): value
        for key, value in raw.items()
        if isinstance(value, Mapping) and select_tensors(value)
    }
    if len(tables) == 1:
        return next(iter(tables.values()))
    found = (
        f"several: {', '.join(tables)}"
        if tables
        else f"none under {list_first_names(map(str, raw))}"
    )
    owner = owner_of(raw) if owner_of is not None else None
    raise CheckpointError(
        "A checkpoint must hold a table of tensors by name",
        got=found + (f". These look like the weights of {owner!r}" if owner else ""),
        remedy="Pass the weights of this model, or its state_dict() saved alone with torch.save",
    )


def require_tensors(table: Any, where: str) -> Mapping:
    """Refuse an entry for the weights that holds none."""
    if isinstance(table, nn.Module):
        return table.state_dict()
    if isinstance(table, Mapping) and select_tensors(table):
        return table
    raise CheckpointError(
        f"A checkpoint must hold tensors by name in {where}",
        got=f"an object of type {name_kind(table)}",
        remedy="Save the state_dict() of the model with torch.save; or, if you trust where the "
        "file comes from and its classes are installed, pass trust_checkpoint=True",
    )


def name_kind(content: Any) -> str:
    """Return the class of what was read; of an object that was not made the one it would be of."""
    return content.kind() if hasattr(content, "kind") else type(content).__name__


def select_tensors(table: Mapping) -> dict[str, Tensor]:
    """Return the entries that are tensors under a name."""
    return {
        name: value
        for name, value in table.items()
        if isinstance(name, str) and isinstance(value, Tensor)
    }


def drop_ignored(state: Mapping[str, Tensor], ignored: tuple[str, ...]) -> dict[str, Tensor]:
    """Drop the parts that are not used."""
    return {name: value for name, value in state.items() if not name.startswith(ignored)}


def rename_tensors(state: Mapping[str, Tensor], rename: Callable[[str], str]) -> dict[str, Tensor]:
    """Return the state under other names, or say which two became one."""
    result: dict[str, Tensor] = {}
    for name, value in state.items():
        new = rename(name)
        if new in result:
            raise CheckpointError(
                "Names in a checkpoint must stay distinct without their prefixes",
                got=f"{new!r} twice, once from {name!r}",
                remedy="Remove one of them from the file",
            )
        result[new] = value
    return result


def list_first_names(names: Any) -> str:
    """Return the first few names."""
    names = list(names)
    rest = len(names) - N_KEYS_SHOWN
    return ", ".join(names[:N_KEYS_SHOWN]) + (f" and {rest} more" if rest > 0 else "")
