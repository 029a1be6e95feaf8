"""The small transformer that stands behind every reference backbone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from adestim.backbone.attention import AbsorbedMaps, Attention, AttentionWeights, absorb
from adestim.backbone.contract import Backbone
from adestim.backbone.reading import NormedTokens, Readable, norm_mapped, norm_placed, norm_tokens


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

    def forward(
        self,
        reader: Tensor,
        tokens: Tensor | Sequence[Readable],
        log_mask: Tensor | None,
        maps: AbsorbedMaps | None = None,
    ) -> Tensor:
        """Return the reader (B, 1, C) after it has read (B, T, C).

        Whoever has merged the maps hands them over, and tokens that are normalised already.
        """
        if maps is None:
            [maps] = absorb_blocks([self])
            tokens = [norm_tokens(tokens)]
        read = self.attention.read(self.norm_reader(reader), tokens, log_mask, maps)
        reader = reader + self.dropout(read)
        return reader + self.dropout(self.mlp(self.norm_mlp(reader)))


def absorb_blocks(blocks: Sequence[ReadingBlock]) -> list[AbsorbedMaps]:
    """Return the merged maps of every block's attention."""
    layers, norms = [block.attention for block in blocks], [block.norm_tokens for block in blocks]
    return absorb(AttentionWeights.stack(layers, norms), layers[0].n_heads).unbind()


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
        pooled = self._read(reader, norm_tokens(before), after, log_mask)
        return torch.cat([before, pooled, after], dim=1)

    def summarise(
        self, inputs: Tensor, summary: Tensor, auxiliary: Tensor, log_mask: Tensor | None
    ) -> Tensor:
        """Return what :meth:`pool` does of :meth:`encode`, the tokens not computed where few do.

        inputs (B, T, n_features), summary (B, 1, C), auxiliary (B, A, C), log_mask (B, T + 1 + A)
        -> (B, C).
        """
        weight, bias = self.features.weight, self.features.bias
        if len(self.place_gain):
            own = norm_placed(inputs, weight, bias, self.place_gain, self.place_shift)
        else:
            own = norm_mapped(inputs, weight, bias)
        return self._read(summary, own, auxiliary, log_mask)[:, 0]

    def _read(
        self, reader: Tensor, own: Readable, auxiliary: Tensor, log_mask: Tensor | None
    ) -> Tensor:
        """Return the reader (B, 1, C) behind the last block; the tokens stay as they are."""
        others = norm_tokens(auxiliary).tokens
        maps = absorb_blocks(list(self.blocks))
        n_alone = None if log_mask is None else log_mask.shape[1] - auxiliary.shape[1]
        for number, block in enumerate(self.blocks):
            itself, mask = norm_tokens(reader), log_mask
            if number < self.join_at:
                mask = None if log_mask is None else log_mask[:, :n_alone]
            elif auxiliary.shape[1]:
                itself = NormedTokens(torch.cat([itself.tokens, others], dim=1))
            reader = block(reader, [own, itself], mask, maps[number])
        return self.norm(reader)

    def pool(self, tokens: Tensor, own: Tensor) -> Tensor:
        """Return the summary."""
        return tokens[:, own.shape[1] - 1]
