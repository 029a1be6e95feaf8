import copy
import pickle
import sys

import numpy as np
import pytest
import torch

from adestim.backbone import load_backbone
from adestim.backbone.loading import skeleton
from adestim.backbone.lora import (
    AdaptedBackbone,
    LoRASettings,
    add_lora,
    list_updates,
    lora_targets,
)
from adestim.exceptions import InputError, MissingDependencyError
from tests.toy_backbone import N_FEATURES, N_PLACES, ToyViT, toy_spec

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def spec(weights):
    return toy_spec(weights)


@pytest.fixture
def adapted(spec):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return AdaptedBackbone(spec, LoRASettings(rank=2, dropout=0.5), CPU)


def some_inputs(n=3):
    return torch.randn(n, N_PLACES, N_FEATURES, generator=torch.Generator().manual_seed(1))


def encoded(model, inputs):
    return model.encode(model.embed(inputs), None, N_PLACES)


def moved(model):
    """The model after its adapters have been away from their start."""
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for value in model.parameters():
            if value.requires_grad:
                value += torch.randn(value.shape, generator=generator)
    return model


def test_fresh_adapters_leave_the_output_as_it_is(spec, adapted):
    inputs = some_inputs()
    expected = encoded(load_backbone(spec, CPU), inputs)
    torch.testing.assert_close(encoded(adapted.eval(), inputs), expected, rtol=0, atol=0)


def test_moved_adapters_change_the_output_and_no_frozen_weight(spec, adapted):
    before = {name: value.clone() for name, value in load_backbone(spec, CPU).state_dict().items()}
    start = encoded(adapted.eval(), some_inputs())
    assert not torch.allclose(encoded(moved(adapted), some_inputs()), start, atol=1e-2)
    after = load_backbone(spec, CPU).state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())


def test_frozen_weights_are_one_copy_for_all(spec, adapted):
    shared = load_backbone(spec, CPU)
    other = AdaptedBackbone(spec, LoRASettings(rank=2), CPU)
    pointers = {model.body.patch.weight.data_ptr() for model in (adapted, other)}
    assert pointers == {shared.patch.weight.data_ptr()}
    base = adapted.body.blocks[0].qkv.base_layer.weight
    assert base.data_ptr() == shared.blocks[0].qkv.weight.data_ptr()


def test_adapters_alone_are_trained(adapted):
    trained = [name for name, value in adapted.named_parameters() if value.requires_grad]
    assert trained
    assert all(".lora_" in name for name in trained)


def test_adapters_are_float32_on_a_half_precision_body(spec):
    model = AdaptedBackbone(spec, LoRASettings(rank=2), CPU, torch.bfloat16)
    layer = model.body.blocks[0].qkv
    assert layer.base_layer.weight.dtype == torch.bfloat16
    assert layer.lora_A["default"].weight.dtype == torch.float32


def test_training_mode_reaches_the_adapters_dropout_and_nothing_else(adapted):
    adapted.train()
    training = {name for name, layer in adapted.body.named_modules() if layer.training}
    assert training
    assert all("lora_dropout" in name for name in training)
    adapted.eval()
    assert not any(layer.training for layer in adapted.body.modules())


def test_a_pickle_holds_the_adapters_and_not_the_body(adapted):
    content = pickle.dumps(moved(adapted))
    assert len(content) < sum(value.nbytes for value in adapted.body.parameters()) + 4000
    copied = pickle.loads(content)
    expected = encoded(adapted.eval(), some_inputs())
    torch.testing.assert_close(encoded(copied.eval(), some_inputs()), expected, rtol=0, atol=0)


def test_a_copy_shares_the_frozen_weights_and_not_the_adapters(adapted):
    copied = copy.deepcopy(adapted)
    assert copied.body.patch.weight is adapted.body.patch.weight
    start = encoded(copied.eval(), some_inputs())
    moved(adapted)
    torch.testing.assert_close(encoded(copied, some_inputs()), start, rtol=0, atol=0)


def test_a_pickle_remembers_where_auxiliary_tokens_join(spec):
    model = AdaptedBackbone(spec, LoRASettings(rank=2), CPU, join_at=1)
    assert model.join_at == 1
    assert load_backbone(spec, CPU).join_at == 0
    for again in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model)):
        assert again.join_at == 1


