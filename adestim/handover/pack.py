"""Any fitted object as a list of plain nodes, which JSON holds, and arrays beside them.

A node says of what kind it is and names others by their place in the list, so that what was one
object in memory is one again. Classes and functions are names; no code is kept.
"""

from __future__ import annotations

import copyreg
import math
from collections.abc import Mapping
from functools import partial
from pathlib import PurePath
from types import MethodType
from typing import Any

import numpy as np
import pandas as pd
import torch
from skorch import NeuralNet

from adestim.encoding import BackboneSpec
from adestim.exceptions import SavedModelError
from adestim.handover.arrays import Shelf
from adestim.handover.left_out import LeavingOut, clean_state, clean_text, shorten_place
from adestim.handover.pack_tables import PACK_TABLES
from adestim.handover.trust import Trust, is_told_by_name

Node = dict[str, Any]

PROTOCOL = 4
AS_ITEMS: Mapping[type, str] = {list: "list", tuple: "tuple", set: "set", frozenset: "frozenset"}


class Packer:
    """Turns objects into nodes; what was met before is not told again."""

    def __init__(self, trust: Trust, leaving_out: LeavingOut):
        self.trust = trust
        self.leaving_out = leaving_out
        self.nodes: list[Node | None] = []
        # Weights that are found again by their digest: their names and digests.
        self.backbones: list[dict[str, str]] = []
        self.shelf = Shelf()
        self._places: dict[int, int] = {}
        # An object that is gone would leave its number to another.
        self._alive: list[Any] = []

    def pack(self, value: Any) -> Any:
        """Return a plain value as it is, and where the node of any other is."""
        if type(value) is str:
            return clean_text(value)
        if is_json_value(value):
            return value
        if id(value) not in self._places:
            self._alive.append(value)
            place = self._places[id(value)] = len(self.nodes)
            self.nodes.append(None)
            cleaned = self.leaving_out.clean_object(value)
            self._list_weights(cleaned)
            self.nodes[place] = self._describe(cleaned)
        return {"at": self._places[id(value)]}

    def pack_all(self, values: Any) -> list[Any]:
        """Return several values."""
        return [self.pack(value) for value in values]

    def pack_pairs(self, pairs: Any) -> list[list[Any]]:
        """Return keys and values."""
        return [[self.pack(key), self.pack(value)] for key, value in pairs]

    def _list_weights(self, value: Any) -> None:
        """List the weights of a foundation model that are not in the folder."""
        if isinstance(value, BackboneSpec) and value.is_foundation:
            weights = {"name": value.name, "sha256": value.option("unadapted", value.digest)}
            if weights not in self.backbones:
                self.backbones.append(weights)

    def _describe(self, value: Any) -> Node:
        """Return the node of a value."""
        if value is None:
            return {"kind": "none"}
        if type(value) in AS_ITEMS:
            # The order of a set differs between processes; of strings it must not.
            items = sorted(value, key=repr) if isinstance(value, (set, frozenset)) else value
            return {"kind": AS_ITEMS[type(value)], "items": self.pack_all(items)}
        if type(value) is dict:
            return {"kind": "dict", "pairs": self.pack_pairs(value.items())}
        for kind, pack in PACKERS.items():
            if isinstance(value, kind):
                return pack(self, value)
        return pack_named(self, value) if is_told_by_name(value) else pack_object(self, value)


def is_json_value(value: Any) -> bool:
    """Tell whether JSON keeps a value as it is."""
    if type(value) is float:
        return math.isfinite(value)
    return value is None or type(value) in (bool, int)


def pack_number(packer: Packer, value: float | complex) -> Node:
    """Tell a number that JSON has no word for."""
    return {"kind": type(value).__name__, "text": repr(value)}


def pack_bytes(packer: Packer, value: bytes | bytearray) -> Node:
    """Keep bytes."""
    return {"kind": type(value).__name__, **packer.shelf.put(np.frombuffer(value, dtype=np.uint8))}


def pack_array(packer: Packer, value: np.ndarray) -> Node:
    """Keep an array; objects in it one by one."""
    if type(value) is not np.ndarray:
        raise refuse_kind(value)
    if value.dtype.hasobject:
        if value.dtype != object:
            raise refuse_kind(value)
        return {
            "kind": "objects", "shape": list(value.shape), "items": packer.pack_all(value.flat)
        }  # fmt: skip
    return {"kind": "array", **packer.shelf.put(value)}


def pack_scalar(packer: Packer, value: np.generic) -> Node:
    """Keep a numpy scalar."""
    return {"kind": "scalar", **packer.shelf.put(np.asarray(value))}


def pack_dtype(packer: Packer, value: np.dtype) -> Node:
    """Tell a data type."""
    return {"kind": "dtype", "descr": np.lib.format.dtype_to_descr(value)}


