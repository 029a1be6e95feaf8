"""BrainLM 13M against outputs of its reference code, and its preparation."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from adestim import check_backbone
from adestim.backbone import CLOSED, find_card, load_backbone
from adestim.encoding import BackboneSpec
from adestim.exceptions import CheckpointError, InputError
from adestim.inspection import TokenPlaces
from adestim.modalities.fmri.models.brainlm_13m import BrainLM13M
from tests.modalities.fmri.model_files import (
    SMALL_TINY,
    arrays,
    baselines,
    coordinates_file,
    flat_file,
    n_adapted,
    quadratic_tables,
    released_shapes,
    series_of,
    shapes_of,
    spec_of,
)

HOME = "adestim.modalities.fmri.models.brainlm_13m:BrainLM13M"
CLOSE = {"atol": 2e-4, "rtol": 1e-4}


@pytest.fixture(scope="module")
def case(parity):
    return arrays(parity / "brainlm13m")


@pytest.fixture(scope="module")
def inputs(case):
    return torch.cat([case["input"], case["xyz"]], dim=-1)


@pytest.fixture(scope="module")
def model(parity, tmp_path_factory):
    weights = flat_file(parity / "brainlm13m", tmp_path_factory.mktemp("13m") / "model.bin")
    return load_backbone(spec_of("brainlm-13m", HOME, SMALL_TINY, weights))


def test_embeds_as_the_reference(model, case, inputs):
    torch.testing.assert_close(model.embed(inputs), case["input_tokens"], **CLOSE)


@pytest.mark.parametrize("masked", [False, True])
def test_encodes_as_the_reference_in_natural_order(model, case, inputs, masked):
    log_mask = torch.zeros(2, 121) if masked else None
    tokens = model.encode(model.embed(inputs), log_mask, 121)
    torch.testing.assert_close(tokens, case["output_tokens"], **CLOSE)


def test_encodes_a_shuffled_order_as_the_reference(model, case, inputs):
    embedded = model.embed(inputs)
    order = 1 + case["noise_shuffled"].argsort(dim=1)
    shuffled = torch.stack([tokens[rows] for tokens, rows in zip(embedded, order, strict=True)])
    tokens = model.encode(torch.cat([embedded[:, :1], shuffled], dim=1), None, 121)
    torch.testing.assert_close(tokens, case["output_tokens_shuffled"], **CLOSE)


@pytest.mark.parametrize("masked", [False, True])
def test_encodes_auxiliary_tokens_as_the_reference(model, case, masked):
    both = torch.cat([case["input_tokens"], case["aux_tokens"]], dim=1)
    tokens = model.encode(both, torch.zeros(2, 126) if masked else None, 121)
    torch.testing.assert_close(tokens, case["output_tokens_with_aux"], **CLOSE)


def test_closed_auxiliary_tokens_do_not_leak_through_the_convolution(model, case):
    both = torch.cat([case["input_tokens"], case["aux_tokens"]], dim=1)
    tokens = model.encode(both, F.pad(torch.zeros(2, 121), (0, 5), value=CLOSED), 121)
    torch.testing.assert_close(tokens[:, :121], case["output_tokens"], **CLOSE)


def test_gradient_reaches_auxiliary_tokens_and_their_gate(model, case):
    auxiliary = case["aux_tokens"].clone().requires_grad_()
    gate = torch.full((2, 5), -2.0, requires_grad=True)
    both = torch.cat([case["input_tokens"], auxiliary], dim=1)
    tokens = model.encode(both, torch.cat([torch.zeros(2, 121), gate], dim=1), 121)
    tokens[:, :121].square().sum().backward()
    assert (auxiliary.grad.abs().sum(-1) > 0).all()
    assert (gate.grad != 0).all()


def test_no_table_of_all_pairs_of_tokens_is_kept(model, case):
    tokens = case["input_tokens"].clone().requires_grad_()
    assert quadratic_tables(lambda: model.encode(tokens, torch.zeros(2, 121), 121), 121) == []


def test_adapters_reach_every_layer_of_every_block(model):
    assert n_adapted(model) == 3 * 6


def test_keeps_the_contract(model, inputs):
    assert check_backbone(model, list(inputs.numpy())) is None


def test_released_checkpoint_fits_name_by_name(reference):
    with torch.device("meta"):
        model = BrainLM13M()
    released = released_shapes(reference / "keys_brainlm_13M.txt", without="decoder.")
    assert shapes_of(model) == released
    n_parameters = sum(value.numel() for value in model.state_dict().values())
    assert n_parameters == find_card("brainlm-13m", "fmri").n_parameters


def test_the_checkpoint_in_the_repository_of_its_code_fits_at_a_width_of_256(reference):
    with torch.device("meta"):
        model = BrainLM13M(width=256)
    released = reference / "keys_brainlm_github_ckpt1400.txt"
    assert shapes_of(model) == released_shapes(released, without="decoder.")


def test_weights_of_another_width_say_what_to_pass(tmp_path):
    weights = tmp_path / "checkpoint-1400.bin"
    torch.save(BrainLM13M(**SMALL_TINY).state_dict(), weights)
    with pytest.raises(CheckpointError, match=r"another size.*\{'architecture': \{...\}\}"):
        load_backbone(spec_of("brainlm-13m", HOME, SMALL_TINY | {"width": 16}, weights))


@pytest.mark.parametrize("pooling", ["cls", "mean"])
def test_pools_the_class_token_or_the_others(case, pooling):
    model = BrainLM13M(**SMALL_TINY, pooling=pooling)
    tokens, own = case["output_tokens"], torch.ones(2, 121, dtype=torch.bool)
    expected = tokens[:, 0] if pooling == "cls" else tokens[:, 1:].mean(dim=1)
    torch.testing.assert_close(model.pool(tokens, own), expected)


@pytest.mark.parametrize("pooling", ["cls", "mean"])
def test_stand_in_is_pooled_at_whatever_place_it_is(pooling):
    model = BrainLM13M(**SMALL_TINY, pooling=pooling)
    tokens = torch.randn(2, 121, 32, generator=torch.Generator().manual_seed(0))
    own = torch.zeros(2, 121, dtype=torch.bool)
    own[:, -1] = True
    torch.testing.assert_close(model.pool(tokens, own), tokens[:, -1])


def test_other_pooling_is_refused():
    with pytest.raises(InputError, match="must be 'cls' or 'mean'"):
        BrainLM13M(**SMALL_TINY, pooling="max")


def test_preparation_scales_and_brings_the_coordinates(tmp_path):
    xyz = np.random.default_rng(0).integers(-70, 70, size=(30, 3))
    path = coordinates_file(tmp_path / "A424_Coordinates.dat", xyz)
    rows = [series_of(baselines(seed, 40, 30), t_r=0.735) for seed in range(3)]
    size = BrainLM13M.input_size(**SMALL_TINY)
    inputs = BrainLM13M.prepare(rows[0], **BrainLM13M.learn(rows, coordinates=path, **size))
    assert (inputs.shape, inputs.dtype) == ((30, 43), np.float32)
    np.testing.assert_array_equal(inputs[:, 40:], xyz)
    centred = rows[0].values - rows[0].values.mean(axis=0)
    assert np.corrcoef(inputs[5, :40], centred[:, 5])[0, 1] > 0.999999
    assert 0.3 < inputs[:, :40].std() < 1.5


@pytest.mark.parametrize("n_frames", [0, 45])
def test_frames_must_make_whole_patches(n_frames):
    with pytest.raises(InputError, match="must be a multiple of 'patch_size'"):
        BrainLM13M(**SMALL_TINY | {"n_frames": n_frames})


def places_of(n_tokens=0, **sizes):
    spec = BackboneSpec("model", options=(("architecture", tuple(sizes.items())),))
    named = TokenPlaces("fmri", "columns", ("token",) * n_tokens)
    return BrainLM13M.place_tokens(named, spec)


def test_class_token_is_nowhere():
    places = places_of(n_parcels=2, n_frames=40, patch_size=20)
    np.testing.assert_array_equal(places.placed([100, 1, 2, 3, 4]), [3, 7])
