"""An anchor's own tokens of some subjects, for K nets: read without being computed, where few read.

B subjects have T tokens of F features each, which H heads of width C read.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from adestim.training.nets.stacked_weights import MappedTokens


class OwnReadable(Protocol):
    """Own tokens of B subjects for K nets."""

    def weigh(self, queries: Tensor) -> Tensor:
        """Return products (K, B, H, T) of queries (K, B, H, C) with the tokens."""

    def mix(self, shares: Tensor) -> Tensor:
        """Return sums (K, B, H, C) of the tokens by shares (K, B, H, T)."""


class PlacedValues(NamedTuple):
    """Own tokens whose maps are of their places."""

    inputs: Tensor  # (K, B, F, T)
    deviations: Tensor  # (K, B, 1, T); inverse ones
    maps: Tensor  # (K, (F + 1) * T, C)

    def weigh(self, queries: Tensor) -> Tensor:
        """Return products (K, B, H, T) of queries (K, B, H, C) with the tokens."""
        by_feature = torch.bmm(queries.flatten(1, 2), self.maps.mT)
        *of_inputs, whole = by_feature.view(*queries.shape[:3], -1, self.inputs.shape[3]).unbind(3)
        for own, values in zip(of_inputs, self.inputs.unbind(2), strict=True):
            whole = torch.addcmul(whole, own, values[:, :, None])
        return whole * self.deviations

    def mix(self, shares: Tensor) -> Tensor:
        """Return sums (K, B, H, C) of the tokens by shares (K, B, H, T)."""
        shares = shares * self.deviations
        *of_inputs, constant = self.maps.unflatten(1, (-1, shares.shape[3])).unbind(1)
        mixed = torch.bmm(shares.flatten(1, 2), constant)
        for values, maps in zip(self.inputs.unbind(2), of_inputs, strict=True):
            mixed = torch.baddbmm(mixed, (shares * values[:, :, None]).flatten(1, 2), maps)
        return mixed.view(*shares.shape[:3], -1)


class MappedValues(NamedTuple):
    """Own tokens, or few features that all of them are one map of."""

    values: Tensor  # (K, B, T, F)
    tokens: MappedTokens

    def weigh(self, queries: Tensor) -> Tensor:
        """Return products (K, B, H, T) of queries (K, B, H, C) with the tokens."""
        return self.tokens.at_features(queries) @ self.values.mT

    def mix(self, shares: Tensor) -> Tensor:
        """Return sums (K, B, H, C) of the tokens by shares (K, B, H, T)."""
        mixed = shares @ self.values
        if self.tokens.maps is None:
            return mixed
        return torch.bmm(mixed.flatten(1, 2), self.tokens.maps).view(*mixed.shape[:3], -1)
