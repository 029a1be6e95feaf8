"""From a volume in mm to the box of voxels that a foundation model reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any

import numpy as np

from adestim.exceptions import InputError, VolumeError
from adestim.modalities._nifti import image_values
from adestim.modalities.smri.volume import Grid, block_affine, block_mean, block_steps, interpolated

__all__ = [
    "chosen_options",
    "crop_or_pad",
    "foreground_box",
    "head_middle",
    "isotropic_values",
    "middle_of",
    "require_fit",
    "require_resolution",
]

RESOLUTION_LIMITS = (0.5, 8.0)
# The brain ends some 170 mm below the crown; below are the face and the neck.
CROWN_TO_BASE_MM = 170.0
AIR_SHARE_OF_MEAN = 0.5
THINNEST_SLICE = 0.02
SLACK = 1e-3


def chosen_options(
    model: str, defaults: Mapping[str, Any], params: Mapping[str, Any]
) -> dict[str, Any]:
    """Return a model's options with the user's choice in place of the defaults.

    Parameters
    ----------
    model : str
        Name of the backbone.
    defaults : mapping of str to object
        All options that it has.
    params : mapping of str to object
        What the user asks for.

    Returns
    -------
    dict

    Raises
    ------
    InputError
        When the model has no such option.

    Examples
    --------
    >>> from adestim.modalities.smri.models.preparation import chosen_options
    >>> chosen_options("brainmvp", {"resolution": 2.0}, {"resolution": 1.8})
    {'resolution': 1.8}
    """
    unknown = sorted(set(params) - set(defaults))
    if unknown:
        raise InputError(
            f"backbone_params of backbone {model!r} must be options that it has",
            got=", ".join(map(repr, unknown)),
            remedy=f"Choose from {sorted({*defaults, 'architecture'} - {'shape'})}",
        )
    return {**defaults, **params}


def require_resolution(resolution: Any) -> float:
    """Return an edge of voxels in mm as a float, or say what is wrong with it.

    Parameters
    ----------
    resolution : object
        What the user asks for.

    Returns
    -------
    float

    Raises
    ------
    InputError
        When it is no number from 0.5 to 8.
    """
    low, high = RESOLUTION_LIMITS
    if not isinstance(resolution, Real) or not low <= float(resolution) <= high:
        raise InputError(
            f"resolution of a foundation model must be a number of mm from {low:g} to {high:g}",
            got=repr(resolution),
            remedy="Pass for example backbone_params={'resolution': 2.0}",
        )
    return float(resolution)


def isotropic_values(image: Any, resolution: float) -> np.ndarray:
    """Bring a volume to cubic voxels whose axes run to the right, the front and the top.

    Voxels finer than half the target's are averaged before they are interpolated linearly.

    Parameters
    ----------
    image : nibabel image of 3 dimensions
        Volume, of any orientation, oblique ones included.
    resolution : float
        Edge of the voxels, in mm.

    Returns
    -------
    ndarray of shape (n_x, n_y, n_z), dtype float32
        The whole field of view; zero outside of it.

    Examples
    --------
    >>> import nibabel
    >>> import numpy as np
    >>> from adestim.modalities.smri.models.preparation import isotropic_values
    >>> image = nibabel.Nifti1Image(np.ones((8, 4, 4), dtype=np.float32), np.diag([-1, 2, 1, 1]))
    >>> isotropic_values(image, 2.0).shape
    (4, 4, 2)
    """
    grid = field_of_view(image, resolution)
    steps = block_steps(image.affine, resolution)
    to_voxels = np.linalg.inv(block_affine(image.affine, steps)) @ grid.affine
    return interpolated(block_mean(image_values(image, VolumeError), steps), to_voxels, grid.shape)


def field_of_view(image: Any, resolution: float) -> Grid:
    """Return the grid that holds an image, in the middle of it."""
    corners = np.array(np.meshgrid(*((-0.5, n - 0.5) for n in image.shape))).reshape(3, -1)
    corners = image.affine[:3, :3] @ corners + image.affine[:3, 3:]
    low, high = corners.min(axis=1), corners.max(axis=1)
    x, y, z = (max(int(np.ceil(extent - SLACK)), 1) for extent in (high - low) / resolution)
    origin = (low + high) / 2 - (np.array([x, y, z]) - 1) / 2 * resolution
    return Grid((x, y, z), tuple(origin.tolist()), resolution)


def foreground_box(values: np.ndarray) -> tuple[slice, ...]:
    """Return the smallest box that holds all voxels above zero.

    Parameters
    ----------
    values : ndarray of shape (n_x, n_y, n_z)
        Volume with at least one such voxel.

    Returns
    -------
    tuple of slice

    Examples
    --------
    >>> import numpy as np
    >>> from adestim.modalities.smri.models.preparation import foreground_box
    >>> values = np.zeros((5, 5, 5))
    >>> values[1:3, 2, 4] = 1.0
    >>> foreground_box(values)
    (slice(1, 3, None), slice(2, 3, None), slice(4, 5, None))
    """
    inside = values > 0
    axes = range(values.ndim)
    lines = (inside.any(axis=tuple(set(axes) - {axis})) for axis in axes)
    ends = (np.flatnonzero(line)[[0, -1]].tolist() for line in lines)
    return tuple(slice(first, last + 1) for first, last in ends)


def middle_of(shape: Sequence[int]) -> np.ndarray:
    """Return the index of a box's middle, between two voxels where a length is even."""
    return (np.asarray(shape) - 1) / 2


