"""The training rows' ROI series, read when a model learns from them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pandas as pd
from joblib import Parallel, delayed

from adestim.exceptions import AdestimError
from adestim.extraction import prepare_subject, settle_failures
from adestim.fmri.timeseries import RoiLayout, RoiSeries

__all__ = ["TrainingSeries"]


@dataclass(frozen=True, eq=False)
class TrainingSeries:
    """The training rows' ROI series, one at a time; nothing is read before it is asked for.

    Parameters
    ----------
    read : callable
        One subject's cells in, a :class:`RoiSeries` out; picklable.
    frame : DataFrame
        The training rows' cells, the run first.
    layout : RoiLayout or None
        Their regions, under the user's names where there are any; None where no row has a run and
        no parcellation was named.
    errors : {"raise", "missing"}, default="raise"
        Whether subjects that cannot be read raise, after all others were read, or are left out.
    n_jobs : int, default=None
        Number of subjects read at the same time.
    """

    read: Callable[[tuple], RoiSeries | None]
    frame: pd.DataFrame
    layout: RoiLayout | None
    errors: str = "raise"
    n_jobs: int | None = None

    def __iter__(self) -> Iterator[RoiSeries]:
        """Yield the series of every row that has some."""
        rows = zip(self.frame.index, self.frame.itertuples(index=False, name=None), strict=True)
        tasks = (delayed(prepare_subject)(self.read, cells, subject) for subject, cells in rows)
        failures = []
        for result in Parallel(n_jobs=self.n_jobs, return_as="generator")(tasks):
            if isinstance(result, AdestimError):
                failures.append(result)
            elif result is not None:
                yield result
        if self.errors == "raise":
            settle_failures(failures, "raise")
