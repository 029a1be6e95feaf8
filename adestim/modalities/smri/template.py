"""The bundled MNI152 template on a grid, and whether a volume lies where it does."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.ndimage import gaussian_filter

from adestim.exceptions import VolumeError
from adestim.modalities.smri.background import DARKEST_PERCENTILE
from adestim.modalities.smri.grid import Grid
from adestim.modalities.smri.volume import GridVolume, resample_to_grid

TISSUES = ("csf", "grey", "white")

# Extent of the bundled brain mask in mm, and the corner of nilearn's own templates.
BRAIN_LOW, BRAIN_HIGH = (-72, -107, -72), (73, 74, 83)
TEMPLATE_CORNER = (-98, -134, -72)

MIN_LIKENESS = 0.4
MIN_COVERAGE = 0.6
LIKENESS_FWHM = 6.0
FWHM_PER_SIGMA = 2.3548
N_RESOLUTIONS_REMEMBERED = 4
HOW_TO_REGISTER = (
    "Register it first (fMRIPrep and Clinica's t1-linear write MNI outputs), or pass "
    "registration='affine' to the extractor"
)


@dataclass(frozen=True, eq=False)
class Template:
    """The MNI152 template and its tissue maps on a grid. Shared and read-only."""

    grid: Grid  # where the voxels are
    t1w: np.ndarray  # (n_x, n_y, n_z); skull-stripped T1-weighted intensities, from 0 to 1
    brain: np.ndarray  # (n_x, n_y, n_z); brain, ventricles and sulci included
    # (3, n_x, n_y, n_z); share of each of ``TISSUES`` in a voxel; they add up to 1 in the brain, to
    # 0 outside
    tissues: np.ndarray


def mni_grid(resolution: float) -> Grid:
    """Return the grid of cubes that holds the MNI152 brain, symmetric about the midline.

    No voxel's centre lies on the midline, so that every voxel is left or right. Along y and z
    the grid is that of nilearn's ``load_mni152_template`` at the same resolution.
    """
    half = int(np.ceil(BRAIN_HIGH[0] / resolution))
    y, n_y = lattice_over(1, resolution)
    z, n_z = lattice_over(2, resolution)
    return Grid((2 * half, n_y, n_z), ((0.5 - half) * resolution, y, z), float(resolution))


def lattice_over(axis: int, resolution: float) -> tuple[float, int]:
    """Return the first centre in mm, and the number, of nilearn's voxels that hold the brain."""
    corner = TEMPLATE_CORNER[axis]
    first = corner + resolution * np.floor((BRAIN_LOW[axis] - corner) / resolution)
    return float(first), int(np.ceil((BRAIN_HIGH[axis] - first) / resolution)) + 1


@lru_cache(maxsize=N_RESOLUTIONS_REMEMBERED)
def load_template(grid: Grid) -> Template:
    """Bring nilearn's bundled template and tissue maps to a grid; nothing is downloaded.

    Fonov et al. (2011). Unbiased average age-appropriate atlases for pediatric studies.
    NeuroImage 54(1), 313-327.
    """
    from nilearn.datasets import (
        load_mni152_brain_mask,
        load_mni152_gm_template,
        load_mni152_template,
        load_mni152_wm_template,
    )

    brain, t1w, grey, white = (
        on_grid(load(resolution=1), grid)
        for load in (
            load_mni152_brain_mask,
            load_mni152_template,
            load_mni152_gm_template,
            load_mni152_wm_template,
        )
    )
    inside = brain > 0.5
    tissues = inside * np.stack([np.clip(1 - grey - white, 0, 1), grey, white])
    tissues /= np.maximum(tissues.sum(axis=0), np.finfo(np.float32).tiny)
    for array in (t1w, inside, tissues):
        array.setflags(write=False)
    return Template(grid, t1w, inside, tissues)


def on_grid(image, grid: Grid) -> np.ndarray:
    """Return a map's mean in every voxel of a grid, zeros counted."""
    volume = resample_to_grid(image, grid)
    return volume.values * volume.support


def template_likeness(volume: GridVolume, template: Template) -> float:
    """Correlate a volume with the template inside the brain, both smoothed by 6 mm."""
    sigma = LIKENESS_FWHM / FWHM_PER_SIGMA / template.grid.resolution
    shown = volume.values[volume.seen]
    # What a volume of signed intensities does not show is dark, not of middling brightness.
    dark = min(0.0, float(np.percentile(shown, DARKEST_PERCENTILE))) if shown.size else 0.0
    values = np.where(volume.seen, volume.values, np.float32(dark))
    pair = [gaussian_filter(layer, sigma)[template.brain] for layer in (values, template.t1w)]
    if min(np.ptp(layer) for layer in pair) == 0:
        return 0.0
    return float(np.corrcoef(*pair)[0, 1])


def require_mni(volume: GridVolume, template: Template, remedy: str = HOW_TO_REGISTER) -> None:
    """Refuse a volume that does not lie where the template does."""
    rule = "A T1w volume must be in MNI152 space"
    coverage = float(volume.support[template.brain].mean())
    if coverage < MIN_COVERAGE:
        raise VolumeError(
            rule, got=f"an image that shows {coverage:.0%} of the template's brain", remedy=remedy
        )
    likeness = template_likeness(volume, template)
    if likeness < MIN_LIKENESS:
        raise VolumeError(
            rule,
            got=f"a correlation of {likeness:.2f} with the template (below {MIN_LIKENESS})",
            remedy=f"{remedy}; check as well that it is T1-weighted",
        )
