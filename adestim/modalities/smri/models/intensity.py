"""What a foundation model expects of a volume's intensities: a brain, and a scale."""

from __future__ import annotations

from typing import Any

import numpy as np

from adestim.exceptions import VolumeError
from adestim.modalities._nifti import image_values

__all__ = [
    "clean_background",
    "is_skull_stripped",
    "require_brain",
    "require_skull_stripped",
    "scale_percentiles",
    "standardise",
]

FAINT = 1e-3
# An adult's brain with its fluid has 1 to 2 litres, a head more than 3.
MIN_BRAIN_ML = 300.0
MAX_BRAIN_ML = 2800.0
MIN_BACKGROUND = 0.1
MAX_NEGATIVE = 0.01


def clean_background(image: Any) -> Any:
    """Set the faintest voxels to zero, those of at most a thousandth of the brightest.

    Interpolation by splines leaves tiny numbers where a skull-stripped image had zeros.

    Parameters
    ----------
    image : nibabel image of 3 dimensions
        Volume.

    Returns
    -------
    nibabel.Nifti1Image

    Examples
    --------
    >>> import nibabel
    >>> import numpy as np
    >>> from adestim.modalities.smri.models.intensity import clean_background
    >>> values = np.array([500.0, -1e-7, 0.3, 2.0], dtype=np.float32).reshape(4, 1, 1)
    >>> clean_background(nibabel.Nifti1Image(values, np.eye(4))).get_fdata().ravel()
    array([500.,   0.,   0.,   2.])
    """
    import nibabel

    values = image_values(image, VolumeError)
    faint = np.abs(values) <= FAINT * np.abs(values).max()
    return nibabel.Nifti1Image(np.where(faint, np.float32(0), values), image.affine)


def require_brain(image: Any) -> None:
    """Refuse a volume that shows less than any brain, or intensities around zero.

    Parameters
    ----------
    image : nibabel image of 3 dimensions
        Volume.

    Raises
    ------
    VolumeError
        When less than 300 mL are above zero, all of these are the same, or more than 1 % of the
        voxels are below.
    """
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
    """Tell whether a volume shows a brain in a background of exact zeros.

    Parameters
    ----------
    image : nibabel image of 3 dimensions
        Volume.

    Returns
    -------
    bool
        False where less than 10 % of the voxels are zero, or more than 2.8 L are not.
    """
    background = float(np.mean(image_values(image, VolumeError) == 0))
    return background >= MIN_BACKGROUND and foreground_ml(image) <= MAX_BRAIN_ML


def foreground_ml(image: Any) -> float:
    """Return the volume of the voxels above zero, in mL."""
    voxel_ml = abs(float(np.linalg.det(image.affine[:3, :3]))) / 1000
    return np.count_nonzero(image_values(image, VolumeError) > 0) * voxel_ml


def require_skull_stripped(image: Any, model: str) -> None:
    """Refuse a volume that is no brain in a background of exact zeros.

    Parameters
    ----------
    image : nibabel image of 3 dimensions
        Volume.
    model : str
        Name of the model, for the message.

    Raises
    ------
    VolumeError
        When the volume shows less than a brain, or is not skull-stripped.
    """
    require_brain(image)
    if not is_skull_stripped(image):
        background = float(np.mean(image_values(image, VolumeError) == 0))
        raise VolumeError(
            f"{model} reads skull-stripped volumes whose background is exactly zero",
            got=f"{background:.0%} of zeros and {foreground_ml(image) / 1000:.1f} L above zero",
            remedy="Strip the skull first, with SynthStrip or HD-BET for instance, or multiply "
            "the volume by its brain mask",
        )


def scale_percentiles(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """Bring one percentile to 0 and another to 1, and cut what is beyond.

    Parameters
    ----------
    values : ndarray
        Intensities; all of them count, zeros too.
    low, high : float
        Percentiles.

    Returns
    -------
    ndarray of the same shape, dtype float32

    Raises
    ------
    VolumeError
        When the percentiles are the same.

    Examples
    --------
    >>> import numpy as np
    >>> from adestim.modalities.smri.models.intensity import scale_percentiles
    >>> scale_percentiles(np.arange(21.0), 5, 95)[[0, 1, 10, 19, 20]]
    array([0. , 0. , 0.5, 1. , 1. ], dtype=float32)
    """
    bottom, top = np.percentile(values, [low, high])
    if not top > bottom:
        raise VolumeError(
            f"A volume's {low:g}th and {high:g}th percentile must differ",
            got=f"{top:g} for both",
            remedy="Look at the image: it is blank or saturated where the brain should be",
        )
    return np.clip((values - bottom) / (top - bottom), 0, 1).astype(np.float32)


def standardise(values: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Bring the mean of some voxels to 0 and their standard deviation to 1.

    Parameters
    ----------
    values : ndarray of shape (n_x, n_y, n_z)
        Volume.
    inside : ndarray of shape (n_x, n_y, n_z), dtype bool
        The voxels that count.

    Returns
    -------
    ndarray of shape (n_x, n_y, n_z), dtype float32
        All voxels, on that scale.

    Raises
    ------
    VolumeError
        When these voxels do not differ.

    Examples
    --------
    >>> import numpy as np
    >>> from adestim.modalities.smri.models.intensity import standardise
    >>> values = np.array([0.0, 1.0, 3.0])
    >>> standardise(values, values > 0)
    array([-2., -1.,  1.], dtype=float32)
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
