"""ASL volumes from files."""

from typing import Any

import nibabel
import numpy as np

from adestim.exceptions import VolumeError

SHAPE = (8, 8, 8)
# Cubes of 20 mm around the middle of the brain.
AFFINE = np.array([[20, 0, 0, -70], [0, 20, 0, -90], [0, 0, 20, -60], [0, 0, 0, 1]], float)


def read_flow(cell: Any) -> np.ndarray:
    """Return the perfusion of one volume, relative to its mean."""
    image = nibabel.load(cell)
    if image.shape != SHAPE:
        raise VolumeError("A ASL volume must have 8 x 8 x 8 voxels", got=f"shape {image.shape}")
    values = image.get_fdata(dtype=np.float32)
    return values / values.mean()
