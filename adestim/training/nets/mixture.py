"""A mixture of experts for any pattern of missing modalities, in the manner of Flex-MoE."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from adestim.training.nets.anchored import ModalityShape
from adestim.training.nets.rival_base import ReadTokens, RivalFusion
from adestim.training.nets.rivals import presence

# At this bias the expert of a pattern is among the chosen ones until the router has learned.
ROUTER_BIAS = 2.0


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

    def fused(self, read: list[ReadTokens]) -> Tensor:
        """Return the chosen experts' weighted sum, (B, width)."""
        present = presence(read)
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


def pattern_bias(n_patterns: int, n_experts: int) -> Tensor:
    """Return the router's first biases (n_patterns + 1, n_experts); none for the last pattern."""
    own = torch.arange(n_patterns) % n_experts
    listed = ROUTER_BIAS * nn.functional.one_hot(own, n_experts).float()
    return torch.cat([listed, torch.zeros(1, n_experts)])


def sparse_softmax(logits: Tensor, top_k: int) -> Tensor:
    """Return the softmax over the largest logits of every row, 0 for the others."""
    least = logits.topk(min(top_k, logits.shape[1]), dim=1).values[:, -1:]
    return torch.softmax(logits.masked_fill(logits < least, float("-inf")), dim=1)
