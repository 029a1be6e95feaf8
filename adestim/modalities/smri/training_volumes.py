"""The training rows' volumes, read when a model learns from them, or measured by their headers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from adestim._support.remarks import gather_remarks
from adestim.encoding import is_missing
from adestim.extraction.subjects import readable_raws
from adestim.modalities.smri.models.field_of_view import measure_extent
from adestim.modalities.smri.volume import open_volume


@dataclass(frozen=True, eq=False)
class TrainingVolumes:
    """The training rows' volumes, one at a time; nothing is read before it is asked for."""

    read: Callable[[tuple], Any]  # one subject's cells in, a volume out
    frame: pd.DataFrame  # the training rows' cells, the volume first
    # voxel indices to mm, shape (4, 4), of volumes given as arrays
    affine: tuple[tuple[float, ...], ...] | None = None

    def __iter__(self) -> Iterator[Any]:
        """Yield the volumes of the rows that have one which can be read."""
        return readable_raws(self.frame, self.read)

    def list_extents(self) -> list[np.ndarray]:
        """Return how far every row's volume reaches in mm, by its header; (3,) each."""
        extents = []
        for cell in self.frame.iloc[:, 0]:
            if is_missing(cell):
                continue
            try:
                # Told of later, when the subject is read.
                with gather_remarks():
                    extents.append(measure_extent(open_volume(cell, affine=self.affine)))
            except Exception:
                continue
        return extents
