"""What queries make of many tokens of one number each, read off a table over that number.

Such a token has no place: what a query gives and takes of it depends on its number alone. A sum
over tokens is then a sum over grid points, by how many tokens lie near each, which costs no more
for hundreds of tokens, or several nets, than for a few.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from adestim.encoding.tokens import LARGEST_SCORE
from adestim.training.nets.stacked_weights import MappedTokens

N_POINTS = 512
# Where what is read off differs by more, relative to the weight of a token, nothing is read off.
LARGEST_ERROR = 5e-5
# Below so many tokens they are weighed one by one.
FEWEST_TOKENS = 64
N_ROWS = 128
SPACING = 2 * LARGEST_SCORE / (N_POINTS - 3)


class PoolTable(NamedTuple):
    """Weights of tokens, and weighted features, for N queries of K nets at G numbers."""

    sums: Tensor  # (G, K * N * 3); weight, weighted number, weighted one
    peaks: Tensor  # (K, 1, N); log of what weights are divided by

    @classmethod
    def of(cls, tokens: MappedTokens, queries: Tensor) -> PoolTable | None:
        """Return the table, None where it would not be exact enough.

        queries (K, N, F), at the side of features whose first is the number and whose last a one.
        """
        points = SPACING * torch.arange(-1, N_POINTS - 1, device=queries.device) - LARGEST_SCORE
        middles = points[1:-2] + SPACING / 2
        both = measure_tokens(tokens, queries, torch.cat([points, middles]).to(queries))
        logs = both.select(3, 0)
        peaks = logs.amax(dim=1, keepdim=True)
        weights = (logs - peaks).exp()
        known = torch.cat([weights[..., None], weights[..., None] * both[..., 1:]], dim=3)
        known, wanted = known.split([N_POINTS, len(middles)], dim=1)
        read_off = 9 / 16 * (known[:, 1:-2] + known[:, 2:-1]) - (known[:, :-3] + known[:, 3:]) / 16
        scale = wanted[..., :1] * wanted.new_tensor([1.0, *[both[..., 1:].abs().amax()] * 2])
        if not ((read_off - wanted).abs() <= LARGEST_ERROR * scale).all():
            return None
        return cls(known.transpose(0, 1).flatten(1).contiguous(), peaks)

    def pool(self, near: Tensor, last: Tensor, last_logits: Tensor) -> Tensor:
        """Return what queries mix of all tokens and a last one, (K, B, N, F).

        near (B, G), how many tokens lie near every point; last (K, B, F), last_logits (K, B, N).
        """
        n_nets, _, n_queries = self.peaks.shape
        sums = (near @ self.sums).view(len(near), n_nets, n_queries, 3).transpose(0, 1)
        weight = sums[..., 0].clamp(min=torch.finfo(sums.dtype).tiny)
        of_last = torch.sigmoid(last_logits - weight.log() - self.peaks)[..., None]
        mixed = of_last * last[:, :, None]
        others = (1 - of_last) * sums[..., 1:] / weight[..., None]
        mixed[..., 0] += others[..., 0]
        mixed[..., -1] += others[..., 1]
        return mixed


def measure_tokens(tokens: MappedTokens, queries: Tensor, numbers: Tensor) -> Tensor:
    """Return logits, and the features that are mixed, of tokens of some numbers.

    queries (K, N, F), numbers (G,) -> (K, G, N, 3).
    """
    features = numbers.new_zeros(len(queries), len(numbers), 1, queries.shape[2])
    features[..., 0], features[..., -1] = numbers[:, None], 1.0
    values = tokens.standardise(features)[:, :, 0]
    logits = torch.bmm(values, queries.mT)
    mixed = values[..., [0, -1]][:, :, None].expand(-1, -1, logits.shape[2], -1)
    return torch.cat([logits[..., None], mixed], dim=3)


def can_tabulate(tokens: MappedTokens, n_features: int) -> bool:
    """Tell whether tokens are of one number, and mapped where they are read."""
    return n_features == 1 and not tokens.direct


def count_near(numbers: Tensor, mask: Tensor) -> Tensor:
    """Return how many numbers lie near every point: shares of each that a cubic is read off by.

    numbers (B, T), mask (B, T) -> (B, N_POINTS).
    """
    found = numbers.new_zeros(len(numbers), N_POINTS)
    for rows, values, shown in zip(
        found.split(N_ROWS), numbers.split(N_ROWS), mask.split(N_ROWS), strict=True
    ):
        place = (values + LARGEST_SCORE) / SPACING + 1
        start = place.floor().clamp(1, N_POINTS - 3)
        rest = place - start
        before, after, behind = rest + 1, rest - 1, rest - 2
        outer, inner = rest * after * shown, before * behind * shown
        index = start.long()
        rows.scatter_add_(1, index - 1, outer * behind / -6)
        rows.scatter_add_(1, index, inner * after / 2)
        rows.scatter_add_(1, index + 1, inner * rest / -2)
        rows.scatter_add_(1, index + 2, outer * before / 6)
    return found


def lie_within(numbers: Tensor) -> bool:
    """Tell whether there are many numbers a row, all of which a table covers; numbers (B, T)."""
    few = numbers.shape[1] < FEWEST_TOKENS
    return not few and bool(numbers.abs().amax() <= LARGEST_SCORE)
