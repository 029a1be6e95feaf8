"""BrainMVP: the reference's numbers, from a file of its format; a whole brain in mm."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from adestim.encoding import BackboneSpec
from adestim.exceptions import CheckpointError, InputError, VolumeError
from adestim.inspection import TokenPlaces
from adestim.modalities.smri.models.brainmvp import BrainMVP
from adestim.modalities.smri.models.layers import grid_of, tokens_of
from adestim.modalities.smri.volume import read_volume
from tests.modalities.smri.model_files import (
    PREFIX,
    array_of,
    encoded,
    fixture_state,
    loaded,
    random_model,
    random_state,
    released_shapes,
    shapes_of,
)
from tests.modalities.smri.phantom import ORIENTATIONS, expected_in_middle, phantom, well_inside

NAME = "brainmvp"
SHAPE = (96, 96, 96)
TOLERANCE = {"atol": 2e-5, "rtol": 0}


@pytest.fixture
def folder(parity):
    return parity / NAME


@pytest.fixture
def model(folder, tmp_path):
    return loaded(tmp_path, NAME, fixture_state(folder))


def stages(model, volume):
    """Maps after every stage, written out from the modules."""
    x = model.patch_embed1(volume.permute(0, 1, 4, 2, 3))
    for block in model.blocks1:
        x = block(x)
    yield "stage1", x
    x = model.patch_embed2(x)
    for block in model.blocks2:
        x = block(x)
    yield "stage2", x
    x = model.patch_embed3(x)
    yield "stage3_input", x
    grid = tuple(x.shape[2:])
    for number, block in enumerate(model.blocks3):
        x = grid_of(block(tokens_of(x), None, grid), grid)
        if number == 0:
            yield "stage3_block0", x
    yield "stage3", x
    yield "stage3_tokens", tokens_of(x)
    yield "stage4_input", model.patch_embed4(x)


def test_every_stage_is_the_references(model, folder):
    with torch.no_grad():
        for name, found in stages(model, array_of(folder, "input")):
            torch.testing.assert_close(found, array_of(folder, name), **TOLERANCE)


def test_tokens_and_pooled_vector_are_the_references(model, folder):
    volumes = array_of(folder, "input")
    with torch.no_grad():
        embedded = model.embed(volumes)
    torch.testing.assert_close(embedded, tokens_of(array_of(folder, "stage3_input")), **TOLERANCE)
    tokens = encoded(model, volumes)
    torch.testing.assert_close(tokens, array_of(folder, "output_tokens"), **TOLERANCE)
    own = torch.ones(embedded.shape[:2], dtype=torch.bool)
    torch.testing.assert_close(model.pool(tokens, own), array_of(folder, "pooled"), **TOLERANCE)


def test_training_mode_leaves_the_batch_norms_alone(model, folder):
    tokens = encoded(model.train(), array_of(folder, "input"))
    torch.testing.assert_close(tokens, array_of(folder, "output_tokens"), **TOLERANCE)


def test_names_and_shapes_are_the_released_ones(reference):
    released = released_shapes(reference / "keys_brainmvp.txt", PREFIX[NAME])
    assert shapes_of(NAME) == released
    assert len(released) == 329


def test_file_of_one_device_loads_as_well(tmp_path):
    state = {key.removeprefix("module."): value for key, value in random_state(NAME).items()}
    volumes = torch.rand(1, 1, 32, 48, 16, generator=torch.Generator().manual_seed(0))
    wanted = encoded(random_model(NAME), volumes)
    torch.testing.assert_close(encoded(loaded(tmp_path, NAME, state), volumes), wanted)


def test_file_without_a_block_is_refused(tmp_path):
    state = {key: value for key, value in random_state(NAME).items() if "blocks3.1" not in key}
    with pytest.raises(CheckpointError, match=r"missing: blocks3\.1"):
        loaded(tmp_path, NAME, state)


def test_auxiliary_tokens_end_before_the_fourth_stage():
    model = random_model(NAME)
    tokens = torch.randn(2, 48 + 5, 32, generator=torch.Generator().manual_seed(0))
    assert model.encode(tokens, None, 48).shape == (2, 6, 48)
    assert model.readable(torch.ones(2, 48, dtype=torch.bool)).shape == (2, 6)
    assert model.n_stand_in == 48


def test_auxiliary_tokens_have_no_position():
    block = random_model(NAME).blocks3[0]
    tokens = torch.randn(1, 48 + 3, 32, generator=torch.Generator().manual_seed(0))
    order = torch.cat([torch.arange(48), torch.tensor([50, 48, 49])])
    with torch.no_grad():
        found, shuffled = (block(x, None, (2, 4, 6)) for x in (tokens, tokens[:, order]))
    torch.testing.assert_close(shuffled, found[:, order], atol=1e-5, rtol=0)


@pytest.mark.parametrize("shape", [(96, 96), (96, 96, 100), (0, 96, 96), "big", (96.0, 96, 96)])
def test_volume_shape_must_be_multiples_of_16(shape):
    with pytest.raises(InputError, match="three multiples of 16"):
        BrainMVP(volume_shape=shape)


def test_volumes_of_another_shape_are_refused():
    with pytest.raises(InputError, match="32 x 48 x 16 voxels"):
        random_model(NAME).embed(torch.zeros(1, 1, 48, 32, 16))


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_brain_of_any_orientation_is_centred_in_mm(orientation):
    image = read_volume(phantom(ORIENTATIONS[orientation]))
    prepared = BrainMVP.prepare(image, shape=SHAPE, resolution=2.0)
    assert prepared.shape == (1, *SHAPE)
    assert prepared.dtype == np.float32
    assert (prepared.min(), prepared.max()) == (0, 1)
    formula = expected_in_middle(SHAPE, 2.0)
    box = formula[18:78, 8:88, 20:76]
    core = well_inside(SHAPE, 2.0) & (prepared[0] < 1)
    wanted = formula[core] / np.percentile(box, 95)
    assert np.median(np.abs(prepared[0][core] - wanted)) < 0.02
    assert np.corrcoef(prepared[0][core], wanted)[0, 1] > 0.99


def test_other_resolution_shows_the_brain_larger():
    image = read_volume(phantom())
    shares = [(BrainMVP.prepare(image, shape=SHAPE, resolution=mm) > 0).mean() for mm in (2.0, 4.0)]
    assert shares[0] / shares[1] == pytest.approx(8, rel=0.1)


def test_template_fits_at_the_default_resolution(stripped_image):
    options = BrainMVP.learn([], **BrainMVP.input_size(volume_shape=SHAPE))
    prepared = BrainMVP.prepare(read_volume(stripped_image), **options)
    ends = [
        np.flatnonzero(prepared[0].any(axis=axes))[[0, -1]] for axes in ((1, 2), (0, 2), (0, 1))
    ]
    lengths = [2.0 * (last - first + 1) for first, last in ends]
    np.testing.assert_allclose(lengths, (145, 181, 155), atol=10)


def test_brain_that_does_not_fit_is_refused():
    with pytest.raises(VolumeError, match=r"field of view of 96 x 96 x 96 mm"):
        BrainMVP.prepare(read_volume(phantom()), shape=SHAPE, resolution=1.0)


def test_head_is_refused(head_image):
    with pytest.raises(VolumeError, match="BrainMVP reads skull-stripped volumes"):
        BrainMVP.prepare(read_volume(head_image), shape=SHAPE)


def test_options_are_checked():
    with pytest.raises(InputError, match="'spacing'"):
        BrainMVP.learn([], shape=SHAPE, spacing=2)
    with pytest.raises(InputError, match=r"from 0\.5 to 8"):
        BrainMVP.learn([], shape=SHAPE, resolution=0)


def places_of(n_tokens=0, **sizes):
    spec = BackboneSpec("model", options=(("architecture", tuple(sizes.items())),))
    named = TokenPlaces("smri", "columns", ("token",) * n_tokens)
    return BrainMVP.place_tokens(named, spec)


def test_tokens_run_along_y_first_and_are_finer_where_others_join():
    volume_shape = (32, 48, 64)
    coarse, fine = (
        places_of(24, volume_shape=volume_shape),
        places_of(192, volume_shape=volume_shape),
    )
    assert (coarse.labels.shape, fine.labels.shape) == ((2, 3, 4), (4, 6, 8))
    assert coarse.names[1] == "patch 0-1-0"
    assert (coarse.labels.affine[0, 0], fine.labels.affine[0, 0]) == (32, 16)


def test_axes_of_places_are_those_of_its_own_grid():
    z, x, y = BrainMVP.grid(SimpleNamespace(volume_shape=(32, 48, 64)), 16)
    last = places_of(volume_shape=(32, 48, 64)).names[-1]
    assert last == f"patch {x - 1}-{y - 1}-{z - 1}"


@pytest.mark.parametrize(
    ("options", "shape"),
    [
        ({}, None),
        ({"resolution": 2.0}, None),
        ({"resolution": 1.5}, (112, 128, 112)),
        ({"resolution": 1.0}, (160, 192, 160)),
        ({"resolution": "fine"}, None),
    ],
)
def test_finer_resolutions_ask_for_larger_volumes(options, shape):
    assert BrainMVP.settle_sizes(**options) == ({} if shape is None else {"volume_shape": shape})
