"""The nets of one anchor, one an inner fold, as the one model that predicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from adestim.training.nets.anchored import AnchoredFusion


class FoldMean(nn.Module):
    """The mean of an anchor's nets, each of which was trained without one inner fold."""

    def __init__(self, folds: Sequence[AnchoredFusion]):
        super().__init__()
        self.folds = nn.ModuleList(folds)

    @property
    def anchor(self) -> str:
        """Name of the anchor."""
        return self.folds[0].anchor

    def forward(self, batch: Mapping) -> Tensor:
        """Return mean logits (B, n_outputs)."""
        return torch.stack([net(batch) for net in self.folds]).mean(dim=0)
