"""One T1-weighted volume: read, orient, bring to a grid in mm, normalise its intensities."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.ndimage import affine_transform

from adestim.exceptions import VolumeError
from adestim.modalities._nifti import image_values, is_path, open_nifti, require_invertible_affine

__all__ = [
    "Grid",
    "GridVolume",
    "block_mean",
    "normalise_intensity",
    "read_volume",
    "resample_to_grid",
    "volume_support",
]

MAX_VOLUME_BYTES = 4 * 2**30
MIN_SUPPORT = 0.5
BRIGHTEST_PERCENTILE = 99.0
DARKEST_PERCENTILE = 1.0


@dataclass(frozen=True)
class Grid:
    """A regular grid of cubic voxels whose axes run to the right, the front and the top (RAS).

    Parameters
    ----------
    shape : tuple of int
        Number of voxels along x, y and z.
    origin : tuple of float
        Centre of the first voxel, in mm.
    resolution : float
        Edge of a voxel, in mm.

    Examples
    --------
    >>> from adestim.modalities.smri.volume import Grid
    >>> Grid((37, 46, 39), (-72.0, -106.0, -72.0), 4.0).voxel_ml
    0.064
    """

    shape: tuple[int, int, int]
    origin: tuple[float, float, float]
    resolution: float

    @property
    def affine(self) -> np.ndarray:
        """Voxel indices to mm, shape (4, 4)."""
        affine = np.diag([self.resolution] * 3 + [1.0])
        affine[:3, 3] = self.origin
        return affine

    @property
    def voxel_ml(self) -> float:
        """Volume of a voxel, in mL."""
        return self.resolution**3 / 1000

    def centres(self) -> np.ndarray:
        """Return the centres of all voxels in mm, shape (n_x, n_y, n_z, 3)."""
        index = np.moveaxis(np.indices(self.shape, dtype=np.float32), 0, -1)
        return index * np.float32(self.resolution) + np.asarray(self.origin, dtype=np.float32)


@dataclass(frozen=True, eq=False)
class GridVolume:
    """A volume on a grid.

    Parameters
    ----------
    values : ndarray of shape (n_x, n_y, n_z), dtype float32
        Intensities; 0 where there is no support.
    support : ndarray of shape (n_x, n_y, n_z), dtype float32
        Share of each voxel that the image really shows: 0 outside its field of view and in the
        background of a skull-stripped image.
    """

    values: np.ndarray
    support: np.ndarray

    @property
    def seen(self) -> np.ndarray:
        """True where at least half of a voxel is supported, shape (n_x, n_y, n_z)."""
        return self.support >= MIN_SUPPORT


def read_volume(source: Any, *, affine: ArrayLike | None = None) -> Any:
    """Read one volume and refuse a bad one.

    Parameters
    ----------
    source : str, path-like, nibabel image or ndarray of shape (n_x, n_y, n_z)
        A T1-weighted volume. Trailing axes of length one are dropped.
    affine : array-like of shape (4, 4), default=None
        Voxel indices to mm, for an array; images have their own.

    Returns
    -------
    nibabel.Nifti1Image
        Values as float32, all finite and not all equal. Axes in RAS order.

    Raises
    ------
    VolumeError
        When the file is missing, empty, corrupt, or claims more than 4 GiB; when the volume has
        not three dimensions, holds NaN or infinite voxels, or is constant; when its
        affine cannot be inverted; or when an array comes without an affine.

    Examples
    --------
    >>> import numpy as np
    >>> from adestim.modalities.smri.volume import read_volume
    >>> array = np.arange(24.0).reshape(2, 3, 4)
    >>> read_volume(array, affine=np.diag([-2.0, 2.0, 2.0, 1.0])).affine.diagonal()
    array([2., 2., 2., 1.])
    """
    import nibabel

    image = source if is_path(source) or hasattr(source, "affine") else image_of(source, affine)
    image = open_nifti(image, n_dim=3, error=VolumeError, max_bytes=MAX_VOLUME_BYTES)
    values = image_values(image, VolumeError)
    require_usable_values(values)
    return nibabel.as_closest_canonical(nibabel.Nifti1Image(values, image.affine))


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
    """Refuse voxels that are not finite, and an image that shows nothing."""
    n_bad = values.size - int(np.count_nonzero(np.isfinite(values)))
    if n_bad:
        raise VolumeError(
            "All voxels of a T1w volume must be finite",
            got=f"{n_bad} NaN or infinite voxels of {values.size}",
            remedy="If they are background, set them to zero with numpy.nan_to_num and save again",
        )
    if values.min() == values.max():
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

    Parameters
    ----------
    image : nibabel image of 3 dimensions
        Volume, as :func:`read_volume` returns it.
    grid : Grid
        Target.

    Returns
    -------
    GridVolume

    Examples
    --------
    >>> import nibabel
    >>> import numpy as np
    >>> from adestim.modalities.smri.volume import Grid, resample_to_grid
    >>> values = np.arange(512, dtype=np.float32).reshape(8, 8, 8)
    >>> image = nibabel.Nifti1Image(values, np.eye(4))
    >>> resample_to_grid(image, Grid((2, 2, 2), (1.5, 1.5, 1.5), 4.0)).values[0, 0]
    array([109.5, 113.5], dtype=float32)
    """
    values = image_values(image, VolumeError)
    support = volume_support(values)
    steps = block_steps(image.affine, grid.resolution)
    layers = (block_mean(layer, steps) for layer in (np.where(support, values, 0), support))
    to_voxels = np.linalg.inv(block_affine(image.affine, steps)) @ grid.affine
    return supported(*(interpolated(layer, to_voxels, grid.shape) for layer in layers))


