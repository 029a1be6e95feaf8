"""The contract of a backbone, and the small transformer of the reference backbones.

A backbone is what the fusion may take as anchor: it embeds a subject's inputs, reads its own
tokens and the auxiliary ones side by side, and pools its own.
"""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["CLOSED", "Attention", "Backbone", "ReferenceBackbone"]

# A finite stand-in for minus infinity: exp() of it is 0, and no row can become NaN.
CLOSED = -1e4
HEAD_PADDING = 8


class Backbone(nn.Module):
    """What the fusion asks of a model that it uses as anchor.

    Attributes
    ----------
    width : int
        Width of the tokens where auxiliary ones join.
    lora_targets : tuple of str
        Names of the modules that LoRA adapts; empty where the body is trained itself.
    initial_log_gate : float
        Where the gate of auxiliary tokens starts. At -2, untrained tokens leave the pooled vector
        of a pretrained encoder at a cosine of .995 with the undisturbed one, and a gradient still
        passes; a body that is trained from scratch has nothing to protect.
    """

    width: int
    initial_log_gate: float = -2.0
    lora_targets: ClassVar[tuple[str, ...]] = ()

    def embed(self, inputs: Tensor) -> Tensor:
        """Return everything before the first block, positions included, (B, T, width)."""
        raise NotImplementedError

    def encode(self, tokens: Tensor, log_mask: Tensor, n_own: int) -> Tensor:
        """Run the blocks.

        Parameters
        ----------
        tokens : Tensor of shape (B, T, width)
            Own and auxiliary tokens.
        log_mask : Tensor of shape (B, T)
            Added to every attention logit of a key: 0 for an open token, ``CLOSED`` for an
            absent one, a log-gate in between.
        n_own : int
            Number of own tokens, which come first.

        Returns
        -------
        Tensor of shape (B, T, width_out)
        """
        raise NotImplementedError

    def pool(self, tokens: Tensor, own: Tensor) -> Tensor:
        """Average the own tokens; auxiliary ones are never looked at.

        Parameters
        ----------
        tokens : Tensor of shape (B, T, width_out)
            Output of :meth:`encode`; own tokens come first.
        own : Tensor of shape (B, n_own), dtype bool
            True where an own token is real.

        Returns
        -------
        Tensor of shape (B, width_out)
        """
        weight = own.unsqueeze(-1).to(tokens.dtype)
        return (tokens[:, : own.shape[1]] * weight).sum(1) / weight.sum(1).clamp(min=1)


class Attention(nn.Module):
    """Multi-head attention whose keys carry an additive log-mask that may be learned.

    The log-mask enters as one more coordinate of queries and keys, so that the fused
    kernels serve, and pass a gradient to a learned gate.

    Parameters
    ----------
    width : int
        Width of queries, keys and values.
    n_heads : int
        Number of heads; must divide ``width``.
    """

    def __init__(self, width: int, n_heads: int):
        super().__init__()
        self.n_heads = n_heads
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)

    def forward(self, queries: Tensor, keys: Tensor, log_mask: Tensor) -> Tensor:
        """Attend from (B, Q, C) to (B, T, C) under a log-mask (B, T)."""
        q = self._heads(self.query(queries))
        k, v = (self._heads(part) for part in self.key_value(keys).chunk(2, dim=-1))
        q = F.pad(q / math.sqrt(q.shape[-1]), (0, HEAD_PADDING))
        q[..., -1] = 1.0
        k = torch.cat([k, self._mask_coordinates(log_mask, k)], dim=-1)
        mixed = F.scaled_dot_product_attention(q, k, F.pad(v, (0, HEAD_PADDING)), scale=1.0)
        return self.out(mixed[..., : v.shape[-1]].transpose(1, 2).flatten(2))

    def _heads(self, x: Tensor) -> Tensor:
        """Split (B, T, C) into (B, heads, T, C / heads)."""
        return x.unflatten(-1, (self.n_heads, -1)).transpose(1, 2)

    def _mask_coordinates(self, log_mask: Tensor, k: Tensor) -> Tensor:
        """Return the log-mask as the last of the padding coordinates of every key."""
        padded = F.pad(log_mask.to(k.dtype)[:, None, :, None], (HEAD_PADDING - 1, 0))
        return padded.expand(-1, self.n_heads, -1, -1)


class ReadingBlock(nn.Module):
    """A pre-norm block in which one token reads all others, itself included."""

    def __init__(self, width: int, n_heads: int, dropout: float):
        super().__init__()
        self.norm_reader = nn.LayerNorm(width)
        self.norm_tokens = nn.LayerNorm(width)
        self.attention = Attention(width, n_heads)
        self.norm_mlp = nn.LayerNorm(width)
        self.mlp = nn.Sequential(
            nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )
        self.dropout = nn.Dropout(dropout)

    def forward(self, reader: Tensor, tokens: Tensor, log_mask: Tensor) -> Tensor:
        """Return the reader (B, 1, C) after it has read (B, T, C)."""
        keys = self.norm_tokens(tokens)
        read = self.attention(self.norm_reader(reader), keys, log_mask)
        reader = reader + self.dropout(read)
        return reader + self.dropout(self.mlp(self.norm_mlp(reader)))


class ReferenceBackbone(Backbone):
    """The small transformer that stands behind every reference backbone, trained from scratch.

    A token of features becomes a token of ``width`` through one linear map for all tokens,
    scaled and shifted by learned vectors of its place, so that every place reads its features
    in its own way at little cost. In the blocks the last own token, the summary, reads all
    tokens; the others stay as they are, so the cost grows with the number of tokens and not
    with its square, and few patients suffice.

    Parameters
    ----------
    n_tokens : int
        Number of token places; 0 where places have no meaning of their own.
    n_features : int
        Width of the input tokens.
    width, depth, n_heads : int
        Size of the transformer.
    dropout : float
        Dropout in the blocks.

    References
    ----------
    H. Touvron et al., "Going deeper with Image Transformers", ICCV 2021: layers in which the
    class token alone attends.
    """

    initial_log_gate = 0.0

    def __init__(
        self, n_tokens: int, n_features: int, width: int, depth: int, n_heads: int, dropout: float
    ):
        super().__init__()
        self.width = width
        self.features = nn.Linear(n_features, width)
        self.place_gain = nn.Parameter(1 + 0.5 * torch.randn(n_tokens, width))
        self.place_shift = nn.Parameter(0.5 * torch.randn(n_tokens, width))
        self.blocks = nn.ModuleList(ReadingBlock(width, n_heads, dropout) for _ in range(depth))
        self.norm = nn.LayerNorm(width)

    def embed(self, inputs: Tensor) -> Tensor:
        """Return tokens (B, T, width) of standardised features (B, T, n_features)."""
        x = self.features(inputs)
        return x * self.place_gain + self.place_shift if len(self.place_gain) else x

    def encode(self, tokens: Tensor, log_mask: Tensor, n_own: int) -> Tensor:
        """Let the summary, the last own token, read all tokens in every block."""
        before, reader, after = tokens.split([n_own - 1, 1, tokens.shape[1] - n_own], dim=1)
        for block in self.blocks:
            reader = block(reader, torch.cat([before, reader, after], dim=1), log_mask)
        return torch.cat([before, self.norm(reader), after], dim=1)

    def pool(self, tokens: Tensor, own: Tensor) -> Tensor:
        """Return the summary."""
        return tokens[:, own.shape[1] - 1]
