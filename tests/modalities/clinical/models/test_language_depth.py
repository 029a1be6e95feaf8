"""Auxiliary tokens that join a language model before a later block, against a run by hand."""

import inspect

import numpy as np
import pytest
import torch

from adestim.backbone import CLOSED
from adestim.backbone.attention import log_mask_of
from adestim.backbone.loading import skeleton
from adestim.exceptions import InputError
from adestim.modalities.clinical.models.language_depth import handing_through
from adestim.modalities.clinical.models.language_layouts import aux_after_first, key_mask
from tests.modalities.clinical.language_folders import CAUSAL, ENCODERS, wrapped

TEXT = torch.tensor([[1, 5, 6, 7, 8, 9, 4, 12, 13, 2], [1, 6, 9, 9, 5, 2, -1, -1, -1, -1]])
N_OWN, N_AUX, N_BLOCKS = 10, 3, 3


@pytest.fixture(scope="module", params=[*CAUSAL, *ENCODERS])
def model(request):
    return wrapped(request.param)


def joined_before(model, block):
    copy = skeleton(model)
    copy.join_before(block)
    return copy


def auxiliary_of(model, scale=1.0):
    return scale * torch.randn(2, N_AUX, model.width, generator=torch.Generator().manual_seed(3))


def read(model, auxiliary=None, gate=-1.0):
    """Return encoded tokens, own ones first."""
    tokens, log_mask = model.embed(TEXT), log_mask_of(model.own_mask(TEXT))
    if auxiliary is not None:
        tokens = torch.cat([tokens, auxiliary], dim=1)
        log_mask = torch.cat([log_mask, torch.as_tensor(gate).expand(2, N_AUX)], dim=1)
    return model.encode(tokens, log_mask, N_OWN)


def embedded(model, tokens, positions):
    """What comes before the first block."""
    body = model.body
    if not hasattr(body, "embeddings"):
        return tokens
    if "position_ids" in inspect.signature(body.embeddings.forward).parameters:
        return body.embeddings(inputs_embeds=tokens, position_ids=positions)
    return body.embeddings(inputs_embeds=tokens)


def through(model, blocks, x, laid):
    """Run some blocks by hand: each with its own mask and its own rotation."""
    config, causal = model.body.config, model.causal
    positions = model.family.positions(laid)
    rotary = getattr(model.body, "rotary_emb", None)
    for number in blocks:
        kind = (getattr(config, "layer_types", None) or [None] * N_BLOCKS)[number]
        window = None
        if kind == "sliding_attention" or model.family.masks == "windowed":
            window = config.sliding_window - model.family.window_edge
        options = {
            "attention_mask": key_mask(laid.log_mask, positions, torch.float32, causal, window)
        }
        if rotary is not None:
            by_kind = "layer_type" in inspect.signature(rotary.forward).parameters
            options["position_embeddings"] = rotary(x, positions, *[kind] * by_kind)
        x = model.blocks_to_join[number](x, **options)
    return x


def by_hand(model, auxiliary, block, gate=-1.0):
    """Text through the first blocks; all through the rest, auxiliary tokens behind the first."""
    log_mask = log_mask_of(model.own_mask(TEXT))
    text = aux_after_first(model.embed(TEXT), log_mask, N_OWN)
    positions = model.family.positions(text) + model.family.offset(model.body.config)
    x = through(model, range(block), embedded(model, text.tokens, positions), text)
    x = torch.cat([x[:, :1], auxiliary, x[:, 1:]], dim=1)
    both = torch.cat([log_mask, torch.full((2, N_AUX), gate)], dim=1)
    laid = aux_after_first(torch.zeros(2, N_OWN + N_AUX, model.width), both, N_OWN)
    x = through(model, range(block, N_BLOCKS), x, laid)
    norm = getattr(model.body, "norm", None) or getattr(model.body, "final_norm", None)
    x = x if norm is None else norm(x)
    return torch.cat([x[:, :1], x[:, 1 + N_AUX :], x[:, 1 : 1 + N_AUX]], dim=1)


