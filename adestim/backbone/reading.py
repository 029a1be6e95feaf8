"""Tokens that few queries read: normalised once, and never projected to keys and values.

A query is taken through the map of the keys, and what it has mixed through that of the values, so
that nothing is computed a token but what tells tokens apart. Where tokens are maps of a few
features, even the tokens are not computed: their features are weighed and mixed instead.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

# That of torch's layer norm.
EPSILON = 1e-5


class Readable(Protocol):
    """Tokens of mean 0 and variance 1, without gain and shift of their norm."""

    def weigh(self, queries: Tensor, log_mask: Tensor | None) -> Tensor:
        """Return products of queries (B or 1, K, C) with all tokens, a log-mask (B, T) added."""

    def mix(self, shares: Tensor) -> Tensor:
        """Return sums (B, K, C) of the tokens by shares (B, K, T)."""


class NormedTokens(NamedTuple):
    """Tokens as they are."""

    tokens: Tensor  # (B, T, C)

    def weigh(self, queries: Tensor, log_mask: Tensor | None) -> Tensor:
        """Return products of queries (B or 1, K, C) with all tokens, a log-mask (B, T) added."""
        return multiply_masked(queries, self.tokens.transpose(1, 2), log_mask)

    def mix(self, shares: Tensor) -> Tensor:
        """Return sums (B, K, C) of the tokens by shares (B, K, T)."""
        return shares @ self.tokens

    def pool(self, shares: Tensor) -> Tensor:
        """Return what :meth:`mix` does; :meth:`map_outputs` says what it is to be mapped by."""
        return self.mix(shares)

    def map_outputs(self, maps: Tensor) -> Tensor:
        """Return the maps (heads, C, n_out) of what was pooled."""
        return maps


class MappedFeatures(NamedTuple):
    """Tokens that are one linear map of few features, a one among these."""

    features: Tensor  # (B, F, T); divided by the standard deviation of the token
    maps: Tensor  # (F, C); of mean 0

    def weigh(self, queries: Tensor, log_mask: Tensor | None) -> Tensor:
        """Return products of queries (B or 1, K, C) with all tokens, a log-mask (B, T) added."""
        return multiply_masked(queries @ self.maps.T, self.features, log_mask)

    def mix(self, shares: Tensor) -> Tensor:
        """Return sums (B, K, C) of the tokens by shares (B, K, T)."""
        return self.pool(shares) @ self.maps

    def pool(self, shares: Tensor) -> Tensor:
        """Return sums (B, K, F) of the features; :meth:`map_outputs` is what they are mapped by."""
        return shares @ self.features.transpose(1, 2)

    def map_outputs(self, maps: Tensor) -> Tensor:
        """Return the maps (heads, F, n_out) of what was pooled, for those (heads, C, n_out)."""
        return self.maps @ maps


class PlacedFeatures(NamedTuple):
    """Tokens that are a linear map of few features, a one among these, every place its own."""

    features: Tensor  # (B, F, T); divided by the standard deviation of the token
    maps: Tensor  # (F * T, C); of mean 0

    def weigh(self, queries: Tensor, log_mask: Tensor | None) -> Tensor:
        """Return products of queries (B, K, C) with all tokens, a log-mask (B, T) added."""
        by_feature = (queries @ self.maps.T).unflatten(-1, self.features.shape[1:])
        logits = (by_feature * self.features[:, None]).sum(dim=2)
        return logits if log_mask is None else logits + log_mask[:, None]

    def mix(self, shares: Tensor) -> Tensor:
        """Return sums (B, K, C) of the tokens by shares (B, K, T)."""
        return (shares[:, :, None] * self.features[:, None]).flatten(2) @ self.maps


def multiply_masked(queries: Tensor, tokens: Tensor, log_mask: Tensor | None) -> Tensor:
    """Return (B, K, T), a log-mask (B, T) added, for (B or 1, K, C) and (B, C, T)."""
    queries = queries.expand(len(tokens), -1, -1)
    if log_mask is None:
        return torch.bmm(queries, tokens)
    return torch.baddbmm(log_mask[:, None].to(tokens.dtype), queries, tokens)


def norm_tokens(tokens: Tensor) -> NormedTokens:
    """Return tokens (B, T, C) to be read."""
    return NormedTokens(F.layer_norm(tokens, tokens.shape[-1:], eps=EPSILON))


def norm_mapped(inputs: Tensor, weight: Tensor, bias: Tensor) -> NormedTokens | MappedFeatures:
    """Return a linear map of inputs (B, T, n_features) to be read.

    weight (C, n_features), bias (C,).
    """
    if inputs.shape[-1] + 1 >= len(weight):
        return norm_tokens(F.linear(inputs, weight, bias))
    maps = torch.cat([weight, bias[:, None]], dim=1).T
    maps = maps - maps.mean(dim=1, keepdim=True)
    features = append_one(inputs)
    # Products of the maps with each other give the tokens' variances without the tokens.
    products = maps @ maps.T / maps.shape[1]
    variance = (products @ features * features).sum(dim=1, keepdim=True)
    return MappedFeatures(features * inverse_deviation(variance), maps)


def norm_placed(
    inputs: Tensor, weight: Tensor, bias: Tensor, gain: Tensor, shift: Tensor
) -> Readable:
    """Return a linear map of inputs (B, T, n_features), scaled and shifted by place, to be read.

    weight (C, n_features), bias (C,), gain and shift (T, C).
    """
    if 2 * (inputs.shape[-1] + 1) ** 2 > len(weight):
        return norm_tokens(torch.addcmul(shift, F.linear(inputs, weight, bias), gain))
    maps = torch.cat([weight.T[:, None] * gain, (bias * gain + shift)[None]])
    maps = maps - maps.mean(dim=2, keepdim=True)
    features = append_one(inputs)
    products = (maps[:, None] * maps).mean(dim=3)
    by_feature = (products * features[:, :, None]).sum(dim=1)
    variance = (by_feature * features).sum(dim=1, keepdim=True)
    return PlacedFeatures(features * inverse_deviation(variance), maps.flatten(0, 1))


def append_one(inputs: Tensor) -> Tensor:
    """Return features (B, F + 1, T) of tokens (B, T, F), the last of them a one."""
    return F.pad(inputs.transpose(1, 2), (0, 0, 0, 1), value=1.0)


def inverse_deviation(variance: Tensor) -> Tensor:
    """Return what a norm multiplies by."""
    return (variance.clamp(min=0) + EPSILON).rsqrt()
