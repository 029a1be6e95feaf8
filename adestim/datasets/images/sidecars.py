"""What stands beside images: repetition times in JSON, times of acquisition in tables."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import lru_cache
from warnings import warn

import numpy as np
import pandas as pd

from adestim._support.bids import Level, applying_sidecars, list_stated_times, read_json
from adestim._support.missing import NUMBER_WORDS
from adestim._support.tables import read_rows
from adestim._support.written_dates import read_written_dates
from adestim.datasets.images.names import spell_session
from adestim.exceptions import DataWarning, TableError

RUN = ["subject", "session", "task", "run"]
VISIT = ["subject", "session"]
ZONE = r"(?:Z|[+-]\d{2}:\d{2})$"


def find_repetition_time(name: str, levels: Sequence[Level]) -> float | None:
    """Return the repetition time in s: of the nearest sidecar that applies and states it."""
    times = map(read_stated_time, applying_sidecars(name, reversed(levels)))
    return next((time for time in times if time is not None), None)


@lru_cache(maxsize=4096)
def read_unchanged(path: str, _changed: int) -> float | None:
    """Return what a sidecar says, read once however many files it is for."""
    try:
        stated = list_stated_times(read_json(path))
    except ValueError:
        warn(f"The sidecar {path!r} is no JSON and is passed over.", DataWarning, stacklevel=2)
        return None
    return next((time.seconds for time in stated if time.seconds and time.seconds > 0), None)


def read_stated_time(path: str) -> float | None:
    """Return the repetition time that a sidecar states; None where it is gone."""
    try:
        changed = os.stat(path).st_mtime_ns  # noqa: PTH116
    except OSError:
        return None
    return read_unchanged(path, changed)


def find_acquisition_times(index: pd.DataFrame, tables: Mapping[str, Sequence[str]]) -> pd.Series:
    """Return when files were acquired: what is known of the file, else of its session."""
    scans, sessions = read_scan_times(tables["scans"]), read_session_times(tables["sessions"])
    rows = index[["subject", "session", "path", "acquired"]].astype("object")
    rows = rows.where(rows.notna(), "").itertuples(index=False, name=None)
    times = [
        acquired or scans.get(path) or sessions.get((subject, spell_session(session))) or None
        for subject, session, path, acquired in rows
    ]
    # Zones are dropped: a visit is a day, at the place where it was.
    text = pd.Series(times, index=index.index, dtype="str").str.replace(ZONE, "", regex=True)
    read = pd.to_datetime(text, format="ISO8601", errors="coerce").astype("datetime64[us]")
    lost = text.notna() & read.isna()
    return read.fillna(read_other_times(text[lost])) if lost.any() else read


def read_other_times(text: pd.Series) -> pd.Series:
    """Return the dates of times that are not written as BIDS has them; warn of what is lost."""
    try:
        dates = read_written_dates(text.tolist(), "times of acquisition")
        n_lost = int(dates.is_unreadable.sum())
        reason = f"{n_lost} cells are no dates" if n_lost else ""
        values = dates.values
    except TableError as refusal:
        reason, values = str(refusal).rstrip("."), np.full(len(text), "NaT", "datetime64[us]")
    if reason:
        warn(
            f"Times of acquisition are not written as 2010-12-31T10:11:12: {reason}. They count as "
            "unknown.",
            DataWarning,
            stacklevel=5,
        )
    return pd.Series(values, index=text.index)


def read_scan_times(paths: Sequence[str]) -> dict[str, str]:
    """Return the time of acquisition by path of the file."""
    times = {}
    for path in paths:
        folder = os.path.dirname(path)  # noqa: PTH120
        for row in read_rows(path):
            time = row.get("acq_time") or ""
            if time not in NUMBER_WORDS and row.get("filename"):
                times[os.path.normpath(f"{folder}{os.sep}{row['filename']}")] = time
    return times


def read_session_times(paths: Sequence[str]) -> dict[tuple[str, str], str]:
    """Return the time of acquisition by subject and session."""
    times = {}
    for path in paths:
        subject = os.path.basename(path).split("_")[0]  # noqa: PTH119
        for row in read_rows(path):
            time = row.get("acq_time") or row.get("examination_date") or ""
            if time not in NUMBER_WORDS:
                times[subject, spell_session(row.get("session_id") or "")] = time
    return times


def borrow_times(index: pd.DataFrame) -> pd.DataFrame:
    """Fill repetition times from other files of the run, times of acquisition from the session."""
    # Times of a table of motion are nobody's business.
    series = index["modality"].isin(["bold", "roi_series"])
    time = index["repetition_time"].fillna(find_least(index, "repetition_time", RUN)).where(series)
    acquired = index["acquired"].fillna(find_least(index, "acquired", VISIT))
    return index.assign(repetition_time=time.astype("float64"), acquired=acquired)


def find_least(index: pd.DataFrame, column: str, keys: Sequence[str]) -> pd.Series:
    """Return the least value of a column within each group, for every row."""
    if index[column].isna().all():
        return pd.Series(np.nan if column != "acquired" else pd.NaT, index=index.index)
    return index.groupby([index[key].fillna("") for key in keys])[column].transform("min")
