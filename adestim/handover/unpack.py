"""Nodes and arrays as the objects that they were; nothing runs but what is trusted by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.base import BaseEstimator
from sklearn.tree._tree import Tree
from skorch import NeuralNet

from adestim.backbone.registry import get_card
from adestim.encoding import BackboneSpec
from adestim.exceptions import SavedModelError
from adestim.extraction.foundation import ModelPreparation
from adestim.handover.arrays import read_descr, take_array, take_tensor
from adestim.handover.pack_tables import UNPACK_TABLES
from adestim.handover.trust import Trust

GENERATORS = ("PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64")
# Settings by which code runs that lies beside weights, or in a pickle of them.
RUNS_CODE = {
    "trust_remote_code": "trust_remote_code",
    "trust_checkpoint": "trust_checkpoint",
    "trust": "trust_checkpoint",
}
LEAF = -1


class Unpacker:
    """Makes objects of nodes, each once."""

    def __init__(self, nodes: Sequence[Mapping], arrays: Mapping[str, np.ndarray], trust: Trust):
        self.nodes = nodes
        self.arrays = arrays
        self.trust = trust
        self._made: dict[int, Any] = {}
        self._begun: set[int] = set()

    def unpack(self, value: Any) -> Any:
        """Return a plain value as it is, and the object of a node."""
        if not isinstance(value, dict):
            return require_plain(value)
        place = value["at"]
        if place not in self._made:
            if place in self._begun or not 0 <= place < len(self.nodes):
                raise SavedModelError("The nodes of a saved model can be made one after another")
            self._begun.add(place)
            made = self._make(self.nodes[place], place)
            self._made[place] = made
        return self._made[place]

    def unpack_all(self, values: Sequence[Any]) -> list[Any]:
        """Return several values."""
        return [self.unpack(value) for value in values]

    def note(self, place: int, made: Any) -> Any:
        """Remember an object that is not filled yet, since what fills it may name it."""
        self._made[place] = made
        return made

    def _make(self, node: Mapping[str, Any], place: int) -> Any:
        """Return the object of a node."""
        kind = node["kind"]
        if kind in FILLED:
            return FILLED[kind](self, node, place)
        if kind in MADE:
            return MADE[kind](self, node)
        raise SavedModelError("A node of a saved model is of a known kind", got=repr(kind))


def require_plain(value: Any) -> Any:
    """Return a plain value; a list has no place where a value is due."""
    if isinstance(value, list):
        raise SavedModelError("A value in a saved model is plain, or a node")
    return value


def fill_list(unpacker: Unpacker, node: Mapping, place: int) -> list:
    """Return a list, which may hold itself."""
    made = unpacker.note(place, [])
    made.extend(unpacker.unpack_all(node["items"]))
    return made


def fill_dict(unpacker: Unpacker, node: Mapping, place: int) -> dict:
    """Return a dict, which may hold itself."""
    made = unpacker.note(place, {})
    for key, value in node["pairs"]:
        word = unpacker.unpack(key)
        made[word] = unpacker.unpack(value)
        require_no_code(word, made[word], unpacker.trust)
    return made


def fill_object_array(unpacker: Unpacker, node: Mapping, place: int) -> np.ndarray:
    """Return an array of objects."""
    made = unpacker.note(place, np.empty(node["shape"], dtype=object))
    flat = made.reshape(-1)
    for at, item in enumerate(node["items"]):
        flat[at] = unpacker.unpack(item)
    return made


def fill_object(unpacker: Unpacker, node: Mapping, place: int) -> Any:
    """Return an object of a trusted class, in its state."""
    given = unpacker.unpack_all(node.get("args", []))
    if "call" in node:
        if not unpacker.trust.may_call(node["call"]):
            raise SavedModelError("Nothing in a saved model is called", got=node["call"])
        made = unpacker.trust.find(node["call"])(*given)
    else:
        kind = unpacker.trust.find(node["type"])
        made = kind.__new__(kind, *given)
    unpacker.note(place, made)
    if "state" in node:
        set_state(made, unpacker.unpack(node["state"]))
    for item in node.get("items", []):
        made.append(unpacker.unpack(item))
    for key, value in node.get("pairs", []):
        made[unpacker.unpack(key)] = unpacker.unpack(value)
    check_made(made, unpacker.trust)
    return made


def set_state(made: Any, state: Any) -> None:
    """Give an object its state, as unpickling does; a net's is never read by skorch."""
    if isinstance(made, NeuralNet):
        vars(made).update(state)
    elif hasattr(made, "__setstate__"):
        made.__setstate__(state)
    else:
        own, slots = state if isinstance(state, tuple) else (state, None)
        vars(made).update(own or {})
        for name, value in (slots or {}).items():
            object.__setattr__(made, name, value)


def check_made(made: Any, trust: Trust) -> None:
    """See to it that an object neither asks for code nor reaches beyond what it holds."""
    if isinstance(made, NeuralNet):
        settle_net(made)
    elif isinstance(made, Tree):
        require_sound_tree(made)
    elif isinstance(made, (BackboneSpec, ModelPreparation)):
        require_known_home(made, trust)
    elif isinstance(made, BaseEstimator) and "memory" in vars(made):
        made.memory = None


def settle_net(net: NeuralNet) -> None:
    """Let a net run where its tensors are, and skorch find its module; no weights are loaded."""
    if str(net.device).startswith("cuda"):
        net.device = "cuda" if torch.cuda.is_available() else "cpu"
    if "module_" in vars(net):
        vars(net)["module"] = net.module_


