"""A person's visits up to the index visit, in one cell."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from adestim._support.visits import Visits
from adestim._support.words import first_names
from adestim.datasets.labelling.matching import (
    check_one_visit_at_a_time,
    check_time_kinds,
    count_days,
    make_visit_keys,
)
from adestim.datasets.tables.cells import DAYS_A_YEAR
from adestim.exceptions import InputError


def gather_visits(
    visits: pd.DataFrame,
    index_times: pd.Series,
    *,
    on: str = "subject",
    time: str = "date",
    columns: Sequence[str] | None = None,
) -> pd.Series:
    """Gather each person's visits up to the index visit in one cell.

    Parameters
    ----------
    visits : DataFrame
        One row a visit: the person, the time, and raw cells.
    index_times : Series
        Time of each person's index visit, by person, in the unit of ``visits[time]``.
    on : str, default="subject"
        Column of ``visits`` with the person.
    time : str, default="date"
        Column of ``visits`` with dates, or with numbers of days.
    columns : sequence of str, default=None
        Columns to keep. None: all but the person and the time.

    Returns
    -------
    Series of Visits
        Indexed as ``index_times``; None for people without a visit up to their index visit. Later
        visits are left out, as are those without a time: they are nobody's past.

    Raises
    ------
    InputError
        When a column is missing, an index time is missing, times are of two kinds, or a person has
        several visits at one time.

    See Also
    --------
    adestim.VisitSummary : Reads such cells inside a pipeline.

    Examples
    --------
    >>> import pandas as pd
    >>> from adestim.datasets import gather_visits
    >>> visits = pd.DataFrame(
    ...     {"subject": ["s1", "s1", "s1"], "day": [0, 365, 730], "gds": [2, 3, 9]}
    ... )
    >>> gather_visits(visits, pd.Series({"s1": 365}), time="day")["s1"]
    <Visits: 2, from -1.0 to 0.0 years, 1 column>
    """
    check_index_times(index_times)
    keys = make_visit_keys(visits, on, time, "visits")
    check_time_kinds(index_times.rename("index_times"), visits[time])
    check_one_visit_at_a_time(keys)
    kept = [name for name in visits if name not in (on, time)] if columns is None else list(columns)
    lacking = [name for name in kept if name not in visits]
    if lacking:
        raise InputError("The 'columns' parameter names columns of 'visits'", got=repr(lacking[0]))
    starts = pd.Series(count_days(index_times), index=index_times.index.astype("str"))
    keys = keys.assign(years=(keys["day"] - keys["subject"].map(starts)) / DAYS_A_YEAR)
    past = keys[keys["years"] <= 0].groupby("subject")
    cells = {
        subject: Visits(rows["years"].to_numpy(), visits[kept].iloc[rows["row"].to_numpy(int)])
        for subject, rows in past
    }
    column = np.empty(len(index_times), dtype=object)
    column[:] = [cells.get(str(subject)) for subject in index_times.index]
    return pd.Series(column, index=index_times.index, name="visits", dtype=object)


def check_index_times(index_times: pd.Series) -> None:
    """Refuse people without an index time, or with several."""
    unknown = index_times.index[index_times.isna()]
    if len(unknown):
        raise InputError(
            "Everybody in 'index_times' has a time", got=f"none for {first_names(unknown)}"
        )
    twice = index_times.index[index_times.index.duplicated()].unique()
    if len(twice):
        raise InputError("A person has one index visit", got=f"several for {first_names(twice)}")
