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

__all__ = ["FAMILIES", "Family", "Laid", "aux_after_first", "key_mask", "recomputing", "run_body"]


@dataclass(frozen=True)
class Laid:
    """Tokens in the order in which a model reads them.

    Parameters
    ----------
    tokens : Tensor of shape (B, T, width)
        The first own token, the auxiliary ones, the other own ones.
    log_mask : Tensor of shape (B, T) or None
        In that order.
    back : Tensor of shape (T,)
        Where own tokens, then auxiliary ones, have gone.
    is_aux : Tensor of shape (T,), dtype bool
        True at auxiliary tokens.
    """

    tokens: Tensor
    log_mask: Tensor | None
    back: Tensor
    is_aux: Tensor

    @property
    def is_open(self) -> Tensor:
        """Which tokens are there at all, (B, T)."""
        if self.log_mask is None:
            return torch.ones(self.tokens.shape[:2], dtype=torch.bool, device=self.tokens.device)
        return is_open(self.log_mask)


Positions = Callable[[Laid], Tensor]


@dataclass(frozen=True)
class Family:
    """What sets the models of one type apart.

    Parameters
    ----------
    causal : bool
        Whether a token sees those before it alone.
    positions : callable
        Takes laid tokens, returns their position ids, (B, T).
    lora_targets : tuple of str
        Ends of the names of the layers that LoRA adapts.
    masks : {"one", "windowed", "by_layer"}, default="one"
        One mask for all layers; the same, within the window of the configuration; or one for
        layers that see all and one for those with a window.
    window_edge : int, default=1
        Subtracted from the window of the configuration for the longest distance that is seen.
    first_position : str, default=""
        Name of the configuration's number after which positions begin; empty for zero.
    options : mapping, default={}
        Options of the model's constructor.
    blocks : str, default="layers"
        Dotted name of the model's list of blocks.
    """

    causal: bool
    positions: Positions
    lora_targets: tuple[str, ...]
    masks: str = "one"
    window_edge: int = 1
    first_position: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    blocks: str = "layers"

    def reads_backwards_only(self, config: Any) -> bool:
        """Tell whether a model of this configuration is causal."""
        return self.causal and not getattr(config, "use_bidirectional_attention", False)

    def offset(self, config: Any) -> int:
        """Return the position of the first token."""
        return getattr(config, self.first_position) + 1 if self.first_position else 0


def counted(laid: Laid) -> Tensor:
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
    "llama": Family(True, counted, DECODER),
    "mistral": Family(True, counted, DECODER, masks="windowed"),
    "qwen2": Family(True, counted, DECODER, masks="by_layer"),
    "qwen3": Family(True, counted, DECODER, masks="by_layer"),
    "gemma3_text": Family(True, counted, DECODER, masks="by_layer"),
    "bert": Family(False, kept, ENCODER, **OF_BERT),
    "roberta": Family(False, kept, ENCODER, first_position="pad_token_id", **OF_BERT),
    "xlm-roberta": Family(False, kept, ENCODER, first_position="pad_token_id", **OF_BERT),
    "modernbert": Family(False, counted, ("Wqkv",), masks="by_layer", window_edge=0),
}


def aux_after_first(tokens: Tensor, log_mask: Tensor | None, n_own: int) -> Laid:
    """Lay auxiliary tokens behind the first own one.

    There every text token of a causal model sees them, the first token stays the sink of
    attention that it was in pre-training, and padding at the end shifts nothing.

    Parameters
    ----------
    tokens : Tensor of shape (B, T, width)
        Own tokens, then auxiliary ones.
    log_mask : Tensor of shape (B, T) or None
        Their log-mask.
    n_own : int
        Number of own tokens.

    Returns
    -------
    Laid
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

    Parameters
    ----------
    log_mask : Tensor of shape (B, T)
        Added to the logits of a key; ``CLOSED`` for an absent one.
    positions : Tensor of shape (B, T)
        By which windows are counted, so that absent tokens do not narrow them.
    dtype : torch.dtype
        The model's.
    causal : bool
        Whether a token sees those before it alone.
    window : int or None, default=None
        Longest distance that is seen; None for any.

    Returns
    -------
    Tensor of shape (B, 1, T, T)
        The lowest finite number where nothing is seen. A token always sees itself, so that no
        row is empty.
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

    Parameters
    ----------
    body : torch.nn.Module
        The model, without a head.
    family : Family
        Its family.
    laid : Laid
        The tokens, as it reads them.
    dtype : torch.dtype
        Precision of its large layers.

    Returns
    -------
    Tensor of shape (B, T, width)
        In the order of ``laid``.
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

    Parameters
    ----------
    body : torch.nn.Module
        A transformers model.
    wanted : bool
        Whether to.

    Yields
    ------
    None
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
