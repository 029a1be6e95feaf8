"""One pass of a frozen body gives every member what its own pass gives."""

import pytest
import torch

from adestim.backbone import load_backbone
from adestim.exceptions import InputError
from adestim.training.lockstep.random_streams import RandomStream
from adestim.training.lockstep.shared_body import JointLinear, SharedBody
from tests.frozen_models import (
    Neighbourly,
    RaggedViT,
    TokensFirst,
    batch_of,
    fusion_of,
    spec_of,
)
from tests.toy_backbone import ToyViT, toy_spec

CPU = torch.device("cpu")


def streams(n):
    found = []
    for seed in range(n):
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            found.append(RandomStream(CPU))
    return found


def alone(module, batch, stream):
    with stream.taken_up():
        return module.pooled(batch)


def trained(module):
    return {name: value for name, value in module.named_parameters() if value.requires_grad}


def both_ways(modules, batches):
    """Pooled vectors and gradients of a pass together, and of one pass a member."""
    shared = SharedBody(modules, streams(len(modules)))
    found = []
    for vectors in (
        shared.pooled(range(len(modules)), batches),
        list(map(alone, modules, batches, streams(len(modules)))),
    ):
        sum((vector**3).sum() for vector in vectors).backward()
        gradients = [
            value.grad.clone()
            for module in modules
            for value in trained(module).values()
            if value.grad is not None
        ]
        found.append((vectors, gradients))
        for module in modules:
            module.zero_grad()
    return found


CASES = {
    "equal sizes": [batch_of(4, seed=0), batch_of(4, seed=1), batch_of(4, seed=2)],
    "unequal sizes": [batch_of(3, seed=0), batch_of(5, seed=1), batch_of(4, seed=2)],
    "missing anchors": [
        batch_of(4, seed=0, missing=(1,)),
        batch_of(4, seed=1, missing=range(4)),
        batch_of(4, seed=2, missing=(0, 3)),
    ],
}


@pytest.mark.parametrize("settings", [{}, {"rank": 0}, {"dropout": 0.4}], ids=str)
@pytest.mark.parametrize("batches", CASES.values(), ids=CASES)
def test_a_pass_together_is_every_members_own(weights, batches, settings):
    modules = [fusion_of(toy_spec(weights), seed, **settings).train() for seed in range(3)]
    (together, gradients), (separate, own_gradients) = both_ways(modules, batches)
    torch.testing.assert_close(together, separate)
    torch.testing.assert_close(gradients, own_gradients)


def test_texts_of_different_lengths_are_padded_with_closed_tokens(weights):
    spec = spec_of(weights, RaggedViT)
    modules = [fusion_of(spec, seed).eval() for seed in range(3)]
    lengths = [4, 7, 5]
    batches = [batch_of(3, seed, n_tokens=n) for seed, n in enumerate(lengths)]
    (together, gradients), (separate, own_gradients) = both_ways(modules, batches)
    torch.testing.assert_close(together, separate)
    torch.testing.assert_close(gradients, own_gradients, rtol=1e-4, atol=1e-4)


def test_activations_made_again_repeat_the_dropout(weights):
    modules = [fusion_of(toy_spec(weights), seed, dropout=0.4).train() for seed in range(2)]
    for module in modules:
        module.backbone.body.gradient_checkpointing = True
    (together, gradients), (separate, own_gradients) = both_ways(modules, CASES["equal sizes"][:2])
    torch.testing.assert_close(together, separate)
    torch.testing.assert_close(gradients, own_gradients)


def test_members_may_be_left_out(weights):
    modules = [fusion_of(toy_spec(weights), seed).eval() for seed in range(3)]
    batches = CASES["equal sizes"]
    shared = SharedBody(modules, streams(3))
    [second, third] = shared.pooled([1, 2], batches[1:])
    torch.testing.assert_close(
        [second, third], [modules[1].pooled(batches[1]), modules[2].pooled(batches[2])]
    )


def test_the_body_embeds_and_encodes_once(weights, monkeypatch):
    modules = [fusion_of(toy_spec(weights), seed).eval() for seed in range(3)]
    shared = SharedBody(modules, streams(3))
    sizes = []
    for name in ("embed", "encode"):
        method = getattr(ToyViT, name)

        def counted(self, tokens, *args, name=name, method=method):
            sizes.append((name, len(tokens)))
            return method(self, tokens, *args)

        monkeypatch.setattr(ToyViT, name, counted)
    shared.pooled(range(3), CASES["unequal sizes"])
    assert sizes == [("embed", 12), ("encode", 12)]


def test_frozen_weights_are_shared_and_adapters_stay_their_owners(weights):
    modules = [fusion_of(toy_spec(weights), seed) for seed in range(2)]
    before = [len(list(module.parameters())) for module in modules]
    shared = SharedBody(modules, streams(2))
    frozen = load_backbone(toy_spec(weights))
    assert {id(weight) for weight in shared.body.parameters()} == {
        id(weight) for weight in frozen.parameters()
    }
    assert shared.body.blocks[0].qkv.weight is frozen.blocks[0].qkv.weight
    assert shared.body.blocks[0].qkv.bias is frozen.blocks[0].qkv.bias
    assert [len(list(module.parameters())) for module in modules] == before
    assert not any(isinstance(layer, JointLinear) for each in modules for layer in each.modules())


def test_a_model_that_treats_subjects_one_by_one_passes(weights):
    modules = [fusion_of(spec_of(weights, RaggedViT), seed) for seed in range(2)]
    before = torch.get_rng_state()
    assert SharedBody(modules, streams(2)).require_rows_by_subject(4, CPU) is None
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("model", [TokensFirst, Neighbourly])
def test_a_model_that_mixes_subjects_is_refused(weights, model):
    settings = {"targets": ("proj",)}
    modules = [fusion_of(spec_of(weights, model), seed, **settings) for seed in range(2)]
    shared = SharedBody(modules, streams(2))
    with pytest.raises(InputError, match=r"one by one, in order.*n_together=1"):
        shared.require_rows_by_subject(4, CPU)


def test_rows_that_cannot_be_shared_out_are_refused(weights):
    modules = [fusion_of(spec_of(weights, TokensFirst), seed, targets=("proj",)) for seed in (0, 1)]
    shared = SharedBody(modules, streams(2))
    with pytest.raises(InputError, match="9 rows in a layer for 4 subjects"):
        shared.pooled([0, 1], [batch_of(2, 0), batch_of(2, 1)])
