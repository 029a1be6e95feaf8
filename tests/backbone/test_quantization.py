from types import SimpleNamespace

import pytest
import torch

from adestim.backbone.loading import skeleton
from adestim.backbone.quantization import (
    find_packed_states,
    read_quantization,
    require_gpu,
    require_whole_weight,
)
from adestim.encoding import BackboneSpec
from adestim.exceptions import InputError


def spec_of(**architecture):
    return BackboneSpec("toy", options=(("architecture", tuple(architecture.items())),))


class EightBit(torch.nn.Module):
    """Packed weights with their scales beside them, as bitsandbytes keeps them."""

    def __init__(self):
        super().__init__()
        packed = torch.ones(2, 2, dtype=torch.int8)
        self.weight = torch.nn.Parameter(packed, requires_grad=False)
        self.state = SimpleNamespace(scales=None)


@pytest.mark.parametrize("bits", ["8bit", "4bit", None])
def test_the_name_tag_tells_the_bits(bits):
    assert read_quantization(spec_of(quantization=bits)) == bits


def test_most_models_know_no_bits():
    assert read_quantization(spec_of(width=4)) is None
    assert read_quantization(BackboneSpec("toy")) is None


@pytest.mark.parametrize("device", ["cpu", "mps", torch.device("cpu")])
def test_quantised_models_are_refused_elsewhere_than_on_a_gpu(device):
    with pytest.raises(InputError, match=r"CUDA GPU alone.*in 4bit for the device.*device='cuda'"):
        require_gpu(spec_of(quantization="4bit"), device)


@pytest.mark.parametrize(("bits", "device"), [("4bit", "cuda:1"), (None, "cpu")])
def test_all_else_may_be_where_it_is_asked_for(bits, device):
    require_gpu(spec_of(quantization=bits), device)


def test_a_packed_weight_is_refused_by_name():
    with pytest.raises(InputError, match=r"'a\.weight' of type uint8.*without quantization"):
        require_whole_weight("a.weight", torch.zeros(2, dtype=torch.uint8))


def test_half_precision_is_no_packing():
    require_whole_weight("weight", torch.zeros(2, dtype=torch.bfloat16))


def test_layers_that_share_packed_weights_share_their_scales():
    model = torch.nn.Sequential(EightBit(), torch.nn.Linear(2, 2))
    assert find_packed_states(model) == [model[0].state]
    assert skeleton(model)[0].state is model[0].state


def test_the_state_of_a_layer_that_is_not_packed_is_its_own():
    layer = torch.nn.Linear(2, 2)
    layer.state = SimpleNamespace(scales=None)
    assert skeleton(torch.nn.Sequential(layer))[0].state is not layer.state
