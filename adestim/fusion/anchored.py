"""Modality-anchored fusion: the anchor's transformer reads its own and the others' tokens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from adestim.backbone.attention import log_mask_of
from adestim.backbone.contract import Backbone
from adestim.fusion.qformer import ModalityAwareQFormer

__all__ = ["AnchoredFusion", "ModalityShape"]


@dataclass(frozen=True)
class ModalityShape:
    """What the fusion knows of a modality: sizes, nothing of its meaning.

    Parameters
    ----------
    n_tokens : int
        Number of token places; 0 where places have no meaning of their own.
    width : int
        Width of the tokens.
    n_scores : int
        Number of phase-1 scores.
    """

    n_tokens: int
    width: int
    n_scores: int


class AnchoredFusion(nn.Module):
    """One anchor's model: phase-1 logits, plus what the anchored transformer adds to them.

    Every modality brings its tokens and one token more: its phase-1 scores. The anchor's score
    token is never masked; where the anchor is missing, a learned stand-in takes its place and
    the anchor's other tokens are closed. The last layer starts at zero, so that training
    starts from the phase-1 prediction.

    Parameters
    ----------
    anchor : str
        Name of the anchor.
    backbone : Backbone
        The anchor's model.
    shapes : mapping of str to ModalityShape
        Sizes of all modalities, the anchor's included.
    n_classes : int
        Number of outputs.
    n_queries : int
        Queries a modality; 0 gives no auxiliary tokens.
    n_heads : int
        Heads of the Q-former.
    cross_modal : bool
        Whether the Q-former has a cross-modal path.
    dropout : float
        Dropout before the last layer.
    """

    def __init__(
        self,
        anchor: str,
        backbone: Backbone,
        shapes: Mapping[str, ModalityShape],
        n_classes: int,
        n_queries: int,
        n_heads: int,
        cross_modal: bool,
        dropout: float,
    ):
        super().__init__()
        self.anchor = anchor
        self.modalities = tuple(shapes)
        self.auxiliaries = tuple(name for name in shapes if name != anchor)
        self.backbone = backbone
        self.scores = nn.Linear(shapes[anchor].n_scores, backbone.width)
        self.stand_in = nn.Parameter(torch.randn(backbone.width))
        self.qformer = build_qformer(
            self.auxiliaries, shapes, backbone.width, n_queries, n_heads, cross_modal
        )
        n_groups = self.qformer.n_groups if self.qformer is not None else 0
        self.log_gate = nn.Parameter(torch.full((n_groups,), backbone.initial_log_gate))
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(backbone.width, n_classes)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, batch: Mapping) -> Tensor:
        """Return logits (B, n_classes).

        Parameters
        ----------
        batch : mapping
            ``tokens`` and ``masks`` by modality, ``scores`` (B, modalities, n_scores), ``present``
            (B, modalities) and ``base``, the phase-1 logits (B, n_classes).
        """
        own, own_mask = self._own_tokens(batch)
        tokens, log_mask = own, score_log_mask(own_mask)
        if self.qformer is not None:
            auxiliary, gate = self._auxiliary_tokens(batch, own, own_mask)
            tokens = torch.cat([own, auxiliary], dim=1)
            log_mask = torch.cat([log_mask, gate], dim=1)
        encoded = self.backbone.encode(tokens, log_mask, own.shape[1])
        pooled = self.backbone.pool(encoded, own_mask)
        return batch["base"] + self.head(self.dropout(pooled))

    def _own_tokens(self, batch: Mapping) -> tuple[Tensor, Tensor]:
        """Return the anchor's tokens, the score token or its stand-in last."""
        place = self.modalities.index(self.anchor)
        present = batch["present"][:, place, None]
        scores = self.scores(batch["scores"][:, place])
        summary = torch.where(present, scores, self.stand_in.to(scores.dtype))
        own = torch.cat(
            [self.backbone.embed(batch["tokens"][self.anchor]), summary[:, None]], dim=1
        )
        return own, F.pad(batch["masks"][self.anchor] & present, (0, 1), value=True)

    def _auxiliary_tokens(
        self, batch: Mapping, own: Tensor, own_mask: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return H_a at the RMS of the anchor's own tokens, and its log-gate."""
        tokens, masks = {}, {}
        for name in self.auxiliaries:
            place = self.modalities.index(name)
            tokens[name], masks[name] = with_scores(
                batch["tokens"][name],
                batch["masks"][name],
                batch["scores"][:, place],
                batch["present"][:, place],
            )
        log_masks = {name: score_log_mask(mask) for name, mask in masks.items()}
        auxiliary, present = self.qformer(tokens, masks, log_masks)
        auxiliary = match_rms(auxiliary, own, own_mask)
        gate = self.log_gate + log_mask_of(present)
        return auxiliary, gate.repeat_interleave(self.qformer.n_queries, dim=1)


def build_qformer(
    auxiliaries: Sequence[str],
    shapes: Mapping[str, ModalityShape],
    width: int,
    n_queries: int,
    n_heads: int,
    cross_modal: bool,
) -> ModalityAwareQFormer | None:
    """Return the Q-former, or None where there is nothing to read or no query to read it."""
    if not auxiliaries or n_queries == 0:
        return None
    # A token's features, the phase-1 scores, and a flag that tells the two kinds apart.
    widths = {name: shapes[name].width + shapes[name].n_scores + 1 for name in auxiliaries}
    return ModalityAwareQFormer(widths, width, n_queries, n_heads, cross_modal)


def with_scores(
    tokens: Tensor, mask: Tensor, scores: Tensor, present: Tensor
) -> tuple[Tensor, Tensor]:
    """Append the score token; features, scores and a flag stand side by side in the width."""
    n_scores = scores.shape[-1]
    plain = F.pad(tokens, (0, n_scores + 1))
    flag = torch.ones_like(scores[:, :1])
    summary = F.pad(torch.cat([scores, flag], dim=-1), (tokens.shape[-1], 0))
    closed = mask & present[:, None]
    return torch.cat([plain, summary[:, None]], dim=1), torch.cat([closed, present[:, None]], dim=1)


def score_log_mask(mask: Tensor) -> Tensor:
    """Return the log-mask under which the last token, the scores, weighs as all others together."""
    others = mask[:, :-1].sum(dim=1, keepdim=True).clamp(min=1)
    bonus = F.pad(others.to(torch.float32).log(), (mask.shape[1] - 1, 0))
    return log_mask_of(mask) + bonus


def match_rms(auxiliary: Tensor, own: Tensor, own_mask: Tensor) -> Tensor:
    """Scale each auxiliary token to the root mean square of the anchor's own tokens."""
    weight = own_mask.unsqueeze(-1).to(own.dtype)
    mean_square = (own.square() * weight).sum((1, 2)) / (weight.sum((1, 2)) * own.shape[-1])
    own_rms = mean_square.sqrt()[:, None, None]
    return auxiliary * own_rms / auxiliary.square().mean(-1, keepdim=True).sqrt().clamp(min=1e-6)
