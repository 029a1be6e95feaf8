"""Volumes become boxes of voxels in mm, whatever their orientation."""

import nibabel
import numpy as np
import pytest

from adestim.exceptions import InputError, VolumeError
from adestim.modalities.smri.models.preparation import (
    choose_options,
    crop_or_pad,
    foreground_box,
    head_middle,
    isotropic_values,
    middle_of,
    require_fit,
    require_resolution,
)
from adestim.modalities.smri.volume import read_volume
from tests.modalities.smri.phantom import ORIENTATIONS, expected_in_middle, phantom


def test_option_of_another_model_is_refused():
    with pytest.raises(InputError, match=r"'sharpness'.*\['architecture', 'resolution'\]"):
        choose_options("brainmvp", {"shape": None, "resolution": 2.0}, {"sharpness": 3})


@pytest.mark.parametrize("resolution", [0.1, 20, "fine", None])
def test_resolution_must_be_millimetres(resolution):
    with pytest.raises(InputError, match=r"from 0.5 to 8"):
        require_resolution(resolution)


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_volumes_of_any_orientation_show_the_same_in_mm(orientation):
    values = isotropic_values(read_volume(phantom(ORIENTATIONS[orientation])), 3.0)
    box = foreground_box(values)
    middle = np.array([(part.start + part.stop - 1) / 2 for part in box])
    shape = (48, 60, 44)
    wanted = expected_in_middle(shape, 3.0)
    difference = crop_or_pad(values, middle, shape) - wanted
    core = wanted > 0
    # At an edge half the voxels are half full; half a voxel of shift is 3 units of brightness.
    assert np.quantile(np.abs(difference[core]), 0.75) < 6
    assert np.abs(np.mean(difference[core])) < 12


def test_grid_of_the_same_voxels_is_left_alone():
    image = phantom(np.diag([3.0, 3.0, 3.0]))
    np.testing.assert_array_equal(isotropic_values(image, 3.0), image.get_fdata())


def test_fine_voxels_are_averaged():
    checkerboard = np.indices((8, 8, 8)).sum(axis=0) % 2
    image = nibabel.Nifti1Image(checkerboard.astype(np.float32), np.eye(4))
    np.testing.assert_allclose(isotropic_values(image, 2.0), 0.5)


def test_thin_volume_keeps_a_voxel_along_every_axis():
    image = nibabel.Nifti1Image(np.ones((2, 9, 9), dtype=np.float32), np.eye(4))
    assert isotropic_values(image, 8.0).shape == (1, 2, 2)


def test_box_beyond_a_volume_is_zero():
    box = crop_or_pad(np.ones((2, 2, 2)), np.array([9.0, 0.5, 0.5]), (4, 4, 2))
    assert box.shape == (4, 4, 2)
    assert not box.any()


def test_box_is_cut_around_its_middle():
    line = np.arange(10.0).reshape(10, 1, 1)
    assert crop_or_pad(line, np.array([6.0, 0, 0]), (3, 1, 1)).ravel().tolist() == [5, 6, 7]
    assert crop_or_pad(line, middle_of((10, 1, 1)), (4, 1, 1)).ravel().tolist() == [3, 4, 5, 6]


def test_brain_that_does_not_fit_names_a_resolution_that_does():
    box = (slice(0, 50), slice(10, 120), slice(0, 60))
    with pytest.raises(VolumeError, match=r"192 x 192 x 192 mm. Got 100 x 220 x 120 mm") as caught:
        require_fit(box, (96, 96, 96), 2.0)
    assert "'resolution': 2.3" in caught.value.remedy
    require_fit(box, (96, 112, 96), 2.0)


def test_resolution_is_not_advised_where_it_is_the_models():
    with pytest.raises(VolumeError, match="affine is in mm") as caught:
        require_fit((slice(0, 9),) * 3, (8, 8, 8), 1.5, adjustable=False)
    assert "resolution" not in caught.value.remedy


def head_values(middle, n=80, resolution=3.0):
    """A head of 170 mm on its neck, in noisy air."""
    x, y, z = np.moveaxis((np.moveaxis(np.indices((n, n, n)), 0, -1) - middle) * resolution, -1, 0)
    head = (x / 80) ** 2 + (y / 100) ** 2 + (z / 85) ** 2 < 1
    neck = (z < -50) & (np.hypot(x, y + 20) < 50)
    air = np.random.default_rng(0).uniform(0, 40, (n, n, n))
    return np.where(head | neck, 300, 0) + air


def test_middle_of_a_head_is_that_of_its_brain():
    middle = np.array([37.0, 42.0, 48.0])
    found = head_middle(head_values(middle), 3.0)
    assert np.abs(found - middle).max() * 3.0 < 8
