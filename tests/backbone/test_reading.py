import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from adestim.backbone import CLOSED, Attention
from adestim.backbone.attention import AttentionWeights, absorb
from adestim.backbone.reading import (
    MappedFeatures,
    NormedTokens,
    PlacedFeatures,
    norm_mapped,
    norm_placed,
    norm_tokens,
)

WIDTH = 16


def generator_of(seed):
    return torch.Generator().manual_seed(seed)


def drawn(*shape, seed):
    return torch.randn(*shape, generator=generator_of(seed), dtype=torch.float64)


def layers(n_heads=2, seed=0):
    """An attention, and the norm of what it reads, gain and shift away from their start."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        attention, norm = Attention(WIDTH, n_heads), nn.LayerNorm(WIDTH)
        for value in norm.parameters():
            nn.init.normal_(value, mean=0.7)
    return attention.double(), norm.double()


def maps_of(attention, norm):
    [maps] = absorb(AttentionWeights.stack([attention], [norm]), attention.n_heads).unbind()
    return maps


def log_masks(n_subjects, n_tokens, seed):
    """Tokens open, closed or in between; of the last subject all are closed."""
    generator = generator_of(seed)
    gate = torch.randn(n_subjects, n_tokens, generator=generator, dtype=torch.float64)
    closed = torch.rand(n_subjects, n_tokens, generator=generator) < 0.4
    closed[-1] = True
    return gate.masked_fill(closed, CLOSED)


def plain(attention, norm, queries, tokens, log_mask):
    """Attention with keys and values written out."""
    q = attention.query(queries).unflatten(-1, (attention.n_heads, -1)).transpose(1, 2)
    k, v = (
        part.unflatten(-1, (attention.n_heads, -1)).transpose(1, 2)
        for part in attention.key_value(norm(tokens)).chunk(2, dim=-1)
    )
    logits = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])
    if log_mask is not None:
        logits = logits + log_mask[:, None, None]
    return attention.out((logits.softmax(dim=-1) @ v).transpose(1, 2).flatten(2))


def gradients(output, *sources):
    weights = torch.linspace(-1, 1, output.numel(), dtype=output.dtype).view_as(output)
    return torch.autograd.grad((output * weights).sum(), sources, allow_unused=True)


sizes = st.integers(1, 6)
seeds = st.integers(0, 1000)


@given(
    n_subjects=sizes,
    n_tokens=sizes,
    n_queries=sizes,
    n_heads=st.sampled_from([1, 2, 4]),
    shared=st.booleans(),
    masked=st.booleans(),
    seed=seeds,
)
def test_reading_is_attention_to_the_normalised_tokens(
    n_subjects, n_tokens, n_queries, n_heads, shared, masked, seed
):
    attention, norm = layers(n_heads, seed)
    tokens = drawn(n_subjects, n_tokens, WIDTH, seed=seed).requires_grad_()
    queries = drawn(1 if shared else n_subjects, n_queries, WIDTH, seed=seed + 1).requires_grad_()
    log_mask = log_masks(n_subjects, n_tokens, seed) if masked else None
    found = attention.read(queries, [norm_tokens(tokens)], log_mask, maps_of(attention, norm))
    expected = plain(attention, norm, queries, tokens, log_mask)
    torch.testing.assert_close(found, expected)
    sources = [tokens, queries, attention.query.weight, attention.key_value.weight, norm.weight]
    torch.testing.assert_close(gradients(found, *sources), gradients(expected, *sources))


@given(n_subjects=sizes, parts=st.lists(sizes, min_size=2, max_size=3), seed=seeds)
def test_tokens_in_parts_are_read_side_by_side(n_subjects, parts, seed):
    attention, norm = layers(seed=seed)
    queries = drawn(n_subjects, 1, WIDTH, seed=seed)
    tokens = drawn(n_subjects, sum(parts), WIDTH, seed=seed + 1)
    log_mask = log_masks(n_subjects, sum(parts), seed)
    maps = maps_of(attention, norm)
    whole = attention.read(queries, [norm_tokens(tokens)], log_mask, maps)
    split = [norm_tokens(part) for part in tokens.split(parts, dim=1)]
    torch.testing.assert_close(attention.read(queries, split, log_mask, maps), whole)


@given(n_features=st.integers(1, 20), n_tokens=sizes, n_queries=sizes, seed=seeds)
def test_features_are_read_as_the_tokens_that_they_become(n_features, n_tokens, n_queries, seed):
    attention, norm = layers(seed=seed)
    inputs = drawn(3, n_tokens, n_features, seed=seed)
    weight = drawn(WIDTH, n_features, seed=seed + 1).requires_grad_()
    bias = drawn(WIDTH, seed=seed + 2).requires_grad_()
    queries, log_mask = drawn(1, n_queries, WIDTH, seed=seed + 3), log_masks(3, n_tokens, seed)
    found = attention.read(
        queries, [norm_mapped(inputs, weight, bias)], log_mask, maps_of(attention, norm)
    )
    tokens = nn.functional.linear(inputs, weight, bias)
    expected = plain(attention, norm, queries, tokens, log_mask)
    torch.testing.assert_close(found, expected)
    found, expected = (gradients(each, weight, bias) for each in (found, expected))
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)


@given(n_features=st.integers(1, 4), n_tokens=sizes, seed=seeds)
def test_features_with_places_are_read_as_the_tokens_that_they_become(n_features, n_tokens, seed):
    attention, norm = layers(seed=seed)
    inputs = drawn(3, n_tokens, n_features, seed=seed)
    maps = [
        drawn(*shape, seed=seed + place).requires_grad_()
        for place, shape in enumerate(
            [(WIDTH, n_features), (WIDTH,), (n_tokens, WIDTH), (n_tokens, WIDTH)]
        )
    ]
    queries, log_mask = drawn(3, 1, WIDTH, seed=seed + 5), log_masks(3, n_tokens, seed)
    found = attention.read(
        queries, [norm_placed(inputs, *maps)], log_mask, maps_of(attention, norm)
    )
    weight, bias, gain, shift = maps
    tokens = nn.functional.linear(inputs, weight, bias) * gain + shift
    expected = plain(attention, norm, queries, tokens, log_mask)
    torch.testing.assert_close(found, expected)
    found, expected = (gradients(each, *maps) for each in (found, expected))
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("n_features", "kind"), [(1, MappedFeatures), (WIDTH, NormedTokens)])
def test_tokens_are_computed_where_that_is_cheaper(n_features, kind):
    weight, bias = drawn(WIDTH, n_features, seed=0), drawn(WIDTH, seed=1)
    assert isinstance(norm_mapped(drawn(2, 3, n_features, seed=2), weight, bias), kind)


@pytest.mark.parametrize(("n_features", "kind"), [(1, PlacedFeatures), (8, NormedTokens)])
def test_tokens_with_places_are_computed_where_that_is_cheaper(n_features, kind):
    weight, bias, gain = (drawn(WIDTH, n, seed=n) for n in (n_features, 1, 3))
    inputs = drawn(2, 3, n_features, seed=2)
    assert isinstance(norm_placed(inputs, weight, bias[:, 0], gain.T, gain.T), kind)


def test_a_token_without_variance_is_read_as_nothing():
    read = norm_mapped(torch.zeros(2, 3, 1), torch.ones(WIDTH, 1), torch.ones(WIDTH))
    assert (read.mix(torch.ones(2, 1, 3)) == 0).all()
