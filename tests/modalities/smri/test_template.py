"""The bundled template on a grid, and the check that a volume lies in its space."""

import nibabel
import numpy as np
import pytest
from nilearn.datasets import load_mni152_template

from adestim.exceptions import VolumeError
from adestim.modalities.smri.template import load_template, mni_grid, require_mni, template_likeness
from adestim.modalities.smri.volume import resample_to_grid

GRID = mni_grid(6.0)


def moved(image, transform):
    return nibabel.Nifti1Image(image.get_fdata(dtype=np.float32), transform @ image.affine)


def shift(x=0, y=0, z=0):
    transform = np.eye(4)
    transform[:3, 3] = (x, y, z)
    return transform


@pytest.mark.parametrize("resolution", [2.0, 3.0, 4.0, 5.5])
def test_grid_holds_the_brain_and_mirrors_itself(resolution):
    grid = mni_grid(resolution)
    ends = np.array([grid.origin, grid.origin + (np.array(grid.shape) - 1) * resolution])
    assert (ends[0] - resolution / 2 <= [-72, -107, -72]).all()
    assert (ends[1] + resolution / 2 >= [73, 74, 83]).all()
    assert ends[0, 0] == -ends[1, 0]
    assert grid.origin[0] % resolution != 0


def test_grid_falls_on_the_voxels_of_nilearn():
    affine = load_mni152_template(resolution=4).affine
    offset = (np.array(mni_grid(4.0).origin) - affine[:3, 3]) / 4
    np.testing.assert_array_equal(offset, np.rint(offset))


def test_tissues_add_up_and_have_the_volume_of_a_brain():
    template = load_template(GRID)
    np.testing.assert_allclose(template.tissues.sum(axis=0), template.brain, atol=1e-5)
    csf, grey, white = template.tissues.sum(axis=(1, 2, 3)) * GRID.voxel_ml
    assert 150 < csf < 450
    assert 750 < grey < 1050
    assert 550 < white < 750


def test_template_is_made_once_and_read_only():
    template = load_template(GRID)
    assert load_template(mni_grid(6.0)) is template
    for array in (template.t1w, template.brain, template.tissues):
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0


def test_volumes_in_template_space_pass(brain_image, head_image):
    template = load_template(GRID)
    for image in (brain_image, head_image):
        volume = resample_to_grid(image, GRID)
        require_mni(volume, template)
        assert template_likeness(volume, template) > 0.9


def test_small_misplacements_pass(head_image):
    require_mni(resample_to_grid(moved(head_image, shift(5, 5, 5)), GRID), load_template(GRID))


@pytest.mark.parametrize(
    "transform",
    [
        shift(x=25),
        shift(y=-35),
        shift(z=300),
        np.diag([1.0, 1.0, -1.0, 1.0]),
        np.diag([0.6, 0.6, 0.6, 1.0]),
        np.eye(4)[[0, 2, 1, 3]],
    ],
)
def test_volume_elsewhere_is_refused_with_the_remedy(head_image, transform):
    volume = resample_to_grid(moved(head_image, transform), GRID)
    with pytest.raises(VolumeError, match="must be in MNI152 space") as caught:
        require_mni(volume, load_template(GRID))
    assert "registration='affine'" in caught.value.remedy


def test_other_contrast_is_refused(brain_image):
    values = brain_image.get_fdata(dtype=np.float32)
    t2w = nibabel.Nifti1Image(np.where(values > 0, 500 - values, 0), brain_image.affine)
    with pytest.raises(VolumeError, match="T1-weighted"):
        require_mni(resample_to_grid(t2w, GRID), load_template(GRID))