def interpolated(layer: np.ndarray, to_voxels: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Interpolate linearly on another grid; zero outside."""
    return affine_transform(
        layer,
        to_voxels[:3, :3],
        to_voxels[:3, 3],
        output_shape=shape,
        order=1,
        mode="grid-constant",
        cval=0,
        output=np.float32,
    )


def supported(values: np.ndarray, support: np.ndarray) -> GridVolume:
    """Undo the darkening of partly supported voxels."""
    support = np.clip(support, 0, 1)
    mean = np.divide(values, support, out=np.zeros_like(values), where=support >= MIN_SUPPORT)
    return GridVolume(mean, support)


def volume_support(values: np.ndarray) -> np.ndarray:
    """Tell which voxels an image really shows.

    The background is the value that at least half of the image's outer faces share, which a
    skull-stripped or zero-padded image has and a full head with noisy air has not.

    Parameters
    ----------
    values : ndarray of shape (n_x, n_y, n_z)
        Volume.

    Returns
    -------
    ndarray of shape (n_x, n_y, n_z), dtype bool

    Examples
    --------
    >>> import numpy as np
    >>> from adestim.modalities.smri.volume import volume_support
    >>> brain = np.zeros((5, 5, 5))
    >>> brain[2, 2, 2] = 7.0
    >>> int(volume_support(brain).sum())
    1
    """
    faces = np.concatenate([values.take([0, -1], axis=axis).ravel() for axis in range(3)])
    found, count = np.unique(faces, return_counts=True)
    commonest = count.argmax()
    if 2 * count[commonest] < faces.size:
        return np.ones(values.shape, dtype=bool)
    return values != found[commonest]


def block_steps(affine: np.ndarray, resolution: float) -> tuple[int, ...]:
    """Return how many voxels along each axis fit into one of the grid's, at least one."""
    sizes = np.linalg.norm(affine[:3, :3], axis=0)
    return tuple(int(step) for step in np.maximum(np.floor(resolution / sizes + 1e-3), 1))


def block_mean(values: np.ndarray, steps: tuple[int, ...]) -> np.ndarray:
    """Average blocks of voxels; an incomplete last block is averaged over what it has.

    Parameters
    ----------
    values : ndarray of shape (n_x, n_y, n_z)
        Volume.
    steps : tuple of int
        Voxels of a block along each axis.

    Returns
    -------
    ndarray of 3 dimensions, dtype float32

    Examples
    --------
    >>> import numpy as np
    >>> from adestim.modalities.smri.volume import block_mean
    >>> block_mean(np.arange(5.0).reshape(5, 1, 1), (2, 1, 1)).ravel()
    array([0.5, 2.5, 4. ], dtype=float32)
    """
    for axis, step in enumerate(steps):
        if step > 1:
            values = mean_along_first(values.swapaxes(0, axis), step).swapaxes(0, axis)
    return np.asarray(values, dtype=np.float32)


def mean_along_first(values: np.ndarray, step: int) -> np.ndarray:
    """Average every ``step`` entries along the first axis, adding slices, which is quick."""
    total = values[::step].astype(np.float32)
    count = np.ones((len(total), 1, 1), dtype=np.float32)
    for start in range(1, step):
        part = values[start::step]
        total[: len(part)] += part
        count[: len(part)] += 1
    return total / count


def block_affine(affine: np.ndarray, steps: tuple[int, ...]) -> np.ndarray:
    """Return the affine of the blocks, from that of the voxels."""
    scale = np.diag([*steps, 1.0])
    scale[:3, 3] = (np.asarray(steps) - 1) / 2
    return affine @ scale


def normalise_intensity(values: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Put intensities on a common scale, whatever the scanner's.

    Parameters
    ----------
    values : ndarray of shape (n_x, n_y, n_z)
        Volume on a grid.
    inside : ndarray of shape (n_x, n_y, n_z), dtype bool
        Voxels of the brain.

    Returns
    -------
    ndarray of shape (n_x, n_y, n_z), dtype float32
        The 99th percentile inside is 1. Zero stays zero, unless there are negative
        values: then the 1st percentile is 0. Cut at 0 and 1.5.

    Raises
    ------
    VolumeError
        When the voxels inside do not differ.

    Examples
    --------
    >>> import numpy as np
    >>> from adestim.modalities.smri.volume import normalise_intensity
    >>> values = np.linspace(0, 500, 101).reshape(101, 1, 1)
    >>> normalise_intensity(values, values >= 0).ravel()[[0, 99, 100]].round(2)
    array([0.  , 1.  , 1.01], dtype=float32)
    """
    low, high = np.percentile(values[inside], [DARKEST_PERCENTILE, BRIGHTEST_PERCENTILE])
    if not high > low:
        raise VolumeError(
            "The brain of a T1w volume must show differences of intensity",
            got=f"{high:g} at its 1st and its 99th percentile",
            remedy="Look at the image: it is blank or saturated where the brain should be",
        )
    low = low if values[inside].min() < 0 else 0.0
    return np.clip((values - low) / (high - low), 0, 1.5).astype(np.float32)
