"""One run, read and cleaned: ROI series before a model has seen them, which a store may keep."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from adestim._support.bids import find_sidecars
from adestim.encoding import is_missing
from adestim.modalities.fmri.cleaning import Cleaning
from adestim.modalities.fmri.timeseries import RoiLayout, RoiSeries, SeriesReader


@dataclass(frozen=True)
class CleanSeries:
    """One subject's cells in, the run first, cleaned series out; picklable."""

    reader: SeriesReader
    layout: RoiLayout
    cleaning: Cleaning

    def __call__(self, cells: tuple) -> RoiSeries | None:
        """Read and clean; a subject with confounds but no run is missing."""
        run, *confounds = cells
        if is_missing(run):
            return None
        return self.cleaning(self.reader.read(run, self.layout), *confounds)

    def also_reads(self, cells: tuple) -> list[Path]:
        """Return the sidecars that may state the run's repetition time."""
        run = cells[0]
        return list(find_sidecars(Path(run))) if isinstance(run, (str, os.PathLike)) else []

    def pack(self, raw: RoiSeries) -> dict[str, np.ndarray]:
        """Return series as what a record holds; no repetition time is an empty array."""
        known = [] if raw.t_r is None else [raw.t_r]
        return {
            "values": np.asarray(raw.values, dtype=np.float64),
            "present": raw.present,
            "t_r": np.array(known, dtype=np.float64),
        }

    def unpack(self, arrays: Mapping[str, np.ndarray]) -> RoiSeries:
        """Return what a record holds as series."""
        t_r = arrays["t_r"]
        return RoiSeries(arrays["values"], arrays["present"], float(t_r[0]) if len(t_r) else None)
