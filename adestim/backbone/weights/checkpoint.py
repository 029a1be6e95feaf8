"""Checkpoints: matched to a model key by key."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from adestim.backbone.weights.files import read_checkpoint
from adestim.backbone.weights.layout import CheckpointLayout, canonical_state, shown
from adestim.backbone.weights.recognition import owner_of, verdict_on
from adestim.encoding import BackboneSpec
from adestim.exceptions import CheckpointError


def read_state(path: str, layout: CheckpointLayout, trust_pickle: bool) -> dict[str, Tensor]:
    """Read a file and return the state of the model in it, under the module's names."""
    return canonical_state(read_checkpoint(path, trust_pickle), layout, owner_of)


def load_strict(module: nn.Module, state: Mapping[str, Tensor], spec: BackboneSpec) -> None:
    """Fill a module, built on the meta device, with a state that has exactly its tensors."""
    problems = differences(module.state_dict(), state)
    if problems:
        verdict = verdict_on(state, spec.name, type(module))
        raise CheckpointError(
            f"A checkpoint of {spec.name!r} must hold exactly that model's weights",
            got="; ".join(problems) + (f". {verdict.finding}" if verdict.finding else ""),
            remedy=verdict.remedy,
        )
    module.load_state_dict(state, strict=True, assign=True)


def differences(wanted: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> list[str]:
    """Say in what a state differs from the one that is wanted."""
    both = [name for name in wanted if name in state]
    shapes = [name for name in both if state[name].shape != wanted[name].shape]
    kinds = [name for name in both if is_real(state[name]) != is_real(wanted[name])]
    found = {
        "missing": [name for name in wanted if name not in state],
        "unexpected": [name for name in state if name not in wanted],
        "of another shape": [
            f"{name} {tuple(state[name].shape)} instead of {tuple(wanted[name].shape)}"
            for name in shapes
        ],
        "of another kind of number": [
            f"{name} {state[name].dtype} instead of {wanted[name].dtype}" for name in kinds
        ],
    }
    return [
        f"{len(names)} of {len(wanted)} {what}: {shown(names)}"
        if what != "unexpected"
        else f"{len(names)} {what}: {shown(names)}"
        for what, names in found.items()
        if names
    ]


def is_real(tensor: Tensor) -> bool:
    """Tell whether a tensor holds floating-point numbers, of whatever precision."""
    return tensor.is_floating_point()
