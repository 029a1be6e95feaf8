"""What phase 1 changed in a frozen model, as bytes that travel with its name tag."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace

from torch import Tensor, nn

from adestim.backbone.quantization import require_whole_weight
from adestim.encoding import BackboneSpec
from adestim.exceptions import MissingDependencyError

KINDS = ("weight", "down", "up")


@dataclass(frozen=True, eq=False)
class Adapter:
    """Weights that phase 1 trained."""

    weight: Mapping[str, Tensor]  # parameters that take the place of the model's, by name
    # factors of low-rank updates by layer; the layer's weight becomes ``weight + up @ down``
    down: Mapping[str, Tensor]
    up: Mapping[str, Tensor]

    def to_bytes(self) -> bytes:
        """Return a safetensors file."""
        tensors = {
            f"{kind}:{name}": value.detach().cpu().contiguous()
            for kind in KINDS
            for name, value in getattr(self, kind).items()
        }
        return import_safetensors().save(tensors)

    @classmethod
    def from_bytes(cls, content: bytes) -> Adapter:
        """Read a safetensors file."""
        tensors = import_safetensors().load(content)
        parts: dict[str, dict[str, Tensor]] = {kind: {} for kind in KINDS}
        for key, value in tensors.items():
            kind, _, name = key.partition(":")
            parts[kind][name] = value
        return cls(**parts)


def import_safetensors():
    """Import safetensors, or say how to install it."""
    try:
        import safetensors.torch
    except ImportError as error:
        raise MissingDependencyError(
            "Adapting a foundation model needs the package safetensors",
            remedy="Run pip install 'adestim[foundation]'",
        ) from error
    return safetensors.torch


def make_adapted_spec(spec: BackboneSpec, adapter: Adapter) -> BackboneSpec:
    """Return the name tag of an adapted model; its digest covers weights and adapter."""
    content = adapter.to_bytes()
    return replace(
        spec,
        digest=hashlib.sha256(spec.digest.encode() + content).hexdigest(),
        options=(*spec.options, ("unadapted", spec.digest)),
        adapter=content,
    )


def strip_adapter(spec: BackboneSpec) -> BackboneSpec:
    """Return the name tag of the frozen model that was adapted."""
    options = tuple(pair for pair in spec.options if pair[0] != "unadapted")
    return replace(spec, digest=spec.option("unadapted"), options=options, adapter=b"")


def apply_adapter(model: nn.Module, adapter: Adapter) -> None:
    """Give a model the weights that phase 1 trained."""
    for name, value in adapter.weight.items():
        exchange_parameter(model, name, value)
    for name, down in adapter.down.items():
        weight = model.get_submodule(name).weight
        require_whole_weight(f"{name}.weight", weight)
        update = (adapter.up[name] @ down).to(weight.device)
        exchange_parameter(model, f"{name}.weight", weight.float() + update)


def exchange_parameter(model: nn.Module, name: str, value: Tensor) -> None:
    """Put a parameter in the place of another, in its precision and on its device."""
    path, _, key = name.rpartition(".")
    module = model.get_submodule(path)
    require_whole_weight(name, getattr(module, key))
    setattr(module, key, nn.Parameter(value.to(getattr(module, key)), requires_grad=False))
