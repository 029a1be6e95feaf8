"""CIFTI-2 files: series of parcels, series of grayordinates, and atlases of labels.

A grayordinate is a vertex of a cortical surface or a voxel; it is found by what it is, not by its
row, since atlases hold the whole surface, runs leave out the medial wall, and either may lack the
subcortex.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from adestim.exceptions import TimeSeriesError
from adestim.modalities._image_files import describe_file
from adestim.modalities._nifti import is_path, require_readable_file

PARCEL_SERIES, DENSE_SERIES = ".ptseries.nii", ".dtseries.nii"
ATLASES = (".dlabel.nii", ".dscalar.nii")
ON_A_SURFACE = 1 << 40
WHAT_IS_READ = (
    "Series are read from .ptseries.nii and .dtseries.nii, atlases from .dlabel.nii and, of whole "
    "numbers, .dscalar.nii"
)


@dataclass(frozen=True, eq=False)
class Grayordinates:
    """What the rows of a CIFTI file are. Picklable, and small."""

    surfaces: tuple[tuple[str, int], ...]  # structures, with the number of vertices of each
    surface: np.ndarray  # (n_rows,); place of a row's structure among these; -1 where it is a voxel
    index: np.ndarray  # (n_rows,); number of a vertex, or of a voxel of the volume, the last axis
    # running fastest
    shape: tuple[int, ...] | None = None  # of the volume; None without voxels
    affine: np.ndarray | None = None  # (4, 4); of the volume, to mm

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.index)

    def keys(self) -> np.ndarray:
        """Return one number a row that says which grayordinate it is, shape (n_rows,)."""
        sides = np.array([ON_A_SURFACE * (1 + name.endswith("RIGHT")) for name, _ in self.surfaces])
        return self.index + np.append(sides, 0)[self.surface].astype(np.int64)

    def select(self, chosen: np.ndarray) -> Grayordinates:
        """Return some of the rows."""
        rows = self.surface[chosen], self.index[chosen]
        return Grayordinates(self.surfaces, *rows, self.shape, self.affine)


def is_named_cifti(source: Any, endings: tuple[str, ...] | str) -> bool:
    """Tell whether a path names a CIFTI file of a kind."""
    return is_path(source) and str(source).lower().endswith(endings)


def is_dense_series(source: Any) -> bool:
    """Tell whether a cell is a run of grayordinates, by its name, or as an image of nibabel."""
    if is_path(source):
        return is_named_cifti(source, DENSE_SERIES)
    return is_cifti_image(source) and kinds_of_axes(source) == ("SeriesAxis", "BrainModelAxis")


def is_parcel_series(source: Any) -> bool:
    """Tell whether a cell is series of parcels, by its name, or as an image of nibabel."""
    if is_path(source):
        return is_named_cifti(source, PARCEL_SERIES)
    return is_cifti_image(source) and not is_dense_series(source)


def is_cifti_image(source: Any) -> bool:
    """Tell whether an object is a CIFTI image of nibabel."""
    if not hasattr(source, "nifti_header"):
        return False
    from nibabel import Cifti2Image

    return isinstance(source, Cifti2Image)


def open_cifti(source: Any, kind: tuple[str, str], what: str) -> Any:
    """Return a CIFTI image whose axes are of a kind; its values stay on disk."""
    image = load_cifti(source)
    found = kinds_of_axes(image)
    if found != kind:
        raise TimeSeriesError(
            f"A CIFTI file of {what} must have the axes {' and '.join(kind)}",
            got=" and ".join(found) or "no axes",
            remedy=WHAT_IS_READ,
        )
    return image


def load_cifti(source: Any) -> Any:
    """Return a CIFTI image, opened where it is a file, or say what the file is."""
    import nibabel

    if is_cifti_image(source):
        return source
    path = require_readable_file(Path(source), TimeSeriesError)
    try:
        image = nibabel.load(path)
    # A damaged header makes nibabel raise whatever it comes upon.
    except Exception as failure:
        raise refuse_file(path, f"{type(failure).__name__}: {failure}") from failure
    if not is_cifti_image(image):
        raise refuse_file(path, "an image of voxels alone")
    return image


def refuse_file(path: Path, said: str) -> TimeSeriesError:
    """Return the error about a file that is no CIFTI file."""
    what, remedy = describe_file(path) or (said, WHAT_IS_READ)
    return TimeSeriesError(
        "A CIFTI file must be readable by nibabel", got=f"{path.name}: {what}", remedy=remedy
    )


def kinds_of_axes(image: Any) -> tuple[str, ...]:
    """Return the names of nibabel's classes of an image's axes."""
    try:
        axes = [image.header.get_axis(place) for place in range(len(image.shape))]
    # A header that names no axis, or one that nibabel does not know.
    except Exception:
        return ()
    return tuple(type(axis).__name__ for axis in axes)


def cifti_values(image: Any) -> np.ndarray:
    """Return the values of a CIFTI image, shape (n_rows, n_columns)."""
    try:
        return np.asarray(image.get_fdata(dtype=np.float64, caching="unchanged"))
    # Damaged bytes make nibabel raise whatever it comes upon.
    except Exception as failure:
        raise TimeSeriesError(
            "The values of a CIFTI file must be readable to the end",
            got=f"{type(failure).__name__}: {failure}",
            remedy="The file is truncated or corrupt; copy or write it again",
        ) from failure


def read_parcel_series(source: Any) -> tuple[np.ndarray, tuple[str, ...], float | None]:
    """Return values (n_volumes, n_parcels), names of the parcels, and the step in s."""
    image = open_cifti(source, ("SeriesAxis", "ParcelsAxis"), "parcel series")
    names = tuple(str(name).strip() for name in image.header.get_axis(1).name)
    return cifti_values(image), names, step_of(image)


def step_of(image: Any) -> float | None:
    """Return the time between the rows of series in s, None where they are not of time."""
    axis = image.header.get_axis(0)
    return round(float(axis.step), 6) if axis.unit == "SECOND" and axis.step > 0 else None


def grayordinates_of(axis: Any) -> Grayordinates:
    """Return what the rows of an axis of brain models are."""
    surfaces = tuple((str(name), int(count)) for name, count in axis.nvertices.items())
    on_surface = np.asarray(axis.surface_mask)
    surface = np.full(len(axis), -1, dtype=np.int8)
    for place, (name, _) in enumerate(surfaces):
        surface[axis.name == name] = place
    index = np.asarray(axis.vertex, dtype=np.int64).copy()
    if on_surface.all():
        return Grayordinates(surfaces, surface, index)
    voxels = np.asarray(axis.voxel)[~on_surface]
    index[~on_surface] = np.ravel_multi_index(tuple(voxels.T), axis.volume_shape)
    shape = tuple(int(length) for length in axis.volume_shape)
    return Grayordinates(surfaces, surface, index, shape, np.asarray(axis.affine, dtype=float))


def match_grayordinates(wanted: Grayordinates, found: Grayordinates) -> np.ndarray:
    """Return where each wanted grayordinate is among the found ones, -1 where it is not.

    -> (n_wanted,).
    """
    require_same_meshes(wanted, found)
    own, others = wanted.keys(), found.keys()
    order = np.argsort(others)
    places = np.searchsorted(others, own, sorter=order)
    places = order[np.minimum(places, len(order) - 1)]
    return np.where(others[places] == own, places, -1)


def require_same_meshes(wanted: Grayordinates, found: Grayordinates) -> None:
    """Refuse surfaces of another number of vertices, and volumes of another grid."""
    rule = "An atlas and a run of grayordinates must lie on the same surfaces and voxels"
    remedy = "Pass the atlas in the run's own space and density, fs_LR 32k of 91k grayordinates"
    count = dict(found.surfaces)
    for name, n_vertices in wanted.surfaces:
        if count.get(name, n_vertices) != n_vertices:
            got = f"{n_vertices} vertices of {name} in the atlas, {count[name]} in the run"
            raise TimeSeriesError(rule, got=got, remedy=remedy)
    if wanted.shape is None or found.shape is None:
        return
    if wanted.shape != found.shape or not np.allclose(wanted.affine, found.affine, atol=1e-3):
        raise TimeSeriesError(
            rule,
            got=f"voxels of a grid {wanted.shape} in the atlas, {found.shape} in the run"
            + ("" if wanted.shape != found.shape else ", of another affine"),
            remedy=remedy,
        )


def read_cifti_labels(source: Any) -> tuple[np.ndarray, Grayordinates, dict[int, str]]:
    """Return codes, 0 being none, of an atlas's grayordinates, and the names by code.

    -> codes (n_rows,).
    """
    image = load_cifti(source)
    kinds = kinds_of_axes(image)
    if kinds not in (("LabelAxis", "BrainModelAxis"), ("ScalarAxis", "BrainModelAxis")):
        raise TimeSeriesError(
            "A CIFTI atlas must hold a label for every grayordinate",
            got=" and ".join(kinds) or "no axes",
            remedy=WHAT_IS_READ,
        )
    if image.shape[0] != 1:
        raise TimeSeriesError(
            "A CIFTI atlas must hold one map",
            got=f"{image.shape[0]} maps",
            remedy="Write the one that is meant with wb_command -cifti-merge (-column)",
        )
    values = np.nan_to_num(cifti_values(image)[0])
    if not np.array_equal(values, np.rint(values)):
        raise TimeSeriesError(
            "A CIFTI atlas must hold whole numbers, one a region",
            got="fractions",
            remedy="Pass the atlas's .dlabel.nii",
        )
    axis = image.header.get_axis(0)
    table = axis.label[0] if kinds[0] == "LabelAxis" else {}
    names = {int(code): str(name).strip() for code, (name, _) in table.items()}
    return values.astype(np.int64), grayordinates_of(image.header.get_axis(1)), names
