"""Modality-anchored fusion: the anchor's transformer reads its own and the others' tokens."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from adestim.backbone.attention import CLOSED, Attention, log_mask_of
from adestim.backbone.contract import Backbone
from adestim.training.nets.own_tokens import InputReader, SummaryReader, score_log_mask
from adestim.training.nets.qformer import ModalityAwareQFormer

FIXED_GATES = {"open": 0.0, "closed": CLOSED}


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

    Every auxiliary modality brings its tokens and one token more: its phase-1 scores. The last
    layer starts at zero, so that training starts from the phase-1 prediction.

    Parameters
    ----------
    anchor : str
        Name of the anchor.
    backbone : Backbone
        The anchor's model.
    shapes : mapping of str to ModalityShape
        Sizes of all modalities, the anchor's included.
    n_outputs : int
        Number of outputs.
    n_queries : int
        Queries a modality; 0 gives no auxiliary tokens.
    qformer_width : int
        Width of the Q-former; a linear map takes its tokens to the anchor's width where that is
        another.
    n_heads : int
        Heads of the Q-former.
    cross_modal : bool
        Whether the Q-former has a cross-modal path.
    dropout : float
        Dropout before the last layer.
    at_output : bool, default=False
        Whether auxiliary tokens are read by the pooled vector, behind the last block, instead of
        joining the anchor's own at the input or before the block that the model was told.
    gate : {"learned", "open", "closed"}, default="learned"
        Whether auxiliary tokens are under a learned log-gate, join like own ones, or are never
        read; all else is the same.
    """

    def __init__(
        self,
        anchor: str,
        backbone: Backbone,
        shapes: Mapping[str, ModalityShape],
        n_outputs: int,
        n_queries: int,
        qformer_width: int,
        n_heads: int,
        cross_modal: bool,
        dropout: float,
        at_output: bool = False,
        gate: str = "learned",
    ):
        super().__init__()
        self.anchor = anchor
        self.modalities = tuple(shapes)
        self.auxiliaries = tuple(name for name in shapes if name != anchor)
        self.backbone = backbone
        self.own = own_reader(backbone, shapes[anchor])
        self.qformer = build_qformer(
            self.auxiliaries, shapes, qformer_width, n_queries, n_heads, cross_modal
        )
        joins = self.qformer is not None and not at_output
        self.widen = map_width(qformer_width, backbone.width) if joins else nn.Identity()
        self.output_reader = None
        if self.qformer is not None and at_output:
            self.output_reader = OutputReader(backbone.width_pooled, qformer_width, n_heads)
        n_groups = self.qformer.n_groups if self.qformer is not None else 0
        if gate == "learned":
            start = starting_gate(backbone, shapes[anchor].n_tokens, n_queries, at_output)
            self.log_gate = nn.Parameter(torch.full((n_groups,), start))
        else:
            self.register_buffer("log_gate", torch.full((n_groups,), FIXED_GATES[gate]))
        self.register_buffer("pooled_mean", torch.zeros(backbone.width_pooled))
        self.register_buffer("pooled_scale", torch.ones(backbone.width_pooled))
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(backbone.width_pooled, n_outputs)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    @property
    def n_joining(self) -> int:
        """Number of auxiliary tokens that the anchor's transformer reads."""
        if self.qformer is None or self.output_reader is not None:
            return 0
        return self.qformer.n_groups * self.qformer.n_queries

    def forward(self, batch: Mapping) -> Tensor:
        """Return logits (B, n_classes).

        Parameters
        ----------
        batch : mapping
            ``tokens`` and ``masks`` by modality, ``inputs`` where the anchor is a foundation model,
            ``scores`` (B, modalities, n_scores), ``present`` (B, modalities) and ``base``, the
            phase-1 logits (B, n_classes).
        """
        return self.classify(batch, self.pooled(batch))

    def pooled(self, batch: Mapping) -> Tensor:
        """Return the anchor's pooled vector after it has read the others, (B, width_pooled)."""
        if self.backbone.needs_summary:
            return self._summary(batch)
        tokens, log_mask, own = self.join(batch, self.backbone)
        encoded = self.backbone.encode(tokens, log_mask, own.shape[1])
        return self.backbone.pool(encoded, own).to(self.pooled_mean.dtype)

    def join(self, batch: Mapping, backbone: Any) -> tuple[Tensor, Tensor, Tensor]:
        """Return what the anchor's transformer reads.

        Parameters
        ----------
        batch : mapping
            As in :meth:`forward`.
        backbone : Backbone
            What embeds the anchor's inputs, or answers for it.

        Returns
        -------
        tokens : Tensor of shape (B, T, width)
            Own tokens, then auxiliary ones.
        log_mask : Tensor of shape (B, T)
            Their log-mask.
        own : Tensor of shape (B, n_own), dtype bool
            True where an own token is real or stands in.
        """
        own = self.own(backbone, batch, self.anchor, self.modalities.index(self.anchor))
        tokens, log_mask = own.tokens, own.log_mask
        if self.n_joining:
            auxiliary, gate = self._auxiliary_tokens(batch, own.rms)
            tokens = torch.cat([tokens, auxiliary.to(tokens.dtype)], dim=1)
            log_mask = torch.cat([log_mask, gate], dim=1)
        return tokens, log_mask, own.mask

    def _summary(self, batch: Mapping) -> Tensor:
        """Return the pooled vector of a reference backbone, whose tokens are not computed."""
        place = self.modalities.index(self.anchor)
        summary, mask = self.own.summary(batch, self.anchor, place)
        auxiliary, log_mask = summary[:, :0], score_log_mask(mask)
        if self.n_joining:
            auxiliary, gate = self._auxiliary_tokens(batch, None)
            log_mask = torch.cat([log_mask, gate], dim=1)
        inputs = batch["tokens"][self.anchor]
        return self.backbone.summarise(inputs, summary, auxiliary, log_mask)

    def classify(self, batch: Mapping, pooled: Tensor) -> Tensor:
        """Return logits (B, n_classes) of pooled vectors (B, width_pooled)."""
        standard = (pooled - self.pooled_mean) / self.pooled_scale
        if self.output_reader is not None:
            tokens, gate = self._auxiliary_tokens(batch, torch.ones_like(self.pooled_scale[:1]))
            standard = self.output_reader(standard, tokens, gate)
        return batch["base"] + self.head(self.dropout(standard))

    def calibrate(self, batches: Iterable[Mapping]) -> None:
        """Measure a foundation model's own tokens and pooled vectors on training subjects.

        Auxiliary tokens will be scaled to the root mean square of its own tokens where they join
        them, and the last layer reads pooled vectors that are standardised.

        Parameters
        ----------
        batches : iterable of mapping
            Batches of training subjects who have the anchor.
        """
        vectors = []
        place = self.modalities.index(self.anchor)
        with torch.no_grad():
            for batch in batches:
                if not vectors:
                    own = self.own(self.backbone, batch, self.anchor, place)
                    self.own.measure(self.backbone, own)
                vectors.append(self.pooled(batch))
            self._standardise(torch.cat(vectors))

    def _standardise(self, pooled: Tensor) -> None:
        """Remember the moments of pooled vectors (n, width_pooled)."""
        variance = pooled.var(dim=0, correction=0)
        # A feature that hardly varies must not be blown up by what few subjects show of it.
        scale = (variance + 0.05 * variance.mean()).sqrt()
        self.pooled_mean.copy_(pooled.mean(dim=0))
        self.pooled_scale.copy_(torch.where(scale > 1e-6, scale, 1.0))

    def _auxiliary_tokens(self, batch: Mapping, rms: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return H_a at a root mean square, any where that is None, and its log-gate."""
        tokens, masks = {}, {}
        for name in self.auxiliaries:
            place = self.modalities.index(name)
            tokens[name], masks[name] = append_scores(
                batch["tokens"][name],
                batch["masks"][name],
                batch["scores"][:, place],
                batch["present"][:, place],
            )
        log_masks = {name: score_log_mask(mask) for name, mask in masks.items()}
        auxiliary, present = self.qformer(tokens, masks, log_masks)
        gate = self.log_gate + log_mask_of(present)
        gate = gate.repeat_interleave(self.qformer.n_queries, dim=1)
        auxiliary = self.widen(auxiliary)
        return auxiliary if rms is None else match_rms(auxiliary, rms), gate


class OutputReader(nn.Module):
    """Let the anchor's pooled vector read the auxiliary tokens by one cross-attention.

    The vector reads itself too, so that a gate weighs the auxiliary tokens against something, and
    who has no auxiliary modality reads nothing that is absent.
    """

    def __init__(self, width: int, reader_width: int, n_heads: int):
        super().__init__()
        self.narrow = map_width(width, reader_width)
        self.norm_pooled = nn.LayerNorm(reader_width)
        self.norm_tokens = nn.LayerNorm(reader_width)
        self.attention = Attention(reader_width, n_heads)
        self.widen = map_width(reader_width, width)

    def forward(self, pooled: Tensor, tokens: Tensor, log_mask: Tensor) -> Tensor:
        """Return the vectors (B, width), what they have read added.

        pooled (B, width), tokens (B, A, reader_width), log_mask (B, A).
        """
        reader = self.norm_pooled(self.narrow(pooled))[:, None]
        keys = torch.cat([reader, self.norm_tokens(tokens).to(reader.dtype)], dim=1)
        read = self.attention(reader, keys, F.pad(log_mask, (1, 0)))
        return pooled + self.widen(read[:, 0])


def map_width(width: int, wanted: int) -> nn.Module:
    """Return a linear map from one width to another, or nothing to do where they are equal."""
    return nn.Identity() if width == wanted else nn.Linear(width, wanted)


def starting_gate(backbone: Backbone, n_own: int, n_queries: int, at_output: bool) -> float:
    """Return where learned log-gates start."""
    if at_output or not n_queries:
        return 0.0
    if not backbone.needs_summary:
        return backbone.initial_log_gate
    # Each group weighs as all own tokens do; few queries would be lost among hundreds of regions.
    return math.log(max(n_own / n_queries, 1))


def own_reader(backbone: Backbone, shape: ModalityShape) -> nn.Module:
    """Return what makes the anchor's own tokens."""
    if backbone.needs_summary:
        return SummaryReader(backbone.width, shape.n_scores)
    return InputReader(backbone.width)


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


def append_scores(
    tokens: Tensor, mask: Tensor, scores: Tensor, present: Tensor
) -> tuple[Tensor, Tensor]:
    """Append the score token; features, scores and a flag stand side by side in the width."""
    n_scores = scores.shape[-1]
    plain = F.pad(tokens, (0, n_scores + 1))
    flag = torch.ones_like(scores[:, :1])
    summary = F.pad(torch.cat([scores, flag], dim=-1), (tokens.shape[-1], 0))
    closed = mask & present[:, None]
    return torch.cat([plain, summary[:, None]], dim=1), torch.cat([closed, present[:, None]], dim=1)


def match_rms(tokens: Tensor, rms: Tensor) -> Tensor:
    """Scale each token to a root mean square."""
    return tokens * rms / tokens.square().mean(-1, keepdim=True).sqrt().clamp(min=1e-6)
