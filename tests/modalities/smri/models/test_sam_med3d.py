"""SAM-Med3D: the reference's numbers, from a file of its format; a cube around the brain in mm."""

import nibabel
import numpy as np
import pytest
import torch

from adestim.encoding import BackboneSpec
from adestim.exceptions import CheckpointError, InputError, VolumeError
from adestim.inspection import TokenPlaces
from adestim.modalities.smri.models.layers import tokens_of
from adestim.modalities.smri.models.sam_med3d import SAMMed3D
from adestim.modalities.smri.volume import read_volume
from tests.modalities.smri.model_files import (
    PREFIX,
    SMALL,
    array_of,
    encoded,
    fixture_state,
    loaded,
    random_model,
    random_state,
    released_shapes,
    shapes_of,
)
from tests.modalities.smri.models.test_preparation import head_values
from tests.modalities.smri.phantom import ORIENTATIONS, expected_in_middle, phantom, well_inside

NAME = "sam-med3d"
SHAPE = (128, 128, 128)
TOLERANCE = {"atol": 2e-5, "rtol": 0}


@pytest.fixture
def folder(parity):
    return parity / "sammed3d"


@pytest.fixture
def model(folder, tmp_path):
    return loaded(tmp_path, NAME, fixture_state(folder))


def test_tokens_are_the_references(model, folder):
    with torch.no_grad():
        tokens = model.embed(array_of(folder, "input"))
        torch.testing.assert_close(tokens, array_of(folder, "input_tokens"), **TOLERANCE)
        first = model.blocks[0](tokens, None)
        torch.testing.assert_close(first, array_of(folder, "block0_tokens"), **TOLERANCE)
    found = encoded(model, array_of(folder, "input"))
    torch.testing.assert_close(found, array_of(folder, "output_tokens"), **TOLERANCE)


def test_neck_is_the_references(folder, tmp_path):
    model = loaded(tmp_path, NAME, fixture_state(folder), output="neck")
    found = encoded(model, array_of(folder, "input"))
    assert model.width_out == found.shape[-1] == 20
    torch.testing.assert_close(found, tokens_of(array_of(folder, "output_neck")), **TOLERANCE)


def test_names_and_shapes_are_the_released_ones(reference):
    released = released_shapes(reference / "keys_sammed3d.txt", PREFIX[NAME])
    assert shapes_of(NAME) == released
    assert len(released) == 189


def test_file_of_another_width_is_refused(tmp_path):
    state = random_state(NAME)
    with pytest.raises(CheckpointError, match="of another shape"):
        loaded(tmp_path, NAME, state, embed_dim=48)


def test_auxiliary_tokens_stay_beside_the_own_and_end_before_the_neck():
    tokens = torch.randn(1, 64 + 5, 24, generator=torch.Generator().manual_seed(0))
    assert random_model(NAME).encode(tokens, None, 64).shape == (1, 69, 24)
    assert random_model(NAME, output="neck").encode(tokens, None, 64).shape == (1, 64, 20)


def test_closed_auxiliary_tokens_are_as_good_as_none():
    model = random_model(NAME)
    tokens = torch.randn(1, 64 + 5, 24, generator=torch.Generator().manual_seed(0))
    log_mask = torch.zeros(1, 69)
    log_mask[:, 64:] = -1e4
    with torch.no_grad():
        found = model.encode(tokens, log_mask, 64)[:, :64]
        torch.testing.assert_close(found, model.encode(tokens[:, :64], None, 64), **TOLERANCE)


def test_grid_of_several_windows_is_refused():
    with pytest.raises(InputError, match="a window of 3 for a grid of 4"):
        SAMMed3D(**{**SMALL[NAME], "window_size": 3})


def test_unknown_output_is_refused_in_fit():
    with pytest.raises(InputError, match="'tokens' or 'neck'"):
        SAMMed3D.input_size(img_size=32, output="mask")


def test_volumes_of_another_shape_are_refused():
    with pytest.raises(InputError, match="32 x 32 x 32 voxels"):
        random_model(NAME).embed(torch.zeros(1, 1, 32, 32, 40))


@pytest.mark.parametrize("orientation", ["sagittal", "anisotropic", "oblique"])
def test_brain_of_any_orientation_is_centred_in_mm(orientation):
    image = read_volume(phantom(ORIENTATIONS[orientation]))
    prepared = SAMMed3D.prepare(image, shape=SHAPE)
    formula = expected_in_middle(SHAPE, 1.5)
    core = well_inside(SHAPE, 1.5)
    assert prepared.shape == (1, *SHAPE)
    assert prepared.dtype == np.float32
    assert np.corrcoef(prepared[0][core], formula[core])[0, 1] > 0.99


def test_voxels_above_zero_are_standard_and_all_are_scaled_alike():
    prepared = SAMMed3D.prepare(read_volume(phantom()), shape=SHAPE)
    background = prepared.min()
    inside = prepared[prepared > background]
    np.testing.assert_allclose([inside.mean(), inside.std()], [0, 1], atol=1e-3)
    assert background < -2
    assert (prepared == background).mean() > 0.5


def test_head_is_read_too():
    head = head_values(np.array([37.0, 42.0, 48.0]))
    image = read_volume(head, affine=np.diag([-3.0, 3.0, 3.0, 1.0]))
    prepared = SAMMed3D.prepare(image, shape=SHAPE)[0]
    crown = np.flatnonzero((prepared > 0).mean(axis=(0, 1)) > 0.02)[-1]
    assert crown * 1.5 == pytest.approx(64 * 1.5 + 85, abs=10)


def test_volume_that_shows_no_whole_brain_is_refused():
    small = nibabel.Nifti1Image(phantom().get_fdata(), np.eye(4))
    with pytest.raises(VolumeError, match="300 mL"):
        SAMMed3D.prepare(small, shape=SHAPE)


def test_options_are_checked():
    with pytest.raises(InputError, match="'resolution'"):
        SAMMed3D.learn([], shape=SHAPE, resolution=1.0)


def places_of(n_tokens=0, **sizes):
    spec = BackboneSpec("model", options=(("architecture", tuple(sizes.items())),))
    named = TokenPlaces("smri", "columns", ("token",) * n_tokens)
    return SAMMed3D.place_tokens(named, spec)


def test_tokens_are_cells_of_the_cube_around_the_brain():
    places = places_of()
    assert places.labels.shape == (8, 8, 8)
    assert places.labels.affine[0, 0] == 24
