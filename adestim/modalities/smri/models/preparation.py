"""From a volume in mm to the box of voxels that a foundation model reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any

import numpy as np

from adestim.exceptions import InputError, VolumeError
from adestim.modalities._nifti import image_values
from adestim.modalities.smri.grid import (
    Grid,
    block_affine,
    block_mean,
    block_steps,
    interpolate_values,
)

RESOLUTION_LIMITS = (0.5, 8.0)
# The brain ends some 170 mm below the crown; below are the face and the neck.
CROWN_TO_BASE_MM = 170.0
AIR_SHARE_OF_MEAN = 0.5
THINNEST_SLICE = 0.02
SLACK = 1e-3


def choose_options(
    model: str, defaults: Mapping[str, Any], params: Mapping[str, Any]
) -> dict[str, Any]:
    """Return a model's options with the user's choice in place of the defaults."""
    unknown = sorted(set(params) - set(defaults))
    if unknown:
        raise InputError(
            f"backbone_params of backbone {model!r} must be options that it has",
            got=", ".join(map(repr, unknown)),
            remedy=f"Choose from {sorted({*defaults, 'architecture'} - {'shape'})}",
        )
    return {**defaults, **params}


def is_resolution(resolution: Any) -> bool:
    """Tell whether a value is a possible edge of voxels in mm."""
    low, high = RESOLUTION_LIMITS
    return isinstance(resolution, Real) and low <= float(resolution) <= high


def require_resolution(resolution: Any) -> float:
    """Return an edge of voxels in mm as a float, or say what is wrong with it."""
    low, high = RESOLUTION_LIMITS
    if not is_resolution(resolution):
        raise InputError(
            f"resolution of a foundation model must be a number of mm from {low:g} to {high:g}",
            got=repr(resolution),
            remedy="Pass for example backbone_params={'resolution': 2.0}",
        )
    return float(resolution)


def isotropic_values(image: Any, resolution: float) -> np.ndarray:
    """Bring a volume to cubic voxels whose axes run to the right, the front and the top.

    Voxels finer than half the target's are averaged before they are interpolated linearly.

    -> (n_x, n_y, n_z).
    """
    grid = field_of_view(image, resolution)
    steps = block_steps(image.affine, resolution)
    to_voxels = np.linalg.inv(block_affine(image.affine, steps)) @ grid.affine
    return interpolate_values(
        block_mean(image_values(image, VolumeError), steps), to_voxels, grid.shape
    )


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

    values (n_x, n_y, n_z).
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

    values (n_x, n_y, n_z) -> (3,).
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
    """Refuse a brain that is larger than a model's field of view."""
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

    values (n_x, n_y, n_z), middle (3,).
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
