"""The reference backbone: standardised uptake value ratios (SUVR) by region. No weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.ndimage import map_coordinates

from adestim.encoding import BackboneSpec
from adestim.exceptions import VolumeError
from adestim.modalities.pet.regions import Regions
from adestim.modalities.pet.tracers import Equation

# Share of a region that an image must show.
MIN_SHOWN = 0.5


@dataclass(frozen=True)
class SuvrModel:
    """One volume of uptake in, one token a region out. Picklable."""

    regions: Regions
    reference: Regions
    equation: Equation | None = None  # what turns ratios into Centiloids

    def __call__(self, image: Any) -> tuple[np.ndarray, np.ndarray]:
        """Return tokens (n_regions, 1) and which regions the image shows, (n_regions,)."""
        means, shown = measure_means(image, self.regions)
        [below], [covered] = measure_means(image, self.reference)
        require_overlap(max(shown.max(), covered))
        require_reference(below, covered)
        mask = shown >= MIN_SHOWN
        ratios = np.where(mask, means, 0) / below
        if self.equation is not None:
            ratios = self.equation.slope * ratios + self.equation.intercept
        return np.where(mask, ratios, 0)[:, None].astype(np.float32), mask

    def spec(self, *options: tuple) -> BackboneSpec:
        """Return the name tag: what the tokens are and how they were made."""
        feature = "suvr" if self.equation is None else "centiloid"
        return BackboneSpec(
            "suvr",
            options=(
                ("token_names", self.regions.names),
                ("feature_names", (feature,)),
                ("label_values", self.regions.values),
                ("parcellation", self.regions.digest),
                ("reference", self.reference.digest),
                *options,
            ),
        )


def measure_means(image: Any, regions: Regions) -> tuple[np.ndarray, np.ndarray]:
    """Return mean uptake, and the share that the image shows, of every region, (n_regions,).

    Uptake is interpolated linearly at the centres of the regions' voxels.
    """
    places = np.argwhere(regions.codes > 0)
    codes = regions.codes[tuple(places.T)]
    values, seen = sample_uptake(image, places, regions.affine)
    n_regions = len(regions.names) + 1
    n_voxels = np.bincount(codes, minlength=n_regions)[1:]
    n_seen = np.bincount(codes, weights=seen, minlength=n_regions)[1:]
    sums = np.bincount(codes, weights=np.where(seen, values, 0), minlength=n_regions)[1:]
    return sums / np.maximum(n_seen, 1), n_seen / n_voxels


def sample_uptake(
    image: Any, places: np.ndarray, affine: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return uptake at voxels of another grid, and whether the image shows it there.

    places (n_places, 3), affine (4, 4) -> (n_places,), (n_places,).
    """
    values = np.asanyarray(image.dataobj)
    if np.allclose(affine, image.affine) and (places.max(axis=0) < values.shape).all():
        found = values[tuple(places.T)]
        return np.nan_to_num(found), np.isfinite(found)
    to_voxels = np.linalg.inv(image.affine) @ affine
    coordinates = (places @ to_voxels[:3, :3].T + to_voxels[:3, 3]).T
    layers = (np.nan_to_num(values), np.isfinite(values).astype(np.float32))
    found, support = (
        map_coordinates(layer, coordinates, order=1, mode="constant", output=np.float64)
        for layer in layers
    )
    seen = support >= MIN_SHOWN
    return np.divide(found, support, out=np.zeros_like(found), where=seen), seen


def require_overlap(largest: float) -> None:
    """Refuse an image that lies elsewhere."""
    if largest < MIN_SHOWN:
        raise VolumeError(
            "A PET image must be in the space of the parcellation",
            got=f"at most {largest:.0%} of any region, or of the reference, within the image",
            remedy="Normalise it to MNI152 space, or pass a parcellation in its space",
        )


def require_reference(below: float, covered: float) -> None:
    """Refuse a reference region that the image does not show, or that took nothing up."""
    if covered < MIN_SHOWN:
        raise VolumeError(
            "A PET image must show at least half of the reference region",
            got=f"{covered:.0%}",
            remedy="Look whether the field of view cuts the cerebellum off; choose another "
            "reference=, or leave the cell empty",
        )
    if not below > 0:
        raise VolumeError(
            "The mean uptake of the reference region must be above 0",
            got="0 or less",
            remedy="Look whether the image is in the parcellation's space and holds uptake",
        )
