"""Cleaned ROI series that are kept in a feature store, before a model has seen them.

What a model fits to the training rows changes its inputs in every fold. The series do not change:
whoever finds them in the store reads no run again.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from adestim._support.bids import find_sidecars
from adestim.extraction.stored import key_of_cells, key_of_preparation
from adestim.modalities.fmri.timeseries import RoiSeries
from adestim.store import FeatureStore
from adestim.store.record import Record


@dataclass(frozen=True)
class RecalledSeries:
    """Reading and cleaning whose results are kept; runs in worker processes."""

    # one subject's cells in, the run first, a ``RoiSeries`` or None out; picklable
    read: Callable[[tuple], RoiSeries | None]
    # where series are kept. Of two that differ in it alone, the results are equal
    store: FeatureStore = field(compare=False)
    backbone: str = field(compare=False)
    key: str = field(compare=False)  # key of ``read`` and its options

    @classmethod
    def of(
        cls, read: Callable[[tuple], RoiSeries | None], store: FeatureStore, backbone: str
    ) -> RecalledSeries:
        """Return reading and cleaning whose results are kept."""
        return cls(read, store, backbone, key_of_preparation("series", read))

    def __call__(self, cells: tuple) -> RoiSeries | None:
        """Return the series that were read before; read and keep those that were not."""
        key = key_of_cells(self.key, cells, files_beside(cells), self.store)
        record = self.store.get("series", key) if key else None
        if record is not None:
            return series_of(record)
        series = self.read(cells)
        if series is not None and key:
            arrays = arrays_of(series)
            self.store.put("series", key, arrays, modality="fmri", backbone=self.backbone)
        return series


def files_beside(cells: tuple) -> list[Path]:
    """Return the sidecars that may state a run's repetition time."""
    run = cells[0]
    return list(find_sidecars(Path(run))) if isinstance(run, (str, os.PathLike)) else []


def arrays_of(series: RoiSeries) -> dict[str, np.ndarray]:
    """Return series as what a record holds; no repetition time is an empty array."""
    known = [] if series.t_r is None else [series.t_r]
    return {
        "values": np.asarray(series.values, dtype=np.float64),
        "present": series.present,
        "t_r": np.array(known, dtype=np.float64),
    }


def series_of(record: Record) -> RoiSeries:
    """Return what a record holds as series."""
    values, present, t_r = (record.arrays[name].read() for name in ("values", "present", "t_r"))
    return RoiSeries(values, present, float(t_r[0]) if len(t_r) else None)
