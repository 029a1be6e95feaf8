"""Volumes made from the bundled template: a skull-stripped brain and a whole head."""

import nibabel
import numpy as np
import pytest
from nilearn.datasets import load_mni152_template
from scipy.ndimage import distance_transform_edt

SCANNER_SCALE = 437.0


@pytest.fixture(scope="session")
def brain_image():
    """A skull-stripped T1w volume in MNI152 space, 4 mm, with noise."""
    template = load_mni152_template(resolution=4)
    values = template.get_fdata(dtype=np.float32)
    noise = np.random.default_rng(0).normal(0, 0.02, values.shape)
    values = SCANNER_SCALE * np.where(values > 0, np.maximum(values + noise, 0.01), 0)
    return nibabel.Nifti1Image(values.astype(np.float32), template.affine)


@pytest.fixture(scope="session")
def stripped_image():
    """The template's brain, 4 mm, with the traces that interpolation leaves around it."""
    template = load_mni152_template(resolution=4)
    values = SCANNER_SCALE * template.get_fdata(dtype=np.float32)
    return nibabel.Nifti1Image(values, template.affine)


@pytest.fixture(scope="session")
def head_image(brain_image):
    """The same brain in its head: fluid, dark bone, bright fat, noisy air."""
    values = brain_image.get_fdata(dtype=np.float32)
    depth = 4.0 * distance_transform_edt(values == 0)
    shells = [(depth > 15), (depth > 9), (depth > 4), (depth > 0)]
    head = np.select(shells, [0.0, 1.1, 0.08, 0.25], values / SCANNER_SCALE)
    noise = np.random.default_rng(1).normal(0, 0.02, values.shape)
    return nibabel.Nifti1Image(
        (SCANNER_SCALE * np.abs(head + noise)).astype(np.float32), brain_image.affine
    )
