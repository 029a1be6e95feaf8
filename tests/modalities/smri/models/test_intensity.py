"""What is no skull-stripped brain is refused; intensities come to a known scale."""

import nibabel
import numpy as np
import pytest

from adestim.exceptions import VolumeError
from adestim.modalities.smri.models.intensity import (
    clean_background,
    is_skull_stripped,
    require_brain,
    require_skull_stripped,
    scale_percentiles,
    standardise_intensities,
)
from tests.modalities.smri.phantom import ORIENTATIONS, phantom


def with_values(image, change):
    return nibabel.Nifti1Image(change(image.get_fdata(dtype=np.float32)), image.affine)


def test_stripped_brain_is_told_from_a_head(stripped_image, head_image):
    assert is_skull_stripped(clean_background(stripped_image))
    assert not is_skull_stripped(clean_background(head_image))
    assert is_skull_stripped(phantom(ORIENTATIONS["oblique"]))


def test_traces_of_interpolation_are_no_foreground(stripped_image):
    assert (stripped_image.get_fdata() > 0).mean() > 0.4
    cleaned = clean_background(stripped_image).get_fdata()
    assert (cleaned > 0).mean() == pytest.approx(0.21, abs=0.02)
    np.testing.assert_array_equal(cleaned[cleaned > 0], stripped_image.get_fdata()[cleaned > 0])


def test_head_is_refused_with_a_remedy(head_image):
    with pytest.raises(VolumeError, match="BrainMVP reads skull-stripped volumes") as caught:
        require_skull_stripped(head_image, "BrainMVP")
    assert "deepbet" in caught.value.remedy


def test_head_in_a_background_of_zeros_is_refused(head_image):
    head = with_values(head_image, lambda values: np.where(values > 40, values, 0))
    with pytest.raises(VolumeError, match=r"[3-9]\.\d L above zero"):
        require_skull_stripped(head, "BrainMVP")


def test_background_that_is_not_zero_is_refused():
    with pytest.raises(VolumeError, match="0% of zeros"):
        require_skull_stripped(phantom(background=3.0), "BrainMVP")


def test_empty_volume_is_refused(stripped_image):
    with pytest.raises(VolumeError, match="Got 0 mL"):
        require_brain(with_values(stripped_image, np.zeros_like))


def test_volume_in_metres_is_refused(stripped_image):
    affine = np.diag([1e-3, 1e-3, 1e-3, 1]) @ stripped_image.affine
    image = nibabel.Nifti1Image(stripped_image.get_fdata(), affine)
    with pytest.raises(VolumeError, match=r"300 mL .* affine is in mm"):
        require_brain(image)


def test_standardised_volume_is_refused(stripped_image):
    standard = with_values(
        stripped_image, lambda values: standardise_intensities(values, values > 0)
    )
    with pytest.raises(VolumeError, match="of the voxels below zero"):
        require_brain(standard)


def test_percentiles_that_agree_are_refused():
    with pytest.raises(VolumeError, match="5th and 95th percentile must differ"):
        scale_percentiles(np.ones(9), 5, 95)


def test_voxels_that_agree_are_refused():
    values = np.array([0.0, 2.0, 2.0])
    with pytest.raises(VolumeError, match="2 voxels of the same value"):
        standardise_intensities(values, values > 0)


def test_mask_is_refused(stripped_image):
    mask = (stripped_image.get_fdata() > 0).astype(np.uint8)
    with pytest.raises(VolumeError, match="as in a mask"):
        require_brain(nibabel.Nifti1Image(mask, stripped_image.affine))
