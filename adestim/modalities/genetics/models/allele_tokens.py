"""One token a SNP from a frozen DNA model: each allele is read once, whoever carries it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from adestim._support.torch import autocast, choose_device, memory_of
from adestim.backbone.contract import Backbone
from adestim.backbone.forward import batch_by_size, run_backbone
from adestim.backbone.loading import PRECISIONS, load_backbone
from adestim.encoding import BackboneSpec

N_KEPT = 4

# What the two alleles of every SNP look like to a model, (counted, other).
AlleleTokens = tuple[np.ndarray, np.ndarray]

_READ: dict[tuple, AlleleTokens] = {}


def allele_tokens(
    spec: BackboneSpec,
    options: Mapping[str, Any],
    *,
    device: str = "auto",
    precision: str = "float32",
    batch_size: int = 4,
) -> AlleleTokens:
    """Return the tokens of both alleles of every SNP.

    Each window is read by itself, once with each allele: two passes a SNP, however many subjects
    there are. The last few results are kept, so that ``fit`` and ``transform`` share them.

    -> counted, other (n_snps, width).
    """
    where = choose_device(device)
    key = (spec, str(where), precision)
    if key not in _READ:
        model = load_backbone(spec, where, PRECISIONS[precision])
        room = memory_of(
            where,
            f"Reading DNA by {spec.name!r}",
            got=f"batch_size={batch_size}, precision={precision!r}",
            remedy="Pass a smaller batch_size, precision='bfloat16', or device='cpu'",
        )
        with room, torch.inference_mode(), autocast(where, precision):
            read = read_alleles(model, options, where, batch_size)
        for oldest in list(_READ)[: max(0, len(_READ) - N_KEPT + 1)]:
            _READ.pop(oldest)
        _READ[key] = read
    return _READ[key]


def read_alleles(
    model: Backbone, options: Mapping[str, Any], device: torch.device, batch_size: int
) -> AlleleTokens:
    """Run the model on every window with every allele."""
    lengths = options["lengths"]
    windows = [
        [row[row != options["pad"]] for row in np.split(options[which], lengths.cumsum()[:-1])]
        for which in ("counted", "other")
    ]
    flat = [ids if len(ids) else None for rows in windows for ids in rows]
    places = np.where(options["read"] == "window", -1, options["places"]).ravel()
    tokens = np.zeros((len(flat), model.width_out), dtype=np.float32)
    for rows in batch_by_size(flat, batch_size):
        batch = [np.concatenate([options["starts"], flat[row], options["ends"]]) for row in rows]
        encoded, _ = run_backbone(model, model.collate(batch).to(device))
        for row, one in zip(rows, encoded.float().cpu().numpy(), strict=True):
            own = one[len(options["starts"]) :][: len(flat[row])]
            tokens[row] = own.mean(axis=0) if places[row] < 0 else own[places[row]]
    counted, other = np.split(tokens, 2)
    if options["read"] == "difference":
        return counted - other, np.zeros_like(other)
    return counted, other
