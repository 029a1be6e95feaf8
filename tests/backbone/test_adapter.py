import sys

import pytest
import torch

from adestim.backbone import load_backbone
from adestim.backbone.adapter import Adapter, apply_adapter, make_adapted_spec, strip_adapter
from adestim.backbone.loading import skeleton
from adestim.exceptions import InputError, MissingDependencyError
from tests.toy_backbone import WIDTH, toy_spec


@pytest.fixture(scope="module")
def spec(weights):
    return toy_spec(weights)


def an_adapter(seed=0):
    generator = torch.Generator().manual_seed(seed)
    return Adapter(
        weight={"place": torch.randn(5, WIDTH, generator=generator)},
        down={"blocks.0.proj": torch.randn(2, WIDTH, generator=generator)},
        up={"blocks.0.proj": torch.randn(WIDTH, 2, generator=generator)},
    )


def test_bytes_and_back():
    adapter = an_adapter()
    copied = Adapter.from_bytes(adapter.to_bytes())
    for kind in ("weight", "down", "up"):
        [(name, value)] = getattr(adapter, kind).items()
        assert torch.equal(getattr(copied, kind)[name], value)


def test_an_adapted_model_has_a_name_tag_of_its_own(spec):
    tags = {make_adapted_spec(spec, an_adapter(seed)) for seed in (0, 0, 1)}
    assert len(tags) == 2
    assert spec not in tags


def test_the_name_tag_of_the_frozen_model_is_found_again(spec):
    assert strip_adapter(make_adapted_spec(spec, an_adapter())) == spec


def test_weights_are_exchanged_and_updates_added(spec):
    adapter, frozen = an_adapter(), load_backbone(spec, "cpu")
    model = load_backbone(make_adapted_spec(spec, adapter), "cpu")
    assert torch.equal(model.place, adapter.weight["place"])
    update = adapter.up["blocks.0.proj"] @ adapter.down["blocks.0.proj"]
    expected = frozen.blocks[0].proj.weight + update
    torch.testing.assert_close(model.blocks[0].proj.weight, expected)


def test_all_other_weights_are_shared(spec):
    model, frozen = skeleton(load_backbone(spec, "cpu")), load_backbone(spec, "cpu")
    apply_adapter(model, an_adapter())
    assert model.blocks[1].proj.weight is frozen.blocks[1].proj.weight
    assert model.place is not frozen.place
    assert not any(value.requires_grad for value in model.parameters())


def quantize(model, name):
    weight = model.get_parameter(name)
    packed = torch.nn.Parameter(weight.to(torch.int8), requires_grad=False)
    setattr(model.get_submodule(name.rpartition(".")[0]), name.rpartition(".")[2], packed)
    return packed


@pytest.mark.parametrize("name", ["place", "blocks.0.proj.weight"])
def test_a_quantised_weight_is_not_exchanged(spec, name):
    model = skeleton(load_backbone(spec, "cpu"))
    packed = quantize(model, name)
    with pytest.raises(InputError, match=rf"'{name}' of type int8.*without quantization"):
        apply_adapter(model, an_adapter())
    assert model.get_parameter(name) is packed


def test_without_safetensors_the_remedy_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "safetensors", None)
    monkeypatch.delitem(sys.modules, "safetensors.torch", raising=False)
    with pytest.raises(MissingDependencyError, match=r"adestim\[foundation\]"):
        an_adapter().to_bytes()
