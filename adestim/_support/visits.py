"""A cell that holds several visits of one person."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from adestim.exceptions import InputError


@dataclass(frozen=True, eq=False)
class Visits:
    """One person's visits, as one cell of a table that has a row a person.

    Parameters
    ----------
    years : array-like of shape (n_visits,)
        When the visits were: years since the index visit, ascending, 0 at that visit and negative
        before it.
    rows : DataFrame of shape (n_visits, n_columns)
        What was recorded, raw cells as in any table, in the same order.

    Raises
    ------
    InputError
        When there is no visit, or times are missing, not ascending, or not as many as rows.

    See Also
    --------
    gather_visits : Makes such cells of a table with one row a visit.
    adestim.VisitSummary : Reads them.

    Examples
    --------
    >>> import pandas as pd
    >>> from adestim.datasets import Visits
    >>> Visits([-1.0, 0.0], pd.DataFrame({"gds": [2.0, 5.0]}))
    <Visits: 2, from -1.0 to 0.0 years, 1 column>
    """

    years: np.ndarray
    rows: pd.DataFrame

    def __post_init__(self) -> None:
        """Check that every row has a time."""
        years = np.asarray(self.years, dtype=float)
        object.__setattr__(self, "years", years)
        if not len(years) or years.shape != (len(self.rows),):
            raise InputError(
                "Visits have one time a row, and at least one row",
                got=f"times of shape {years.shape} and {len(self.rows)} rows",
            )
        if not np.isfinite(years).all() or (np.diff(years) <= 0).any():
            raise InputError(
                "Times of Visits are numbers of years, each later than the one before",
                got="missing or unordered ones",
                remedy="Sort the visits by time, and settle those of one day first",
            )

    def __repr__(self) -> str:
        """Return how many visits there are, and from when to when."""
        n_columns = self.rows.shape[1]
        return (
            f"<Visits: {len(self.years)}, from {self.years[0]:.1f} to {self.years[-1]:.1f} years, "
            f"{n_columns} column{'' if n_columns == 1 else 's'}>"
        )
