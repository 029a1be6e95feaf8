"""What all rival fusions read alike: every modality's tokens and phase-1 scores, at one width."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn

from adestim.training.nets.anchored import ModalityShape, with_scores
from adestim.training.nets.own_tokens import score_log_mask


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
        joined, closed = with_scores(tokens, mask, scores, present)
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
        return batch["base"] + self.head(self.dropout(self.fused(read)))

    @abstractmethod
    def fused(self, read: list[ReadTokens]) -> Tensor:
        """Return one vector a subject, (B, width)."""
