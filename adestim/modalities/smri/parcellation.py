"""Regions of the brain: a built-in coarse set from bundled data, or the user's label image."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from typing import Any

import numpy as np
import pandas as pd
from scipy.ndimage import distance_transform_edt
from scipy.spatial import cKDTree

from adestim._support.remarks import remark_of
from adestim.exceptions import DataWarning, InputError, VolumeError
from adestim.modalities._labels import spell_labels
from adestim.modalities._nifti import is_path, label_values, open_nifti
from adestim.modalities.smri.grid import Grid
from adestim.modalities.smri.seeds import seitzman_seeds
from adestim.modalities.smri.template import Template, load_template

MIN_GREY = 0.25
MIN_CSF = 0.5
MIN_WHITE = 0.5
# Where the lateral ventricles are, in mm: |x|, y, z; and the cistern between their atria.
VENTRICLE_LOW, VENTRICLE_HIGH = (0, -56, -4), (36, 34, 32)
CISTERN_BEHIND, CISTERN_WITHIN = -22.0, 11.0
VENTRICLE_REACH = 3.0
ANTERIOR = 0.0
MIN_ATLAS_OVERLAP = 0.5
FLUID_STRUCTURES = ("lateral_ventricle", "sulcal_csf")
BESIDE_VENTRICLE = ("hippocampus", "amygdala")
SIDE = re.compile(
    r"(?P<before>^|[^A-Za-z])(?P<side>left|right|lh|rh|l|r)(?P<after>$|[^A-Za-z])", re.IGNORECASE
)
N_GRIDS_REMEMBERED = 4


@dataclass(frozen=True, eq=False)
class Parcellation:
    """Regions on a grid. Shared and read-only."""

    names: tuple[str, ...]
    labels: np.ndarray  # (n_x, n_y, n_z); 0 is outside, k the k-th region
    # (n_regions,); place of the region of the same name on the other side; a region's own place
    # where there is none
    pairs: np.ndarray
    # (n_regions,); true for the regions whose volume is that of their CSF, not of their tissue
    is_fluid: np.ndarray
    digest: str  # digest of names and labels, by which two parcellations are compared

    @property
    def n_regions(self) -> int:
        """Number of regions."""
        return len(self.names)


def parcellation_of(names: Sequence[str], labels: np.ndarray, is_fluid: np.ndarray) -> Parcellation:
    """Return named regions with their pairs and digest."""
    labels = labels.astype(np.int16)
    labels.setflags(write=False)
    digest = blake2b("\n".join(names).encode(), digest_size=16)
    digest.update(np.ascontiguousarray(labels).tobytes())
    return Parcellation(tuple(names), labels, pair_regions(names), is_fluid, digest.hexdigest())


def pair_regions(names: Sequence[str]) -> np.ndarray:
    """Return the place of each region's counterpart, its own where there is none."""
    places = {name.lower(): place for place, name in enumerate(names)}
    return np.array(
        [places.get(other_side(name).lower(), place) for place, name in enumerate(names)], dtype=int
    )


def other_side(name: str) -> str:
    """Exchange left and right in a region's name; names without a side stay as they are."""
    opposite = {"left": "right", "right": "left", "lh": "rh", "rh": "lh", "l": "r", "r": "l"}
    return SIDE.sub(
        lambda found: found["before"] + opposite[found["side"].lower()] + found["after"],
        name,
        count=1,
    )


@lru_cache(maxsize=N_GRIDS_REMEMBERED)
def builtin_parcellation(grid: Grid) -> Parcellation:
    """Return the built-in regions on a grid; nothing is downloaded.

    Every voxel of the bundled grey-matter map goes to the nearest seed within that structure's
    reach. The seeds are the coordinates of Seitzman et al. (2020), folded onto one
    hemisphere, so that every region has a mirror image, and merged: one region a subcortical
    structure, some seven neighbouring seeds of one functional network a cortical region. To
    these come the lateral ventricles with the 3 mm around them, the other CSF, and the white
    matter before and behind the anterior commissure's plane.

    Seitzman et al. (2020). A set of functionally-defined brain regions with improved
    representation of the subcortex and cerebellum. NeuroImage 206, 116290.
    """
    template = load_template(grid)
    structures, structure = grey_structures(template)
    kept = np.isin(structure, [structures.index(name) + 1 for name in BESIDE_VENTRICLE])
    for name, inside in other_structures(template).items():
        # The ventricle widens at the expense of its neighbours, whose rim it therefore has.
        free = ~kept if name == "lateral_ventricle" else structure == 0
        structure[inside & free] = len(structures) + 1
        structures = (*structures, name)
    is_right = grid.centres()[..., 0] > 0
    labels = np.where(structure > 0, 2 * structure - 1 + is_right, 0)
    names = [add_side(name, side) for name in structures for side in "LR"]
    is_fluid = [name.startswith(FLUID_STRUCTURES) for name in names]
    return drop_empty_regions(names, labels, is_fluid)


