"""Auxiliary tokens that join a transformers model before a later block than its first.

The model is run twice, each time by its own code, so that masks, positions and kinds of layers are
its own: once over the text alone, the blocks from the joining one on handing tokens through as they
are; once over all tokens, the blocks before it handing them through, and what the text had become
put in before the joining block.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from adestim.modalities.clinical.models.language_layouts import Family, Laid, run_body


def run_joining(
    body: nn.Module,
    family: Family,
    laid: Laid,
    dtype: torch.dtype,
    blocks: Sequence[nn.Module],
    join_at: int,
) -> Tensor:
    """Run the blocks of a transformers model, the first of them on the text alone.

    -> (B, T, width).
    """
    if join_at == 0:
        return run_body(body, family, laid, dtype)
    joining = blocks[join_at]
    with handing_through(blocks[join_at:]), find_block_inputs(joining) as seen:
        run_body(body, family, text_of(laid), dtype)
    with handing_through(blocks[:join_at]), starting_from(joining, join_tokens(laid, seen[0])):
        return run_body(body, family, laid, dtype)


def text_of(laid: Laid) -> Laid:
    """Return the text alone."""
    own = ~laid.is_aux
    return Laid(
        laid.tokens[:, own],
        None if laid.log_mask is None else laid.log_mask[:, own],
        back=torch.arange(int(own.sum()), device=own.device),
        is_aux=laid.is_aux[own],
    )


def join_tokens(laid: Laid, text: Tensor) -> Tensor:
    """Return all tokens in the order of ``laid``, the text's being those of a later block."""
    own = (~laid.is_aux).nonzero()[:, 0]
    auxiliary = laid.is_aux.nonzero()[:, 0]
    together = torch.cat([text, laid.tokens[:, auxiliary].to(text.dtype)], dim=1)
    return together[:, torch.cat([own, auxiliary]).argsort()]


@contextmanager
def handing_through(blocks: Sequence[nn.Module]) -> Iterator[None]:
    """Let blocks return the tokens that they are given."""
    own = [vars(block).get("forward") for block in blocks]
    for block in blocks:
        block.forward = keep_tokens
    try:
        yield
    finally:
        for block, forward in zip(blocks, own, strict=True):
            del block.forward
            if forward is not None:
                block.forward = forward


def keep_tokens(tokens: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """Return the tokens, whatever else a block is given."""
    return tokens


@contextmanager
def find_block_inputs(block: nn.Module) -> Iterator[list[Tensor]]:
    """Collect the tokens that a block is given."""
    seen: list[Tensor] = []
    hook = block.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    try:
        yield seen
    finally:
        hook.remove()


@contextmanager
def starting_from(block: nn.Module, tokens: Tensor) -> Iterator[None]:
    """Give a block other tokens than the model does."""
    hook = block.register_forward_pre_hook(lambda _, args: (tokens, *args[1:]))
    try:
        yield
    finally:
        hook.remove()