def pack_random_state(packer: Packer, value: np.random.RandomState) -> Node:
    """Keep a generator of random numbers."""
    return {"kind": "random", "state": packer.pack(value.get_state(legacy=False))}


def pack_generator(packer: Packer, value: np.random.Generator) -> Node:
    """Keep a generator of random numbers."""
    return {"kind": "generator", "state": packer.pack(value.bit_generator.state)}


def pack_tensor(packer: Packer, value: torch.Tensor) -> Node:
    """Keep a tensor or parameter."""
    if type(value) not in (torch.Tensor, torch.nn.Parameter, torch.nn.Buffer):
        raise refuse_kind(value)
    trained = {"learns": True} if value.requires_grad else {}
    kind = {torch.nn.Parameter: "parameter"}.get(type(value), "tensor")
    return {"kind": kind, **packer.shelf.put_tensor(value), **trained}


def pack_torch_word(packer: Packer, value: torch.device | torch.dtype) -> Node:
    """Tell a device or a data type of torch."""
    return {"kind": f"torch {type(value).__name__}", "word": str(value).removeprefix("torch.")}


def pack_size(packer: Packer, value: torch.Size) -> Node:
    """Tell the shape of a tensor."""
    return {"kind": "size", "items": list(value)}


def pack_partial(packer: Packer, value: partial) -> Node:
    """Keep a function and what it is given."""
    given = packer.pack_all(value.args), packer.pack(value.keywords)
    return {"kind": "partial", "of": packer.pack(value.func), "args": given[0], "named": given[1]}


def pack_method(packer: Packer, value: MethodType) -> Node:
    """Keep a bound method of a kind that may be kept."""
    name = value.__func__.__name__
    if not packer.trust.may_bind(type(value.__self__), name):
        raise refuse_kind(value)
    return {"kind": "method", "of": packer.pack(value.__self__), "name": name}


def pack_path(packer: Packer, value: PurePath) -> Node:
    """Keep the last part of a path."""
    return {"kind": "path", "text": shorten_place(value)}


def pack_named(packer: Packer, value: Any) -> Node:
    """Tell a class or function by its name."""
    return {"kind": "name", "name": packer.trust.require(value)}


def pack_net(packer: Packer, net: NeuralNet) -> Node:
    """Keep a net by its attributes; skorch itself would pickle its weights."""
    state = {name: value for name, value in vars(net).items() if name != "module"}
    kind = packer.trust.require(type(net))
    return {"kind": "object", "type": kind, "state": packer.pack(state)}


def pack_object(packer: Packer, value: Any) -> Node:
    """Keep what an object tells of itself to those who copy it."""
    make, given, state, items, pairs = reduce_object(value)
    node: Node = {"kind": "object"}
    if make is copyreg.__newobj__:  # type: ignore[attr-defined]
        kind, *given = given
        node["type"] = packer.trust.require(kind)
    else:
        node["call"] = packer.trust.require(make)
        if not packer.trust.may_call(node["call"]):
            raise refuse_kind(value)
    if given:
        node["args"] = packer.pack_all(given)
    if state is not None:
        node["state"] = packer.pack(clean_state(value, state))
    if items is not None:
        node["items"] = packer.pack_all(items)
    if pairs is not None:
        node["pairs"] = packer.pack_pairs(pairs)
    return node


def reduce_object(value: Any) -> tuple:
    """Return what makes an object, what that is given, its state, its items and its pairs."""
    known = copyreg.dispatch_table.get(type(value))
    try:
        reduced = known(value) if known else value.__reduce_ex__(PROTOCOL)
    except TypeError as error:
        raise refuse_kind(value) from error
    if isinstance(reduced, str) or len(reduced) > 5:
        raise refuse_kind(value)
    return (*reduced, *[None] * (5 - len(reduced)))


def refuse_kind(value: Any) -> SavedModelError:
    """Return the error about something that cannot be saved."""
    kind = type(value)
    return SavedModelError(
        "Everything in a saved model can be told without code",
        got=f"a {kind.__module__}.{kind.__qualname__}",
        remedy="Leave it out of the estimator's parameters; or pickle the model",
    )


PACKERS: Mapping[Any, Any] = {
    (float, complex): lambda packer, value: (
        pack_scalar if isinstance(value, np.generic) else pack_number
    )(packer, value),
    np.generic: pack_scalar,
    (bytes, bytearray): pack_bytes,
    np.ndarray: pack_array,
    np.dtype: pack_dtype,
    np.random.RandomState: pack_random_state,
    np.random.Generator: pack_generator,
    torch.Tensor: pack_tensor,
    (torch.device, torch.dtype): pack_torch_word,
    torch.Size: pack_size,
    partial: pack_partial,
    MethodType: pack_method,
    PurePath: pack_path,
    NeuralNet: pack_net,
    **PACK_TABLES,
    pd.api.extensions.ExtensionDtype: lambda packer, value: {"kind": "pandas", "word": str(value)},
}
