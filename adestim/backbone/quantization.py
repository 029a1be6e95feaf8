"""Models whose large layers are kept in 8 or 4 bits: what may be done with them, and where."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from adestim.encoding import BackboneSpec
from adestim.exceptions import InputError


def read_quantization(spec: BackboneSpec) -> str | None:
    """Return in how many bits a model is loaded, None for as many as its file has."""
    return dict(spec.option("architecture", ())).get("quantization")


def require_gpu(spec: BackboneSpec, device: torch.device | str) -> None:
    """Refuse to put a quantised model elsewhere than on a CUDA GPU."""
    if read_quantization(spec) is None or torch.device(device).type == "cuda":
        return
    raise InputError(
        "Quantised language models run on a CUDA GPU alone",
        got=f"{spec.name!r} in {read_quantization(spec)} for the device {str(device)!r}",
        remedy="Pass device='cuda', to the fusion as well; or leave 'quantization' out of "
        "backbone_params, with precision='bfloat16' where memory is short",
    )


def require_whole_weight(name: str, weight: Tensor) -> None:
    """Refuse a weight that is packed, whose numbers mean nothing by themselves."""
    if not weight.is_floating_point():
        raise InputError(
            "Weights that phase 1 changed take the place of floating-point weights",
            got=f"{name!r} of type {str(weight.dtype).removeprefix('torch.')}, which is quantised",
            remedy="Load the model without quantization, with precision='bfloat16' where memory "
            "is short",
        )


def find_packed_states(model: nn.Module) -> list[Any]:
    """Return what bitsandbytes keeps beside 8-bit weights: their scales.

    The first forward pass of a layer takes the scales from the weight, so that a copy of the layer
    with the same weight and a state of its own would read packed numbers as plain ones.
    """
    layers = [layer for layer in model.modules() if hasattr(layer, "state")]
    return [
        layer.state
        for layer in layers
        if isinstance(getattr(layer, "weight", None), Tensor)
        and not layer.weight.is_floating_point()
    ]
