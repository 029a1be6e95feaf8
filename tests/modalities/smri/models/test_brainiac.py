"""BrainIAC: the reference's numbers, from a file of its format; the whole field of view."""

import nibabel
import numpy as np
import pytest
import torch

from adestim.encoding import BackboneSpec
from adestim.exceptions import DataWarning, InputError, VolumeError
from adestim.inspection import TokenPlaces
from adestim.modalities.smri.models.brainiac import BrainIAC
from adestim.modalities.smri.volume import read_volume
from tests.modalities.smri.model_files import (
    PREFIX,
    array_of,
    encoded,
    fixture_state,
    loaded,
    random_model,
    released_shapes,
    shapes_of,
)
from tests.modalities.smri.phantom import ORIENTATIONS, phantom

NAME = "brainiac"
TOLERANCE = {"atol": 1e-5, "rtol": 0}


@pytest.fixture
def folder(parity):
    return parity / NAME


@pytest.fixture
def model(folder, tmp_path):
    return loaded(tmp_path, NAME, fixture_state(folder))


def test_tokens_are_the_references(model, folder):
    with torch.no_grad():
        tokens = model.embed(array_of(folder, "input"))
    torch.testing.assert_close(tokens, array_of(folder, "input_tokens"), **TOLERANCE)
    found = encoded(model, array_of(folder, "input"))
    torch.testing.assert_close(found, array_of(folder, "output_tokens"), **TOLERANCE)


@pytest.mark.parametrize("gated", [False, True])
def test_tokens_beside_auxiliary_ones_are_the_references(model, folder, gated):
    tokens = torch.cat([array_of(folder, "input_tokens"), array_of(folder, "aux_tokens")], dim=1)
    log_mask = torch.zeros(tokens.shape[:2]) if gated else None
    with torch.no_grad():
        found = model.encode(tokens, log_mask, 24)
    torch.testing.assert_close(found, array_of(folder, "output_tokens_with_aux"), **TOLERANCE)


def test_names_and_shapes_are_the_released_ones(reference):
    released = released_shapes(reference / "keys_brainiac.txt", PREFIX[NAME])
    assert shapes_of(NAME) == released
    assert len(released) == 137


def test_pooling_is_the_mean_or_the_first_token(folder, tmp_path):
    tokens = array_of(folder, "output_tokens_with_aux")
    own = torch.ones(2, 24, dtype=torch.bool)
    mean, first = (
        loaded(tmp_path, NAME, fixture_state(folder), pooling=pooling).pool(tokens, own)
        for pooling in ("mean", "first")
    )
    torch.testing.assert_close(mean, tokens[:, :24].mean(dim=1))
    torch.testing.assert_close(first, tokens[:, 0])


def test_unknown_pooling_is_refused_in_fit():
    with pytest.raises(InputError, match="'mean' or 'first'"):
        BrainIAC.input_size(img_size=(96, 96, 96), pooling="cls")


def test_volumes_of_another_shape_are_refused():
    with pytest.raises(InputError, match="32 x 16 x 24 voxels"):
        random_model(NAME).embed(torch.zeros(1, 1, 16, 32, 24))


def test_whole_field_of_view_is_resized():
    image = phantom(np.diag([5.0, 2.5, 4.0]))
    assert image.shape == (40, 80, 50)
    with pytest.warns(DataWarning, match="200 x 200 x 200 mm"):
        prepared = BrainIAC.prepare(image, shape=(20, 40, 25))[0]
    halved = image.get_fdata().reshape(20, 2, 40, 2, 25, 2).mean(axis=(1, 3, 5))
    inside = halved > 0
    wanted = (halved[inside] - halved[inside].mean()) / halved[inside].std()
    np.testing.assert_array_equal(prepared != 0, inside)
    np.testing.assert_allclose(prepared[inside], wanted, atol=1e-4)


TEMPLATE = {"shape": (48, 48, 48), "field_of_view": (170.0, 206.0, 162.0)}


@pytest.mark.parametrize("orientation", ["lps", "sagittal"])
def test_orientation_of_the_file_makes_no_difference(orientation):
    matrix = ORIENTATIONS[orientation]
    for options in (TEMPLATE, {**TEMPLATE, "orientation": "LAS"}):
        found = BrainIAC.prepare(read_volume(phantom(matrix)), **options)
        wanted = BrainIAC.prepare(read_volume(phantom()), **options)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, wanted, atol=1e-4)


