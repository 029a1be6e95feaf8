"""One subject's cells in, the measures of the regions out: folders, files or columns."""

from __future__ import annotations

import os
from dataclasses import dataclass
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from adestim.encoding import is_missing
from adestim.exceptions import CellTypeError, InputError
from adestim.modalities.freesurfer.measures import (
    Meaning,
    Measured,
    decode_column,
    is_intracranial,
)
from adestim.modalities.freesurfer.stats_files import HEMISPHERES, read_stats_files

# Of FreeSurfer; of FastSurfer's segmentation without surfaces, newer and older.
SEGMENTATIONS = ("aseg.stats", "aseg+DKT.VINN.stats", "aseg+DKT.stats")


@dataclass(frozen=True)
class StatsReader:
    """A subject's folder, or statistics files, in; its measures out."""

    atlas: str | None  # which parcellation of the cortex is read of a folder; None for none

    def __call__(self, cells: tuple) -> Measured | None:
        """Read the files."""
        paths = self.list_files(cells)
        return read_stats_files(paths) if paths else None

    def list_files(self, cells: tuple) -> list[Path]:
        """Return the files that a subject's cells name; refuse those that are not there."""
        files: list[Path] = []
        for cell in cells:
            if is_missing(cell):
                continue
            path = require_path(cell)
            files += list_folder(path, self.atlas) if path.is_dir() else [path]
        return files

    def also_reads(self, cells: tuple) -> list[Path]:
        """Return the files on which the result depends, those of folders."""
        return self.list_files(cells)


def require_path(cell: Any) -> Path:
    """Return a cell as a path that is there."""
    if not isinstance(cell, (str, os.PathLike)):
        raise CellTypeError(
            "A cell of FreeSurferExtractor is the path of a subject's folder or statistics file",
            got=f"an object of type {type(cell).__name__}",
            remedy="Or pass only the columns of tables, which are numbers under FreeSurfer's names",
        )
    path = Path(cell).expanduser()
    if not path.exists():
        raise InputError(
            "A folder or file of FreeSurfer must be there",
            got=f"no such path: {path}",
            remedy="Pass $SUBJECTS_DIR/<subject>, or leave the cell empty",
        )
    return path


def list_folder(folder: Path, atlas: str | None) -> list[Path]:
    """Return the statistics files of a subject's folder: the segmentation's and an atlas's."""
    stats = folder / "stats" if (folder / "stats").is_dir() else folder
    found = [stats / name for name in SEGMENTATIONS if (stats / name).is_file()]
    if not found:
        raise InputError(
            "A subject's folder must hold stats/aseg.stats",
            got=f"none in {folder}",
            remedy="Pass the folder of one subject, not that of all, with recon-all or FastSurfer "
            "finished",
        )
    surfaces = [stats / f"{side}.{atlas}.stats" for side in HEMISPHERES] if atlas else []
    absent = [path.name for path in surfaces if not path.is_file()]
    if absent:
        raise InputError(
            f"A subject's folder must hold the statistics of atlas={atlas!r}",
            got=f"no {' and no '.join(absent)} in {stats}, where there are "
            f"{list_atlases(stats) or 'no others'}",
            remedy="Pass another atlas=, or atlas=None to read the segmentation alone",
        )
    return [found[0], *surfaces]


def list_atlases(stats: Path) -> list[str]:
    """Return the atlases of which a folder has both hemispheres."""
    sides = [
        {path.name[3:].removesuffix(".stats") for path in stats.glob(f"{side}.*.stats")}
        for side in HEMISPHERES
    ]
    return sorted(name for name in set.intersection(*sides) if "curv" not in name)


@dataclass(frozen=True)
class ColumnReader:
    """A subject's row of a table in, its measures out."""

    meanings: tuple[Meaning | None, ...]  # of every column; None of what is no region's
    heads: tuple[int, ...]  # places of columns of the intracranial volume

    def __call__(self, cells: tuple) -> Measured:
        """Return what is known of every region."""
        numbers = [require_measure(cell) for cell in cells]
        regions: dict[str, dict[str, float]] = {}
        for meaning, value in zip(self.meanings, numbers, strict=True):
            if meaning is not None and not np.isnan(value):
                regions.setdefault(meaning.region, {})[meaning.measure] = value
        heads = [numbers[place] for place in self.heads if not np.isnan(numbers[place])]
        return Measured(regions, heads[0] if heads else None)


def require_measure(cell: Any) -> float:
    """Return a cell as a number, NaN where it is missing."""
    if is_missing(cell):
        return np.nan
    if isinstance(cell, bool) or not isinstance(cell, Real):
        raise CellTypeError(
            "The columns of a table of FreeSurfer hold numbers",
            got=f"an object of type {type(cell).__name__}",
            remedy="Pass numeric columns alone, or paths alone",
        )
    if not 0 <= float(cell) < np.inf:
        raise InputError(
            "A measure of a region must be a number from 0 upwards",
            got="a negative or an infinite one",
            remedy="Replace codes for missing values by NaN",
        )
    return float(cell)


def choose_reader(frame: pd.DataFrame, atlas: str | None) -> StatsReader | ColumnReader:
    """Return what reads these cells: columns of numbers, or paths."""
    cells = frame.to_numpy(dtype=object).ravel()
    known = [cell for cell in cells if not is_missing(cell)]
    if not known or not all(isinstance(cell, Real) for cell in known):
        return StatsReader(atlas)
    names = [str(name) for name in frame.columns]
    meanings = tuple(map(decode_column, names))
    named = [meaning for meaning in meanings if meaning is not None]
    if not named or len(set(named)) != len(named):
        raise InputError(
            "The columns of a table of FreeSurfer must be different regions",
            got="the same region twice" if named else f"no region among {names[:4]}",
            remedy="Pass columns as asegstats2table and aparcstats2table name them, such as "
            "'Left-Hippocampus' and 'lh_entorhinal_thickness'",
        )
    heads = [place for place, name in enumerate(names) if is_intracranial(name)]
    return ColumnReader(meanings, tuple(heads))
