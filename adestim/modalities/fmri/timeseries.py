"""ROI series out of whatever a cell holds: a run of voxels or grayordinates, a table, an array."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from adestim._support.remarks import remark
from adestim.exceptions import TimeSeriesError
from adestim.modalities._labels import spell_labels
from adestim.modalities._nifti import is_path, open_nifti
from adestim.modalities.fmri._repetition_time import read_header_t_r, read_sidecar_t_r, settle_t_r
from adestim.modalities.fmri._tables import NumericTable, read_table, require_unique_header
from adestim.modalities.fmri.cifti import (
    is_dense_series,
    is_parcel_series,
    open_cifti,
    read_parcel_series,
    step_of,
)
from adestim.modalities.fmri.parcellation import Parcellation, mean_dense_series, mean_series

TABLE_ENDINGS = tuple(
    ending + packing
    for ending in (".tsv", ".csv", ".txt", ".1d", ".dat", ".par")
    for packing in ("", ".gz")
)
MIN_REGION_SHARE = 0.1


@dataclass(frozen=True, eq=False)
class RoiSeries:
    """The mean signal of every region of interest (ROI) over time."""

    values: np.ndarray  # (n_volumes, n_rois); signals; zero where the region is not present
    present: np.ndarray  # (n_rois,); true where a region has a finite signal that varies
    t_r: float | None  # repetition time, in s; None where nobody states it

    @property
    def n_volumes(self) -> int:
        """Number of time points."""
        return self.values.shape[0]

    @property
    def duration(self) -> float | None:
        """Length of the run, in s."""
        return None if self.t_r is None else self.n_volumes * self.t_r


@dataclass(frozen=True)
class RoiLayout:
    """What the columns of ROI series are; the same for every subject."""

    names: tuple[str, ...]
    # the functional network of each region; None where they are not known
    networks: tuple[str, ...] | None = None
    named: bool = True  # false where the names were made up, because a table or an array had none
    origin: str = "the parcellation"  # who stated the layout, for messages

    @property
    def n_rois(self) -> int:
        """Number of regions."""
        return len(self.names)


@dataclass(frozen=True)
class SeriesReader:
    """Turns a cell into ROI series."""

    parcellation: Parcellation  # regions that 4-D runs are averaged over
    t_r: float | None = None  # repetition time in s, over whatever header and sidecar state

    def layout(self, cell: Any) -> RoiLayout:
        """Return the regions a cell has; of a file of a run nothing is read."""
        if is_run(cell):
            return lay_out_parcellation(self.parcellation)
        return lay_out_regions(read_series_table(cell))

    def read(self, cell: Any, layout: RoiLayout) -> RoiSeries:
        """Return one subject's ROI series."""
        if is_run(cell):
            values, t_r = self._read_run(cell)
            names = RoiLayout(self.parcellation.names)
        else:
            table = read_series_table(cell)
            values, t_r = table.values, self._table_t_r(cell, table)
            names = lay_out_regions(table)
            require_volumes(len(values))
            question_empty_columns(table)
        values = order_columns(layout, names, values)
        present = find_varying(values)
        require_enough_regions(present, is_run(cell))
        return RoiSeries(np.where(present, values, 0.0), present, t_r)

    def _read_run(self, cell: Any) -> tuple[np.ndarray, float | None]:
        """Average a run over the regions."""
        if is_dense_series(cell):
            dense = open_cifti(cell, ("SeriesAxis", "BrainModelAxis"), "a run")
            require_volumes(dense.shape[0])
            t_r = settle_t_r(self.t_r, step_of(dense), read_t_r_beside(cell), "the CIFTI header")
            return mean_dense_series(dense, self.parcellation), t_r
        image = open_nifti(cell, n_dim=4, error=TimeSeriesError)
        require_volumes(image.shape[3])
        t_r = settle_t_r(self.t_r, read_header_t_r(image), read_t_r_beside(cell))
        return mean_series(image, self.parcellation), t_r

    def _table_t_r(self, cell: Any, table: NumericTable) -> float | None:
        """Return the repetition time of ready series."""
        place = "the CIFTI header" if is_parcel_series(cell) else "the table's time column"
        return settle_t_r(self.t_r, table.step, read_t_r_beside(cell), place)


def read_t_r_beside(cell: Any) -> float | None:
    """Return the repetition time of a file's JSON sidecar, in s."""
    return read_sidecar_t_r(Path(cell).expanduser()) if is_path(cell) else None


def is_run(cell: Any) -> bool:
    """Tell whether a cell is a run of volumes; an unknown ending is left to nibabel."""
    if is_parcel_series(cell):
        return False
    if is_path(cell):
        return not str(cell).lower().endswith((*TABLE_ENDINGS, ".npy"))
    return is_dense_series(cell) or (hasattr(cell, "affine") and hasattr(cell, "get_fdata"))


def read_series_table(cell: Any) -> NumericTable:
    """Return ready ROI series as a table of numbers, shape (n_volumes, n_rois)."""
    if is_parcel_series(cell):
        table = NumericTable(*read_parcel_series(cell))
        require_unique_header(table.names, "ROI series")
        return table
    if is_path(cell) and str(cell).lower().endswith(".npy"):
        return wrap_array(read_npy(Path(cell)))
    if is_path(cell) or isinstance(cell, pd.DataFrame):
        return read_table(cell, what="ROI series")
    if isinstance(cell, (np.ndarray, list, tuple)):
        return wrap_array(cell)
    raise TimeSeriesError(
        "A cell of the fmri column holds a 4-D run or ROI series",
        got=f"an object of type {type(cell).__name__}",
        remedy="Pass a path (.nii, .nii.gz, .dtseries.nii, .ptseries.nii, .tsv, .csv, .npy), a "
        "nibabel image, or an array or DataFrame of shape (time, ROI)",
    )


