"""Affine registration to the bundled MNI152 template, by DIPY."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np

from adestim.exceptions import MissingDependencyError, VolumeError
from adestim.modalities._nifti import image_values
from adestim.modalities.smri.background import lift_intensities
from adestim.modalities.smri.grid import block_affine, block_mean, block_steps
from adestim.modalities.smri.template import load_template, mni_grid
from adestim.modalities.smri.volume import volume_support

REGISTRATION_RESOLUTION = 4.0
STAGES = ("center_of_mass", "translation", "rigid", "affine")
LEVEL_ITERATIONS = (200, 100, 50)
SMOOTHING_SIGMAS = (3.0, 1.0, 0.0)
SHRINKING_FACTORS = (4, 2, 1)
MIN_GROWTH = 0.2


def register_affine(image: Any) -> Any:
    """Bring a volume to MNI152 space by twelve parameters, without touching its voxels.

    Mutual information with the skull-stripped template, inside the template's brain, at 4 mm.

    Garyfallidis et al. (2014). Dipy, a library for the analysis of diffusion MRI data.
    Frontiers in Neuroinformatics 8, 8.
    """
    import nibabel

    affine_registration = require_dipy()
    template = load_template(mni_grid(REGISTRATION_RESOLUTION))
    steps = block_steps(image.affine, REGISTRATION_RESOLUTION / 2)
    values = image_values(image, VolumeError)
    lifted = lift_intensities(values, volume_support(values))
    quiet = logging.getLogger("dipy")
    level = quiet.level
    quiet.setLevel(logging.WARNING)
    try:
        _, to_native = affine_registration(
            block_mean(lifted, steps).astype(float),
            template.t1w.astype(float),
            moving_affine=block_affine(image.affine, steps),
            static_affine=template.grid.affine,
            static_mask=template.brain.astype(np.int32),
            pipeline=list(STAGES),
            level_iters=list(LEVEL_ITERATIONS),
            sigmas=list(SMOOTHING_SIGMAS),
            factors=list(SHRINKING_FACTORS),
        )
    finally:
        quiet.setLevel(level)
    require_plausible(to_native)
    return nibabel.Nifti1Image(values, np.linalg.inv(to_native) @ image.affine)


def require_plausible(to_native: np.ndarray) -> None:
    """Refuse a transformation that turns a head inside out or into a point."""
    growth = np.linalg.det(to_native[:3, :3]) if np.isfinite(to_native).all() else np.nan
    if not MIN_GROWTH < growth < 1 / MIN_GROWTH:
        raise VolumeError(
            "An affine registration must find a plausible transformation",
            got=f"a change of volume by a factor of {growth:.3g}",
            remedy="Look at the image, or register it with another tool and pass the result",
        )


def require_dipy() -> Any:
    """Return DIPY's registration, or say how to get it."""
    try:
        from dipy.align import affine_registration
    except ImportError as failure:
        raise MissingDependencyError(
            "registration='affine' needs the package DIPY",
            got="no dipy to import",
            remedy="pip install 'adestim[registration]', or pass volumes in MNI152 space",
        ) from failure
    return affine_registration
