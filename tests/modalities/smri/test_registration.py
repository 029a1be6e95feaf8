"""Affine registration: what it needs, what it finds."""

import sys

import nibabel
import numpy as np
import pytest

from adestim.exceptions import MissingDependencyError, VolumeError
from adestim.modalities.smri.registration import register_affine, require_plausible


def test_without_dipy_the_extra_is_named(brain_image, monkeypatch):
    monkeypatch.setitem(sys.modules, "dipy.align", None)
    with pytest.raises(MissingDependencyError, match=r"adestim\[registration\]"):
        register_affine(brain_image)


@pytest.mark.slow
def test_turned_shifted_and_scaled_head_is_brought_back(head_image):
    angle = np.deg2rad(12)
    transform = np.diag([1.08, 0.95, 1.04, 1.0])
    transform[1:3, 1:3] @= [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    transform[:3, 3] = (10, -20, 30)
    native = nibabel.Nifti1Image(head_image.get_fdata(), transform @ head_image.affine)
    registered = register_affine(native)
    corners = np.array([[60, 60, 60, 1], [-60, -90, -40, 1], [0, 60, -20, 1], [60, -40, 0, 1.0]])
    found = corners @ (registered.affine @ np.linalg.inv(head_image.affine)).T
    assert np.linalg.norm(found - corners, axis=1).max() < 6
    np.testing.assert_array_equal(registered.get_fdata(), head_image.get_fdata())


@pytest.mark.parametrize(
    "transform", [np.zeros((4, 4)), np.diag([-1.0, 1, 1, 1]), np.full((4, 4), np.nan)]
)
def test_implausible_transformations_are_refused(transform):
    with pytest.raises(VolumeError, match="plausible transformation"):
        require_plausible(transform)
