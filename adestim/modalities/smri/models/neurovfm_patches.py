"""From a volume to the patches that NeuroVFM reads: thick slices, the head without its air.

Facts: the functions preprocess_image, prepare_for_inference and tokenize_volume of the published
code.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.ndimage import affine_transform

from adestim.exceptions import VolumeError
from adestim.modalities._nifti import image_values

IN_PLANE_MM, SLICE_MM = 1.0, 4.0
AIR_PERCENTILE = 10.0
PERCENTILES = (0.5, 99.5)
SMALLEST_RANGE = 1e-8
AXIAL = 2


def resample_slices(image: Any, slices: str) -> np.ndarray:
    """Return a volume as slices of 4 mm with pixels of 1 mm, the axis of the slices first.

    Of axes to the right, the front and the top; the result's run to the bottom, the back and the
    right, as far as each lies in the plane.
    """
    values = np.asarray(image_values(image, VolumeError), dtype=np.float64)[:, ::-1, ::-1]
    spacing = np.linalg.norm(image.affine[:3, :3], axis=0)
    axis = AXIAL if slices == "axial" else find_slice_axis(values.shape, spacing)
    target = np.where(np.arange(3) == axis, SLICE_MM, IN_PLANE_MM)
    shape = tuple(int(length) for length in np.array(values.shape) * spacing / target)
    # The first voxels share their place; cubic splines lie through the values.
    sampled = affine_transform(values, target / spacing, output_shape=shape, mode="mirror")
    return put_first(sampled, axis)


def find_slice_axis(shape: Sequence[int], spacing: np.ndarray) -> int:
    """Return the axis along which a volume was acquired: that of a length or spacing of its own."""
    if np.ptp(spacing) == 0:
        return AXIAL
    if len(set(shape)) == 3:
        return int(np.argmax(spacing))
    alone = [axis for axis, length in enumerate(shape) if list(shape).count(length) == 1]
    return alone[0] if alone else AXIAL


def put_first(values: np.ndarray, axis: int) -> np.ndarray:
    """Return a volume (x, y, z) with one axis first, the others as an array of slices has them.

    -> (z, y, x), (y, z, x) or (x, y, z).
    """
    order = {0: (0, 1, 2), 1: (1, 2, 0), 2: (2, 1, 0)}[axis]
    return values.transpose(order)


def cut_patches(volume: np.ndarray, patch_size: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """Return the patches without air, and their places on the grid.

    volume (n_d, n_h, n_w) -> places (n_patches, 3), patches (n_patches, n_voxels); intensities from
    0 to 1.
    """
    middle = crop_to_patches(volume, patch_size)
    is_inside = middle > np.percentile(middle, AIR_PERCENTILE)
    low, high = np.percentile(middle, PERCENTILES)
    cut = np.clip(middle, low, high)
    scaled = (cut - cut.min()) / (cut.max() - cut.min() + SMALLEST_RANGE)
    kept = divide(is_inside, patch_size).all(axis=1)
    if not kept.any():
        raise VolumeError(
            "A volume must have patches of 16 x 16 x 16 mm that lie within the head",
            got="none without air",
            remedy="Look at the image, and check that its affine is in mm",
        )
    grid = np.array(middle.shape) // np.array(patch_size)
    places = np.indices(grid).reshape(3, -1).T
    return places[kept], divide(scaled, patch_size)[kept].astype(np.float32)


def crop_to_patches(volume: np.ndarray, patch_size: Sequence[int]) -> np.ndarray:
    """Return the middle of a volume that whole patches fill."""
    over = [length % size for length, size in zip(volume.shape, patch_size, strict=True)]
    if any(length < size for length, size in zip(volume.shape, patch_size, strict=True)):
        raise VolumeError(
            "A volume must be at least one patch of 16 x 16 x 16 mm large",
            got=f"{' x '.join(map(str, volume.shape))} voxels, slices of 4 mm first",
            remedy="Check that the affine is in mm",
        )
    parts = [
        slice(rest // 2, rest // 2 + length - rest)
        for rest, length in zip(over, volume.shape, strict=True)
    ]
    return volume[tuple(parts)]


def divide(volume: np.ndarray, patch_size: Sequence[int]) -> np.ndarray:
    """Return a volume's patches, the last axis running fastest, (n_patches, n_voxels)."""
    (d, h, w), (p, q, r) = volume.shape, patch_size
    blocks = volume.reshape(d // p, p, h // q, q, w // r, r)
    return blocks.transpose(0, 2, 4, 1, 3, 5).reshape(-1, p * q * r)
