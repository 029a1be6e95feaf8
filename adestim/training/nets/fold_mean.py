"""The nets of one anchor, one an inner fold, as the one model that predicts."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence

import torch
from torch import Tensor, nn

from adestim.training.nets.anchored import AnchoredFusion
from adestim.training.nets.stacked import StackedFusion, can_stack

N_AT_ONCE = 256


class FoldMean(nn.Module):
    """The mean of an anchor's nets, each of which was trained without one inner fold.

    Nets of a reference anchor are evaluated together, unless somebody watches their layers or asks
    for gradients.

    Parameters
    ----------
    folds : sequence of AnchoredFusion
        The nets, all of one anchor.
    """

    def __init__(self, folds: Sequence[AnchoredFusion]):
        super().__init__()
        self.folds = nn.ModuleList(folds)
        self.stacked: tuple[Hashable, StackedFusion] | None = None

    @property
    def anchor(self) -> str:
        """Name of the anchor."""
        return self.folds[0].anchor

    @property
    def n_at_once(self) -> int:
        """Number of subjects that one batch may hold whatever the model, 0 for none."""
        return N_AT_ONCE if can_stack(self.folds[0]) else 0

    def forward(self, batch: Mapping) -> Tensor:
        """Return mean logits (B, n_outputs)."""
        if not torch.is_grad_enabled() and not self.training and self.n_at_once:
            stack = self._stack()
            if stack is not None:
                return stack.predict(batch).mean(dim=0)
        return torch.stack([net(batch) for net in self.folds]).mean(dim=0)

    def _stack(self) -> StackedFusion | None:
        """Return the nets as they are now, side by side; None where somebody watches a layer."""
        layers = list(self.modules())
        if any(layer._forward_hooks or layer._forward_pre_hooks for layer in layers):
            return None
        held = (own for layer in layers for own in (layer._parameters, layer._buffers))
        # Weights that were changed or moved have another version or place.
        state = tuple(
            (value.data_ptr(), value._version)
            for own in held
            for value in own.values()
            if value is not None
        )
        if self.stacked is None or self.stacked[0] != state:
            stack = StackedFusion(self.folds)
            stack.tabulate()
            self.stacked = state, stack
        return self.stacked[1]

    def __getstate__(self) -> dict:
        """Leave the stack out, which is made again of the nets."""
        return vars(self) | {"stacked": None}
