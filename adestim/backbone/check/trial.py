"""A backbone on trial: its tokens, auxiliary ones beside them, and what comes of both."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from adestim.backbone.attention import log_mask_of
from adestim.backbone.contract import Backbone

N_AUXILIARY = 8
LOUD = 100.0


@dataclass(frozen=True)
class Case:
    """A model, the inputs it is tried on, and how far two numbers may be apart."""

    model: Backbone
    inputs: Sequence[np.ndarray]
    tolerance: float  # largest difference, relative to the largest number


class Own(NamedTuple):
    """Own tokens of a batch (B, T, width), and which of them are real (B, T)."""

    tokens: Tensor
    mask: Tensor


class Auxiliary(NamedTuple):
    """Auxiliary tokens of a batch (B, A, width), and their log-mask (B, A)."""

    tokens: Tensor
    log_mask: Tensor


def collate_rows(case: Case, rows: slice = slice(None)) -> Tensor:
    """Return some subjects' inputs as a batch, where the model is."""
    first = next(iter(case.model.parameters()), torch.empty(0))
    return case.model.collate(list(case.inputs[rows])).to(first.device)


def make_own(case: Case, rows: slice = slice(None)) -> Own:
    """Return some subjects' own tokens; those of a reference backbone end in a summary."""
    batch = collate_rows(case, rows)
    tokens, mask = case.model.embed(batch), case.model.own_mask(batch)
    if mask is None:
        mask = torch.ones(tokens.shape[:2], dtype=torch.bool, device=tokens.device)
    if case.model.needs_summary:
        tokens = torch.cat([tokens, draw_tokens(tokens, 1, seed=1)], dim=1)
        mask = F.pad(mask, (0, 1), value=True)
    return Own(tokens, mask)


def draw_tokens(like: Tensor, n_tokens: int, seed: int) -> Tensor:
    """Return random tokens, the same for all subjects, as large as a batch's own are."""
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.randn(n_tokens, like.shape[-1], generator=generator)
    return tokens.to(like).expand(len(like), -1, -1)


def make_auxiliary(own: Own, log_gate: float = 0.0) -> Auxiliary:
    """Return auxiliary tokens under one log-gate."""
    tokens = draw_tokens(own.tokens, N_AUXILIARY, seed=2)
    return Auxiliary(tokens, torch.full(tokens.shape[:2], log_gate, device=tokens.device))


def encode_case(case: Case, own: Own, auxiliary: Auxiliary | None = None) -> Tensor:
    """Run the blocks on own tokens, and on auxiliary ones where there are any."""
    tokens, log_mask = own.tokens.clone(), log_mask_of(own.mask)
    if auxiliary is not None:
        tokens = torch.cat([tokens, auxiliary.tokens], dim=1)
        log_mask = torch.cat([log_mask, auxiliary.log_mask], dim=1)
    return case.model.encode(tokens, log_mask, own.tokens.shape[1])


def pool_case(case: Case, own: Own, auxiliary: Auxiliary | None = None) -> Tensor:
    """Return one vector a subject."""
    return case.model.pool(encode_case(case, own, auxiliary), own.mask)


def readable_tokens(case: Case, own: Own, row: int) -> Tensor:
    """Return a subject's encoded tokens that speak of it."""
    readable = case.model.readable(own.mask)
    return encode_case(case, own)[row, : readable.shape[1]][readable[row]]


@contextmanager
def join_before(model: Backbone, block: int) -> Iterator[None]:
    """Let auxiliary tokens join before a block for a while."""
    before = model.join_at
    model.join_before(block)
    try:
        yield
    finally:
        model.join_at = before


def catch_leaving(case: Case, block: int, own: Own, auxiliary: Auxiliary | None = None) -> Tensor:
    """Return the tokens that leave a block, the first time that it is run."""
    seen: list[Tensor] = []
    hook = case.model.blocks_to_join[block].register_forward_hook(
        lambda _, args, output: seen.append(output)
    )
    try:
        encode_case(case, own, auxiliary)
    finally:
        hook.remove()
    return seen[0]


def measure_distance(first: Tensor, second: Tensor) -> float:
    """Return the largest difference, relative to the largest number."""
    if first.shape != second.shape:
        return float("inf")
    scale = second.abs().max().clamp(min=1e-12)
    return float(((first - second).abs().max() / scale).detach())


def say_unlike(case: Case, first: Tensor, second: Tensor, what: str) -> str | None:
    """Say that two results are apart, where they are."""
    distance = measure_distance(first, second)
    return None if distance <= case.tolerance else f"{what} (difference {distance:.2g})"


def weigh_vectors(vectors: Tensor) -> Tensor:
    """Return one number that every coordinate changes, also behind a norm."""
    generator = torch.Generator().manual_seed(3)
    return (vectors * torch.randn(vectors.shape, generator=generator).to(vectors)).sum()


def has_shape(tensor: Tensor, *wanted: int) -> bool:
    """Tell whether a result is a tensor of a shape."""
    return isinstance(tensor, Tensor) and tuple(tensor.shape) == wanted
