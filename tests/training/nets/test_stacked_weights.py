import torch

from adestim.training.nets.stacked_weights import (
    MappedTokens,
    PlacedTokens,
    collect_weights,
    stack_held,
    write_weights,
)
from tests.reference_nets import build_net


def test_every_weight_of_a_net_is_collected():
    for options in ({}, {"place": "output"}, {"n_queries": 0}, {"cross_modal": False}):
        net = build_net(**options)
        sizes = [stack_held(held).numel() for held in collect_weights(net).values()]
        moments = net.pooled_mean.numel() + net.pooled_scale.numel()
        assert sum(sizes) == sum(value.numel() for value in net.parameters()) + moments


def test_weights_are_written_where_they_were_collected():
    net, other = build_net(seed=0), build_net(seed=1)
    write_weights(
        {name: stack_held(held)[None] for name, held in collect_weights(net).items()}, [other]
    )
    torch.testing.assert_close(other.state_dict(), net.state_dict(), rtol=0, atol=0)


def test_writing_is_seen_in_the_version_of_weights():
    net = build_net()
    before = [value._version for value in net.parameters() if value.numel()]
    write_weights(
        {name: stack_held(held)[None] for name, held in collect_weights(net).items()}, [net]
    )
    after = [value._version for value in net.parameters() if value.numel()]
    assert all(new > old for new, old in zip(after, before, strict=True))


def test_tokens_of_few_features_are_not_computed():
    assert not MappedTokens(torch.randn(2, 8, 3), torch.randn(2, 8)).direct
    assert MappedTokens(torch.randn(2, 8, 7), torch.randn(2, 8)).direct


def test_deviations_are_those_of_placed_tokens():
    weight, bias = torch.randn(2, 8, 1), torch.randn(2, 8)
    gain, shift = torch.randn(2, 5, 8), torch.randn(2, 5, 8)
    inputs = torch.randn(2, 3, 1, 5)
    mapped = inputs.mT @ weight.mT[:, None] + bias[:, None, None]
    tokens = mapped * gain[:, None] + shift[:, None]
    expected = (tokens.var(dim=3, correction=0) + 1e-5).rsqrt()
    found = PlacedTokens(weight, bias, gain, shift).deviations(inputs)
    torch.testing.assert_close(found[:, :, 0], expected, rtol=1e-4, atol=1e-4)