def test_axes_run_as_in_the_authors_template_unless_told_otherwise():
    options = BrainIAC.learn([], shape=(48, 48, 48), field_of_view="template")
    assert (options["orientation"], options["field_of_view"]) == ("LAS", (170.0, 206.0, 162.0))
    right, left, turned = (
        BrainIAC.prepare(phantom(), **{**options, "orientation": orientation})[0]
        for orientation in ("RAS", "LAS", "PSL")
    )
    np.testing.assert_allclose(left, right[::-1], atol=1e-4)
    np.testing.assert_allclose(turned, right[::-1, ::-1].transpose(1, 2, 0), atol=1e-4)


def test_file_in_the_order_of_the_template_is_resized_as_it_is():
    """What the authors' own pipeline does, which never turns an array."""
    image = phantom(np.diag([-2.0, 2.0, 2.0]))
    options = BrainIAC.learn([], shape=(50, 50, 50))
    with pytest.warns(DataWarning, match="field of view"):
        prepared = BrainIAC.prepare(read_volume(image), **options)[0]
    halved = image.get_fdata().reshape(50, 2, 50, 2, 50, 2).mean(axis=(1, 3, 5))
    wanted = (halved[halved > 0] - halved[halved > 0].mean()) / halved[halved > 0].std()
    np.testing.assert_allclose(prepared[halved > 0], wanted, atol=1e-4)


def test_one_brain_in_two_fields_of_view_is_one_input():
    image = phantom()
    wanted = BrainIAC.prepare(image, **TEMPLATE)
    np.testing.assert_array_equal(BrainIAC.prepare(image.slicer[6:, 3:-2, 8:], **TEMPLATE), wanted)


def test_brain_that_is_cut_is_told_of():
    with pytest.warns(DataWarning, match="reaches 18 mm beyond the field of view"):
        BrainIAC.prepare(phantom(), shape=(48, 48, 48), field_of_view=(100.0, 206.0, 162.0))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"orientation": "LA"}, "must say where the three axes"),
        ({"orientation": "LLS"}, "Got 'LLS'"),
        ({"orientation": None}, "Got None"),
        ({"field_of_view": (170, 206)}, "three lengths in mm"),
        ({"field_of_view": "brain"}, "three lengths in mm.*'template'"),
        ({"field_of_view": (170, -2, 162)}, "three lengths in mm"),
    ],
)
def test_orientations_and_fields_that_are_none_are_refused(options, words):
    with pytest.raises(InputError, match=words):
        BrainIAC.learn([], shape=(96, 96, 96), **options)


def test_head_is_refused(head_image):
    with pytest.raises(VolumeError, match="BrainIAC reads skull-stripped volumes"):
        BrainIAC.prepare(read_volume(head_image), shape=(48, 48, 48))


def test_mask_instead_of_a_volume_is_refused(stripped_image):
    mask = (stripped_image.get_fdata() > 20).astype(np.float32)
    with pytest.raises(VolumeError, match="must differ"):
        BrainIAC.prepare(nibabel.Nifti1Image(mask, stripped_image.affine), shape=mask.shape)


def test_options_are_checked():
    with pytest.raises(InputError, match="'resolution'"):
        BrainIAC.learn([], shape=(96, 96, 96), resolution=1.0)


def places_of(n_tokens=0, preparation=(), **sizes):
    options = (("architecture", tuple(sizes.items())), ("preparation", preparation))
    spec = BackboneSpec("model", options=options)
    named = TokenPlaces("smri", "columns", ("token",) * n_tokens)
    return BrainIAC.place_tokens(named, spec)


def test_tokens_run_along_z_first():
    places = places_of(img_size=(32, 32, 48))
    assert (places.kind, places.labels.shape) == ("grid", (2, 2, 3))
    assert places.names[1] == "patch 0-0-1"
    assert places.labels.affine[0, 0] == 16


def test_places_follow_the_orientation_of_the_input():
    places = places_of(img_size=(32, 48, 64), preparation=(("orientation", "LAS"),))
    assert places.names[0] == "patch 1-0-0"
    turned = places_of(img_size=(48, 64, 32), preparation=(("orientation", "PSL"),))
    assert turned.labels.shape == (2, 3, 4)
    assert turned.names[:2] == ("patch 1-2-0", "patch 0-2-0")
