"""T1-weighted volumes: nilearn's bundled templates, changed as the measurements say."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.ndimage import distance_transform_edt, gaussian_filter, map_coordinates

from adestim.datasets.simulation.tasks import MEASURES

# Centres in mm (MNI), radius in mm, log-scale of grey matter per standard deviation.
REGIONS = {
    "hippocampus": (
        ((-25, -12, -22), (25, -12, -22), (-25, -38, -2), (25, -38, -2)),
        10.0,
        0.15,
    ),
    "temporoparietal": (
        ((-56, -40, -4), (56, -40, -4), (-44, -62, 40), (44, -62, 40), (0, -58, 32)),
        16.0,
        0.12,
    ),
    "putamen": (((-27, 4, 2), (27, 4, 2)), 8.0, 0.08),
}
# An older control has less grey matter than the young brains of the template.
BASELINE = {"hippocampus": -0.25, "temporoparietal": -0.12, "putamen": -0.05}
# The lateral ventricles are the fluid inside this box, in mm: x either way, y, z.
VENTRICLE_BOX = ((0, 32), (-56, 40), (0, 32))
VENTRICLE_REACH = 12.0
# Their walls move so far out, in mm, per standard deviation (.35 of log volume).
VENTRICLE_MM = 1.0
VENTRICLE_BASELINE_MM = 1.5
VENTRICLE_LIMITS_MM = (-1.0, 6.0)
DEFORMATION_MM = 1.2
INTENSITY = {"csf": 45.0, "grey": 115.0, "white": 165.0}


@dataclass(frozen=True, eq=False)
class Template:
    """The bundled templates on one grid."""

    grey: np.ndarray  # (x, y, z)
    white: np.ndarray
    brain: np.ndarray  # (x, y, z)
    affine: np.ndarray  # (4, 4); voxel to mm
    # (x, y, z); one in the middle of a region, falling to zero around it
    regions: dict[str, np.ndarray]
    # (3, x, y, z); the way out of the ventricles, in voxels a mm, fading with distance
    outward: np.ndarray
    # (n_waves, x, y, z); smooth functions of unit variance, of which a random deformation is made
    waves: np.ndarray


@lru_cache(maxsize=2)
def load_brain_maps(resolution: int) -> Template:
    """Load the templates at a resolution in mm, and what is computed from the grid alone."""
    from nilearn.datasets import (
        load_mni152_brain_mask,
        load_mni152_gm_template,
        load_mni152_wm_template,
    )

    image = load_mni152_gm_template(resolution=resolution)
    grey = image.get_fdata(dtype=np.float32)
    white = load_mni152_wm_template(resolution=resolution).get_fdata(dtype=np.float32)
    brain = load_mni152_brain_mask(resolution=resolution).get_fdata() > 0
    mm = make_grid_mm(grey.shape, image.affine)
    return Template(
        grey=np.clip(grey, 0, 1),
        white=np.clip(white, 0, 1 - np.clip(grey, 0, 1)),
        brain=brain,
        affine=image.affine,
        regions={name: make_blob(mm, region[0], region[1]) for name, region in REGIONS.items()},
        outward=make_ventricle_field(brain * (1 - grey - white), mm, resolution),
        waves=make_cosine_waves(grey.shape),
    )


def make_grid_mm(shape: tuple[int, ...], affine: np.ndarray) -> np.ndarray:
    """Return the coordinates of every voxel in mm, shape (3, x, y, z)."""
    voxels = np.indices(shape, dtype=np.float32)
    rotated = np.tensordot(affine[:3, :3], voxels, axes=1)
    return (rotated + affine[:3, 3][:, None, None, None]).astype(np.float32)


def make_blob(mm: np.ndarray, centres, radius: float) -> np.ndarray:
    """Return the largest of the Gaussians around the centres, shape (x, y, z)."""
    away = [mm - np.array(centre)[:, None, None, None] for centre in centres]
    nearest = np.min([(way**2).sum(axis=0) for way in away], axis=0)
    return np.exp(-nearest / (2 * radius**2)).astype(np.float32)


def make_ventricle_field(fluid: np.ndarray, mm: np.ndarray, resolution: float) -> np.ndarray:
    """Return the way out of the ventricles, fading with distance, shape (3, x, y, z)."""
    within = [
        (place >= low) & (place <= high)
        for place, (low, high) in zip((np.abs(mm[0]), mm[1], mm[2]), VENTRICLE_BOX, strict=True)
    ]
    outside = ~((fluid > 0.5) & np.logical_and.reduce(within))
    if outside.all():
        return np.zeros_like(mm)
    distance = distance_transform_edt(outside, sampling=resolution)
    out = np.array(np.gradient(gaussian_filter(distance, 1.0), resolution))
    return (out * np.exp(-distance / VENTRICLE_REACH) / resolution).astype(np.float32)


def make_cosine_waves(shape: tuple[int, ...], n_per_axis: int = 3) -> np.ndarray:
    """Return products of low cosines, each of unit variance, shape (n_waves, x, y, z)."""
    axes = [np.cos(np.pi * np.outer(np.arange(n_per_axis), np.linspace(0, 1, n))) for n in shape]
    waves = np.einsum("ai,bj,ck->abcijk", *axes).reshape(-1, *shape)[1:]
    return (waves / waves.std(axis=(1, 2, 3), keepdims=True)).astype(np.float32)


@dataclass(frozen=True)
class Scanner:
    """What a site's scanner does to intensities."""

    gain: float
    contrast: float
    bias: tuple[float, ...]
    noise: float


