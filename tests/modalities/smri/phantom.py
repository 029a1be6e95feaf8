"""A skull-stripped brain that is a formula in mm, seen by scanners of any orientation."""

import nibabel
import numpy as np

RADII = (60.0, 80.0, 55.0)
CENTRE = (7.0, -13.0, 21.0)
FIELD_OF_VIEW = 200.0


def brightness(points):
    """Intensity at points (..., 3) in mm: an ellipsoid, brighter to the right, front and top."""
    relative = (points - CENTRE) / RADII
    inside = (relative**2).sum(axis=-1) < 1
    return np.where(inside, 300 + 100 * relative @ (1.0, 0.6, 0.3), 0)


def rotation(degrees_x, degrees_z):
    a, b = np.deg2rad([degrees_x, degrees_z])
    about_x = [[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]]
    about_z = [[np.cos(b), -np.sin(b), 0], [np.sin(b), np.cos(b), 0], [0, 0, 1]]
    return np.array(about_x) @ np.array(about_z)


ORIENTATIONS = {
    "ras": np.diag([2.0, 2.0, 2.0]),
    "lps": np.diag([-2.0, -2.0, 2.0]),
    "sagittal": np.array([[0.0, 0.0, 2.0], [-2.0, 0.0, 0.0], [0.0, -2.0, 0.0]]),
    "anisotropic": np.diag([1.25, 2.0, 3.0]),
    "fine": np.diag([1.5, -1.5, 1.5]),
    "oblique": rotation(20, -12) @ np.diag([-2.0, 2.0, 2.5]),
}


def phantom(matrix=ORIENTATIONS["ras"], background=0.0):
    """The brain on the grid of a scanner, its centre 9 mm off the grid's."""
    sizes = np.linalg.norm(matrix, axis=0)
    shape = tuple(np.ceil(FIELD_OF_VIEW / sizes).astype(int))
    affine = np.eye(4)
    affine[:3, :3] = matrix
    affine[:3, 3] = np.array(CENTRE) + 9 - matrix @ ((np.array(shape) - 1) / 2)
    index = np.moveaxis(np.indices(shape), 0, -1)
    values = brightness(index @ matrix.T + affine[:3, 3])
    return nibabel.Nifti1Image(np.maximum(values, background).astype(np.float32), affine)


def centred_points(shape, resolution):
    """Centres of cubic voxels in mm, of a box whose middle is the brain's, axes in RAS order."""
    index = np.moveaxis(np.indices(shape), 0, -1)
    return (index - (np.array(shape) - 1) / 2) * resolution + CENTRE


def expected_in_middle(shape, resolution):
    """The formula on these voxels."""
    return brightness(centred_points(shape, resolution))


def well_inside(shape, resolution):
    """Which of these voxels are far from the brain's edge."""
    return (((centred_points(shape, resolution) - CENTRE) / RADII) ** 2).sum(axis=-1) < 0.7
