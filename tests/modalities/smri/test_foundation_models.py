"""What all foundation models of volumes have in common: auxiliary tokens, adapters, a card."""

import numpy as np
import pytest
import torch

from adestim.backbone import CLOSED, check_backbone, find_card, list_backbones
from adestim.backbone.lora import LoRASettings, add_lora, list_updates
from tests.modalities.smri.model_files import SMALL, random_model, shapes_of

N_AUX = 5
VOLUME = {"brainmvp": (32, 48, 16), "sam-med3d": (32, 32, 32), "brainiac": (32, 16, 24)}

every_model = pytest.mark.parametrize("name", SMALL)


def inputs_of(name):
    if name == "neurovfm":
        # It reads patches of 1024 voxels with their three places, not a volume.
        rng = np.random.default_rng(0)
        parts = rng.integers(0, 9, (2, 7, 3)), rng.normal(size=(2, 7, 1024))
        return np.concatenate(parts, axis=2).astype(np.float32)
    return np.random.default_rng(0).normal(size=(2, 1, *VOLUME[name])).astype(np.float32)


def pooled_beside(model, inputs, log_gate):
    """Pooled vectors beside random auxiliary tokens of a gate, and those tokens."""
    with torch.no_grad():
        own = model.embed(torch.from_numpy(inputs))
    auxiliary = torch.randn(2, N_AUX, model.width, generator=torch.Generator().manual_seed(1))
    auxiliary = (auxiliary * own.std()).requires_grad_()
    log_mask = torch.cat([torch.zeros(own.shape[:2]), log_gate.expand(2, N_AUX)], dim=1)
    tokens = model.encode(torch.cat([own, auxiliary], dim=1), log_mask, own.shape[1])
    return model.pool(tokens, torch.ones(own.shape[:2], dtype=torch.bool)), auxiliary


@every_model
def test_contract_is_kept(name):
    check_backbone(random_model(name), list(inputs_of(name)))


@every_model
def test_auxiliary_tokens_change_the_pooled_vector_and_closed_ones_do_not(name):
    model, inputs = random_model(name), inputs_of(name)
    with torch.no_grad():
        tokens = model.embed(torch.from_numpy(inputs))
        alone = model.pool(
            model.encode(tokens, None, tokens.shape[1]),
            torch.ones(tokens.shape[:2], dtype=torch.bool),
        )
        opened, closed = (
            pooled_beside(model, inputs, torch.tensor(gate))[0] for gate in (0.0, CLOSED)
        )
    torch.testing.assert_close(closed, alone, atol=1e-4, rtol=1e-4)
    assert (opened - alone).abs().max() > 1e-2


@every_model
@pytest.mark.parametrize("checkpointing", [False, True])
def test_gradients_reach_auxiliary_tokens_and_their_gate(name, checkpointing):
    model, gate = random_model(name).requires_grad_(False), torch.tensor(-2.0, requires_grad=True)
    model.gradient_checkpointing = checkpointing
    pooled, auxiliary = pooled_beside(model, inputs_of(name), gate)
    pooled.square().sum().backward()
    assert auxiliary.grad.abs().amax(dim=2).min() > 0
    assert gate.grad.abs() > 0


@every_model
def test_adapters_are_where_auxiliary_tokens_pass(name):
    model, inputs = random_model(name), inputs_of(name)
    with torch.no_grad():
        before, _ = pooled_beside(model, inputs, torch.tensor(0.0))
    with torch.random.fork_rng(devices=[]):
        add_lora(model, LoRASettings(rank=2))
    after, _ = pooled_beside(model, inputs, torch.tensor(0.0))
    torch.testing.assert_close(after, before)
    after.square().sum().backward()
    factors = [weight for key, weight in model.named_parameters() if "lora_B" in key]
    assert all(weight.grad.abs().max() > 0 for weight in factors)
    adapted = [layer for layer, _, _ in list_updates(model)]
    assert len(adapted) == 12
    assert not any(layer.startswith(("blocks1", "blocks2")) for layer in adapted)


@every_model
def test_bfloat16_is_close_to_float32(name):
    model, inputs = random_model(name), torch.from_numpy(inputs_of(name))
    with torch.no_grad():
        tokens = model.embed(inputs)
        wanted = model.encode(tokens, None, tokens.shape[1])
        with torch.autocast("cpu", dtype=torch.bfloat16):
            tokens = model.cast(torch.bfloat16).embed(inputs)
            log_mask = torch.zeros(tokens.shape[:2])
            found = model.encode(tokens, log_mask, tokens.shape[1])
    assert torch.corrcoef(torch.stack([found.float().ravel(), wanted.ravel()]))[0, 1] > 0.99


@every_model
def test_card_says_what_the_model_is(name):
    table = list_backbones("smri")
    assert table.loc[name, "weights"]
    assert table.loc[name, "licence"]
    assert table.loc[name, "pretrained_on"]
    running = ("running_mean", "running_var", "num_batches_tracked")
    sizes = [shape for key, shape in shapes_of(name).items() if not key.endswith(running)]
    assert find_card(name, "smri").n_parameters == sum(int(np.prod(shape)) for shape in sizes)
