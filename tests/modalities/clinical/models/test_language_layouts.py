"""How auxiliary tokens lie among a text's, against the models' own runs."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from adestim.backbone import CLOSED
from adestim.backbone.attention import log_mask_of
from adestim.backbone.lora import LoRASettings, add_lora
from adestim.modalities.clinical.models.language_layouts import (
    FAMILIES,
    aux_after_first,
    count_open_tokens,
    key_mask,
)
from tests.modalities.clinical.language_folders import (
    CAUSAL,
    ENCODERS,
    loaded,
    parity_folder,
    wrapped,
)

KINDS = [*CAUSAL, *ENCODERS]
TEXT = torch.tensor([[1, 5, 6, 7, 8, 9, 4, 12, 13, 2], [1, 6, 9, 9, 5, 2, -1, -1, -1, -1]])


@pytest.fixture(scope="module", params=KINDS)
def model(request):
    return wrapped(request.param)


@pytest.fixture(scope="module")
def aux(model):
    generator = torch.Generator().manual_seed(3)
    return torch.randn(2, 3, model.width, generator=generator)


def read(model, ids, aux=None, gate=0.0):
    """Return own encoded tokens and the pooled vector."""
    own, tokens = model.own_mask(ids), model.embed(ids)
    log_mask = log_mask_of(own)
    if aux is not None:
        tokens = torch.cat([tokens, aux], dim=1)
        log_mask = torch.cat([log_mask, torch.as_tensor(gate).expand(aux.shape[:2])], dim=1)
    encoded = model.encode(tokens, log_mask, ids.shape[1])
    return encoded[:, : ids.shape[1]], model.pool(encoded, own)


def own_run(model, ids):
    """Return the tokens of the model run as transformers documents it."""
    mask = (ids >= 0).long()
    return model.body(input_ids=ids.clamp(min=0), attention_mask=mask).last_hidden_state


def largest_difference(one, two, mask=slice(None)):
    return (one - two)[mask].abs().max().item()


def parity_arrays(folder):
    return {path.stem: torch.from_numpy(np.load(path)) for path in folder.glob("*.npy")}


@pytest.mark.parametrize("kind", ["llama", "bert"])
def test_tokens_are_those_of_the_reference_code(parity, tmp_path, kind):
    model = loaded(parity_folder(parity / kind, tmp_path / kind))
    arrays = parity_arrays(parity / kind)
    real = arrays["attention_mask"].bool()
    ids = arrays["input_ids"].masked_fill(~real, -1)
    own, _ = read(model, ids)
    assert largest_difference(own, arrays["last_hidden_state"], real) < 1e-5


@pytest.mark.parametrize("kind", ["llama", "bert"])
def test_tokens_with_auxiliary_ones_are_those_of_the_reference_code(parity, tmp_path, kind):
    model = loaded(parity_folder(parity / kind, tmp_path / kind))
    # The reference run counts positions through, where an encoder's text would keep its own.
    model.family = replace(model.family, positions=count_open_tokens)
    arrays = parity_arrays(parity / kind)
    real = arrays["attention_mask"].bool()
    ids = arrays["input_ids"].masked_fill(~real, -1)
    aux = arrays["soft_tokens"]
    log_mask = torch.cat([log_mask_of(real), torch.zeros(aux.shape[:2])], dim=1)
    tokens = torch.cat([model.embed(ids), aux], dim=1)
    encoded = model.encode(tokens, log_mask, ids.shape[1])
    laid = aux_after_first(encoded, None, ids.shape[1]).tokens
    mask = arrays["soft_attention_mask"].bool()
    assert largest_difference(laid, arrays["soft_last_hidden_state"], mask) < 1e-5


def test_text_alone_is_read_as_the_model_reads_it(model):
    own, _ = read(model, TEXT)
    assert largest_difference(own, own_run(model, TEXT), TEXT >= 0) < 1e-5


def test_without_a_log_mask_all_is_open(model):
    whole = TEXT[:1]
    encoded = model.encode(model.embed(whole), None, whole.shape[1])
    assert largest_difference(encoded, own_run(model, whole)) < 1e-6


def test_no_log_mask_and_an_open_one_give_the_same_beside_auxiliary_tokens(model, aux):
    whole = TEXT[:1]
    tokens = torch.cat([model.embed(whole), aux[:1]], dim=1)
    results = [
        model.encode(tokens, log_mask, whole.shape[1])
        for log_mask in (None, torch.zeros(1, tokens.shape[1]))
    ]
    assert largest_difference(*results) < 1e-5


def test_padding_changes_nothing(model, aux):
    padded = torch.nn.functional.pad(TEXT, (0, 7), value=-1)
    short, long = (read(model, ids, aux)[1] for ids in (TEXT, padded))
    alone = read(model, TEXT[1:, :6], aux[1:])[1]
    assert largest_difference(short, long) < 1e-5
    assert largest_difference(short[1:], alone) < 1e-5


def test_closed_auxiliary_tokens_are_not_there(model, aux):
    closed, with_open = (read(model, TEXT, aux, gate) for gate in (CLOSED, 0.0))
    plain = read(model, TEXT)
    assert largest_difference(closed[0], plain[0], TEXT >= 0) < 1e-5
    assert largest_difference(closed[1], plain[1]) < 1e-5
    assert largest_difference(with_open[1], plain[1]) > 1e-3


def test_the_gate_and_the_auxiliary_tokens_get_a_gradient_from_the_pooled_vector(model, aux):
    gate, soft = torch.full((2, 3), -2.0, requires_grad=True), aux.clone().requires_grad_()
    read(model, TEXT, soft, gate)[1].square().sum().backward()
    assert (soft.grad.abs().sum(-1) > 0).all()
    assert (gate.grad.abs() > 0).all()


def test_every_text_token_but_the_first_of_a_causal_model_sees_auxiliary_tokens(model, aux):
    plain, joined = read(model, TEXT)[0], read(model, TEXT, aux)[0]
    moved = ((plain - joined).abs().amax(-1) > 1e-5) & (TEXT >= 0)
    seen = (TEXT >= 0) & (torch.arange(TEXT.shape[1]) > 0) if model.causal else TEXT >= 0
    assert torch.equal(moved, seen)


def test_gradients_are_the_same_when_activations_are_made_again(model, aux):
    gradients, kept = [], []
    for again in (False, True):
        model.gradient_checkpointing = again
        soft, sizes = aux.clone().requires_grad_(), []
        with torch.autograd.graph.saved_tensors_hooks(
            lambda saved, sizes=sizes: (sizes.append(saved.numel()), saved)[1], lambda saved: saved
        ):
            pooled = read(model, TEXT, soft)[1]
        pooled.square().sum().backward()
        gradients.append(soft.grad)
        kept.append(sum(sizes))
    model.gradient_checkpointing = False
    assert largest_difference(*gradients) < 1e-5
    assert kept[1] < kept[0] / 2


def test_adapters_find_their_layers(model):
    fresh = wrapped(model.body.config.model_type)
    add_lora(fresh, LoRASettings(rank=2))
    trained = [name for name, weight in fresh.named_parameters() if weight.requires_grad]
    targets = FAMILIES[model.body.config.model_type].lora_targets
    assert len(trained) == 2 * 3 * len(targets)


def test_bidirectional_gemma_reads_both_ways():
    model = wrapped("gemma3_text", use_bidirectional_attention=True)
    own, _ = read(model, TEXT)
    assert not model.causal
    assert model.pooling == "mean"
    assert largest_difference(own, own_run(model, TEXT), TEXT >= 0) < 1e-5


def test_auxiliary_tokens_go_behind_the_first_and_find_back():
    tokens = torch.arange(6.0)[None, :, None]
    laid = aux_after_first(tokens, torch.zeros(1, 6), n_own=4)
    assert laid.tokens.flatten().tolist() == [0, 4, 5, 1, 2, 3]
    assert torch.equal(laid.tokens[:, laid.back], tokens)
    assert laid.is_aux.tolist() == [False, True, True, False, False, False]


def test_an_encoders_text_keeps_its_positions():
    log_mask = log_mask_of(torch.tensor([[True, True, True, False, True, True]]))
    laid = aux_after_first(torch.zeros(1, 6, 2), log_mask, n_own=4)
    assert FAMILIES["bert"].positions(laid).tolist() == [[0, 3, 4, 1, 2, 0]]


def test_absent_tokens_take_up_no_position_of_a_causal_model():
    log_mask = torch.tensor([[0.0, 0.0, 0.0, CLOSED, -2.0]])
    laid = aux_after_first(torch.zeros(1, 5, 2), log_mask, n_own=3)
    assert FAMILIES["llama"].positions(laid).tolist() == [[0, 0, 1, 2, 3]]


def test_a_mask_is_finite_and_leaves_no_row_empty():
    log_mask = torch.tensor([[CLOSED, -2.0, 0.0]])
    mask = key_mask(log_mask, torch.tensor([[0, 0, 1]]), torch.float32, causal=True)[0, 0]
    lowest = torch.finfo(torch.float32).min
    assert mask.tolist() == [[0, lowest, lowest], [lowest, -2, lowest], [lowest, -2, 0]]
