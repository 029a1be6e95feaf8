import nibabel
import numpy as np
import pytest

from adestim.exceptions import VolumeError
from adestim.modalities.smri.models.neurovfm_patches import cut_patches, resample_slices

PATCH = (4, 16, 16)


def image(values, *spacing):
    return nibabel.Nifti1Image(values, np.diag([*spacing, 1.0]))


def ramp(shape):
    """Every voxel's value says where it is: x, y and z by digits of their own."""
    x, y, z = np.indices(shape)
    return (x + 1e2 * y + 1e4 * z).astype(np.float64)


def test_axial_slices_of_a_millimetre_are_taken_every_fourth():
    values = ramp((20, 24, 32))
    sampled = resample_slices(image(values, 1, 1, 1), "axial")
    # From the top to the bottom, the front to the back, the left to the right.
    wanted = values[:, ::-1, ::-1][:, :, ::4].transpose(2, 1, 0)
    assert sampled.shape == (8, 24, 20)
    np.testing.assert_allclose(sampled, wanted, rtol=1e-9, atol=1e-3)


@pytest.mark.parametrize(
    ("shape", "spacing", "sampled"),
    [
        ((40, 32, 32), (1.2, 1, 1), (12, 32, 32)),
        ((30, 32, 10), (1, 1, 4), (10, 32, 30)),
        ((32, 40, 32), (1, 1.5, 1), (15, 32, 32)),
        ((30, 32, 36), (1, 1, 1), (9, 32, 30)),
        ((32, 32, 32), (1, 1, 1.1), (8, 32, 32)),
    ],
)
def test_slices_lie_along_the_axis_of_their_own(shape, spacing, sampled):
    volume = image(np.random.default_rng(0).normal(size=shape), *spacing)
    assert resample_slices(volume, "as-acquired").shape == sampled


def test_patches_without_air_are_kept_with_their_places():
    volume = np.random.default_rng(0).uniform(100, 200, size=(9, 50, 35))
    volume[:, :20] = 0.0
    places, patches = cut_patches(volume, PATCH)
    assert patches.shape[1] == 1024
    assert (patches >= 0).all()
    assert (patches <= 1).all()
    # Cropped by one slice and two rows in the middle: rows 1 to 49, of which 19 are air.
    assert set(places[:, 1]) == {2} or set(places[:, 1]) == {1, 2}
    assert places[:, 0].max() == 1


def test_the_voxels_of_a_patch_run_along_rows_of_slices():
    volume = np.zeros((8, 16, 32))
    volume[4:, :, 16:] = 1 + np.arange(4 * 16 * 16).reshape(4, 16, 16)
    places, patches = cut_patches(volume, PATCH)
    assert [tuple(place) for place in places] == [(1, 0, 1)]
    assert (np.diff(patches[0]) >= 0).all()


def test_a_volume_without_a_patch_is_refused():
    with pytest.raises(VolumeError, match="at least one patch"):
        cut_patches(np.ones((4, 10, 16)), PATCH)
    with pytest.raises(VolumeError, match="Got none without air"):
        cut_patches(np.zeros((4, 16, 16)), PATCH)
