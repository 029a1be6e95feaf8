"""Layers of TabICL: pre-norm blocks, scaled softmax, inducing points, rotary positions.

Re-implemented from the published package tabicl 2.2.0, whose names of weights they bear.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from adestim.backbone.attention import heads_of, masked_attention
from adestim.exceptions import InputError

HIDDEN = 64
SCALINGS = (
    "none", "ssmax", "ssmax-mlp", "ssmax-mlp-elementwise", "qassmax-mlp",
    "qassmax-mlp-elementwise",
)  # fmt: skip


class ScaledSoftmax(nn.Module):
    """Queries scaled by a learned number a head times the logarithm of the number of keys.

    K. M. Nakanishi (2025). Scalable-Softmax is superior for attention. arXiv:2501.19399.
    """

    def __init__(self, n_heads: int):
        super().__init__()
        self.scales = nn.Parameter(torch.ones(n_heads))

    def forward(self, q: Tensor, n_keys: int) -> Tensor:
        """Scale queries (B, heads, Q, D)."""
        return q * (self.scales * math.log(n_keys))[:, None, None]


class MappedSoftmax(nn.Module):
    """Queries scaled by what a small net makes of the logarithm of the number of keys."""

    def __init__(self, n_heads: int, n_out: int):
        super().__init__()
        self.n_heads = n_heads
        self.mlp = two_layers(1, n_heads * n_out)

    def forward(self, q: Tensor, n_keys: int) -> Tensor:
        """Scale queries (B, heads, Q, D)."""
        return q * scale_of(self.mlp, q, n_keys, self.n_heads)


class QuerySoftmax(nn.Module):
    """As above, modulated by what another net makes of the query itself."""

    def __init__(self, n_heads: int, head: int, n_out: int):
        super().__init__()
        self.n_heads = n_heads
        self.base_mlp = two_layers(1, n_heads * n_out)
        self.query_mlp = two_layers(head, n_out)

    def forward(self, q: Tensor, n_keys: int) -> Tensor:
        """Scale queries (B, heads, Q, D)."""
        base = scale_of(self.base_mlp, q, n_keys, self.n_heads)
        return q * base * (1 + torch.tanh(self.query_mlp(q)))


def two_layers(n_in: int, n_out: int) -> nn.Sequential:
    """Return two layers with a GELU between them."""
    return nn.Sequential(nn.Linear(n_in, HIDDEN), nn.GELU(), nn.Linear(HIDDEN, n_out))


def scale_of(mlp: nn.Module, q: Tensor, n_keys: int, n_heads: int) -> Tensor:
    """Return the scales of a number of keys, (heads, 1, 1 or D)."""
    return mlp(q.new_full((1, 1), math.log(n_keys))).view(n_heads, 1, -1)


def make_scaling(kind: str | bool, n_heads: int, head: int) -> nn.Module | None:
    """Return what scales queries, as the configuration of a checkpoint names it."""
    if isinstance(kind, bool):
        kind = SCALINGS[-1] if kind else "none"
    if kind not in SCALINGS:
        raise InputError(
            "'col_ssmax' of TabICL must be one of its kinds",
            got=repr(kind),
            remedy=f"Choose from {', '.join(map(repr, SCALINGS))}",
        )
    n_out = head if kind.endswith("elementwise") else 1
    if kind == "none":
        return None
    if kind == "ssmax":
        return ScaledSoftmax(n_heads)
    if kind.startswith("ssmax"):
        return MappedSoftmax(n_heads, n_out)
    return QuerySoftmax(n_heads, head, n_out)


class SetAttention(nn.Module):
    """Attention with one layer for queries, keys and values."""

    def __init__(self, width: int, n_heads: int, scaling: str | bool):
        super().__init__()
        self.n_heads = heads_of(width, n_heads)
        self.in_proj = nn.Linear(width, 3 * width)
        self.out_proj = nn.Linear(width, width)
        self.ssmax_layer = make_scaling(scaling, n_heads, width // n_heads)

    def forward(
        self, x: Tensor, keys: Tensor, log_mask: Tensor | None, turn: Rotation | None
    ) -> Tensor:
        """Attend from (B, Q, C) to (B, T, C) under a log-mask (B, T)."""
        if keys is x:
            q, k, v = self.in_proj(x).chunk(3, dim=-1)
        else:
            width = x.shape[-1]
            weight, bias = self.in_proj.weight, self.in_proj.bias
            q = F.linear(x, weight[:width], bias[:width])
            k, v = F.linear(keys, weight[width:], bias[width:]).chunk(2, dim=-1)
        q, k, v = (part.unflatten(-1, (self.n_heads, -1)).transpose(1, 2) for part in (q, k, v))
        if turn is not None:
            q, k = turn.apply(q), turn.apply(k)
        if self.ssmax_layer is not None:
            q = self.ssmax_layer(q, k.shape[2])
        return self.out_proj(masked_attention(q, k, v, log_mask).transpose(1, 2).flatten(2))


class TableBlock(nn.Module):
    """A pre-norm transformer block whose queries may read other tokens than themselves."""

    def __init__(
        self, width: int, n_heads: int, hidden: int, norm_bias: bool, scaling: str | bool = "none"
    ):
        super().__init__()
        self.attn = SetAttention(width, n_heads, scaling)
        self.norm1 = nn.LayerNorm(width, bias=norm_bias)
        self.norm2 = nn.LayerNorm(width, bias=norm_bias)
        self.linear1 = nn.Linear(width, hidden)
        self.linear2 = nn.Linear(hidden, width)

    def forward(
        self, x: Tensor, log_mask: Tensor | None = None, turn: Rotation | None = None
    ) -> Tensor:
        """Update tokens (B, T, C) that read each other."""
        normed = self.norm1(x)
        return self._finish(x + self.attn(normed, normed, log_mask, turn))

    def read(self, x: Tensor, keys: Tensor) -> Tensor:
        """Update tokens (B, Q, C) that read others (B, T, C)."""
        return self._finish(x + self.attn(self.norm1(x), self.norm1(keys), None, None))

    def _finish(self, x: Tensor) -> Tensor:
        """Map every token by itself."""
        return x + self.linear2(F.gelu(self.linear1(self.norm2(x))))


class InducedBlock(nn.Module):
    """A column's values read each other through a few inducing points, which read known rows alone.

    J. Lee et al. (2019). Set Transformer. ICML.
    """

    def __init__(
        self, width: int, n_heads: int, hidden: int, n_points: int, norm_bias: bool,
        scaling: str | bool,
    ):  # fmt: skip
        super().__init__()
        self.multihead_attn1 = TableBlock(width, n_heads, hidden, norm_bias, scaling)
        self.multihead_attn2 = TableBlock(width, n_heads, hidden, norm_bias)
        self.ind_vectors = nn.Parameter(torch.zeros(n_points, width))

    def summarise_rows(self, known: Tensor) -> Tensor:
        """Return what the inducing points read of known rows (B, N, C), (B, n_points, C)."""
        points = self.ind_vectors.to(known.dtype).expand(len(known), -1, -1)
        return self.multihead_attn1.read(points, known)

    def forward(self, x: Tensor, points: Tensor) -> Tensor:
        """Update values (B, N, C) that read the points (B, n_points, C)."""
        return self.multihead_attn2.read(x, points)


class Rotation:
    """Rotary positions (B or 1, T): coordinates turned in pairs by angles that grow with them."""

    def __init__(self, frequencies: Tensor, positions: Tensor, interleaved: bool):
        angles = (positions[..., None] * frequencies)[:, None]
        repeat = angles.repeat_interleave(2, -1) if interleaved else torch.cat([angles] * 2, -1)
        self.cosine, self.sine = repeat.cos(), repeat.sin()
        self.interleaved = interleaved

    def apply(self, x: Tensor) -> Tensor:
        """Turn queries or keys (B, heads, T, D)."""
        if self.interleaved:
            first, second = x.unflatten(-1, (-1, 2)).unbind(-1)
            crossed = torch.stack([-second, first], dim=-1).flatten(-2)
        else:
            first, second = x.chunk(2, dim=-1)
            crossed = torch.cat([-second, first], dim=-1)
        return (x * self.cosine + crossed * self.sine).to(x.dtype)
