"""NeuroVFM: its blocks, its places, its checkpoint."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from adestim import SMRIExtractor, check_backbone
from adestim.backbone import find_card
from adestim.encoding import BackboneSpec
from adestim.exceptions import CheckpointError, InputError, VolumeError
from adestim.modalities.smri.models.neurovfm import NeuroVFM, place_sines
from tests.modalities.smri.phantom import ORIENTATIONS, phantom

SMALL = {"width": 24, "position_width": 12, "depth": 2, "n_heads": 3}
PREFIX = "student.vision_encoder."


@pytest.fixture(scope="module")
def state():
    """Random weights, under the names of the released file."""
    generator = torch.Generator().manual_seed(0)
    return {
        PREFIX + name: 0.1 * torch.randn(value.shape, generator=generator)
        for name, value in NeuroVFM(**SMALL).state_dict().items()
    }


@pytest.fixture(scope="module")
def weights(state, tmp_path_factory):
    path = tmp_path_factory.mktemp("neurovfm") / "pytorch_model.bin"
    torch.save({"state_dict": state, "epoch": 3}, path)
    return path


def spec_of(weights):
    sizes = tuple(sorted(SMALL.items()))
    return BackboneSpec(
        "neurovfm", options=(("architecture", sizes),), sources=(("weights", str(weights)),)
    )


@pytest.fixture(scope="module")
def model(weights):
    return NeuroVFM.load(spec_of(weights))


@pytest.fixture(scope="module")
def inputs():
    rng = np.random.default_rng(0)
    return [
        np.concatenate([rng.integers(0, 9, (n, 3)), rng.normal(size=(n, 1024))], axis=1).astype(
            np.float32
        )
        for n in (7, 4)
    ]


def read_plainly(state, item):
    """Return what plain layers make of one subject's patches."""
    part = {name.removeprefix(PREFIX): value for name, value in state.items()}
    item = torch.from_numpy(item)
    tokens = F.linear(item[:, 3:], part["token_embed.proj.weight"], part["token_embed.proj.bias"])
    x = torch.cat([tokens, place_sines(item[None, :, :3], 12)[0]], dim=1)[None]
    for block in range(SMALL["depth"]):
        of = {
            name.removeprefix(f"blocks.{block}."): value
            for name, value in part.items()
            if name.startswith(f"blocks.{block}.")
        }
        mix = nn.MultiheadAttention(24, 3, batch_first=True)
        mix.load_state_dict(
            {
                "in_proj_weight": of["mixer.qkv.weight"],
                "in_proj_bias": of["mixer.qkv.bias"],
                "out_proj.weight": of["mixer.proj.weight"],
                "out_proj.bias": torch.zeros(24),
            }
        )
        normed = F.layer_norm(x, (24,), of["norm1.weight"], of["norm1.bias"], 1e-6)
        x = x + mix(normed, normed, normed, need_weights=False)[0]
        normed = F.layer_norm(x, (24,), of["norm2.weight"], of["norm2.bias"], 1e-6)
        hidden = F.linear(normed, of["mlp.fc1.weight"], of["mlp.fc1.bias"])
        hidden = F.gelu(hidden, approximate="tanh")
        x = x + F.linear(hidden, of["mlp.fc2.weight"], of["mlp.fc2.bias"])
    return F.layer_norm(x, (24,), part["norm.weight"], part["norm.bias"], 1e-6)[0]


def test_tokens_are_those_of_plain_layers(model, state, inputs):
    batch = model.collate(inputs)
    own = model.own_mask(batch)
    tokens = model.encode(model.embed(batch), (~own) * -1e4, batch.shape[1])
    for row, item in enumerate(inputs):
        expected = read_plainly(state, item)
        torch.testing.assert_close(tokens[row, : len(item)], expected, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(
            model.pool(tokens, own)[row], expected.mean(0), atol=1e-4, rtol=1e-4
        )


def test_places_are_sines_and_cosines_by_turns():
    sines = place_sines(torch.tensor([[[2.0, 0.0, 5.0]]]), 30)[0, 0]
    frequencies = 10_000.0 ** -(np.arange(0, 10, 2) / 10)
    wanted = [
        each for place in (2, 0, 5) for f in frequencies for each in (np.sin(place * f),
                                                                      np.cos(place * f))
    ]  # fmt: skip
    np.testing.assert_allclose(sines, wanted, atol=1e-6)


def test_keeps_the_contract(model, inputs):
    assert check_backbone(model, inputs) is None


def test_released_model_has_the_stated_size():
    card = find_card("neurovfm", "smri")
    with torch.device("meta"):
        model = card.backbone_class()(**card.architecture)
    assert sum(value.numel() for value in model.state_dict().values()) == card.n_parameters
    assert model.token_embed.proj.weight.shape == (738, 1024)


def test_weights_of_another_model_are_refused(tmp_path):
    torch.save({"blocks.0.attn.qkv.weight": torch.ones(3, 1)}, tmp_path / "other.bin")
    with pytest.raises(CheckpointError, match="must hold exactly that model's weights"):
        NeuroVFM.check_weights(spec_of(tmp_path / "other.bin"))


@pytest.mark.parametrize("wrong", [{"position_width": 10}, {"position_width": 24}])
def test_positions_of_another_width_are_refused(wrong):
    with pytest.raises(InputError, match="must be a multiple of 6 below 'width'"):
        NeuroVFM(**SMALL | wrong)


def test_slices_of_another_kind_are_refused():
    with pytest.raises(InputError, match=r"'slices' .* must be one of .* Got 'sagittal'"):
        NeuroVFM.learn([], slices="sagittal")


def test_a_volume_becomes_the_tokens_of_its_patches(weights):
    extractor = SMRIExtractor(
        backbone="neurovfm", weights=weights, backbone_params={"architecture": SMALL}
    )
    encoding = extractor.fit_transform([[phantom()], [phantom(2 * ORIENTATIONS["ras"])]]).iloc[0, 0]
    assert encoding.inputs.shape[1] == 3 + 1024
    assert encoding.tokens.shape == (len(encoding.inputs), SMALL["width"])


def test_a_blank_volume_is_refused():
    import nibabel

    blank = nibabel.Nifti1Image(np.zeros((64, 64, 64)), np.eye(4))
    with pytest.raises(VolumeError):
        NeuroVFM.prepare(blank, slices="axial")
