"""Running a frozen model over many subjects, in batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import Tensor

from adestim._support.progress import progress_bar
from adestim._support.torch import autocast, choose_device, memory_of
from adestim.backbone.attention import log_mask_of
from adestim.backbone.contract import Backbone
from adestim.backbone.loading import PRECISIONS, load_backbone
from adestim.encoding import BackboneSpec, Encoding, read_array

# Of a model for which memory ran out: the values of the subject at which it did, and how many such
# subjects are tried at a time since.
_ROOM: WeakKeyDictionary[Backbone, tuple[int, int]] = WeakKeyDictionary()


def encode_frozen(
    inputs: Sequence[np.ndarray | None],
    spec: BackboneSpec,
    *,
    device: str = "auto",
    precision: str = "float32",
    batch_size: int = 4,
    title: str | None = None,
    keep: Callable[[int, Encoding], Encoding] | None = None,
) -> list[Encoding | None]:
    """Encode every subject with the frozen model that a spec names."""
    where = choose_device(device)
    encodings: list[Encoding | None] = [None] * len(inputs)
    model = load_backbone(spec, where, PRECISIONS[precision]) if has_input(inputs) else None
    bar = progress_bar(len(inputs), title, "subject", title is not None)
    with bar, torch.inference_mode(), autocast(where, precision):
        for rows in batch_by_size(inputs, batch_size):
            batch = [read_array(inputs[row]) for row in rows]
            for row, part in zip(rows, encode_in_parts(model, batch, where), strict=True):
                made = pack_encoding(inputs[row], part, spec)
                encodings[row] = made if keep is None else keep(row, made)
            bar.advance(len(rows))
    return encodings


def encode_in_parts(model: Backbone, batch: Sequence[np.ndarray], where: torch.device) -> list:
    """Return tokens, mask and vector of every subject; halve batches where memory runs out."""
    parts: list = []
    while len(parts) < len(batch):
        left = batch[len(parts) :]
        some = left[: count_room(model, left)]
        found = encode_if_room(model, some, where)
        if found is None:
            _ROOM[model] = measure_largest(some), len(some) // 2
        parts += found or []
    return parts


def count_room(model: Backbone, batch: Sequence[np.ndarray]) -> int:
    """Return how many subjects of a batch are tried at a time."""
    size, n_subjects = _ROOM.get(model, (0, len(batch)))
    return n_subjects if measure_largest(batch) >= size else len(batch)


def measure_largest(batch: Sequence[np.ndarray]) -> int:
    """Return the number of values of the largest input."""
    return max(item.size for item in batch)


def encode_if_room(
    model: Backbone, batch: Sequence[np.ndarray], where: torch.device
) -> list | None:
    """Return tokens, mask and vector of every subject; None where memory runs out for several."""
    if len(batch) == 1:
        with memory_of(
            where,
            f"Running {type(model).__name__} on one subject",
            got=f"an input of shape {batch[0].shape}",
            remedy="Pass precision='bfloat16', a smaller input by backbone_params, or device='cpu'",
        ):
            return encode_at_once(model, batch, where)
    try:
        return encode_at_once(model, batch, where)
    except torch.OutOfMemoryError:
        pass
    # Only here, when the error has let go of the activations, is there memory to give back.
    torch.cuda.empty_cache()
    return None


def encode_at_once(
    model: Backbone, batch: Sequence[np.ndarray], where: torch.device
) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Return tokens, mask and vector of every subject."""
    tokens, own = encode_inputs(model, model.collate(batch).to(where))
    parts = tokens, model.readable(own), model.pool(tokens, own)
    return list(zip(*map(to_numpy, parts), strict=True))


def has_input(inputs: Sequence[np.ndarray | None]) -> bool:
    """Tell whether anybody has the modality; where nobody has, the model is not loaded."""
    return any(item is not None for item in inputs)


def batch_by_size(inputs: Sequence[np.ndarray | None], batch_size: int) -> Iterator[list[int]]:
    """Yield rows batch by batch, inputs of like size together, so that little is padded."""
    rows = [row for row, item in enumerate(inputs) if item is not None]
    rows.sort(key=lambda row: inputs[row].shape)
    for start in range(0, len(rows), batch_size):
        yield rows[start : start + batch_size]


def run_backbone(model: Backbone, inputs: Tensor) -> tuple[Tensor, np.ndarray]:
    """Return encoded tokens (B, T, width_out) and which of them are readable (B, T).

    inputs (B, ...) -> tokens (B, T, width_out), mask (B, T).
    """
    tokens, own = encode_inputs(model, inputs)
    return tokens, model.readable(own).cpu().numpy()


def pool_backbone(model: Backbone, inputs: Tensor) -> Tensor:
    """Return pooled vectors (B, width_pooled).

    inputs (B, ...) -> (B, width_pooled).
    """
    return model.pool(*encode_inputs(model, inputs))


def encode_inputs(model: Backbone, inputs: Tensor) -> tuple[Tensor, Tensor]:
    """Return encoded tokens and which embedded ones are real."""
    embedded = model.embed(inputs)
    own = model.own_mask(inputs)
    log_mask = None if own is None else log_mask_of(own)
    if own is None:
        own = torch.ones(embedded.shape[:2], dtype=torch.bool, device=embedded.device)
    return model.encode(embedded, log_mask, embedded.shape[1]), own


def to_numpy(values: Tensor) -> np.ndarray:
    """Return a tensor as an array, half precision as float32."""
    return (values.float() if values.is_floating_point() else values).cpu().numpy()


def pack_encoding(inputs: np.ndarray, part: tuple[np.ndarray, ...], spec: BackboneSpec) -> Encoding:
    """Return one subject's encoding, without the padding at its end."""
    tokens, real, vector = part
    n_tokens = int(np.flatnonzero(real)[-1]) + 1 if real.any() else 1
    real = real[:n_tokens]
    mask = None if real.all() else real.copy()
    return Encoding(inputs, tokens[:n_tokens].copy(), mask, spec, vector.copy())
