"""The layers of an ESM encoder, named as its released checkpoints name them."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from adestim.backbone.attention import CLOSED, heads_of, masked_attention

# 15 % of the tokens were chosen in pre-training, 80 % of these were zeroed.
MASKED_IN_TRAINING = 0.15 * 0.8
ROTARY_BASE = 10000.0


class Embeddings(nn.Module):
    """Word embeddings, and learned absolute positions where they have rows."""

    def __init__(self, n_words: int, width: int, max_positions: int, norm_eps: float | None):
        super().__init__()
        self.word_embeddings = nn.Embedding(n_words, width)
        if max_positions:
            self.position_embeddings = nn.Embedding(max_positions, width)
        if norm_eps is not None:
            self.layer_norm = nn.LayerNorm(width, eps=norm_eps)

    def forward(self, ids: Tensor, pad: int, masked: int | None) -> Tensor:
        """Return (B, T, width), zero where there is padding.

        ids (B, T).
        """
        real = ids != pad
        x = self.word_embeddings(ids)
        if masked is not None:
            x = rescale_tokens(x, ids == masked, real)
        if hasattr(self, "position_embeddings"):
            positions = real.cumsum(1) * real + pad
            x = x + self.position_embeddings(positions)
        if hasattr(self, "layer_norm"):
            x = self.layer_norm(x)
        return x * real.unsqueeze(-1)


def rescale_tokens(x: Tensor, masked: Tensor, real: Tensor) -> Tensor:
    """Zero masked tokens, and bring the others to the scale that they had in pre-training."""
    share = masked.sum(1) / real.sum(1).clamp(min=1)
    factor = (1 - MASKED_IN_TRAINING) / (1 - share)
    return x.masked_fill(masked.unsqueeze(-1), 0.0) * factor[:, None, None].to(x.dtype)


class SelfAttention(nn.Module):
    """Queries, keys and values of all heads, rotated where there are angles."""

    def __init__(self, width: int, n_heads: int):
        super().__init__()
        self.n_heads = heads_of(width, n_heads)
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)

    def forward(self, x: Tensor, log_mask: Tensor | None, angles: Tensor | None) -> Tensor:
        """Mix (B, T, width)."""
        q, k, v = (
            layer(x).unflatten(-1, (self.n_heads, -1)).transpose(1, 2)
            for layer in (self.query, self.key, self.value)
        )
        if angles is not None:
            q, k = rotate_pairs(q, angles), rotate_pairs(k, angles)
        return masked_attention(q, k, v, log_mask).transpose(1, 2).flatten(2)


def rotate_pairs(x: Tensor, angles: Tensor) -> Tensor:
    """Rotate the pairs (first half, second half) of (B, heads, T, D) by (B, 1, T, D / 2) angles."""
    first, second = x.chunk(2, dim=-1)
    cos, sin = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
    return torch.cat([first * cos - second * sin, second * cos + first * sin], dim=-1)


def rotary_angles(tokens: Tensor, log_mask: Tensor | None, n_own: int, width: int) -> Tensor:
    """Return the angles by which rotary attention turns queries and keys.

    Own tokens are numbered as if closed ones were not there; auxiliary tokens stand where the
    first own one does.

    tokens (B, T, C), log_mask (B, T) -> (B or 1, 1, T, width / 2).

    J. Su et al., "RoFormer: enhanced transformer with rotary position embedding",
    Neurocomputing 568 (2024) 127063.
    """
    if log_mask is None:
        own = torch.ones(1, n_own, device=tokens.device)
    else:
        own = (log_mask[:, :n_own] > CLOSED / 2).float()
    places = F.pad((own.cumsum(1) - 1).clamp(min=0), (0, tokens.shape[1] - n_own))
    powers = torch.arange(0, width, 2, device=tokens.device, dtype=torch.float32) / width
    return (places[:, :, None] * ROTARY_BASE**-powers)[:, None]


class Projection(nn.Module):
    """One linear layer, called ``dense`` as in the checkpoint."""

    def __init__(self, width_in: int, width_out: int, bias: bool = True):
        super().__init__()
        self.dense = nn.Linear(width_in, width_out, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layer."""
        return self.dense(x)


class AttentionBlock(nn.Module):
    """Pre-norm attention and its output layer."""

    def __init__(self, width: int, n_heads: int, norm_eps: float):
        super().__init__()
        self.self = SelfAttention(width, n_heads)
        self.output = Projection(width, width)
        self.LayerNorm = nn.LayerNorm(width, eps=norm_eps)

    def forward(self, x: Tensor, log_mask: Tensor | None, angles: Tensor | None) -> Tensor:
        """Return what is added to (B, T, width)."""
        return self.output(self.self(self.LayerNorm(x), log_mask, angles))


class Layer(nn.Module):
    """A pre-norm transformer block; its feed-forward part may be gated."""

    def __init__(self, width: int, n_heads: int, ffn_width: int, gated: bool, norm_eps: float):
        super().__init__()
        self.gated = gated
        self.attention = AttentionBlock(width, n_heads, norm_eps)
        self.intermediate = Projection(width, ffn_width * (2 if gated else 1), bias=not gated)
        self.output = Projection(ffn_width, width, bias=not gated)
        self.LayerNorm = nn.LayerNorm(width, eps=norm_eps)

    def forward(self, x: Tensor, log_mask: Tensor | None, angles: Tensor | None) -> Tensor:
        """Return (B, T, width)."""
        x = x + self.attention(x, log_mask, angles)
        hidden = self.intermediate(self.LayerNorm(x))
        return x + self.output(gate(hidden) if self.gated else F.gelu(hidden))


def gate(hidden: Tensor) -> Tensor:
    """Let the first half of the features, through SiLU, weigh the second half."""
    first, second = hidden.chunk(2, dim=-1)
    return F.silu(first) * second


class Encoder(nn.Module):
    """The blocks and the last norm."""

    def __init__(
        self,
        n_layers: int,
        width: int,
        n_heads: int,
        ffn_width: int,
        gated: bool,
        norm_eps: float,
    ):
        super().__init__()
        self.layer = nn.ModuleList(
            Layer(width, n_heads, ffn_width, gated, norm_eps) for _ in range(n_layers)
        )
        self.emb_layer_norm_after = nn.LayerNorm(width, eps=norm_eps)
