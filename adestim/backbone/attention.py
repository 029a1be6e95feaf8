"""Attention whose keys carry an additive log-mask: open, closed, or a learned gate in between."""

from __future__ import annotations

import math
from collections.abc import Sequence

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
    return torch.zeros(mask.shape, device=mask.device).masked_fill(~mask, CLOSED)


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
        self, queries: Tensor, keys: Sequence[Readable], log_mask: Tensor | None, norm: nn.LayerNorm
    ) -> Tensor:
        """Let few queries (B or 1, Q, C) read tokens, whose keys and values are not computed.

        The same as ``forward`` of the tokens side by side after the norm, whose mean and variance
        they have already; log_mask (B, T) -> (B, Q, C).
        """
        absorbed = self._absorb(queries, norm.weight)
        parts = [one.weigh(absorbed) for one in keys]
        logits = parts[0] if len(parts) == 1 else torch.cat(parts, dim=-1)
        if log_mask is not None:
            logits = logits + log_mask[:, None]
        shares = self.shares(logits).split([part.shape[-1] for part in parts], dim=-1)
        mixed = sum(one.mix(share) for one, share in zip(keys, shares, strict=True))
        return self.out(self._project(mixed, norm))

    def _absorb(self, queries: Tensor, gain: Tensor) -> Tensor:
        """Return scaled queries at the side of tokens that lack a gain, (B, heads * Q, C).

        A bias of the keys is the same for all of them, which a softmax does not see.
        """
        n_subjects, n_queries, width = queries.shape
        weight = self.key_value.weight[:width] * gain
        q = self.query(queries).view(n_subjects * n_queries, self.n_heads, -1).transpose(0, 1)
        q = q * (1 / math.sqrt(q.shape[-1]))
        absorbed = q @ weight.unflatten(0, (self.n_heads, -1))
        return absorbed.unflatten(1, (n_subjects, n_queries)).transpose(0, 1).flatten(1, 2)

    def _project(self, mixed: Tensor, norm: nn.LayerNorm) -> Tensor:
        """Return values (B, Q, C) of mixed tokens (B, heads * Q, C) that lack gain and shift."""
        n_subjects, _, width = mixed.shape
        weight, bias = self.key_value.weight[width:], self.key_value.bias[width:]
        by_head = (weight * norm.weight).unflatten(0, (self.n_heads, -1)).transpose(1, 2)
        mixed = mixed.unflatten(1, (self.n_heads, -1)).transpose(0, 1).flatten(1, 2)
        values = (mixed @ by_head).transpose(0, 1).reshape(n_subjects, -1, width)
        return values + torch.addmv(bias, weight, norm.bias)

    def _heads(self, x: Tensor) -> Tensor:
        """Split (B, T, C) into (B, heads, T, C / heads)."""
        return x.unflatten(-1, (self.n_heads, -1)).transpose(1, 2)
