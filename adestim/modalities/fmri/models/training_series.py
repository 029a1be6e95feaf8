"""The training rows' ROI series, read when a model learns from them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import pandas as pd
from joblib import Parallel, delayed

from adestim.exceptions import AdestimError
from adestim.extraction.failures import name_failure
from adestim.extraction.subjects import prepare_subject, settle_failures
from adestim.modalities.fmri.timeseries import RoiLayout, RoiSeries


@dataclass(frozen=True, eq=False)
class TrainingSeries:
    """The training rows' ROI series, one at a time; nothing is read before it is asked for."""

    # one subject's cells in, a ``RoiSeries`` out; picklable
    read: Callable[[tuple], RoiSeries | None]
    frame: pd.DataFrame  # the training rows' cells, the run first
    # their regions, under the user's names where there are any; None where no row has a run and no
    # parcellation was named
    layout: RoiLayout | None
    # whether subjects that cannot be read raise, after all others were read, or are left out
    errors: str = "raise"
    n_jobs: int | None = None  # number of subjects read at the same time

    def __iter__(self) -> Iterator[RoiSeries]:
        """Yield the series of every row that has some."""
        return self.checked(lambda series: None)

    def checked(self, check: Callable[[RoiSeries], None]) -> Iterator[RoiSeries]:
        """Yield the series of every row that has some and passes a check."""
        rows = zip(self.frame.index, self.frame.itertuples(index=False, name=None), strict=True)
        tasks = (delayed(prepare_subject)(self.read, cells, subject) for subject, cells in rows)
        failures = []
        results = Parallel(n_jobs=self.n_jobs, return_as="generator")(tasks)
        for subject, result in zip(self.frame.index, results, strict=True):
            problem = problem_with(result, check, subject)
            if problem is not None:
                failures.append(problem)
            elif result is not None:
                yield result
        if self.errors == "raise":
            settle_failures(failures, "raise")


def problem_with(
    result: RoiSeries | AdestimError | None, check: Callable[[RoiSeries], None], subject: object
) -> AdestimError | None:
    """Return why a subject's series cannot be used, or None."""
    if not isinstance(result, RoiSeries):
        return result
    try:
        check(result)
    except Exception as failure:
        return name_failure(failure, subject)
    return None


def usable_series(
    raws: Iterable[RoiSeries], check: Callable[[RoiSeries], None]
) -> Iterator[RoiSeries]:
    """Yield the series that can be used."""
    if isinstance(raws, TrainingSeries):
        yield from raws.checked(check)
        return
    for series in raws:
        check(series)
        yield series
