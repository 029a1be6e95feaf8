"""What a foundation model expects of a volume's intensities: a brain, and a scale."""

from __future__ import annotations

from typing import Any

import numpy as np

from adestim.exceptions import VolumeError
from adestim.modalities._nifti import image_values

FAINT = 1e-3
# An adult's brain with its fluid has 1 to 2 litres, a head more than 3.
MIN_BRAIN_ML = 300.0
MAX_BRAIN_ML = 2800.0
MIN_BACKGROUND = 0.1
MAX_NEGATIVE = 0.01


def clean_background(image: Any) -> Any:
    """Set the faintest voxels to zero, those of at most a thousandth of the brightest.

    Interpolation by splines leaves tiny numbers where a skull-stripped image had zeros.
    """
    import nibabel

    values = image_values(image, VolumeError)
    faint = np.abs(values) <= FAINT * np.abs(values).max()
    return nibabel.Nifti1Image(np.where(faint, np.float32(0), values), image.affine)


def require_brain(image: Any) -> None:
    """Refuse a volume that shows less than any brain, or intensities around zero."""
    values = image_values(image, VolumeError)
    size = foreground_ml(image)
    if size < MIN_BRAIN_ML:
        raise VolumeError(
            f"A volume must show {MIN_BRAIN_ML:g} mL of voxels above zero, as every brain does",
            got=f"{size:.0f} mL",
            remedy="Look at the image, and check that its affine is in mm",
        )
    above = values[values > 0]
    if above.min() == above.max():
        raise VolumeError(
            "The voxels above zero must differ",
            got=f"{above.size} voxels of the same value, as in a mask",
            remedy="Pass the T1w volume itself",
        )
    negative = float(np.mean(values < 0))
    if negative > MAX_NEGATIVE:
        raise VolumeError(
            "Intensities must be positive, with the background at zero",
            got=f"{negative:.0%} of the voxels below zero",
            remedy="Pass the volume as it was before its intensities were standardised",
        )


def is_skull_stripped(image: Any) -> bool:
    """Tell whether a volume shows a brain in a background of exact zeros."""
    background = float(np.mean(image_values(image, VolumeError) == 0))
    return background >= MIN_BACKGROUND and foreground_ml(image) <= MAX_BRAIN_ML


def foreground_ml(image: Any) -> float:
    """Return the volume of the voxels above zero, in mL."""
    voxel_ml = abs(float(np.linalg.det(image.affine[:3, :3]))) / 1000
    return np.count_nonzero(image_values(image, VolumeError) > 0) * voxel_ml


def require_skull_stripped(image: Any, model: str) -> None:
    """Refuse a volume that is no brain in a background of exact zeros."""
    require_brain(image)
    if not is_skull_stripped(image):
        background = float(np.mean(image_values(image, VolumeError) == 0))
        raise VolumeError(
            f"{model} reads skull-stripped volumes whose background is exactly zero",
            got=f"{background:.0%} of zeros and {foreground_ml(image) / 1000:.1f} L above zero",
            remedy="Strip the skull first: pass brain_extraction='deepbet', or 'mask' with masks "
            "of HD-BET beside the images",
        )


def scale_percentiles(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """Bring one percentile to 0 and another to 1, and cut what is beyond."""
    bottom, top = np.percentile(values, [low, high])
    if not top > bottom:
        raise VolumeError(
            f"A volume's {low:g}th and {high:g}th percentile must differ",
            got=f"{top:g} for both",
            remedy="Look at the image: it is blank or saturated where the brain should be",
        )
    return np.clip((values - bottom) / (top - bottom), 0, 1).astype(np.float32)


def standardise_intensities(values: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Bring the mean of some voxels to 0 and their standard deviation to 1.

    values (n_x, n_y, n_z), inside (n_x, n_y, n_z) -> (n_x, n_y, n_z).
    """
    chosen = values[inside].astype(np.float64)
    spread = float(chosen.std()) if chosen.size else 0.0
    if not spread > 0:
        raise VolumeError(
            "The voxels above zero must differ",
            got=f"{chosen.size} voxels of the same value",
            remedy="Look at the image: it is blank, saturated, or a mask",
        )
    return ((values - chosen.mean()) / spread).astype(np.float32)
