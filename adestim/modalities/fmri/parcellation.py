"""Regions that a run is averaged over: bundled coordinates, a label image, or a CIFTI atlas.

A run's grid is never resampled. The voxels of every region are found once a grid and
remembered, so that a run costs little more than reading it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import blake2b
from typing import Any

import numpy as np
from scipy import sparse

from adestim._support.remarks import remark_of
from adestim.exceptions import TimeSeriesError
from adestim.modalities._nifti import image_values, label_values, open_nifti
from adestim.modalities.fmri.cifti import (
    ATLASES,
    DENSE_SERIES,
    Grayordinates,
    cifti_values,
    grayordinates_of,
    is_cifti_image,
    is_named_cifti,
    match_grayordinates,
    read_cifti_labels,
)

MIN_COVERAGE = 0.5
N_GRIDS_REMEMBERED = 8


@dataclass(frozen=True)
class Parcellation:
    """Regions of interest (ROIs): spheres, a label image, or labels of grayordinates.

    Picklable and hashable.
    """

    names: tuple[str, ...]
    # the functional network of each region; None where they are not known
    networks: tuple[str, ...] | None
    digest: str  # digest of what follows, by which two parcellations are compared
    # (n_rois, 3); centres of the spheres, in mm
    centres: np.ndarray | None = field(default=None, compare=False, repr=False)
    # (n_rois,); radii of the spheres, in mm
    radii: np.ndarray | None = field(default=None, compare=False, repr=False)
    # (n_x, n_y, n_z); label image: 0 is background, k the k-th region; (n_rows,) of grayordinates
    labels: np.ndarray | None = field(default=None, compare=False, repr=False)
    # (4, 4); affine of the label image, to mm
    affine: np.ndarray | None = field(default=None, compare=False, repr=False)
    # what the rows of the labels are; None where these are an image
    grayordinates: Grayordinates | None = field(default=None, compare=False, repr=False)

    @property
    def n_rois(self) -> int:
        """Number of regions."""
        return len(self.names)


def seitzman_parcellation() -> Parcellation:
    """Return the 300 spheres of Seitzman and others, with their 14 networks, in MNI152 space.

    Coordinates, radii (4 or 5 mm) and networks come with nilearn; nothing is downloaded.

    Seitzman et al. (2020). A set of functionally-defined brain regions with improved
    representation of the subcortex and cerebellum. NeuroImage 206, 116290.
    """
    from nilearn.datasets import fetch_coords_seitzman_2018

    atlas = fetch_coords_seitzman_2018()
    centres = np.asarray(atlas.rois[["x", "y", "z"]], dtype=float)
    radii = np.asarray(atlas.radius, dtype=float)
    networks = tuple(str(network) for network in atlas.networks)
    names = tuple(
        f"{network}-{region}-{number:03d}"
        for number, (network, region) in enumerate(zip(networks, atlas.regions, strict=True), 1)
    )
    return Parcellation(names, networks, digest_of(centres, radii), centres=centres, radii=radii)


def read_label_parcellation(source: Any) -> Parcellation:
    """Return the regions of a label image, or of a CIFTI atlas."""
    if is_named_cifti(source, (*ATLASES, DENSE_SERIES)) or is_cifti_image(source):
        return read_cifti_parcellation(source)
    with remark_of("parcellation"):
        image = open_nifti(source, n_dim=3, error=TimeSeriesError)
    regions, codes = number_labels(label_values(image, TimeSeriesError))
    affine = np.asarray(image.affine, dtype=float)
    names = tuple(f"label{value}" for value in regions)
    return Parcellation(names, None, digest_of(codes, affine), labels=codes, affine=affine)


def read_cifti_parcellation(source: Any) -> Parcellation:
    """Return the regions of a CIFTI atlas, under the names that it holds."""
    values, rows, table = read_cifti_labels(source)
    regions, codes = number_labels(values)
    names = tuple(table.get(int(value)) or f"label{value}" for value in regions)
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise TimeSeriesError(
            "A CIFTI atlas must name every region once",
            got=f"{twice!r} {names.count(twice)} times",
            remedy="Correct its table of labels",
        )
    inside = codes > 0
    codes, rows = codes[inside], rows.select(inside)
    return Parcellation(
        names,
        None,
        digest_of(codes, rows.keys(), np.array(names)),
        labels=codes,
        grayordinates=rows,
    )


def number_labels(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the values of the regions, and these numbered from 1; 0 is background.

    -> (n_rois,), and codes of the values' shape.
    """
    found, labels = np.unique(values, return_inverse=True)
    regions = found[found != 0]
    if not len(regions):
        raise TimeSeriesError("An atlas must hold at least one region", got="background only")
    places = np.searchsorted(regions, found) + 1
    places[found == 0] = 0
    smallest = np.min_scalar_type(len(regions))
    return regions, places[labels].reshape(values.shape).astype(smallest)


