"""The anchor's own side: its tokens, and what stands in for them where the anchor is missing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from adestim.backbone.attention import log_mask_of
from adestim.backbone.contract import Backbone


class OwnTokens(NamedTuple):
    """The anchor's tokens at its input."""

    tokens: Tensor  # (B, T, width)
    mask: Tensor  # (B, T); true where a token is real or stands in
    log_mask: Tensor  # (B, T); added to the attention logits of the tokens
    # (1,); root mean square that auxiliary tokens are scaled to; None where every block normalises
    # what it reads, so that sizes are of no account
    rms: Tensor | None


class SummaryReader(nn.Module):
    """Own tokens of a reference backbone: its features, and its phase-1 scores last.

    The score token is the summary that the backbone pools. It is never masked: where the anchor
    is missing, a learned stand-in takes its place, and the other tokens are closed.
    """

    def __init__(self, width: int, n_scores: int):
        super().__init__()
        self.scores = nn.Linear(n_scores, width)
        self.stand_in = nn.Parameter(torch.randn(width))

    def forward(self, backbone: Backbone, batch: Mapping, anchor: str, place: int) -> OwnTokens:
        """Return the anchor's tokens, the score token or its stand-in last."""
        summary, mask = self.summary(batch, anchor, place)
        tokens = torch.cat([backbone.embed(batch["tokens"][anchor]), summary], dim=1)
        return OwnTokens(tokens, mask, score_log_mask(mask), None)

    def summary(self, batch: Mapping, anchor: str, place: int) -> tuple[Tensor, Tensor]:
        """Return the summary (B, 1, width), and which tokens are real, it being the last."""
        present = batch["present"][:, place, None]
        scores = self.scores(batch["scores"][:, place])
        summary = torch.where(present, scores, self.stand_in.to(scores.dtype))
        return summary[:, None], F.pad(batch["masks"][anchor] & present, (0, 1), value=True)


class InputReader(nn.Module):
    """Own tokens of a foundation model: what it makes of the subject's inputs.

    Where the anchor is missing, a learned token stands in at every place; all but the last of
    them are closed.
    """

    def __init__(self, width: int):
        super().__init__()
        self.stand_in = nn.Parameter(torch.randn(width))
        self.register_buffer("rms", torch.ones(1))
        # By how much own tokens have grown where auxiliary ones join them.
        self.register_buffer("growth", torch.ones(1))

    def forward(self, backbone: Backbone, batch: Mapping, anchor: str, place: int) -> OwnTokens:
        """Return the anchor's tokens; only subjects who have it have inputs in the batch."""
        present, inputs = batch["present"][:, place], batch["inputs"].values
        if inputs is None:
            tokens = self._stand_ins(len(present), backbone.n_stand_in)
            mask = last_place(tokens)
            return OwnTokens(tokens, mask, log_mask_of(mask), self.rms * self.growth)
        embedded, real = embed_shown(backbone, batch["inputs"]), backbone.own_mask(inputs)
        tokens = self._stand_ins(len(present), embedded.shape[1])
        places = batch["inputs"].places
        tokens = tokens.index_copy(0, places, embedded.to(tokens.dtype))
        real = torch.ones_like(embedded[..., 0], dtype=torch.bool) if real is None else real
        mask = last_place(tokens).index_copy(0, places, real)
        return OwnTokens(tokens, mask, log_mask_of(mask), self.rms * self.growth)

    def measure(self, backbone: Backbone, own: OwnTokens) -> None:
        """Remember how large some subjects' own tokens are, at the input and where others join."""
        self.rms.copy_(own_rms(own.tokens.float(), own.mask).mean().reshape(1))
        if backbone.join_at:
            joined = at_join(backbone, own).float()
            # A few tokens of a language model grow a thousandfold, so the mean would tell of them.
            typical = joined.square().mean(dim=-1).sqrt()[own.mask].median()
            self.growth.copy_(typical / self.rms)

    def _stand_ins(self, n_subjects: int, n_tokens: int) -> Tensor:
        """Return the stand-in at every place of every subject."""
        return (self.stand_in * self.rms).expand(n_subjects, n_tokens, -1).clone()


def embed_shown(backbone: Backbone, shown: Any) -> Tensor:
    """Return embedded inputs (B, T, width); a body that others share remembers its subjects."""
    embed_subjects = getattr(backbone, "embed_subjects", None)
    if embed_subjects is None:
        return backbone.embed(shown.values)
    return embed_subjects(shown.values, shown.sources)


def at_join(backbone: Backbone, own: OwnTokens) -> Tensor:
    """Return own tokens as they are before the block at which auxiliary ones join them."""
    seen = []
    block = backbone.blocks_to_join[backbone.join_at]
    hook = block.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    try:
        backbone.encode(own.tokens, own.log_mask, own.tokens.shape[1])
    finally:
        hook.remove()
    # A model that reads windows by themselves runs them as so many subjects.
    return seen[0].reshape(*own.tokens.shape[:2], -1)


def last_place(tokens: Tensor) -> Tensor:
    """Return a mask of tokens (B, T, C) in which only the last one is open."""
    mask = torch.zeros(tokens.shape[:2], dtype=torch.bool, device=tokens.device)
    mask[:, -1] = True
    return mask


def score_log_mask(mask: Tensor) -> Tensor:
    """Return the log-mask under which the last token, the scores, weighs as all others together."""
    log_mask = log_mask_of(mask)
    log_mask[:, -1] += mask[:, :-1].sum(dim=1).clamp(min=1).log()
    return log_mask


def own_rms(tokens: Tensor, mask: Tensor) -> Tensor:
    """Return the root mean square of every subject's real tokens, (B, 1, 1)."""
    weight = mask.unsqueeze(-1).to(tokens.dtype)
    mean_square = (tokens.square() * weight).sum((1, 2)) / (weight.sum((1, 2)) * tokens.shape[-1])
    return mean_square.sqrt()[:, None, None]
