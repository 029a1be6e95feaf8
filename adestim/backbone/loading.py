"""Frozen models: loaded once a process, shared by all who use them."""

from __future__ import annotations

import copy
import multiprocessing
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext

import torch

from adestim._support.torch import memory_of
from adestim.backbone.adapter import Adapter, apply_adapter, strip_adapter
from adestim.backbone.contract import Backbone
from adestim.backbone.quantization import find_packed_states, require_gpu
from adestim.backbone.registry import class_named
from adestim.backbone.weights.moved import find_sources
from adestim.encoding import BackboneSpec
from adestim.exceptions import DeviceMemoryError

PRECISIONS: Mapping[str, torch.dtype] = {"float32": torch.float32, "bfloat16": torch.bfloat16}
N_ADAPTED_KEPT = 2

_LOADED: dict[tuple, Backbone] = {}


def load_backbone(
    spec: BackboneSpec, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32
) -> Backbone:
    """Return the frozen model of a spec; one copy a process, device and precision.

    Parameters
    ----------
    spec : BackboneSpec
        Name tag of the model.
    device : torch.device or str, default="cpu"
        Where to put it.
    dtype : torch.dtype, default=torch.float32
        Precision of its large layers.

    Returns
    -------
    Backbone
        In evaluation mode, no weight requires a gradient. Do not change it: it is shared.

    Raises
    ------
    CheckpointError
        When the weights of the spec are nowhere to be found.
    DeviceMemoryError
        When the model does not fit into the device's memory, or a worker process of joblib is to
        load it onto a GPU.
    InputError
        When a quantised model is to be put elsewhere than on a CUDA GPU.
    """
    key = (*spec.identity(), str(device), dtype)
    if key not in _LOADED:
        require_own_gpu(spec, device)
        require_gpu(spec, device)
        forget_adapted()
        with room_for(spec, device, dtype):
            model = (
                apply_phase_one(spec, device, dtype)
                if spec.adapter
                else read_model(spec, device, dtype)
            )
        _LOADED[key] = model.requires_grad_(False).eval()
    return _LOADED[key]


def room_for(
    spec: BackboneSpec, device: torch.device | str, dtype: torch.dtype
) -> AbstractContextManager[None]:
    """Return the context in which memory that a model does not fit into is said with the remedy."""
    architecture = dict(spec.option("architecture", ()))
    bits = architecture.get("quantization")
    remedies = ["a smaller backbone"]
    if "quantization" in architecture and bits != "4bit":
        remedies.append("backbone_params={'quantization': '4bit'}")
    if bits is None:
        remedies.append("device='cpu'")
    if bits is None and dtype == torch.float32:
        remedies.insert(0, "precision='bfloat16'")
    return memory_of(
        device,
        f"Loading {spec.name!r}",
        got=f"weights in {bits or str(dtype).removeprefix('torch.')}",
        remedy=f"Free the GPU of other work, or pass {' or '.join(remedies)}",
    )


def require_own_gpu(spec: BackboneSpec, device: torch.device | str) -> None:
    """Refuse to fill a GPU with one copy of a model for every worker process."""
    if torch.device(device).type != "cuda" or not in_worker_process():
        return
    raise DeviceMemoryError(
        "A model is loaded onto a GPU by one process only: with n_jobs > 1 every worker process "
        "would hold a copy of its own",
        got=f"{spec.name!r} for {device} in a worker process of joblib or Dask",
        remedy="Pass n_jobs=1 to what runs the model; or encode all subjects once with memory=, "
        "and search afterwards, when their tokens are in the store; or start one process a GPU, "
        "each with its own CUDA_VISIBLE_DEVICES",
    )


def in_worker_process() -> bool:
    """Tell whether this is one of several processes that joblib or Dask has started."""
    name = multiprocessing.current_process().name
    return name.startswith("LokyProcess") or "PoolWorker-" in name or in_dask_process()


def in_dask_process() -> bool:
    """Tell whether this is a process of a Dask worker that may share its GPU with others."""
    distributed = sys.modules.get("distributed")
    # Workers that are threads share one process; dask_cuda gives every worker a GPU of its own.
    if distributed is None or "dask_cuda" in sys.modules:
        return False
    if multiprocessing.parent_process() is None:
        return False
    try:
        return distributed.get_worker() is not None
    except ValueError:
        return False


def forget_adapted() -> None:
    """Let go of the oldest adapted models; who still uses them keeps them alive."""
    keys = [key for key in _LOADED if dict(key[2]).get("unadapted") is not None]
    for key in keys[: max(0, len(keys) - N_ADAPTED_KEPT + 1)]:
        _LOADED.pop(key)


def read_model(spec: BackboneSpec, device: torch.device | str, dtype: torch.dtype) -> Backbone:
    """Read a model from its file."""
    cls = class_named(spec.name, spec.source("home"))
    spec = find_sources(spec)
    # Quantised weights are read onto the current GPU, which must be the one that is asked for.
    is_gpu = torch.device(device).type == "cuda"
    with torch.cuda.device(device) if is_gpu else nullcontext():
        return cls.load(spec).cast(dtype).to(device)


def apply_phase_one(spec: BackboneSpec, device: torch.device | str, dtype: torch.dtype) -> Backbone:
    """Return the model as phase 1 adapted it; it shares every weight that was not changed."""
    model = skeleton(load_backbone(strip_adapter(spec), device, dtype))
    apply_adapter(model, Adapter.from_bytes(spec.adapter))
    return model


def skeleton(model: Backbone) -> Backbone:
    """Return a copy of the modules that shares every weight and buffer with the original."""
    shared = [*model.parameters(), *model.buffers(), *find_packed_states(model)]
    return copy.deepcopy(model, memo={id(item): item for item in shared})
