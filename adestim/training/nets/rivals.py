"""Fusions without an anchor, for comparison: concatenation, linear maps, attention, experts."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn

from adestim.backbone.attention import log_mask_of
from adestim.backbone.reference import ReadingBlock
from adestim.training.nets.anchored import ModalityShape, append_scores
from adestim.training.nets.own_tokens import score_log_mask

# At this bias the expert of a pattern is among the chosen ones until the router has learned.
ROUTER_BIAS = 2.0


class ReadTokens(NamedTuple):
    """One modality's tokens at the fusion's width, its phase-1 scores last."""

    tokens: Tensor  # (B, T, width)
    # (B, T); added to the attention logits of the tokens: closed where there is none, and the
    # scores weigh as all others together
    log_mask: Tensor
    present: Tensor  # (B,); who has the modality

    @property
    def mean(self) -> Tensor:
        """Mean of the real tokens, weighted by the log-mask; 0 for who lacks the modality."""
        weight = torch.softmax(self.log_mask, dim=1) * self.present[:, None]
        return (self.tokens * weight[:, :, None]).sum(dim=1)


class TokenReader(nn.Module):
    """Bring one modality's tokens, and its phase-1 scores as a last token, to a width.

    One linear map serves all tokens, scaled and shifted by learned vectors of their place where
    places have a meaning, as in :class:`adestim.backbone.reference.ReferenceBackbone`.
    """

    def __init__(self, shape: ModalityShape, width: int):
        super().__init__()
        n_places = shape.n_tokens + 1 if shape.n_tokens else 0
        self.features = nn.Linear(shape.width + shape.n_scores + 1, width)
        self.place_gain = nn.Parameter(1 + 0.5 * torch.randn(n_places, width))
        self.place_shift = nn.Parameter(0.5 * torch.randn(n_places, width))

    def forward(self, tokens: Tensor, mask: Tensor, scores: Tensor, present: Tensor) -> ReadTokens:
        """Read the tokens (B, T, n_features) and scores (B, n_scores) of some subjects."""
        joined, closed = append_scores(tokens, mask, scores, present)
        x = self.features(joined)
        if len(self.place_gain):
            x = x * self.place_gain + self.place_shift
        return ReadTokens(x, score_log_mask(closed), present)


class RivalFusion(nn.Module, ABC):
    """Phase-1 logits, plus what a fusion of all modalities' tokens adds to them.

    A subclass fuses the tokens into one vector. The last layer starts at zero, so that
    training starts from the phase-1 prediction.
    """

    def __init__(
        self, shapes: Mapping[str, ModalityShape], width: int, n_outputs: int, dropout: float
    ):
        super().__init__()
        self.modalities = tuple(shapes)
        self.readers = nn.ModuleList(TokenReader(shape, width) for shape in shapes.values())
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(width, n_outputs)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, batch: Mapping) -> Tensor:
        """Return outputs (B, n_outputs).

        Parameters
        ----------
        batch : mapping
            What :class:`adestim.training.nets.AnchoredFusion` reads before a reference backbone.
        """
        read = [
            reader(
                batch["tokens"][name],
                batch["masks"][name],
                batch["scores"][:, place],
                batch["present"][:, place],
            )
            for place, (name, reader) in enumerate(zip(self.modalities, self.readers, strict=True))
        ]
        return batch["base"] + self.head(self.dropout(self.fuse(read)))

    @abstractmethod
    def fuse(self, read: list[ReadTokens]) -> Tensor:
        """Return one vector a subject, (B, width)."""


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

    def fuse(self, read: list[ReadTokens]) -> Tensor:
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

    def fuse(self, read: list[ReadTokens]) -> Tensor:
        """Return the average of the mapped means, (B, width)."""
        mapped = [linear(modality.mean) for linear, modality in zip(self.maps, read, strict=True)]
        return average_vectors(torch.stack(mapped, dim=1), stack_present(read))


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

    def fuse(self, read: list[ReadTokens]) -> Tensor:
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

    def fuse(self, read: list[ReadTokens]) -> Tensor:
        """Return the average of the modalities' summaries, (B, width)."""
        named = [
            one._replace(tokens=one.tokens + own)
            for one, own in zip(read, self.modality, strict=True)
        ]
        summaries = [self._summary(named, place) for place in range(len(named))]
        return average_vectors(self.norm(torch.stack(summaries, dim=1)), stack_present(read))

    def _summary(self, read: list[ReadTokens], place: int) -> Tensor:
        """Return one modality's mean token after it has read the others', (B, width)."""
        others = read[:place] + read[place + 1 :]
        x = read[place].mean[:, None]
        itself = log_mask_of(torch.ones_like(read[place].present))[:, None]
        log_mask = torch.cat([itself, *[other.log_mask for other in others]], dim=1)
        for block in self.blocks[place]:
            x = block(x, torch.cat([x, *[other.tokens for other in others]], dim=1), log_mask)
        return x[:, 0]


