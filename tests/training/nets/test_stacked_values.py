"""Own tokens that are not computed are weighed and mixed as if they were."""

import pytest
import torch

from adestim.training.nets.stacked_values import MappedValues, PlacedValues
from adestim.training.nets.stacked_weights import MappedTokens, PlacedTokens

N_NETS, N_SUBJECTS, N_TOKENS, WIDTH = 3, 4, 5, 16


def draw(*shape):
    return torch.randn(*shape, dtype=torch.float64)


def norm(tokens):
    return torch.nn.functional.layer_norm(tokens, tokens.shape[-1:])


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def require_same(values, tokens):
    queries, shares = draw(N_NETS, N_SUBJECTS, 2, WIDTH), draw(N_NETS, N_SUBJECTS, 2, N_TOKENS)
    torch.testing.assert_close(values.weigh(queries), queries @ tokens.mT)
    torch.testing.assert_close(values.mix(shares), shares @ tokens)


@pytest.mark.parametrize("n_features", [1, 2])
def test_tokens_with_places(n_features):
    weight, bias = draw(N_NETS, WIDTH, n_features), draw(N_NETS, WIDTH)
    gain, shift = draw(N_NETS, N_TOKENS, WIDTH), draw(N_NETS, N_TOKENS, WIDTH)
    inputs = draw(N_NETS, N_SUBJECTS, n_features, N_TOKENS)
    own = PlacedTokens(weight, bias, gain, shift)
    mapped = inputs.mT @ weight.mT[:, None] + bias[:, None, None]
    tokens = norm(mapped * gain[:, None] + shift[:, None])
    require_same(PlacedValues(inputs, own.deviations(inputs), own.maps), tokens)


def test_tokens_without_places():
    weight, bias = draw(N_NETS, WIDTH, 3), draw(N_NETS, WIDTH)
    inputs = draw(N_NETS, N_SUBJECTS, N_TOKENS, 3)
    own = MappedTokens(weight, bias)
    features = torch.nn.functional.pad(inputs, (0, 1), value=1.0)
    tokens = norm(inputs @ weight.mT[:, None] + bias[:, None, None])
    require_same(MappedValues(own.standardise(features), own), tokens)


def test_tokens_that_are_given():
    tokens = norm(draw(N_NETS, N_SUBJECTS, N_TOKENS, WIDTH))
    own = MappedTokens(draw(N_NETS, WIDTH, WIDTH), draw(N_NETS, WIDTH))
    require_same(MappedValues(tokens, own), tokens)
