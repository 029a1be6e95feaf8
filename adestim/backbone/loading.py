"""Frozen models: loaded once a process, shared by all who use them."""

from __future__ import annotations

import copy
from collections.abc import Mapping

import torch
from torch import nn

from adestim.backbone.contract import Backbone
from adestim.backbone.registry import import_class
from adestim.encoding import BackboneSpec

__all__ = ["PRECISIONS", "load_backbone", "skeleton"]

PRECISIONS: Mapping[str, torch.dtype | None] = {"float32": torch.float32, "bfloat16": torch.bfloat16}
# Norms and free parameters stay as they are: half precision is unsafe with an epsilon of 1e-12.
HALVED = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Embedding)

_LOADED: dict[tuple, Backbone] = {}


def load_backbone(
    spec: BackboneSpec, device: torch.device | str = "cpu", dtype: torch.dtype | None = None
) -> Backbone:
    """Return the frozen model of a spec; one copy a process, device and precision.

    Parameters
    ----------
    spec : BackboneSpec
        Name tag of the model.
    device : torch.device or str, default="cpu"
        Where to put it.
    dtype : torch.dtype or None, default=None
        Precision of its weights; None leaves that of the file.

    Returns
    -------
    Backbone
        In evaluation mode, no weight requires a gradient. Do not change it: it is shared.
    """
    key = (spec, str(device), dtype)
    if key not in _LOADED:
        model = import_class(spec.option("home")).load(spec).requires_grad_(False)
        _LOADED[key] = in_precision(model, dtype).to(device).eval()
    return _LOADED[key]


def in_precision(model: Backbone, dtype: torch.dtype | None) -> Backbone:
    """Return the model with its large layers in a precision."""
    for layer in model.modules() if dtype is not None else ():
        if isinstance(layer, HALVED):
            layer.to(dtype)
    return model


def skeleton(model: Backbone) -> Backbone:
    """Return a copy of the modules that shares every weight and buffer with the original.

    Parameters
    ----------
    model : Backbone
        The shared model.

    Returns
    -------
    Backbone
        Layers may be exchanged in it; never call ``to`` or ``requires_grad_`` on it.
    """
    shared = [*model.parameters(), *model.buffers()]
    return copy.deepcopy(model, memo={id(tensor): tensor for tensor in shared})