def test_adapters_follow_the_seed(spec):
    def first_factor(seed):
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            model = AdaptedBackbone(spec, LoRASettings(rank=2), CPU)
        return next(list_updates(model.body))[1]

    assert torch.equal(first_factor(3), first_factor(3))
    assert not torch.equal(first_factor(3), first_factor(4))


def test_unpickling_leaves_the_generator_as_found(adapted):
    content = pickle.dumps(adapted)
    before = torch.random.get_rng_state()
    pickle.loads(content)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_updates_are_what_the_adapters_add_to_the_weights(spec, adapted):
    moved(adapted).eval()
    merged = skeleton(load_backbone(spec, CPU))
    for name, down, up in list_updates(adapted.body):
        layer = merged.get_submodule(name)
        layer.weight = torch.nn.Parameter(layer.weight + up @ down)
    expected = encoded(adapted, some_inputs())
    torch.testing.assert_close(encoded(merged, some_inputs()), expected, rtol=1e-4, atol=1e-4)


def test_rank_zero_trains_nothing_in_the_body(spec):
    model = AdaptedBackbone(spec, LoRASettings(rank=0), CPU)
    assert not any(value.requires_grad for value in model.parameters())


def test_all_weights_are_trained_in_a_copy(spec):
    model = AdaptedBackbone(spec, LoRASettings(rank=0, full=True), CPU)
    assert all(value.requires_grad for value in model.parameters())
    assert model.body.patch.weight.data_ptr() != load_backbone(spec, CPU).patch.weight.data_ptr()
    encoded(model, some_inputs()).sum().backward()
    assert model.body.patch.weight.grad is not None


def test_layers_to_adapt_can_be_chosen(spec):
    model = AdaptedBackbone(spec, LoRASettings(rank=2, targets=("blocks.1.qkv",)), CPU)
    assert [name for name, _, _ in list_updates(model.body)] == ["blocks.1.qkv"]


def test_an_unknown_layer_is_refused_with_those_to_choose_from(spec):
    model = skeleton(load_backbone(spec, CPU))
    with pytest.raises(InputError, match=r"lora_targets.*'q_proj'.*'proj', 'qkv'"):
        add_lora(model, LoRASettings(targets=("q_proj",)))


def test_without_peft_the_remedy_is_said(spec, monkeypatch):
    monkeypatch.setitem(sys.modules, "peft", None)
    model = skeleton(load_backbone(spec, CPU))
    with pytest.raises(MissingDependencyError, match=r"adestim\[foundation\].*lora_rank=0"):
        add_lora(model, LoRASettings())


def test_gradient_checkpointing_gives_the_same_gradients(spec):
    gradients = []
    for checkpointing in (False, True):
        with torch.random.fork_rng():
            torch.manual_seed(0)
            model = AdaptedBackbone(spec, LoRASettings(rank=2), CPU, torch.float32, checkpointing)
        moved(model).train()
        encoded(model, some_inputs()).square().sum().backward()
        gradients.append([value.grad for value in model.parameters() if value.requires_grad])
    for plain, again in zip(*gradients, strict=True):
        np.testing.assert_allclose(plain, again, rtol=1e-4, atol=1e-5)


def test_the_toy_keeps_its_batch_norm_frozen(adapted):
    before = adapted.body.norm.running_mean.clone()
    adapted.train()
    encoded(adapted, some_inputs())
    assert isinstance(adapted.body, ToyViT)
    assert torch.equal(adapted.body.norm.running_mean, before)


@pytest.mark.parametrize(
    "wrong", [{"alpha": "x"}, {"alpha": 0}, {"dropout": 1}, {"dropout": True}, {"dropout": -0.1}]
)
def test_settings_that_no_training_can_have_are_refused(wrong):
    [(name, value)] = wrong.items()
    with pytest.raises(InputError, match=f"'{name}' of LoRA must be a number.*Got {value!r}"):
        LoRASettings(**wrong)


def test_targets_are_names():
    assert lora_targets(None) is None
    assert lora_targets("attn.qkv") == ("attn.qkv",)
    assert lora_targets(["a", "b"]) == ("a", "b")
    with pytest.raises(InputError, match=r"targets of LoRA.*Got 5"):
        lora_targets(5)
