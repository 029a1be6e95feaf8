"""Attention whose keys carry an additive log-mask: open, closed, or a learned gate in between."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from adestim.backbone.reading import Readable
from adestim.exceptions import InputError

# A finite stand-in for minus infinity: exp() of it is 0, and no row can become NaN.
CLOSED = -1e4
HEAD_PADDING = 8


def heads_of(width: int, n_heads: int) -> int:
    """Return a number of attention heads, which must divide a width."""
    if n_heads < 1 or width % n_heads:
        raise InputError(
            "The number of attention heads must divide the width of the tokens",
            got=f"{n_heads} heads for a width of {width}",
            remedy="Correct the sizes of the model",
        )
    return n_heads


def log_mask_of(mask: Tensor) -> Tensor:
    """Return 0 where the mask is True, ``CLOSED`` where it is False."""
    return torch.logical_not(mask) * CLOSED


def masked_attention(q: Tensor, k: Tensor, v: Tensor, log_mask: Tensor | None) -> Tensor:
    """Mix values by softmax attention, with one number a key added to its logits.

    The log-mask enters as one more coordinate of queries and keys, so that the fused
    kernels serve, need no table of all pairs, and pass a gradient to a learned gate.

    Parameters
    ----------
    q : Tensor of shape (B, heads, Q, D)
        Queries, not yet scaled.
    k, v : Tensor of shape (B, heads, T, D)
        Keys and values.
    log_mask : Tensor of shape (B, T) or None
        Added to every logit of a key; None where all keys are open.

    Returns
    -------
    Tensor of shape (B, heads, Q, D)
    """
    if log_mask is None:
        return F.scaled_dot_product_attention(q, k, v)
    q = F.pad(q / math.sqrt(q.shape[-1]), (0, HEAD_PADDING))
    q[..., -1] = 1.0
    padded = F.pad(log_mask.to(k.dtype)[:, None, :, None], (HEAD_PADDING - 1, 0))
    k = torch.cat([k, padded.expand(-1, k.shape[1], -1, -1)], dim=-1)
    mixed = F.scaled_dot_product_attention(q, k, F.pad(v, (0, HEAD_PADDING)), scale=1.0)
    return mixed[..., : v.shape[-1]]


class Attention(nn.Module):
    """Multi-head attention from queries to other tokens, under a log-mask.

    Parameters
    ----------
    width : int
        Width of queries, keys and values.
    n_heads : int
        Number of heads; must divide ``width``.
    """

    def __init__(self, width: int, n_heads: int):
        super().__init__()
        self.n_heads = heads_of(width, n_heads)
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)
        # A layer, so that whoever wants to see what is read can watch it.
        self.shares = nn.Softmax(dim=-1)

    def forward(self, queries: Tensor, keys: Tensor, log_mask: Tensor | None) -> Tensor:
        """Attend from (B, Q, C) to (B, T, C) under a log-mask (B, T)."""
        q = self._heads(self.query(queries))
        k, v = (self._heads(part) for part in self.key_value(keys).chunk(2, dim=-1))
        return self.out(masked_attention(q, k, v, log_mask).transpose(1, 2).flatten(2))

    def read(
        self,
        queries: Tensor,
        keys: Sequence[Readable],
        log_mask: Tensor | None,
        maps: AbsorbedMaps,
    ) -> Tensor:
        """Let few queries (B or 1, Q, C) read tokens, whose keys and values are not computed.

        The same as ``forward`` of the tokens side by side behind the norm whose gain and shift the
        maps have taken in; log_mask (B, T) -> (B, Q, C).
        """
        mixed = mix_tokens(self.shares, maps.at_keys(queries), keys, log_mask)
        return maps.project(mixed.unflatten(1, (-1, self.n_heads)).flatten(2))

    def _heads(self, x: Tensor) -> Tensor:
        """Split (B, T, C) into (B, heads, T, C / heads)."""
        return x.unflatten(-1, (self.n_heads, -1)).transpose(1, 2)


class AbsorbedMaps(NamedTuple):
    """The maps of an attention, merged: from queries to the keys' side, from there to the output.

    With a dimension G before the others, those of several attentions of one size.
    """

    to_keys: Tensor  # (C + 1, heads * C); scaled, the bias last
    to_output: Tensor  # (heads * C, C)
    shift: Tensor  # (1, C)

    def at_keys(self, queries: Tensor) -> Tensor:
        """Return queries (..., Q, C) by head at the side of the keys, (..., Q * heads, C)."""
        found = multiply_add(self.to_keys[..., -1:, :], queries, self.to_keys[..., :-1, :])
        return found.unflatten(-1, (-1, queries.shape[-1])).flatten(-3, -2)

    def project(self, mixed: Tensor) -> Tensor:
        """Return outputs (..., C) of what the heads have mixed, (..., heads * C)."""
        return multiply_add(self.shift, mixed, self.to_output)

    def unbind(self) -> list[AbsorbedMaps]:
        """Return the maps of every attention."""
        return [AbsorbedMaps(*one) for one in zip(*(part.unbind() for part in self), strict=True)]


def multiply_add(shift: Tensor, x: Tensor, weight: Tensor) -> Tensor:
    """Return x @ weight + shift in one call.

    x (..., n_in), weight (n_in, n_out), shift (1, n_out); or x (G, N, n_in) and the others with G
    before.
    """
    if weight.dim() == 3:
        return torch.baddbmm(shift, x, weight)
    return torch.addmm(shift, x.flatten(0, -2), weight).unflatten(0, x.shape[:-1])


class AttentionWeights(NamedTuple):
    """Weights of G attentions of one size, and of the norms of what they read."""

    query: Tensor  # (G, C, C)
    query_bias: Tensor  # (G, C)
    key_value: Tensor  # (G, 2 * C, C)
    key_value_bias: Tensor  # (G, 2 * C)
    out: Tensor  # (G, C, C)
    out_bias: Tensor  # (G, C)
    gain: Tensor  # (G, C); of the norm
    shift: Tensor  # (G, C); of the norm

    @classmethod
    def stack(cls, layers: Sequence[Attention], norms: Sequence[nn.LayerNorm]) -> AttentionWeights:
        """Return the weights of layers and norms."""
        parts = [
            parameter
            for kind in ("query", "key_value", "out")
            for parameter in stack_parts([getattr(layer, kind) for layer in layers])
        ]
        return cls._make([*parts, *stack_parts(norms)])


def absorb(weights: AttentionWeights, n_heads: int) -> AbsorbedMaps:
    """Merge the maps of attentions, gain and shift of the norms of keys taken in.

    A bias of the keys is the same for all of them, which a softmax does not see.
    """
    width = weights.query.shape[-1]
    head = width // n_heads
    scaled = weights.key_value * weights.gain[:, None]
    key, value = scaled.unflatten(1, (2, n_heads, head)).unbind(1)
    query = torch.cat([weights.query, weights.query_bias[:, :, None]], dim=2)
    query = (query * head**-0.5).unflatten(1, (n_heads, head)).transpose(2, 3)
    to_keys = (query @ key).transpose(1, 2).flatten(2)
    out = weights.out.unflatten(2, (n_heads, head)).permute(0, 2, 3, 1)
    to_output = (value.transpose(2, 3) @ out).flatten(1, 2)
    bias, of_values = weights.key_value_bias[:, width:, None], weights.key_value[:, width:]
    shift = torch.baddbmm(bias, of_values, weights.shift[:, :, None])
    shift = torch.baddbmm(weights.out_bias[:, :, None], weights.out, shift).transpose(1, 2)
    return AbsorbedMaps(to_keys, to_output, shift)


def mix_tokens(
    shares_of: nn.Module, queries: Tensor, keys: Sequence[Readable], log_mask: Tensor | None
) -> Tensor:
    """Return what queries (B or 1, K, C) at the side of the keys mix, (B, K, C).

    shares_of is a softmax, log_mask (B, T).
    """
    if len(keys) == 1:
        return keys[0].mix(shares_of(keys[0].weigh(queries, log_mask)))
    logits = [one.weigh(queries, None) for one in keys]
    sizes = [part.shape[-1] for part in logits]
    whole = torch.cat(logits, dim=-1)
    shares = shares_of(whole if log_mask is None else whole + log_mask[:, None])
    first, *others = (
        one.mix(part) for one, part in zip(keys, shares.split(sizes, dim=-1), strict=True)
    )
    return sum(others, start=first)


def stack_parts(layers: Sequence[nn.Module]) -> tuple[Tensor, Tensor]:
    """Return the weights and the biases of layers of one size, (G, ...)."""
    if len(layers) == 1:
        return layers[0].weight[None], layers[0].bias[None]
    weights = torch.stack([layer.weight for layer in layers])
    return weights, torch.stack([layer.bias for layer in layers])