def add_side(structure: str, side: str) -> str:
    """Put the side before a structure's number."""
    stem, number = re.fullmatch(r"(.*?)(_\d+)?", structure).groups()
    return f"{stem}_{side}{number or ''}"


def grey_structures(template: Template) -> tuple[tuple[str, ...], np.ndarray]:
    """Return the names of the grey structures, and the place of each voxel's, from 1; 0 none."""
    seeds = seitzman_seeds()
    centres = template.grid.centres().astype(float)
    centres[..., 0] = abs(centres[..., 0])
    grey = template.tissues[1] >= MIN_GREY
    deep = template.brain & (template.tissues[0] < MIN_CSF)
    structure = np.zeros(template.grid.shape, dtype=int)
    for layer, inside in ((seeds.subcortical, deep), (~seeds.subcortical, grey)):
        free = inside & (structure == 0)
        distance, nearest = cKDTree(seeds.centres[layer]).query(centres[free])
        nearest = np.flatnonzero(layer)[nearest]
        structure[free] = np.where(
            distance <= seeds.reach[nearest], seeds.structure[nearest] + 1, 0
        )
    return seeds.names, structure


def other_structures(template: Template) -> dict[str, np.ndarray]:
    """Return masks of the ventricles with their surround, other CSF, and white matter."""
    csf, _, white = template.tissues
    centres = template.grid.centres()
    anterior = centres[..., 1] >= ANTERIOR
    return {
        "lateral_ventricle": template.brain & around_ventricles(csf >= MIN_CSF, template.grid),
        "sulcal_csf": csf >= MIN_CSF,
        "white_matter_anterior": (white >= MIN_WHITE) & anterior,
        "white_matter_posterior": (white >= MIN_WHITE) & ~anterior,
    }


def around_ventricles(is_csf: np.ndarray, grid: Grid) -> np.ndarray:
    """Return the lateral ventricles and what lies within their reach, at least a voxel."""
    centres = abs(grid.centres() * [1, 0, 0]) + grid.centres() * [0, 1, 1]
    boxed = ((centres >= VENTRICLE_LOW) & (centres <= VENTRICLE_HIGH)).all(axis=-1)
    cistern = (centres[..., 0] < CISTERN_WITHIN) & (centres[..., 1] < CISTERN_BEHIND)
    away = distance_transform_edt(~(is_csf & boxed & ~cistern)) * grid.resolution
    return away <= max(VENTRICLE_REACH, grid.resolution)


def drop_empty_regions(
    names: Sequence[str], labels: np.ndarray, is_fluid: Sequence[bool] | np.ndarray
) -> Parcellation:
    """Drop regions without a voxel, and number the rest from 1."""
    found = np.unique(labels[labels > 0])
    places = np.zeros(len(names) + 1, dtype=int)
    places[found] = np.arange(1, len(found) + 1)
    return parcellation_of(
        [names[label - 1] for label in found], places[labels], np.asarray(is_fluid)[found - 1]
    )


def resample_label_parcellation(
    source: Any, grid: Grid, labels: Sequence[str] | str | os.PathLike | None = None
) -> Parcellation:
    """Bring a label image to a grid, each voxel to the nearest label, inside the brain."""
    with remark_of("parcellation"):
        image = open_nifti(source, n_dim=3, error=VolumeError)
    values = label_values(image, VolumeError)
    found, codes = np.unique(values, return_inverse=True)
    names = label_names(found[found != 0], labels)
    places = np.cumsum(found != 0) * (found != 0)
    codes = places[codes].reshape(values.shape)
    on_grid = nearest_labels(codes, image.affine, grid) * load_template(grid).brain
    require_label_overlap(codes, image.affine, on_grid, grid)
    warn_of_lost_regions(names, on_grid)
    return drop_empty_regions(
        names, on_grid, mostly_fluid(on_grid, len(names), load_template(grid))
    )