def draw_scanner(site: int) -> Scanner:
    """Return the scanner of a site; the same in every cohort."""
    draw = np.random.default_rng([4519, int(site)])
    return Scanner(
        gain=float(draw.uniform(0.80, 1.20)),
        contrast=float(draw.uniform(-8, 8)),
        bias=tuple(float(slope) for slope in draw.uniform(-0.06, 0.06, 3)),
        noise=float(draw.uniform(3, 6)),
    )


def make_t1w(measures: np.ndarray, site: int, resolution: float, random_state: np.random.Generator):
    """Return a skull-stripped T1-weighted volume in MNI space.

    measures (n_measures,).
    """
    from nibabel import Nifti1Image

    template = load_brain_maps(int(resolution))
    size = dict(zip(MEASURES, measures, strict=True))
    grey, white = warp_image(template, size["ventricles"], resolution, random_state)
    grey = np.minimum(grey * np.exp(compute_atrophy(template, size)), 1 - white)
    volume = scan_image(template, grey, white, draw_scanner(site), random_state)
    image = Nifti1Image(volume, template.affine)
    image.header.set_xyzt_units("mm")
    return image


def compute_atrophy(template: Template, size: dict[str, float]) -> np.ndarray:
    """Return the log-scale of grey matter, shape (x, y, z)."""
    loss = np.zeros(template.grey.shape, dtype=np.float32)
    for name, weight in template.regions.items():
        loss += weight * (BASELINE[name] + REGIONS[name][2] * size[name])
    return loss


def warp_image(
    template: Template, ventricles: float, resolution: float, random_state: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Widen the ventricles and deform the head smoothly; return grey and white fractions."""
    weights = random_state.standard_normal((3, len(template.waves))).astype(np.float32)
    scale = DEFORMATION_MM / resolution / np.sqrt(len(template.waves))
    wider = np.clip(VENTRICLE_BASELINE_MM + VENTRICLE_MM * ventricles, *VENTRICLE_LIMITS_MM)
    places = np.indices(template.grey.shape, dtype=np.float32)
    places += scale * np.tensordot(weights, template.waves, axes=1)
    places -= wider * template.outward
    return tuple(
        map_coordinates(tissue, places, order=1, mode="nearest")
        for tissue in (template.grey, template.white)
    )


def scan_image(
    template: Template,
    grey: np.ndarray,
    white: np.ndarray,
    scanner: Scanner,
    random_state: np.random.Generator,
) -> np.ndarray:
    """Turn tissue fractions into the intensities a scanner gives, shape (x, y, z), uint8."""
    fluid = np.clip(1 - grey - white, 0, 1)
    ideal = (
        INTENSITY["csf"] * fluid
        + (INTENSITY["grey"] + scanner.contrast) * grey
        + INTENSITY["white"] * white
    )
    ramps = np.meshgrid(*[np.linspace(-1, 1, n) for n in grey.shape], indexing="ij", sparse=True)
    bias = 1 + sum(slope * ramp for slope, ramp in zip(scanner.bias, ramps, strict=True))
    noise = scanner.noise * random_state.standard_normal(grey.shape, dtype=np.float32)
    volume = np.clip(scanner.gain * bias * ideal + noise, 1, 255)
    return np.where(template.brain, volume, 0).astype(np.uint8)