def head_middle(values: np.ndarray, resolution: float) -> np.ndarray:
    """Return where the middle of the brain is in a head with its skull.

    Parameters
    ----------
    values : ndarray of shape (n_x, n_y, n_z)
        Volume whose axes run to the right, the front and the top. Its air may be noisy.
    resolution : float
        Edge of its voxels, in mm.

    Returns
    -------
    ndarray of shape (3,)
        Index of the centre of what is bright in the 170 mm below the crown; along z, the middle
        of these.
    """
    head = values > AIR_SHARE_OF_MEAN * values[values > 0].mean()
    slices = head.sum(axis=(0, 1))
    shown = np.flatnonzero(slices >= THINNEST_SLICE * slices.max())
    top = shown[-1] + 1
    bottom = max(shown[0], top - round(CROWN_TO_BASE_MM / resolution))
    upper = head[:, :, bottom:top]
    x, y = (
        np.average(np.arange(upper.shape[axis]), weights=upper.sum(axis=(1 - axis, 2)))
        for axis in (0, 1)
    )
    return np.array([x, y, (bottom + top - 1) / 2])


def require_fit(
    box: Sequence[slice], shape: Sequence[int], resolution: float, adjustable: bool = True
) -> None:
    """Refuse a brain that is larger than a model's field of view.

    Parameters
    ----------
    box : sequence of slice
        Where the brain is, in voxels.
    shape : sequence of int
        Voxels of the field of view along x, y and z.
    resolution : float
        Edge of a voxel, in mm.
    adjustable : bool, default=True
        Whether the model has the option ``"resolution"``.

    Raises
    ------
    VolumeError
        When it does not fit along an axis.
    """
    extent = np.array([part.stop - part.start for part in box])
    if (extent > np.asarray(shape)).any():
        needed = np.ceil(10 * resolution * float(np.max(extent / np.asarray(shape)))) / 10
        raise VolumeError(
            f"The brain must fit the model's field of view of {millimetres(shape, resolution)}",
            got=millimetres(extent, resolution),
            remedy="Check that nothing but the brain is above zero"
            + (
                f"; for a large brain, pass backbone_params={{'resolution': {needed:g}}}"
                if adjustable
                else ", and that the affine is in mm"
            ),
        )


def millimetres(shape: Sequence[int] | np.ndarray, resolution: float) -> str:
    """Return lengths of voxels as words."""
    return " x ".join(f"{length * resolution:.0f}" for length in shape) + " mm"


def crop_or_pad(values: np.ndarray, middle: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """Cut a box of a given shape out of a volume, with zeros where the volume ends.

    Parameters
    ----------
    values : ndarray of shape (n_x, n_y, n_z)
        Volume.
    middle : ndarray of shape (3,)
        Index of the middle of the box.
    shape : sequence of int
        Voxels of the box along each axis.

    Returns
    -------
    ndarray of the shape

    Examples
    --------
    >>> import numpy as np
    >>> from adestim.modalities.smri.models.preparation import crop_or_pad, middle_of
    >>> line = np.arange(1.0, 4.0).reshape(3, 1, 1)
    >>> crop_or_pad(line, middle_of(line.shape), (5, 1, 1)).ravel()
    array([0., 1., 2., 3., 0.])
    """
    starts = np.floor(np.asarray(middle) - middle_of(shape) + 0.5).astype(int)
    source = tuple(
        slice(min(max(start, 0), size), min(max(start + length, 0), size))
        for start, length, size in zip(starts, shape, values.shape, strict=True)
    )
    target = tuple(
        slice(part.start - start, part.stop - start)
        for part, start in zip(source, starts, strict=True)
    )
    box = np.zeros(tuple(shape), dtype=values.dtype)
    box[target] = values[source]
    return box