@pytest.mark.parametrize("block", [1, 2])
def test_joining_before_a_block_is_a_run_of_two_parts(model, block):
    auxiliary = auxiliary_of(model)
    found = read(joined_before(model, block), auxiliary)
    real = torch.cat([TEXT >= 0, torch.ones(2, N_AUX, dtype=torch.bool)], dim=1)
    torch.testing.assert_close(
        found[real], by_hand(model, auxiliary, block)[real], rtol=1e-4, atol=1e-5
    )
    assert (found - read(model, auxiliary))[real].abs().max() > 1e-3


@pytest.mark.parametrize("block", [1, 2])
def test_a_text_alone_is_read_as_ever(model, block):
    alone, closed = read(joined_before(model, block)), None
    torch.testing.assert_close(alone, read(model), rtol=1e-5, atol=1e-5)
    closed = read(joined_before(model, block), auxiliary_of(model), CLOSED)[:, :N_OWN]
    torch.testing.assert_close(closed[TEXT >= 0], alone[TEXT >= 0], rtol=1e-4, atol=1e-5)


def test_no_log_mask_and_an_open_one_give_the_same(model):
    deep = joined_before(model, 1)
    tokens = torch.cat([model.embed(TEXT[:1]), auxiliary_of(model)[:1]], dim=1)
    results = [deep.encode(tokens, mask, N_OWN) for mask in (None, torch.zeros(1, 13))]
    torch.testing.assert_close(*results, rtol=1e-5, atol=1e-5)


def test_padding_changes_nothing(model):
    deep, auxiliary = joined_before(model, 1), auxiliary_of(model)
    together = read(deep, auxiliary)[1]
    ids = TEXT[1:, :6]
    tokens = torch.cat([model.embed(ids), auxiliary[1:]], dim=1)
    log_mask = torch.tensor([[0.0] * 6 + [-1.0] * N_AUX])
    alone = deep.encode(tokens, log_mask, 6)[0]
    torch.testing.assert_close(together[:6], alone[:6], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(together[N_OWN:], alone[6:], rtol=1e-4, atol=1e-5)


def test_gradients_are_the_same_when_activations_are_made_again(model):
    gradients = []
    for again in (False, True):
        deep = joined_before(model, 2)
        deep.gradient_checkpointing = again
        soft, gate = auxiliary_of(model).requires_grad_(), torch.tensor(-1.0, requires_grad=True)
        read(deep, soft, gate)[:, :N_OWN].square().sum().backward()
        assert gate.grad != 0
        gradients.append(soft.grad)
    assert (gradients[0].abs().sum(-1) > 0).all()
    torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-5)


def test_the_blocks_are_left_as_they_were(model):
    deep = joined_before(model, 1)
    expected = read(model)
    read(deep, auxiliary_of(model))
    for block in deep.blocks_to_join:
        assert "forward" not in vars(block)
        assert not block._forward_pre_hooks
    deep.join_before(0)
    torch.testing.assert_close(read(deep), expected, rtol=0, atol=0)


def test_an_error_within_leaves_the_blocks_as_they_were():
    deep = joined_before(wrapped("llama"), 1)
    with pytest.raises(RuntimeError):
        deep.encode(torch.zeros(1, 4, 3), None, 2)
    assert not any("forward" in vars(block) for block in deep.blocks_to_join)


def test_a_block_whose_forward_was_exchanged_gets_it_back():
    block = torch.nn.Linear(2, 2)
    block.forward = own = lambda tokens: 2 * tokens
    with handing_through([block]):
        assert block(torch.ones(1)).item() == 1
    assert block.forward is own


def test_too_deep_a_block_is_refused_with_their_number(model):
    with pytest.raises(InputError, match="LanguageModel, which has 3 blocks"):
        joined_before(model, N_BLOCKS)


def test_half_precision_stays_close():
    model = wrapped("llama")
    expected = read(joined_before(model, 2), auxiliary_of(model))
    with torch.autocast("cpu", torch.bfloat16):
        found = read(joined_before(model.cast(torch.bfloat16), 2), auxiliary_of(model))
    real = np.pad(TEXT.numpy() >= 0, ((0, 0), (0, N_AUX)), constant_values=True)
    pairs = torch.stack([found.float()[real].ravel(), expected[real].ravel()])
    assert torch.corrcoef(pairs)[0, 1] > 0.99
