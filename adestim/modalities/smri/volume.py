"""One T1-weighted volume: read, orient, bring to a grid in mm, normalise its intensities."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from adestim.exceptions import VolumeError
from adestim.modalities._nifti import image_values, is_path, open_nifti, require_invertible_affine
from adestim.modalities.smri.background import (
    BRIGHTEST_KEPT,
    count_holes,
    find_background,
    find_zero,
    settle_background,
)
from adestim.modalities.smri.grid import (
    Grid,
    block_affine,
    block_mean,
    block_steps,
    interpolate_values,
)

MAX_VOLUME_BYTES = 4 * 2**30
MIN_SUPPORT = 0.5


@dataclass(frozen=True, eq=False)
class GridVolume:
    """A volume on a grid."""

    values: np.ndarray  # (n_x, n_y, n_z); intensities; 0 where there is no support
    # (n_x, n_y, n_z); share of each voxel that the image really shows: 0 outside its field of view
    # and in the background of a skull-stripped image
    support: np.ndarray

    @property
    def seen(self) -> np.ndarray:
        """True where at least half of a voxel is supported, shape (n_x, n_y, n_z)."""
        return self.support >= MIN_SUPPORT


def read_volume(source: Any, *, affine: ArrayLike | None = None) -> Any:
    """Read one volume and refuse a bad one; a background of NaN or of a constant becomes zero.

    source (n_x, n_y, n_z), affine (4, 4).
    """
    import nibabel

    image = open_volume(source, affine=affine)
    values = image_values(image, VolumeError)
    require_usable_values(values)
    values = settle_background(values)
    return nibabel.as_closest_canonical(nibabel.Nifti1Image(values, image.affine))


def open_volume(source: Any, *, affine: ArrayLike | None = None) -> Any:
    """Return one volume whose header has been checked; its voxels stay on disk.

    affine (4, 4).
    """
    image = source if is_path(source) or hasattr(source, "affine") else image_of(source, affine)
    return open_nifti(image, n_dim=3, error=VolumeError, max_bytes=MAX_VOLUME_BYTES)


def image_of(array: Any, affine: ArrayLike | None) -> Any:
    """Return an array as an image."""
    import nibabel

    if not isinstance(array, np.ndarray) or array.dtype.kind not in "biuf":
        raise VolumeError(
            "A T1w volume is given as a path, a nibabel image or an array of real numbers",
            got=f"an object of type {type(array).__name__}",
            remedy="Pass the path of a .nii or .nii.gz file",
        )
    if affine is None:
        raise VolumeError(
            "A T1w volume given as an array needs an affine, which puts its voxels in mm",
            got=f"an array of shape {array.shape} and affine=None",
            remedy="Pass affine= to the extractor, or nibabel.Nifti1Image(array, affine) as cell",
        )
    affine = np.asarray(affine, dtype=float)
    require_invertible_affine(SimpleNamespace(affine=affine), VolumeError)
    return nibabel.Nifti1Image(array.astype(np.float32), affine)


def require_usable_values(values: np.ndarray) -> None:
    """Refuse voxels that are infinite or holes of NaN, and an image that shows nothing."""
    n_holes, n_infinite = count_holes(values), int(np.count_nonzero(np.isinf(values)))
    if n_holes or n_infinite:
        n_bad = n_infinite + int(np.count_nonzero(np.isnan(values)))
        raise VolumeError(
            "All voxels of a T1w volume must be finite, but for a background of NaN",
            got=f"{n_bad} NaN or infinite voxels of {values.size}, {n_infinite} of them infinite "
            f"and {n_holes} NaN away from the image's edges",
            remedy="If they are background, set them to zero with numpy.nan_to_num and save again",
        )
    if not np.fmin.reduce(values, axis=None) < np.fmax.reduce(values, axis=None):
        raise VolumeError(
            "A T1w volume must not be constant",
            got="the same value in every voxel",
            remedy="The image is blank; convert or copy it again, or leave the cell empty",
        )


def resample_to_grid(image: Any, grid: Grid) -> GridVolume:
    """Bring a volume to a grid.

    Voxels finer than the grid are averaged before they are interpolated linearly, so that
    nothing is lost to aliasing. What lies next to the background is not darkened by it: values
    and support are interpolated alike, and divided.
    """
    values = image_values(image, VolumeError)
    support = volume_support(values)
    steps = block_steps(image.affine, grid.resolution)
    layers = (block_mean(layer, steps) for layer in (np.where(support, values, 0), support))
    to_voxels = np.linalg.inv(block_affine(image.affine, steps)) @ grid.affine
    return undo_partial_support(
        *(interpolate_values(layer, to_voxels, grid.shape) for layer in layers)
    )


def undo_partial_support(values: np.ndarray, support: np.ndarray) -> GridVolume:
    """Undo the darkening of partly supported voxels."""
    support = np.clip(support, 0, 1)
    mean = np.divide(values, support, out=np.zeros_like(values), where=support >= MIN_SUPPORT)
    return GridVolume(mean, support)


def volume_support(values: np.ndarray) -> np.ndarray:
    """Tell which voxels an image really shows.

    values (n_x, n_y, n_z) -> (n_x, n_y, n_z).
    """
    background = find_background(values)
    return np.ones(values.shape, dtype=bool) if background is None else values != background


def normalise_intensity(values: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Put intensities on a common scale, whatever the scanner's.

    values (n_x, n_y, n_z), inside (n_x, n_y, n_z) -> (n_x, n_y, n_z).
    """
    low, high = find_zero(values[inside])
    if not high > low:
        raise VolumeError(
            "The brain of a T1w volume must show differences of intensity",
            got=f"{high:g} at its 1st and its 99th percentile",
            remedy="Look at the image: it is blank or saturated where the brain should be",
        )
    return np.clip((values - low) / (high - low), 0, BRIGHTEST_KEPT).astype(np.float32)
