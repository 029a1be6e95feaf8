"""The small transformer that stands behind every reference backbone."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from adestim.backbone.attention import Attention
from adestim.backbone.contract import Backbone


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

    def forward(self, reader: Tensor, tokens: Tensor, log_mask: Tensor | None) -> Tensor:
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

    needs_summary: ClassVar[bool] = True
    block_list: str = "blocks"

    def __init__(
        self, n_tokens: int, n_features: int, width: int, depth: int, n_heads: int, dropout: float
    ):
        super().__init__()
        self.width = self.width_out = width
        self.features = nn.Linear(n_features, width)
        self.place_gain = nn.Parameter(1 + 0.5 * torch.randn(n_tokens, width))
        self.place_shift = nn.Parameter(0.5 * torch.randn(n_tokens, width))
        self.blocks = nn.ModuleList(ReadingBlock(width, n_heads, dropout) for _ in range(depth))
        self.norm = nn.LayerNorm(width)

    def embed(self, inputs: Tensor) -> Tensor:
        """Return tokens (B, T, width) of standardised features (B, T, n_features)."""
        x = self.features(inputs)
        return x * self.place_gain + self.place_shift if len(self.place_gain) else x

    def encode(self, tokens: Tensor, log_mask: Tensor | None, n_own: int) -> Tensor:
        """Let the summary, the last own token, read all tokens from where they join."""
        before, reader, after = tokens.split([n_own - 1, 1, tokens.shape[1] - n_own], dim=1)
        for number, block in enumerate(self.blocks):
            n_read = n_own if number < self.join_at else tokens.shape[1]
            read = torch.cat([before, reader, after], dim=1)[:, :n_read]
            reader = block(reader, read, None if log_mask is None else log_mask[:, :n_read])
        return torch.cat([before, self.norm(reader), after], dim=1)

    def pool(self, tokens: Tensor, own: Tensor) -> Tensor:
        """Return the summary."""
        return tokens[:, own.shape[1] - 1]
