import numpy as np
import pytest
import torch

from adestim.backbone import ReferenceBackbone, check_backbone
from adestim.exceptions import InputError
from tests.backbone.toys import ToyBackbone, subjects, toy


@pytest.mark.parametrize("lengths", [(4, 4), (5, 3), (1, 2, 7)])
def test_a_good_backbone_passes(lengths):
    assert check_backbone(toy(), subjects(*lengths)) is None


def test_a_backbone_in_double_precision_passes():
    model = toy().double()
    assert check_backbone(model, [table.astype(float) for table in subjects()]) is None


@pytest.mark.parametrize("n_tokens", [0, 4])
def test_the_reference_backbone_passes_with_a_summary(n_tokens):
    sizes = {"n_features": 3, "width": 8, "depth": 2, "n_heads": 2, "dropout": 0.3}
    model = toy(ReferenceBackbone, n_tokens=n_tokens, **sizes)
    assert check_backbone(model, subjects(4, 4)) is None


def test_the_model_is_left_as_it_was_found():
    model = toy().train()
    model.blocks[0].eval()
    model.toy.weight.requires_grad_(False)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    check_backbone(model, subjects())
    assert model.training
    assert model.blocks[1].training
    assert not model.blocks[0].training
    assert not model.gradient_checkpointing
    assert not model.toy.weight.requires_grad
    assert model.out.weight.requires_grad
    assert all(value.equal(before[name]) for name, value in model.state_dict().items())


def test_the_global_generators_are_left_as_found():
    states = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    check_backbone(toy(), subjects())
    assert torch.get_rng_state().equal(states[0])
    assert (np.random.get_state()[1] == states[1]).all()  # noqa: NPY002


class Unfinished(ToyBackbone):
    def embed(self, inputs):
        raise NotImplementedError


def test_a_method_that_raises_is_named():
    with pytest.raises(InputError, match=r"Unfinished must keep .*\[embed\] raised NotImplemented"):
        check_backbone(toy(Unfinished), subjects())


def test_all_broken_rules_are_named():
    class Careless(ToyBackbone):
        lora_targets = ("qkv",)

        def encode(self, tokens, log_mask, n_own):
            return super().encode(tokens.detach(), log_mask, n_own)

    with pytest.raises(InputError) as caught:
        check_backbone(toy(Careless), subjects())
    for name in ("home", "gradient", "lora_targets"):
        assert f"[{name}]" in caught.value.got


def test_a_looser_tolerance_forgives():
    class Imprecise(ToyBackbone):
        def pool(self, tokens, own):
            return super().pool(tokens, own) * (1 + 1e-3 * len(own))

    with pytest.raises(InputError, match=r"\[alone\]"):
        check_backbone(toy(Imprecise), subjects())
    with pytest.raises(InputError) as caught:
        check_backbone(toy(Imprecise), subjects(), tolerance=1e-2)
    assert "[alone]" not in caught.value.got


def test_a_class_in_place_of_a_model_is_refused():
    with pytest.raises(InputError, match="Pass MyModel"):
        check_backbone(ToyBackbone, subjects())


def test_one_subject_is_too_few():
    with pytest.raises(InputError, match="two subjects' inputs or more"):
        check_backbone(toy(), subjects(4))