def mostly_fluid(labels: np.ndarray, n_regions: int, template: Template) -> np.ndarray:
    """Tell which regions hold more CSF than grey or white matter, shape (n_regions,)."""
    sums = [
        np.bincount(labels.ravel(), weights=tissue.ravel(), minlength=n_regions + 1)[1:]
        for tissue in template.tissues
    ]
    return np.argmax(sums, axis=0) == 0


def label_names(values: np.ndarray, labels: Any) -> list[str]:
    """Return one unique name a value."""
    if labels is None:
        return [f"label{value}" for value in values]
    if is_path(labels):
        names = names_from_table(values, labels)
    else:
        names = spell_labels(labels, "SMRIExtractor")
    if len(names) != len(values) or len(set(names)) != len(names):
        raise InputError(
            "labels must give one unique name for every region of the label image",
            got=f"{len(names)} names, {len(set(names))} of them unique, for {len(values)} regions",
            remedy="Name the regions in ascending order of their value, background left out",
        )
    return names


def names_from_table(values: np.ndarray, path: Any) -> list[str]:
    """Read the names of values from a BIDS table."""
    try:
        table = pd.read_csv(path, sep="\t")
    except (OSError, ValueError) as failure:
        raise InputError(
            "A table of labels must be a readable text file",
            got=f"{type(failure).__name__}: {path}",
            remedy="Pass the path of a BIDS _dseg.tsv, or a list of names",
        ) from failure
    if not {"index", "name"} <= set(table.columns):
        raise InputError(
            "A table of labels needs the columns 'index' and 'name'",
            got=f"columns {list(table.columns)[:6]}",
            remedy="Write it as a BIDS _dseg.tsv, separated by tabs",
        )
    names = dict(zip(table["index"], table["name"].astype(str), strict=True))
    unnamed = [int(value) for value in values if value not in names]
    if unnamed:
        raise InputError(
            "A table of labels must name every value of the label image",
            got=f"no name for {unnamed[:6]}",
            remedy="Pass the table that belongs to the atlas",
        )
    return [names[value] for value in values]


def nearest_labels(codes: np.ndarray, affine: np.ndarray, grid: Grid) -> np.ndarray:
    """Return the label nearest to the centre of every voxel of a grid; 0 outside."""
    to_atlas = np.linalg.inv(affine)
    place = np.rint(grid.centres() @ to_atlas[:3, :3].T + to_atlas[:3, 3]).astype(int)
    inside = ((place >= 0) & (place < codes.shape)).all(axis=-1)
    labels = np.zeros(grid.shape, dtype=int)
    labels[inside] = codes[tuple(place[inside].T)]
    return labels


def require_label_overlap(
    codes: np.ndarray, affine: np.ndarray, on_grid: np.ndarray, grid: Grid
) -> None:
    """Refuse an atlas most of whose volume is not in the template's brain."""
    own = np.count_nonzero(codes) * abs(np.linalg.det(affine[:3, :3])) / 1000
    shared = np.count_nonzero(on_grid) * grid.voxel_ml
    if shared < MIN_ATLAS_OVERLAP * own or shared == 0:
        raise VolumeError(
            "A label image must overlap the MNI152 brain",
            got=f"{shared:.0f} mL in the brain, of {own:.0f} mL of regions",
            remedy="Pass an atlas in MNI152 space, with its affine; check that it is not empty",
        )


def warn_of_lost_regions(names: Sequence[str], on_grid: np.ndarray) -> None:
    """Say which regions have no voxel on the grid."""
    lost = [name for place, name in enumerate(names, 1) if not (on_grid == place).any()]
    if lost:
        warnings.warn(
            f"{len(lost)} region(s) of the label image have no voxel of the grid inside the MNI152 "
            f"brain and are left out: {lost[:6]}. A finer resolution= may keep them.",
            DataWarning,
            stacklevel=2,
        )
