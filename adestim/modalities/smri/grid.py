"""Regular grids of voxels in mm, and values brought from one to another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import affine_transform


@dataclass(frozen=True)
class Grid:
    """A regular grid of cubic voxels whose axes run to the right, the front and the top (RAS)."""

    shape: tuple[int, int, int]  # number of voxels along x, y and z
    origin: tuple[float, float, float]  # centre of the first voxel, in mm
    resolution: float  # edge of a voxel, in mm

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


def interpolate_values(
    layer: np.ndarray, to_voxels: np.ndarray, shape: tuple[int, ...]
) -> np.ndarray:
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


def block_steps(affine: np.ndarray, resolution: float) -> tuple[int, ...]:
    """Return how many voxels along each axis fit into one of the grid's, at least one."""
    sizes = np.linalg.norm(affine[:3, :3], axis=0)
    return tuple(int(step) for step in np.maximum(np.floor(resolution / sizes + 1e-3), 1))


def block_mean(values: np.ndarray, steps: tuple[int, ...]) -> np.ndarray:
    """Average blocks of voxels; an incomplete last block is averaged over what it has.

    values (n_x, n_y, n_z).
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
