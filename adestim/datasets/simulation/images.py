"""The image columns of a cohort: volumes and runs, in memory or as files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from joblib import Parallel, delayed

from adestim.datasets.simulation import write_bids
from adestim.datasets.simulation.anatomy import make_t1w
from adestim.datasets.simulation.function import make_bold, make_run
from adestim.datasets.simulation.tables import Tables

ANATOMY_STREAM, RUN_STREAM, VOXEL_STREAM = 11, 12, 13


@dataclass(frozen=True)
class Grid:
    """Voxel sizes in mm, and whether 4-D runs are made."""

    t1w: float
    bold: float
    with_bold: bool


@dataclass(frozen=True, eq=False)
class Examination:
    """All that the images of one subject are made of."""

    measures: np.ndarray
    site: int
    volumes: int
    t_r: float
    has_smri: bool
    has_fmri: bool
    seed: int
    number: int

    def stream(self, kind: int) -> np.random.Generator:
        """Return the subject's own random stream for one kind of image."""
        return np.random.default_rng([self.seed, kind, self.number])


def list_examinations(tables: Tables) -> list[Examination]:
    """Return what each subject's images are made of."""
    acquired, present = tables.acquisition, tables.present
    return [
        Examination(
            measures=tables.latent.measures[row],
            site=int(acquired.site[row]),
            volumes=int(acquired.volumes[row]),
            t_r=float(acquired.t_r[row]),
            has_smri=bool(present.smri[row]),
            has_fmri=bool(present.fmri[row]),
            seed=tables.seed,
            number=row + 1,
        )
        for row in range(len(tables.index))
    ]


def make_images(
    tables: Tables, grid: Grid, folder: Path | None, n_jobs: int | None, verbose: int
) -> pd.DataFrame:
    """Return the columns ``t1w``, ``bold`` (if made), ``confounds``, ``roi_series``."""
    visits = zip(list_examinations(tables), tables.index, strict=True)
    rows = Parallel(n_jobs=n_jobs, verbose=verbose)(
        delayed(hold_images)(visit, grid)
        if folder is None
        else delayed(write_images)(visit, grid, write_bids.SubjectFiles(folder, subject))
        for visit, subject in visits
    )
    names = ["t1w", "bold", "confounds", "roi_series"]
    kind: Any = object if folder is None else "str"
    columns = {
        name: pd.Series([row[name] for row in rows], index=tables.index, dtype=kind)
        for name in names
        if name != "bold" or grid.with_bold
    }
    return pd.DataFrame(columns)


def hold_images(visit: Examination, grid: Grid) -> dict[str, Any]:
    """Make one subject's images; None where there is none."""
    cells: dict[str, Any] = dict.fromkeys(("t1w", "bold", "confounds", "roi_series"))
    if visit.has_smri:
        cells["t1w"] = make_anatomy(visit, grid)
    if visit.has_fmri:
        run, image = make_function(visit, grid)
        cells.update(bold=image, confounds=run.confounds, roi_series=run.table())
    return cells


def write_images(
    visit: Examination, grid: Grid, files: write_bids.SubjectFiles
) -> dict[str, str | None]:
    """Write one subject's images, unless they are there; return their paths."""
    cells: dict[str, str | None] = dict.fromkeys(("t1w", "bold", "confounds", "roi_series"))
    if visit.has_smri:
        cells["t1w"] = str(files.t1w)
        if not files.t1w.is_file():
            write_bids.write_anatomy(files, make_anatomy(visit, grid))
    if visit.has_fmri:
        cells.update(confounds=str(files.confounds), roi_series=str(files.series))
        cells["bold"] = str(files.bold) if grid.with_bold else None
        last = files.bold if grid.with_bold else files.series_sidecar
        if not last.is_file():
            write_bids.write_function(files, *make_function(visit, grid))
    return cells


def make_anatomy(visit: Examination, grid: Grid) -> Any:
    """Make the T1-weighted volume."""
    return make_t1w(visit.measures, visit.site, grid.t1w, visit.stream(ANATOMY_STREAM))


def make_function(visit: Examination, grid: Grid) -> tuple[Any, Any]:
    """Make the run, and its 4-D image if there is to be one."""
    run = make_run(visit.measures, visit.volumes, visit.t_r, visit.stream(RUN_STREAM))
    return run, make_bold(run, grid.bold, visit.stream(VOXEL_STREAM)) if grid.with_bold else None