def read_npy(path: Path) -> np.ndarray:
    """Read an array file, refusing pickled objects."""
    try:
        return np.load(path.expanduser(), allow_pickle=False, mmap_mode="r")
    # A damaged header makes numpy raise whatever it comes upon.
    except Exception as failure:
        raise TimeSeriesError(
            "A .npy file of ROI series must be a readable array of numbers",
            got=f"{path}: {failure}",
            remedy="Check the path, or write the file again with numpy.save",
        ) from failure


def wrap_array(array: Any) -> NumericTable:
    """Return an array of ROI series, checked."""
    try:
        values = np.asarray(array, dtype=np.float64)
    except (TypeError, ValueError) as failure:
        raise TimeSeriesError(
            "ROI series must be numbers", got=str(failure), remedy="Remove text and ragged rows"
        ) from failure
    if values.ndim != 2 or min(values.shape) == 0:
        raise TimeSeriesError(
            "ROI series have the shape (time, ROI)",
            got=f"shape {values.shape}",
            remedy="Pass a 2-D array; put a 4-D array in a nibabel image, with its affine",
        )
    return NumericTable(values, None, None)


def question_empty_columns(table: NumericTable) -> None:
    """Remark on regions of a table that have a name and not a single number."""
    empty = np.isnan(table.values).all(axis=0)
    if table.names is not None and empty.any():
        lost = [name for name, is_empty in zip(table.names, empty, strict=True) if is_empty]
        remark(
            f"{len(lost)} region(s) of the table of ROI series hold no number and are masked: "
            f"{', '.join(map(repr, lost[:6]))}."
        )


def lay_out_regions(table: NumericTable) -> RoiLayout:
    """Return the regions of a table; without a header they are numbered."""
    if table.names is not None:
        return RoiLayout(table.names, networks_of_names(table.names), origin="the training rows")
    names = tuple(f"roi{number:03d}" for number in range(table.values.shape[1]))
    return RoiLayout(names, named=False, origin="the training rows")


def lay_out_parcellation(parcellation: Parcellation) -> RoiLayout:
    """Return the regions that runs are averaged over."""
    networks = parcellation.networks or networks_of_names(parcellation.names)
    return RoiLayout(parcellation.names, networks)


def networks_of_names(names: Sequence[str]) -> tuple[str, ...] | None:
    """Read the networks out of names as the Schaefer atlases give them, else None."""
    found = pd.Series(names).str.extract(
        r"^(?:(?:7|17)[Nn]etworks[_-])?[LR]H[_-]([A-Za-z]+)[_-].*\d$", expand=False
    )
    if found.notna().mean() < 0.5:
        return None
    return tuple(found.fillna("other"))


def rename_regions(layout: RoiLayout, labels: Any) -> RoiLayout:
    """Return the layout with the user's names of the regions."""
    if labels is None:
        return layout
    names = tuple(spell_labels(labels, "FMRIExtractor"))
    if len(names) != layout.n_rois or len(set(names)) != len(names):
        raise TimeSeriesError(
            f"The 'labels' parameter must hold {layout.n_rois} different names, one a region",
            got=f"{len(names)} names, {len(set(names))} of them different",
            remedy="Leave out the background, and name the regions in ascending order of label",
        )
    networks = layout.networks or networks_of_names(names)
    return RoiLayout(names, networks, named=True, origin=layout.origin)


def order_columns(layout: RoiLayout, own: RoiLayout, values: np.ndarray) -> np.ndarray:
    """Return a subject's columns in the order learned in fit, found by their names."""
    if own.n_rois != layout.n_rois:
        raise TimeSeriesError(
            f"Every subject must have the {layout.n_rois} regions of {layout.origin}",
            got=f"{own.n_rois} regions",
            remedy="Parcellate all runs with the same atlas",
        )
    if own.names == layout.names or not (own.named and layout.named):
        return values
    if set(own.names) != set(layout.names):
        strange = sorted(set(own.names) - set(layout.names))
        raise TimeSeriesError(
            f"Every subject must have the regions of {layout.origin}",
            got=f"{len(strange)} unknown region(s), {strange[0]!r} for instance",
            remedy="Parcellate all runs with the same atlas, or leave out the headers",
        )
    place = {name: position for position, name in enumerate(own.names)}
    return values[:, [place[name] for name in layout.names]]


def find_varying(values: np.ndarray) -> np.ndarray:
    """Tell which columns are finite throughout and not constant."""
    finite = np.isfinite(values).all(axis=0)
    safe = np.where(finite, values, 0.0)
    spread = safe.std(axis=0)
    return finite & (spread > np.finfo(np.float32).eps * np.abs(safe).max(axis=0, initial=0))


def require_volumes(n_volumes: int) -> None:
    """Refuse what has no course over time."""
    if n_volumes < 2:
        raise TimeSeriesError(
            "A run must have several volumes over time",
            got=f"{n_volumes}",
            remedy="Pass the whole run, not its mean or its first volume",
        )


def require_enough_regions(present: np.ndarray, from_run: bool) -> None:
    """Refuse a subject almost none of whose regions has a signal."""
    needed = max(2, int(np.ceil(MIN_REGION_SHARE * len(present))))
    if present.sum() >= needed:
        return
    remedy = (
        "The atlas does not overlap the run: bring the run to the atlas's space (MNI152 for the "
        "built-in coordinates), or pass the subject's own parcellation"
        if from_run
        else "Drop or interpolate censored rows before, and check that the columns are signals"
    )
    raise TimeSeriesError(
        f"At least {needed} of {len(present)} regions need a finite signal that varies",
        got=f"{int(present.sum())}",
        remedy=remedy,
    )
