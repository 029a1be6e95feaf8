"""How a volume lies in its array, and how far it reaches."""

import nibabel
import numpy as np
import pytest

from adestim.exceptions import DataWarning
from adestim.modalities.smri.models.field_of_view import (
    measure_extent,
    place_cells,
    question_extent,
    turn_axes,
    warn_of_several_extents,
)
from tests.modalities.smri.phantom import ORIENTATIONS, phantom

TEMPLATE = (170.0, 206.0, 162.0)


@pytest.mark.parametrize("orientation", ["ras", "lps", "sagittal", "anisotropic"])
def test_extent_does_not_depend_on_the_file(orientation):
    extent = measure_extent(phantom(ORIENTATIONS[orientation]))
    np.testing.assert_allclose(extent, 200.0, atol=2.0)


def test_extent_is_told_along_right_front_and_top():
    image = nibabel.Nifti1Image(
        np.zeros((4, 5, 6)), [[0, 0, -2, 0], [1, 0, 0, 0], [0, 3, 0, 0], [0, 0, 0, 1]]
    )
    np.testing.assert_allclose(measure_extent(image), [12, 4, 15])


@pytest.mark.parametrize(("size", "is_far"), [((170, 206, 162), False), ((182, 218, 182), True)])
def test_fields_far_from_the_template_are_remarked_on(size, is_far, recwarn):
    question_extent(nibabel.Nifti1Image(np.zeros(size, dtype=np.uint8), np.eye(4)), TEMPLATE, "m")
    assert [warning.category for warning in recwarn] == [DataWarning] * is_far


def test_rows_that_differ_by_little_are_not_told_of():
    warn_of_several_extents([], "m")
    warn_of_several_extents([np.array([170, 206, 162]), np.array([172, 208, 160])], "m")
    with pytest.warns(DataWarning, match="from 170 x 206 x 150 mm to 170 x 206 x 162 mm"):
        warn_of_several_extents([np.array([170, 206, 162]), np.array([170, 206, 150])], "m")


@pytest.mark.parametrize("orientation", ["RAS", "LAS", "LPS", "PSL"])
def test_cells_are_placed_where_their_voxels_lie(orientation):
    values = np.arange(24).reshape(2, 3, 4)
    image = nibabel.Nifti1Image(values.astype(np.float32), np.eye(4))
    turned = turn_axes(image, values, orientation)
    shape, places = place_cells(turned.shape, orientation)
    assert shape == [2, 3, 4]
    np.testing.assert_array_equal(values[tuple(places.T)], turned.ravel())
