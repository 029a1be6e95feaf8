"""Fusions without an anchor, for comparison: concatenation, linear maps, attention."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from adestim.backbone.attention import log_mask_of
from adestim.backbone.reference import ReadingBlock
from adestim.training.nets.anchored import ModalityShape
from adestim.training.nets.rival_base import ReadTokens, RivalFusion


class ConcatFusion(RivalFusion):
    """The modalities' mean tokens side by side, zeros for a missing one, through one hidden layer.

    Parameters
    ----------
    shapes : mapping of str to ModalityShape
        Sizes of all modalities.
    width : int
        Width that all tokens are brought to, and of the hidden layer.
    n_outputs : int
        Number of outputs.
    dropout : float
        Dropout before the last layer.
    """

    def __init__(
        self, shapes: Mapping[str, ModalityShape], width: int, n_outputs: int, dropout: float
    ):
        super().__init__(shapes, width, n_outputs, dropout)
        self.hidden = nn.Sequential(
            nn.Linear(len(shapes) * width, width), nn.GELU(), nn.LayerNorm(width)
        )

    def fused(self, read: list[ReadTokens]) -> Tensor:
        """Return the hidden layer, (B, width)."""
        return self.hidden(torch.cat([modality.mean for modality in read], dim=1))


class LinearFusion(RivalFusion):
    """One linear map of every modality's mean token, averaged over the modalities present.

    Parameters
    ----------
    shapes : mapping of str to ModalityShape
        Sizes of all modalities.
    width : int
        Width that all tokens are brought to.
    n_outputs : int
        Number of outputs.
    dropout : float
        Dropout before the last layer.
    """

    def __init__(
        self, shapes: Mapping[str, ModalityShape], width: int, n_outputs: int, dropout: float
    ):
        super().__init__(shapes, width, n_outputs, dropout)
        self.maps = nn.ModuleList(nn.Linear(width, width) for _ in shapes)

    def fused(self, read: list[ReadTokens]) -> Tensor:
        """Return the average of the mapped means, (B, width)."""
        mapped = [linear(modality.mean) for linear, modality in zip(self.maps, read, strict=True)]
        return average_of_present(torch.stack(mapped, dim=1), presence(read))


class SelfAttentionFusion(RivalFusion):
    """A transformer over the tokens of all modalities and a class token, which is pooled.

    Parameters
    ----------
    shapes : mapping of str to ModalityShape
        Sizes of all modalities.
    width : int
        Width of the transformer.
    n_outputs : int
        Number of outputs.
    dropout : float
        Dropout in the blocks and before the last layer.
    depth : int
        Number of blocks.
    n_heads : int
        Number of attention heads.
    """

    def __init__(
        self,
        shapes: Mapping[str, ModalityShape],
        width: int,
        n_outputs: int,
        dropout: float,
        depth: int,
        n_heads: int,
    ):
        super().__init__(shapes, width, n_outputs, dropout)
        self.modality = nn.Parameter(0.5 * torch.randn(len(shapes), width))
        self.class_token = nn.Parameter(torch.randn(width))
        self.blocks = nn.ModuleList(ReadingBlock(width, n_heads, dropout) for _ in range(depth))
        self.norm = nn.LayerNorm(width)

    def fused(self, read: list[ReadTokens]) -> Tensor:
        """Return the class token after the last block, (B, width)."""
        named = [one.tokens + own for one, own in zip(read, self.modality, strict=True)]
        first = self.class_token.expand(len(named[0]), 1, -1)
        x = torch.cat([first, *named], dim=1)
        log_mask = torch.cat([first.new_zeros(len(first), 1), *[one.log_mask for one in read]], 1)
        for block in self.blocks:
            x = block(x, x, log_mask)
        return self.norm(x[:, 0])


class CrossAttentionFusion(RivalFusion):
    """Every modality's mean token reads the other modalities' tokens; averaged over those present.

    Beside the others' tokens a summary reads itself, so that who has a single modality reads
    something.

    Parameters
    ----------
    shapes : mapping of str to ModalityShape
        Sizes of all modalities.
    width : int
        Width of the tokens.
    n_outputs : int
        Number of outputs.
    dropout : float
        Dropout in the blocks and before the last layer.
    depth : int
        Number of blocks of every modality.
    n_heads : int
        Number of attention heads.
    """

    def __init__(
        self,
        shapes: Mapping[str, ModalityShape],
        width: int,
        n_outputs: int,
        dropout: float,
        depth: int,
        n_heads: int,
    ):
        super().__init__(shapes, width, n_outputs, dropout)
        self.modality = nn.Parameter(0.5 * torch.randn(len(shapes), width))
        self.blocks = nn.ModuleList(
            nn.ModuleList(ReadingBlock(width, n_heads, dropout) for _ in range(depth))
            for _ in shapes
        )
        self.norm = nn.LayerNorm(width)

    def fused(self, read: list[ReadTokens]) -> Tensor:
        """Return the average of the modalities' summaries, (B, width)."""
        named = [
            one._replace(tokens=one.tokens + own)
            for one, own in zip(read, self.modality, strict=True)
        ]
        summaries = [self._summary(named, place) for place in range(len(named))]
        return average_of_present(self.norm(torch.stack(summaries, dim=1)), presence(read))

    def _summary(self, read: list[ReadTokens], place: int) -> Tensor:
        """Return one modality's mean token after it has read the others', (B, width)."""
        others = read[:place] + read[place + 1 :]
        x = read[place].mean[:, None]
        itself = log_mask_of(torch.ones_like(read[place].present))[:, None]
        log_mask = torch.cat([itself, *[other.log_mask for other in others]], dim=1)
        for block in self.blocks[place]:
            x = block(x, torch.cat([x, *[other.tokens for other in others]], dim=1), log_mask)
        return x[:, 0]


def presence(read: list[ReadTokens]) -> Tensor:
    """Return which modalities every subject has, (B, n_modalities)."""
    return torch.stack([modality.present for modality in read], dim=1)


def average_of_present(vectors: Tensor, present: Tensor) -> Tensor:
    """Average vectors (B, n_modalities, width) over the modalities that a subject has."""
    weight = present.to(vectors.dtype)
    weight = weight / weight.sum(dim=1, keepdim=True).clamp(min=1)
    return (vectors * weight[:, :, None]).sum(dim=1)
