"""A stack computes what each of its nets does."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from adestim.training.nets.stacked import StackedFusion, architecture_of, can_stack
from tests.reference_nets import SHAPES, build_net, change_batch, doubled, draw_batch

N_NETS = 3
options = st.fixed_dictionaries(
    {
        "anchor": st.sampled_from(sorted(SHAPES)),
        "modalities": st.sampled_from([tuple(SHAPES), ("markers", "notes"), ()]),
        "width": st.sampled_from([8, 16, 32]),
        "depth": st.integers(1, 2),
        "n_queries": st.integers(0, 3),
        "cross_modal": st.booleans(),
        "place": st.sampled_from([0, "output"]),
        "gate": st.sampled_from(["learned", "open", "closed"]),
        "n_outputs": st.sampled_from([1, 2, 4]),
    }
)


def nets_of(**options):
    return [build_net(**options, seed=seed).double() for seed in range(N_NETS)]


def take(batch, net):
    return change_batch(batch, lambda x: x[net])


def gradients_by_net(nets, stack):
    """The gradients of a stack, written back, and those of the nets, by name."""
    expected = [{name: p.grad for name, p in net.named_parameters()} for net in nets]
    for name, value in stack.weights.items():
        found = torch.zeros_like(value) if value.grad is None else value.grad
        stack.weights[name] = found if value.requires_grad else value
    stack.write_back(nets)
    found = [{name: p.detach() for name, p in net.named_parameters()} for net in nets]
    return found, expected


@settings(max_examples=60)
@given(options)
def test_outputs_and_gradients_are_those_of_the_nets(options):
    nets = nets_of(**options)
    stack, batch = StackedFusion(nets), doubled(draw_batch(nets[0], (N_NETS, 5)))
    found = stack.forward(batch)
    expected = torch.stack([net(take(batch, number)) for number, net in enumerate(nets)])
    torch.testing.assert_close(found, expected, rtol=1e-8, atol=1e-9)
    weight = torch.randn_like(found.detach())
    (found * weight).sum().backward()
    (expected * weight).sum().backward()
    for own, others in zip(*gradients_by_net(nets, stack), strict=True):
        for name, value in others.items():
            wanted = torch.zeros_like(own[name]) if value is None else value
            torch.testing.assert_close(own[name], wanted, rtol=1e-6, atol=1e-8, msg=name)


@settings(max_examples=30)
@given(options)
def test_all_nets_may_read_the_same_subjects(options):
    nets = nets_of(**options)
    batch = doubled(draw_batch(nets[0]))
    found = StackedFusion(nets).predict(batch)
    expected = torch.stack([net(batch) for net in nets])
    torch.testing.assert_close(found, expected, rtol=1e-8, atol=1e-9)


def test_tokens_may_join_before_a_later_block():
    nets = nets_of(place=1, depth=3)
    batch = doubled(draw_batch(nets[0]))
    expected = torch.stack([net(batch) for net in nets])
    torch.testing.assert_close(StackedFusion(nets).predict(batch), expected, rtol=1e-8, atol=1e-9)


def test_single_precision_is_close():
    nets = [build_net(seed=seed, width=32) for seed in range(N_NETS)]
    batch = draw_batch(nets[0], (50,))
    expected = torch.stack([net(batch) for net in nets])
    torch.testing.assert_close(StackedFusion(nets).predict(batch), expected, rtol=1e-5, atol=1e-5)


def test_what_is_dropped_is_every_nets_own():
    net = build_net(dropout=0.5)
    stack, batch = StackedFusion([net] * N_NETS), draw_batch(net)
    noise = torch.rand(N_NETS, 6, stack.n_dropouts, stack.width)
    found = stack.forward(batch, noise)
    assert (found[0] - found[1]).abs().max() > 1e-3
    again = stack.forward(batch, noise[[1, 0, 2]])
    torch.testing.assert_close(again[0], found[1])


def test_activations_keep_their_mean_where_some_are_dropped():
    net = build_net(dropout=0.3, depth=1)
    # Nothing but the head is left to be dropped.
    net.backbone.blocks[0].dropout.p = 0.0
    stack, batch = StackedFusion([net]), draw_batch(net)
    many = change_batch(batch, lambda x: x[:1].expand(20_000, *x.shape[1:]))
    noise = torch.rand(1, 20_000, stack.n_dropouts, stack.width)
    found = stack.forward(many, noise)[0]
    assert found.std(dim=0).min() > 0.01
    torch.testing.assert_close(found.mean(0), net(batch)[0], rtol=0.05, atol=0.05)


def test_a_stack_may_let_go_of_nets():
    nets = [build_net(seed=seed) for seed in range(N_NETS)]
    stack, batch = StackedFusion(nets), draw_batch(nets[0])
    before = stack.predict(batch)
    stack.take(torch.tensor([0, 2]))
    torch.testing.assert_close(stack.predict(batch), before[[0, 2]])


@pytest.mark.parametrize("options", [{"depth": 1, "n_queries": 0}, {"place": "output"}])
def test_weights_go_back_to_the_nets(options):
    nets = [build_net(seed=seed, **options) for seed in range(N_NETS)]
    others = [build_net(seed=9, **options) for _ in nets]
    StackedFusion(nets).write_back(others)
    for net, other in zip(nets, others, strict=True):
        torch.testing.assert_close(other.state_dict(), net.state_dict(), rtol=0, atol=0)


def test_who_is_of_another_size_is_of_another_architecture():
    kin = {architecture_of(build_net(seed=seed)) for seed in range(2)}
    assert len(kin) == 1
    for change in ({"n_queries": 3}, {"place": 1}, {"gate": "open"}, {"dropout": 0.2}):
        assert architecture_of(build_net(**change)) not in kin


def test_only_reference_anchors_can_be_stacked():
    net = build_net()
    assert can_stack(net)
    assert not can_stack(nn.Linear(2, 2))
    net.backbone = nn.Identity()
    assert not can_stack(net)
