"""The reference backbone: regional tissue volumes of one T1-weighted volume. No weights."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from adestim.encoding import BackboneSpec
from adestim.exceptions import VolumeError
from adestim.modalities.smri.brain_extraction import BrainExtraction, name_extraction
from adestim.modalities.smri.grid import Grid
from adestim.modalities.smri.parcellation import Parcellation, builtin_parcellation
from adestim.modalities.smri.registration import register_affine
from adestim.modalities.smri.template import Template, load_template, require_mni
from adestim.modalities.smri.tissue import TissueSegmentation, segment_tissues
from adestim.modalities.smri.volume import (
    GridVolume,
    normalise_intensity,
    read_volume,
    resample_to_grid,
)

FEATURE_NAMES = (
    "volume",
    "relative_volume",
    "grey_fraction",
    "white_fraction",
    "asymmetry",
    "intensity_mean",
    "intensity_spread",
)
PER_MILLE = 1000.0
MIN_REGION_SEEN = 0.5
WHEN_REGISTRATION_FAILED = (
    "The affine registration has failed: look at the image, or register it with another tool"
)


@dataclass(frozen=True)
class Morphometry:
    """One T1-weighted volume in, one token a region out. Picklable."""

    grid: Grid  # where tissues are measured, in MNI152 space
    # regions on that grid; None: the built-in ones
    parcellation: Parcellation | None = field(default=None, repr=False)
    # how a volume is brought to MNI152 space; None: it is there already
    registration: str | None = None
    # voxel indices to mm, shape (4, 4), of volumes given as arrays
    affine: tuple[tuple[float, ...], ...] | None = None
    # how the skull is taken off; None: it stays
    extraction: BrainExtraction | None = None

    def __call__(self, source: Any) -> tuple[np.ndarray, np.ndarray]:
        """Read one volume and measure it; see :func:`region_features`."""
        template = load_template(self.grid)
        image = read_volume(source, affine=self.affine)
        if self.extraction is not None:
            image = self.extraction(image, source)
        if self.registration is None:
            volume = resample_to_grid(image, self.grid)
            require_mni(volume, template)
        else:
            volume = resample_to_grid(register_affine(image), self.grid)
            require_mni(volume, template, remedy=WHEN_REGISTRATION_FAILED)
        return region_features(volume, template, self.regions())

    def regions(self) -> Parcellation:
        """Return the regions; the built-in ones are made once a process."""
        return builtin_parcellation(self.grid) if self.parcellation is None else self.parcellation

    def spec(self) -> BackboneSpec:
        """Return the name tag: what the tokens are and how they were made."""
        regions = self.regions()
        return BackboneSpec(
            "morphometry",
            options=(
                ("token_names", regions.names),
                ("feature_names", FEATURE_NAMES),
                ("resolution", self.grid.resolution),
                ("registration", self.registration),
                ("affine", self.affine),
                ("parcellation", regions.digest),
                *name_extraction(self.extraction),
            ),
        )


def region_features(
    volume: GridVolume, template: Template, parcellation: Parcellation
) -> tuple[np.ndarray, np.ndarray]:
    """Measure every region of a volume.

    -> tokens (n_regions, n_features), mask (n_regions,).
    """
    seen = template.brain & volume.seen
    normalised = normalise_intensity(volume.values, seen)
    segmentation = segment_tissues(
        normalised[seen], template.tissues[:, seen], template.grid.centres()[seen]
    )
    require_t1_contrast(segmentation)
    return features_of(segmentation, seen, template, parcellation)


def require_t1_contrast(segmentation: TissueSegmentation) -> None:
    """Refuse a volume whose white matter is not brighter than its CSF."""
    csf, _, white = segmentation.means
    if not white > csf:
        raise VolumeError(
            "White matter must be brighter than CSF in a T1-weighted volume",
            got=f"{white:.2f} and {csf:.2f} of its brightest value",
            remedy="Check that the image is T1-weighted, and not inverted",
        )


def features_of(
    segmentation: TissueSegmentation,
    seen: np.ndarray,
    template: Template,
    parcellation: Parcellation,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the features of all regions and which of them the image shows."""
    sums = RegionSums(parcellation.labels[seen], parcellation.n_regions)
    n_seen = np.maximum(sums(), 1)
    share = np.stack([sums(fraction) for fraction in segmentation.fractions]) / n_seen
    filled = np.where(parcellation.is_fluid, share[0], share[1] + share[2])
    # Voxels that the image does not show count as the rest of their region does.
    size = region_sizes(template, parcellation) * template.grid.voxel_ml
    volume = filled * size
    brain = segmentation.fractions[1:].sum() * template.grid.voxel_ml
    intensity = segmentation.relative_intensity()
    mean = sums(intensity) / n_seen
    spread = np.sqrt(np.maximum(sums(intensity**2) / n_seen - mean**2, 0))
    columns = {
        "volume": volume,
        "relative_volume": PER_MILLE * volume / brain,
        "grey_fraction": share[1],
        "white_fraction": share[2],
        "asymmetry": asymmetry(volume, parcellation.pairs),
        "intensity_mean": mean,
        "intensity_spread": spread,
    }
    mask = sums() >= MIN_REGION_SEEN * region_sizes(template, parcellation)
    tokens = np.stack([columns[name] for name in FEATURE_NAMES], axis=1)
    return np.where(mask[:, None], tokens, 0).astype(np.float32), mask


@dataclass(frozen=True, eq=False)
class RegionSums:
    """Add up the voxels of every region."""

    labels: np.ndarray  # (n_voxels,); 0 none, k the k-th region
    n_regions: int

    def __call__(self, values: np.ndarray | None = None) -> np.ndarray:
        """Return sums of values, or numbers of voxels, shape (n_regions,)."""
        return np.bincount(self.labels, weights=values, minlength=self.n_regions + 1)[1:]


def region_sizes(template: Template, parcellation: Parcellation) -> np.ndarray:
    """Return the number of voxels of every region, inside the brain, shape (n_regions,)."""
    return RegionSums(parcellation.labels[template.brain], parcellation.n_regions)()


def asymmetry(volume: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """Return the difference between a region and its counterpart, over their mean."""
    difference, total = volume - volume[pairs], volume + volume[pairs]
    return np.divide(2 * difference, total, out=np.zeros_like(total), where=total > 0)
