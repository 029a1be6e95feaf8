"""What was taken against Parkinson's disease at baseline, from PPMI's log of medication."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from adestim.datasets.tables.read_table import find_table, read_table

LOG = {
    "subject": "PATNO",
    "start": "STARTDT",
    "stop": "STOPDT",
    "dose": "LEDD",
}


def dose_at_baseline(root: str | Path, baseline: pd.Series) -> pd.DataFrame:
    """Return levodopa equivalents at baseline.

    Dates are months. What began in the month of the baseline counts as begun after it, and what
    has no start as taken before.
    """
    path = find_table(root, "LEDD_Concomitant_Medication_Log", ["LEDD*Log"], required=False)
    if path is None:
        blank = pd.Series(pd.NA, index=baseline.index)
        return pd.DataFrame({"ledd": blank.astype("Float64").astype("float64"), "medicated": blank})
    log = read_table(
        path, LOG, ids=["subject"], dates=["start", "stop"],
        required=["subject", "start", "dose"], unreadable="missing",
    )  # fmt: skip
    month = log["subject"].map(baseline)
    before = (log["start"] < month) | (log["start"].isna() & month.notna())
    taken = log[before & ~(log["stop"] < month)]
    doses = pd.to_numeric(taken["dose"], errors="coerce").groupby(taken["subject"])
    total = doses.sum().where(doses.count() == doses.size())
    dated = baseline.notna()
    medicated = pd.Series(baseline.index.isin(taken["subject"]), index=baseline.index)
    ledd = total.reindex(baseline.index).where(medicated, 0.0).where(dated)
    return pd.DataFrame({"ledd": ledd, "medicated": medicated.astype(object).where(dated)})