def require_sound_tree(tree: Tree) -> None:
    """Refuse a tree whose steps lead outside it, or in a circle; compiled code follows them."""
    own = np.arange(tree.node_count)
    ends = tree.children_left == LEAF
    for children in (tree.children_left, tree.children_right):
        steps = children[~ends]
        sound = (steps > own[~ends]).all() and (steps < tree.node_count).all()
        if (
            not sound
            or ((tree.feature[~ends] < 0) | (tree.feature[~ends] >= tree.n_features)).any()
        ):
            raise SavedModelError("A tree's nodes lead to later ones", got="others")


def require_known_home(made: BackboneSpec | ModelPreparation, trust: Trust) -> None:
    """Refuse what names the class of a model that is neither registered nor trusted."""
    home = made.source("home") if isinstance(made, BackboneSpec) else made.home
    if home and get_card(made.name) is None:
        trust.find(home)


def require_no_code(key: Any, value: Any, trust: Trust) -> None:
    """Refuse a setting by which code that lies beside weights would run, or within them."""
    if not isinstance(key, str) or key not in RUNS_CODE or value is False:
        return
    word = RUNS_CODE[key]
    if not trust.allows(word):
        raise SavedModelError(
            "A saved model does not ask for code that lies beside weights, or in them",
            got=f"{word} in it",
            remedy=f"If you know that code and who wrote it, pass trusted=[{word!r}]",
        )


def make_tuple(unpacker: Unpacker, node: Mapping) -> tuple:
    """Return a tuple."""
    made = tuple(unpacker.unpack_all(node["items"]))
    if len(made) == 2:
        require_no_code(*made, unpacker.trust)
    return made


def make_partial(unpacker: Unpacker, node: Mapping) -> partial:
    """Return a function and what it is given."""
    given = unpacker.unpack_all(node["args"])
    return partial(unpacker.unpack(node["of"]), *given, **unpacker.unpack(node["named"]))


def make_method(unpacker: Unpacker, node: Mapping) -> Any:
    """Return a bound method of a kind that may be kept."""
    holder = unpacker.unpack(node["of"])
    if not unpacker.trust.may_bind(type(holder), node["name"]):
        raise SavedModelError("Methods in a saved model are trusted by name", got=node["name"])
    return getattr(holder, node["name"])


def make_random_state(unpacker: Unpacker, node: Mapping) -> np.random.RandomState:
    """Return a generator of random numbers in its state."""
    made = np.random.RandomState()
    made.set_state(unpacker.unpack(node["state"]))
    return made


def make_generator(unpacker: Unpacker, node: Mapping) -> np.random.Generator:
    """Return a generator of random numbers in its state."""
    state = unpacker.unpack(node["state"])
    if state["bit_generator"] not in GENERATORS:
        raise SavedModelError("Random numbers are numpy's", got=repr(state["bit_generator"]))
    bits = getattr(np.random, state["bit_generator"])()
    bits.state = state
    return np.random.Generator(bits)


def make_tensor(unpacker: Unpacker, node: Mapping) -> torch.Tensor:
    """Return a tensor or parameter."""
    tensor, learns = take_tensor(node, unpacker.arrays), bool(node.get("learns"))
    if node["kind"] == "parameter":
        return torch.nn.Parameter(tensor, requires_grad=learns)
    return tensor.requires_grad_(learns)


def make_torch_dtype(unpacker: Unpacker, node: Mapping) -> torch.dtype:
    """Return a data type of torch."""
    found = getattr(torch, node["word"])
    if not isinstance(found, torch.dtype):
        raise SavedModelError("A data type of torch is one", got=repr(node["word"]))
    return found


def make_dtype(unpacker: Unpacker, node: Mapping) -> np.dtype:
    """Return a data type of numpy."""
    return np.lib.format.descr_to_dtype(read_descr(node["descr"]))


FILLED: Mapping[str, Callable[[Unpacker, Mapping, int], Any]] = {
    "list": fill_list,
    "dict": fill_dict,
    "objects": fill_object_array,
    "object": fill_object,
}
MADE: Mapping[str, Callable[[Unpacker, Mapping], Any]] = {
    "none": lambda unpacker, node: None,
    "tuple": make_tuple,
    "set": lambda unpacker, node: set(unpacker.unpack_all(node["items"])),
    "frozenset": lambda unpacker, node: frozenset(unpacker.unpack_all(node["items"])),
    "float": lambda unpacker, node: float(node["text"]),
    "complex": lambda unpacker, node: complex(node["text"]),
    "bytes": lambda unpacker, node: take_array(node, unpacker.arrays).tobytes(),
    "bytearray": lambda unpacker, node: bytearray(take_array(node, unpacker.arrays).tobytes()),
    "array": lambda unpacker, node: take_array(node, unpacker.arrays),
    "scalar": lambda unpacker, node: take_array(node, unpacker.arrays)[()],
    "dtype": make_dtype,
    "random": make_random_state,
    "generator": make_generator,
    "tensor": make_tensor,
    "parameter": make_tensor,
    "torch device": lambda unpacker, node: torch.device(node["word"]),
    "torch dtype": make_torch_dtype,
    "size": lambda unpacker, node: torch.Size(node["items"]),
    "partial": make_partial,
    "method": make_method,
    "path": lambda unpacker, node: Path(node["text"]),
    "name": lambda unpacker, node: unpacker.trust.find(node["name"]),
    **UNPACK_TABLES,
}
