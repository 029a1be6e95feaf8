"""Training rows are read when asked for, and failures are settled as in transform."""

import numpy as np
import pandas as pd
import pytest
from joblib import parallel_config

from adestim.exceptions import SubjectsError, TimeSeriesError
from adestim.modalities.fmri.models.training_series import TrainingSeries, usable_series
from adestim.modalities.fmri.timeseries import RoiLayout, RoiSeries

LAYOUT = RoiLayout(("a", "b"))


def read(cells):
    if cells[0] is None:
        return None
    if isinstance(cells[0], str):
        raise TimeSeriesError("A rule", got=cells[0])
    return RoiSeries(cells[0], np.ones(2, dtype=bool), 2.0)


def rows(*cells, **options):
    frame = pd.DataFrame({"bold": pd.Series(cells, dtype=object)})
    return TrainingSeries(read, frame, LAYOUT, **options)


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_rows_with_a_run_are_read_in_order(n_jobs):
    with parallel_config(backend="threading"):
        series = list(rows(np.zeros((3, 2)), None, np.ones((3, 2)), n_jobs=n_jobs))
    assert [one.values.mean() for one in series] == [0, 1]


def test_failing_rows_raise_after_all_others_were_read():
    found = iter(rows("x", np.zeros((3, 2)), "y"))
    assert next(found).n_volumes == 3
    with pytest.raises(SubjectsError, match=r"2 subject.*Subject '0'"):
        next(found)


def test_single_failing_row_is_named():
    with pytest.raises(TimeSeriesError, match="Subject '1': A rule"):
        list(rows(np.zeros((3, 2)), "x"))


def test_failing_rows_may_be_left_out():
    assert len(list(rows("x", np.zeros((3, 2)), errors="missing"))) == 1


def refuse_ones(series):
    if series.values.any():
        raise TimeSeriesError("No ones")


def test_rows_that_fail_a_check_are_named():
    with pytest.raises(TimeSeriesError, match="Subject '1': No ones"):
        list(usable_series(rows(np.zeros((3, 2)), np.ones((3, 2))), refuse_ones))


def test_rows_that_fail_a_check_may_be_left_out():
    given = rows(np.zeros((3, 2)), np.ones((3, 2)), None, errors="missing")
    assert [one.values.sum() for one in usable_series(given, refuse_ones)] == [0]


def test_series_of_nobody_are_checked_too():
    series = [RoiSeries(np.ones((3, 2)), np.ones(2, dtype=bool), 2.0)]
    with pytest.raises(TimeSeriesError, match="No ones"):
        list(usable_series(series, refuse_ones))
