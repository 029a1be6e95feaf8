"""How auxiliary tokens lie among a text's, and who attends to whom, family by family.

Facts were measured against transformers 5.23: where positions are added, how windows are counted,
which masks a model takes as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from adestim.backbone.attention import CLOSED


@dataclass(frozen=True)
class Laid:
    """Tokens in the order in which a model reads them."""

    tokens: Tensor  # (B, T, width); the first own token, the auxiliary ones, the other own ones
    log_mask: Tensor | None  # (B, T); in that order
    back: Tensor  # (T,); where own tokens, then auxiliary ones, have gone
    is_aux: Tensor  # (T,); true at auxiliary tokens

    @property
    def is_open(self) -> Tensor:
        """Which tokens are there at all, (B, T)."""
        if self.log_mask is None:
            return torch.ones(self.tokens.shape[:2], dtype=torch.bool, device=self.tokens.device)
        return is_open(self.log_mask)


Positions = Callable[[Laid], Tensor]


@dataclass(frozen=True)
class Family:
    """What sets the models of one type apart."""

    causal: bool  # whether a token sees those before it alone
    positions: Positions  # takes laid tokens, returns their position ids, (B, T)
    lora_targets: tuple[str, ...]  # ends of the names of the layers that LoRA adapts
    # one mask for all layers; the same, within the window of the configuration; or one for layers
    # that see all and one for those with a window
    masks: str = "one"
    # subtracted from the window of the configuration for the longest distance that is seen
    window_edge: int = 1
    # name of the configuration's number after which positions begin; empty for zero
    first_position: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)  # options of the model's constructor
    blocks: str = "layers"  # dotted name of the model's list of blocks

    def reads_backwards_only(self, config: Any) -> bool:
        """Tell whether a model of this configuration is causal."""
        return self.causal and not getattr(config, "use_bidirectional_attention", False)

    def offset(self, config: Any) -> int:
        """Return the position of the first token."""
        return getattr(config, self.first_position) + 1 if self.first_position else 0


def count_open_tokens(laid: Laid) -> Tensor:
    """Return the number of open tokens before each: absent ones take up no distance."""
    return (laid.is_open.long().cumsum(1) - 1).clamp(min=0)


def kept(laid: Laid) -> Tensor:
    """Return the text's own positions, undisturbed; auxiliary tokens take those after it."""
    own = laid.is_open & ~laid.is_aux
    n_own = own.sum(1, keepdim=True)
    text = (own.long().cumsum(1) - 1).clamp(min=0) * own
    return torch.where(laid.is_aux, n_own + laid.is_aux.long().cumsum(0) - 1, text)


DECODER = ("q_proj", "v_proj")
ENCODER = ("query", "value")
NO_POOLER = {"add_pooling_layer": False}
OF_BERT: dict[str, Any] = {"options": NO_POOLER, "blocks": "encoder.layer"}

FAMILIES: Mapping[str, Family] = {
    "llama": Family(True, count_open_tokens, DECODER),
    "mistral": Family(True, count_open_tokens, DECODER, masks="windowed"),
    "qwen2": Family(True, count_open_tokens, DECODER, masks="by_layer"),
    "qwen3": Family(True, count_open_tokens, DECODER, masks="by_layer"),
    "gemma3_text": Family(True, count_open_tokens, DECODER, masks="by_layer"),
    "bert": Family(False, kept, ENCODER, **OF_BERT),
    "roberta": Family(False, kept, ENCODER, first_position="pad_token_id", **OF_BERT),
    "xlm-roberta": Family(False, kept, ENCODER, first_position="pad_token_id", **OF_BERT),
    "modernbert": Family(False, count_open_tokens, ("Wqkv",), masks="by_layer", window_edge=0),
}


def aux_after_first(tokens: Tensor, log_mask: Tensor | None, n_own: int) -> Laid:
    """Lay auxiliary tokens behind the first own one.

    There every text token of a causal model sees them, the first token stays the sink of
    attention that it was in pre-training, and padding at the end shifts nothing.

    tokens (B, T, width), log_mask (B, T).
    """
    n_tokens = tokens.shape[1]
    places = torch.arange(n_tokens, device=tokens.device)
    order = torch.cat([places[:1], places[n_own:], places[1:n_own]])
    return Laid(
        tokens[:, order],
        None if log_mask is None else log_mask[:, order],
        back=order.argsort(),
        is_aux=order >= n_own,
    )


def is_open(log_mask: Tensor) -> Tensor:
    """Tell which tokens are there, however far a gate is shut."""
    return log_mask > CLOSED / 2


def key_mask(
    log_mask: Tensor, positions: Tensor, dtype: torch.dtype, causal: bool, window: int | None = None
) -> Tensor:
    """Return what is added to the attention logits of all pairs.

    log_mask (B, T), positions (B, T) -> (B, 1, T, T).
    """
    n_tokens = log_mask.shape[1]
    everything = torch.ones(n_tokens, n_tokens, dtype=torch.bool, device=log_mask.device)
    there = is_open(log_mask)
    seen = there[:, None, :].expand(-1, n_tokens, -1)
    if causal:
        seen = seen & everything.tril()
    if window is not None:
        seen = seen & ((positions[:, :, None] - positions[:, None, :]).abs() <= window)
    gates = log_mask.masked_fill(~there, 0).to(dtype)[:, None, :]
    unseen = ~seen & ~torch.eye(n_tokens, dtype=torch.bool, device=log_mask.device)
    return gates.masked_fill(unseen, torch.finfo(dtype).min)[:, None]


def run_body(body: nn.Module, family: Family, laid: Laid, dtype: torch.dtype) -> Tensor:
    """Run the blocks of a transformers model.

    -> (B, T, width).
    """
    config = body.config
    positions = family.positions(laid)
    # Without a mask, positions that are not consecutive are taken for several packed texts.
    mask: Any = laid.is_open.long()
    if laid.log_mask is not None:
        mask = attention_masks(family, config, laid.log_mask, positions, dtype)
    output = body(
        inputs_embeds=laid.tokens.to(dtype),
        attention_mask=mask,
        position_ids=positions + family.offset(config),
        **({"use_cache": False} if family.causal else {}),
    )
    return output.last_hidden_state


def attention_masks(
    family: Family, config: Any, log_mask: Tensor, positions: Tensor, dtype: torch.dtype
) -> Tensor | dict[str, Tensor]:
    """Return the mask of all layers, or one for each kind of layer."""
    causal = family.reads_backwards_only(config)
    window = getattr(config, "sliding_window", None)
    window = None if window is None else window - family.window_edge
    if family.masks == "windowed":
        return key_mask(log_mask, positions, dtype, causal, window)
    full = key_mask(log_mask, positions, dtype, causal)
    if family.masks == "one":
        return full
    near = key_mask(log_mask, positions, dtype, causal, window)
    return {"full_attention": full, "sliding_attention": near}


@contextmanager
def recomputing(body: nn.Module, wanted: bool) -> Iterator[None]:
    """Make the activations of every block again in the backward pass.

    transformers does so in training mode alone, and a frozen body is in evaluation mode, so that
    dropout stays off.
    """
    blocks: list[Any] = []
    if wanted and torch.is_grad_enabled():
        from transformers.modeling_layers import GradientCheckpointingLayer

        blocks = [item for item in body.modules() if isinstance(item, GradientCheckpointingLayer)]
    for block in blocks:
        block.forward = partial(checkpoint, block.forward, use_reentrant=False)
    try:
        yield
    finally:
        for block in blocks:
            del block.forward
