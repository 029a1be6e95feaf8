import numpy as np
import pytest
import torch

from adestim.training.nets.own_tokens import InputReader, own_rms
from tests.toy_backbone import N_PLACES, WIDTH, toy_data, toy_module


@pytest.fixture
def module(weights):
    return toy_module(weights).eval()


def batch_of(*rows, **changes):
    return toy_data(**changes).batch(np.array(rows))[0]


def own_of(module, batch):
    return module.own(module.backbone, batch, "img", 0)


def test_own_tokens_are_the_models_embedding_of_the_inputs(module):
    data = toy_data()
    own = own_of(module, data.batch(np.array([1, 2]))[0])
    inputs = torch.from_numpy(np.stack([data.inputs.inputs[row] for row in (1, 2)]))
    torch.testing.assert_close(own.tokens, module.backbone.embed(inputs))
    assert own.mask.all()
    assert (own.log_mask == 0).all()


def test_a_stand_in_takes_every_place_of_a_missing_anchor_and_one_is_open(module):
    own = own_of(module, batch_of(0, 1))
    expected = (module.own.stand_in * module.own.rms).expand(N_PLACES, WIDTH)
    torch.testing.assert_close(own.tokens[0], expected)
    assert own.mask.tolist() == [[False] * (N_PLACES - 1) + [True], [True] * N_PLACES]


def test_a_batch_in_which_nobody_has_the_anchor_still_has_tokens(module):
    own = own_of(module, batch_of(0, 4))
    assert own.tokens.shape == (2, N_PLACES, WIDTH)
    assert own.mask.sum().item() == 2


def test_the_stand_in_is_learned_from_those_who_lack_the_anchor(module):
    for rows, learns in (((0, 4), True), ((1, 2), False)):
        module.zero_grad()
        own_of(module, batch_of(*rows)).tokens.sum().backward()
        assert bool(module.own.stand_in.grad.abs().sum() > 0) is learns


def test_a_reader_of_inputs_starts_at_a_root_mean_square_of_one():
    assert InputReader(4).rms.tolist() == [1.0]


def test_root_mean_square_is_that_of_the_real_tokens():
    tokens = torch.tensor([[[3.0, 4.0], [100.0, 100.0]]])
    mask = torch.tensor([[True, False]])
    assert own_rms(tokens, mask).item() == pytest.approx(np.sqrt(12.5))


def test_a_fresh_fusion_on_a_frozen_anchor_gives_the_base_logits(module):
    batch = batch_of(*range(12))
    torch.testing.assert_close(module(batch), batch["base"], rtol=0, atol=0)


def test_untrained_auxiliary_tokens_hardly_move_the_pooled_vector(module):
    """At a log-gate of -2 they disturb the anchor less than exchanging the patient."""
    batch = batch_of(*[row for row in range(24) if row % 4])
    with torch.no_grad():
        module.own.rms.copy_(own_of(module, batch).tokens.square().mean().sqrt().reshape(1))
        gated = module.pooled(batch)
        module.log_gate.fill_(-1e4)
        alone = module.pooled(batch)
    same = torch.nn.functional.cosine_similarity(gated, alone).mean()
    other = torch.nn.functional.cosine_similarity(alone, alone.roll(1, dims=0)).mean()
    assert same > 0.97
    assert same > other


def test_auxiliary_tokens_reach_a_frozen_anchor_and_their_gate_is_learned(module):
    with torch.no_grad():
        module.head.weight.normal_()
    batch = batch_of(2, 3, 5)
    before = module(batch)
    batch["tokens"]["csf"] = batch["tokens"]["csf"] + 3
    assert not torch.allclose(module(batch), before, atol=1e-4)
    module(batch).sum().backward()
    assert (module.log_gate.grad != 0).all()


def test_without_an_anchor_the_auxiliaries_are_heard(module):
    with torch.no_grad():
        module.head.weight.normal_()
    batch = batch_of(0, 4)
    before = module(batch)
    batch["tokens"]["csf"] = batch["tokens"]["csf"] + 3
    assert not torch.allclose(module(batch), before, atol=1e-4)


def calibrated(weights, join_at, scale=1.0):
    """A fusion that has measured its own tokens, beside a first block that makes them larger."""
    module = toy_module(weights, join_at=join_at).eval()
    data = toy_data()
    rows = np.flatnonzero(data.present[:, 0].numpy())
    hook = module.backbone.body.blocks[0].register_forward_hook(
        lambda _, args, output: scale * output
    )
    module.calibrate([data.batch(rows[:6])[0], data.batch(rows[6:12])[0]])
    hook.remove()
    return module, data.batch(rows[:6])[0]


def test_auxiliary_tokens_at_the_input_are_as_large_as_the_embedding(weights):
    module, batch = calibrated(weights, join_at=0, scale=7.0)
    assert module.own.growth.item() == 1
    own = own_of(module, batch)
    assert torch.equal(own.rms, module.own.rms)
    assert module.own.rms.item() == own_rms(own.tokens, own.mask).mean().item()


def test_auxiliary_tokens_grow_with_own_ones_where_they_join_later(weights):
    (plain, batch), (grown, _) = (calibrated(weights, 1, scale) for scale in (1.0, 7.0))
    assert grown.own.growth.item() == pytest.approx(7 * plain.own.growth.item(), rel=1e-4)
    assert torch.equal(grown.own.rms, plain.own.rms)
    own = own_of(grown, batch)
    tokens, _, _ = grown.join(batch, grown.backbone)
    auxiliary = tokens[:, own.tokens.shape[1] :]
    sizes = auxiliary.square().mean(-1).sqrt()
    torch.testing.assert_close(sizes, (grown.own.rms * grown.own.growth).expand(sizes.shape))


def test_the_size_where_tokens_join_is_that_of_the_typical_own_token(weights):
    module, batch = calibrated(weights, join_at=1)
    own = own_of(module, batch)
    block = module.backbone.body.blocks[0]
    with torch.no_grad():
        sizes = block(own.tokens, own.log_mask).square().mean(-1).sqrt()
    assert (module.own.rms * module.own.growth).item() == pytest.approx(sizes.median().item())


def test_a_stand_in_has_the_size_of_the_embedding_at_any_depth(weights):
    module, _ = calibrated(weights, join_at=1, scale=7.0)
    own = own_of(module, batch_of(0, 4))
    expected = (module.own.stand_in * module.own.rms).expand(2, N_PLACES, -1)
    torch.testing.assert_close(own.tokens, expected)


def test_measuring_leaves_no_trace_on_the_model(weights):
    module, _ = calibrated(weights, join_at=1)
    assert not module.backbone.body.blocks[1]._forward_pre_hooks
