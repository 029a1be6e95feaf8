"""Both ends of the line along which gradients are integrated: a subject and a baseline."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from adestim.inspection.tokens.integrated import ExplainedOutput
from adestim.inspection.tokens.view import SubjectsView


def line_end(
    output: ExplainedOutput, batch: dict, features: list[np.ndarray], rows: np.ndarray
) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
    """Return the subjects' inputs, and what else the output needs.

    features (B, n_features, 2).
    """
    present = batch["present"]
    device = present.device
    inputs = [batch["tokens"][name] for name in output.read]
    inputs += [torch.from_numpy(block).to(device) for block in features]
    inputs.append(torch.ones(present.shape, device=device))
    if output.forest is not None:
        inputs.append(as_input(output.forest.end[rows], device))
    others = [present, torch.from_numpy(rows).to(device)]
    others += [batch["masks"][name] for name in output.read]
    if output.reads_inputs:
        own = own_tokens(output, batch)
        inputs.append(own.tokens.float())
        others.append(own.mask)
    return tuple(inputs), tuple(others)


def as_input(values: np.ndarray, device: torch.device) -> Tensor:
    """Return numbers as the net's other inputs are kept."""
    return torch.from_numpy(values.astype(np.float32)).to(device)


@torch.no_grad()
def own_tokens(output: ExplainedOutput, batch: dict) -> Any:
    """Return the embedded tokens of a foundation model."""
    module = output.module
    place = module.modalities.index(module.anchor)
    return module.own(module.backbone, batch, module.anchor, place)


def mean_own(view: SubjectsView, output: ExplainedOutput, size: int) -> Tensor | None:
    """Return the mean embedded tokens of the subjects who have the anchor.

    -> (n_tokens, width).
    """
    place = list(view.tables).index(view.anchor)
    total, count = 0.0, 0
    for _, batch in view.batches(size):
        shown = batch["present"][:, place]
        if shown.any():
            own = own_tokens(output, batch)
            tokens = own.tokens[shown].float()
            if view.anchor in view.texts:
                # Texts differ in length, and their words in place.
                tokens = tokens[own.mask[shown]][:, None]
            total = total + tokens.sum(dim=0)
            count += len(tokens)
    return total / count if count else None


def line_start(
    output: ExplainedOutput,
    inputs: tuple[Tensor, ...],
    present: Tensor,
    rows: np.ndarray,
    baseline: str,
    mean: Tensor | None,
) -> tuple[Tensor, ...]:
    """Return the baseline's inputs: zeros, which are means, and intercepts for ``"mean"``.

    A forest starts from what it says of means.

    present (B, n_modalities).
    """
    start = [torch.zeros_like(value) for value in inputs]
    factor = len(output.read) + len(output.heads.modalities)
    if baseline == "mean":
        start[factor] = torch.ones_like(inputs[factor])
    if output.forest is not None:
        start[factor + 1] = as_input(output.forest.start[rows], present.device)
    if output.reads_inputs:
        module = output.module
        shown = present[:, module.modalities.index(module.anchor)]
        stand_in = (module.own.stand_in * module.own.rms).detach() if mean is None else mean
        start[-1] = torch.where(shown[:, None, None], stand_in.to(inputs[-1]), inputs[-1])
    return tuple(start)