def digest_of(*arrays: np.ndarray) -> str:
    """Return a digest of the arrays' content."""
    digest = blake2b(digest_size=16)
    for array in arrays:
        digest.update(str((array.shape, array.dtype.str)).encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def mean_series(image: Any, parcellation: Parcellation) -> np.ndarray:
    """Average a run over the voxels of every region.

    Voxels that are not finite throughout, or never change, are left out.

    -> (n_volumes, n_rois).
    """
    if parcellation.grayordinates is not None:
        raise TimeSeriesError(
            "A 4-D run is averaged over a label image in its own space",
            got="a CIFTI atlas, whose regions are vertices and voxels of grayordinates",
            remedy="Pass the atlas's volume (.nii.gz) as parcellation=, or runs as .dtseries.nii",
        )
    affine = np.asarray(image.affine, dtype=float)
    grid = region_voxels(parcellation, affine.tobytes(), tuple(image.shape[:3]))
    require_field_overlap(grid, parcellation, image)
    values = image_values(image, TimeSeriesError)
    voxels = values.reshape(-1, values.shape[3], order="F")[grid.voxels].astype(np.float64)
    return average_regions(voxels, grid)


def mean_dense_series(image: Any, parcellation: Parcellation) -> np.ndarray:
    """Average a run of grayordinates over those of every region, as :func:`mean_series` does.

    -> (n_volumes, n_rois).
    """
    atlas = parcellation.grayordinates
    if atlas is None:
        raise TimeSeriesError(
            "A run of grayordinates (.dtseries.nii) is averaged over a CIFTI atlas",
            got="an atlas of voxels, or the built-in coordinates",
            remedy="Pass the atlas's .dlabel.nii as parcellation=, or the run's volume (.nii.gz)",
        )
    rows = match_grayordinates(atlas, grayordinates_of(image.header.get_axis(1)))
    seen = rows >= 0
    if not seen.any():
        raise TimeSeriesError(
            "The CIFTI atlas and a run must share grayordinates",
            got="none",
            remedy="Pass an atlas of the run's structures",
        )
    region = parcellation.labels.astype(np.int64) - 1
    shape = (parcellation.n_rois, int(seen.sum()))
    ones = np.ones(shape[1])
    membership = sparse.csr_array((ones, (region[seen], np.arange(shape[1]))), shape=shape)
    expected = np.bincount(region, minlength=parcellation.n_rois)
    grid = RegionVoxels(rows[seen], membership, np.maximum(expected, 1))
    return average_regions(cifti_values(image).T[grid.voxels], grid)


def average_regions(voxels: np.ndarray, grid: RegionVoxels) -> np.ndarray:
    """Average rows, one a voxel, over regions; NaN where too few of a region's can be used.

    voxels (n_voxels, n_volumes) -> (n_volumes, n_rois).
    """
    usable = usable_voxels(voxels)
    weights = grid.membership[:, usable]
    count = np.asarray(weights.sum(axis=1)).ravel()
    total = weights @ voxels[usable]
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = total / count[:, None]
    mean[count < MIN_COVERAGE * grid.expected] = np.nan
    return np.ascontiguousarray(mean.T)


def usable_voxels(voxels: np.ndarray) -> np.ndarray:
    """Tell which voxels, one a row, are finite throughout and not constant."""
    finite = np.isfinite(voxels).all(axis=1)
    return finite & (voxels != voxels[:, :1]).any(axis=1)


@dataclass(frozen=True, eq=False)
class RegionVoxels:
    """Which voxels of one grid belong to which region."""

    voxels: np.ndarray  # (n_voxels,); Fortran-order indices of all voxels of any region
    membership: sparse.csr_array  # (n_rois, n_voxels); one where a voxel belongs to a region
    # (n_rois,); number of voxels each region would have in an unbounded field of view
    expected: np.ndarray


@lru_cache(maxsize=N_GRIDS_REMEMBERED)
def region_voxels(
    parcellation: Parcellation, affine_bytes: bytes, shape: tuple[int, int, int]
) -> RegionVoxels:
    """Find the voxels of every region in a grid."""
    affine = np.frombuffer(affine_bytes).reshape(4, 4)
    if parcellation.labels is None:
        region, voxel, expected = sphere_voxels(parcellation, affine, shape)
    else:
        region, voxel, expected = label_voxels(parcellation, affine, shape)
    voxels, column = np.unique(voxel, return_inverse=True)
    membership = sparse.csr_array(
        (np.ones(len(region)), (region, column)), shape=(parcellation.n_rois, len(voxels))
    )
    return RegionVoxels(voxels, membership, np.maximum(expected, 1))


def sphere_voxels(
    parcellation: Parcellation, affine: np.ndarray, shape: Sequence[int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (region, voxel) pairs of spheres, and the size of each; the nearest voxel counts."""
    offsets = lattice_within(affine[:3, :3], float(parcellation.radii.max()))
    seeds = (parcellation.centres - affine[:3, 3]) @ np.linalg.inv(affine[:3, :3]).T
    lattice = np.rint(seeds).astype(int)[:, None, :] + offsets[None]
    distance = np.linalg.norm((lattice - seeds[:, None, :]) @ affine[:3, :3].T, axis=2)
    inside = (distance <= parcellation.radii[:, None]) | (offsets == 0).all(axis=1)[None]
    seen = inside & ((lattice >= 0) & (lattice < np.asarray(shape))).all(axis=2)
    region, place = np.nonzero(seen)
    voxel = np.ravel_multi_index(tuple(lattice[region, place].T), shape, order="F")
    return region, voxel, inside.sum(axis=1)


def lattice_within(axes: np.ndarray, radius: float) -> np.ndarray:
    """Return the steps, in voxels, that may stay within a radius in mm of a nearest voxel."""
    reach = np.ceil(radius * np.linalg.norm(np.linalg.inv(axes), axis=1) + 0.5).astype(int)
    ranges = [np.arange(-steps, steps + 1) for steps in reach]
    return np.stack(np.meshgrid(*ranges, indexing="ij"), axis=-1).reshape(-1, 3)


def label_voxels(
    parcellation: Parcellation, affine: np.ndarray, shape: Sequence[int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (region, voxel) pairs of a label image, the nearest label at each voxel's centre."""
    labels, own = parcellation.labels, parcellation.affine
    to_atlas = np.linalg.inv(own) @ affine
    grid = np.indices(shape).reshape(3, -1, order="F")
    place = np.rint(to_atlas[:3, :3] @ grid + to_atlas[:3, 3:]).astype(int)
    inside = ((place >= 0) & (place < np.asarray(labels.shape)[:, None])).all(axis=0)
    code = np.zeros(place.shape[1], dtype=np.int64)
    code[inside] = labels[tuple(place[:, inside])]
    voxel = np.flatnonzero(code)
    seen = np.bincount(code[voxel] - 1, minlength=parcellation.n_rois)
    share = share_in_view(parcellation, np.linalg.inv(to_atlas), shape)
    return code[voxel] - 1, voxel, seen / np.maximum(share, np.finfo(float).tiny)


def share_in_view(
    parcellation: Parcellation, to_run: np.ndarray, shape: Sequence[int]
) -> np.ndarray:
    """Return the share of each label's own voxels that lies in a run's field of view."""
    place = np.stack(np.nonzero(parcellation.labels))
    code = parcellation.labels[tuple(place)].astype(np.int64) - 1
    at = to_run[:3, :3] @ place + to_run[:3, 3:]
    inside = ((at >= -0.5) & (at <= np.asarray(shape)[:, None] - 0.5)).all(axis=0)
    size = np.bincount(code, minlength=parcellation.n_rois)
    return np.bincount(code[inside], minlength=parcellation.n_rois) / size


def require_field_overlap(grid: RegionVoxels, parcellation: Parcellation, image: Any) -> None:
    """Refuse a run whose field of view holds no region."""
    if len(grid.voxels):
        return
    corners = np.array([[0, 0, 0], np.array(image.shape[:3]) - 1])
    low, high = np.sort(corners @ image.affine[:3, :3].T + image.affine[:3, 3], axis=0)
    raise TimeSeriesError(
        f"The parcellation ({parcellation.n_rois} regions) must overlap the run's field of view",
        got=f"a field of view from {np.round(low).tolist()} to {np.round(high).tolist()} mm "
        "without a single region",
        remedy="Bring the run to the atlas's space (MNI152 for the built-in coordinates), or "
        "pass a parcellation in the run's own space",
    )