class MixtureFusion(RivalFusion):
    """A sparse mixture of experts over one vector a modality, its router aware of what is missing.

    The vector of a missing modality is learned, one for every missing modality within each
    pattern of observed ones. A router sends a subject to few experts; at first to the expert of
    its pattern. Patterns that were not seen in training share vectors and have no expert of
    their own; they are trained on by hiding modalities.

    Parameters
    ----------
    shapes : mapping of str to ModalityShape
        Sizes of all modalities.
    width : int
        Width that all tokens are brought to, and of the experts.
    n_outputs : int
        Number of outputs.
    dropout : float
        Dropout before the last layer.
    patterns : Tensor of shape (n_patterns, n_modalities), dtype bool
        Patterns of observed modalities; number p starts with expert p, counted round.
    n_experts : int
        Number of experts.
    top_k : int
        Experts a subject.

    Notes
    -----
    The idea of a bank of embeddings by pattern and of experts by pattern is that of Flex-MoE [1]_.
    This is code of its own, and differs in what few patients demand: experts read one vector
    a modality side by side instead of tokens inside a transformer; the router starts biased
    towards the pattern's expert, where Flex-MoE trains a general router on complete subjects
    first and adds a loss that sends the best expert's place to the pattern; there is no loss that
    balances the experts' load; and all experts are computed, those not chosen with weight zero,
    since they are small.

    References
    ----------
    .. [1] S. Yun et al., "Flex-MoE: Modeling Arbitrary Modality Combination via the Flexible
       Mixture-of-Experts", NeurIPS 2024.
    """

    def __init__(
        self,
        shapes: Mapping[str, ModalityShape],
        width: int,
        n_outputs: int,
        dropout: float,
        patterns: Tensor,
        n_experts: int,
        top_k: int,
    ):
        super().__init__(shapes, width, n_outputs, dropout)
        n_patterns, n_modalities = patterns.shape
        self.top_k = top_k
        self.register_buffer("patterns", patterns)
        self.bank = nn.Parameter(0.5 * torch.randn(n_patterns + 1, n_modalities, width))
        self.router = nn.Linear(n_modalities * width, n_experts)
        self.router_bias = nn.Parameter(pattern_bias(n_patterns, n_experts))
        self.experts = ExpertBank(n_experts, n_modalities * width, width)
        self.norm = nn.LayerNorm(width)

    def fuse(self, read: list[ReadTokens]) -> Tensor:
        """Return the chosen experts' weighted sum, (B, width)."""
        present = stack_present(read)
        pattern = self.pattern_of(present)
        means = torch.stack([modality.mean for modality in read], dim=1)
        bank = self.bank[pattern].to(means.dtype)
        x = torch.where(present[:, :, None], means, bank).flatten(1)
        weight = sparse_softmax(self.router(x) + self.router_bias[pattern], self.top_k)
        return self.norm((self.experts(x) * weight[:, :, None]).sum(dim=1))

    def pattern_of(self, present: Tensor) -> Tensor:
        """Return the number of every subject's pattern; the last one for those not listed.

        Parameters
        ----------
        present : Tensor of shape (B, n_modalities), dtype bool
            Which modalities a subject has.

        Returns
        -------
        Tensor of shape (B,), dtype int64
        """
        same = (present[:, None] == self.patterns).all(dim=2)
        return torch.where(same.any(dim=1), same.int().argmax(dim=1), len(self.patterns))


class ExpertBank(nn.Module):
    """Several networks of one hidden layer, computed at once."""

    def __init__(self, n_experts: int, n_features: int, width: int):
        super().__init__()
        self.up = nn.Parameter(torch.randn(n_experts, n_features, width) / math.sqrt(n_features))
        self.shift = nn.Parameter(torch.zeros(n_experts, width))
        self.down = nn.Parameter(torch.randn(n_experts, width, width) / math.sqrt(width))

    def forward(self, x: Tensor) -> Tensor:
        """Return every expert's output, (B, n_experts, width), for (B, n_features)."""
        hidden = nn.functional.gelu(torch.einsum("bf,efw->bew", x, self.up) + self.shift)
        return torch.einsum("bew,ewv->bev", hidden, self.down)


def stack_present(read: list[ReadTokens]) -> Tensor:
    """Return which modalities every subject has, (B, n_modalities)."""
    return torch.stack([modality.present for modality in read], dim=1)


def average_vectors(vectors: Tensor, present: Tensor) -> Tensor:
    """Average vectors (B, n_modalities, width) over the modalities that a subject has."""
    weight = present.to(vectors.dtype)
    weight = weight / weight.sum(dim=1, keepdim=True).clamp(min=1)
    return (vectors * weight[:, :, None]).sum(dim=1)


def pattern_bias(n_patterns: int, n_experts: int) -> Tensor:
    """Return the router's first biases (n_patterns + 1, n_experts); none for the last pattern."""
    own = torch.arange(n_patterns) % n_experts
    listed = ROUTER_BIAS * nn.functional.one_hot(own, n_experts).float()
    return torch.cat([listed, torch.zeros(1, n_experts)])


def sparse_softmax(logits: Tensor, top_k: int) -> Tensor:
    """Return the softmax over the largest logits of every row, 0 for the others."""
    least = logits.topk(min(top_k, logits.shape[1]), dim=1).values[:, -1:]
    return torch.softmax(logits.masked_fill(logits < least, float("-inf")), dim=1)
