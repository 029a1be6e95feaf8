"""The session at which each subject enters, and the images that were taken then."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from warnings import warn

import pandas as pd

from adestim._support.words import first_names
from adestim.datasets.cohort import PATH_COLUMNS, FlowTable
from adestim.datasets.images.index import keep_task
from adestim.datasets.images.names import spell_session
from adestim.datasets.images.sidecars import borrow_times
from adestim.exceptions import DataWarning, InputError, VolumeError

FETCH = "Fetch what is missing (datalad get, git annex get), or choose broken='missing'"


def find_derivative_folders(
    root: Path, derivatives: str | Path | Sequence[str | Path] | None
) -> list[Path]:
    """Return the folders of derivatives, given as paths or as names below ``derivatives``."""
    if derivatives is None:
        return []
    several = [derivatives] if isinstance(derivatives, (str, Path)) else list(derivatives)
    folders = []
    for given in several:
        places = [root / "derivatives" / given, Path(given).expanduser().absolute()]
        there = [place for place in places if place.is_dir()]
        if not there:
            raise InputError(
                "The 'derivatives' parameter names folders, as paths or below 'derivatives'",
                got=f"{str(given)!r}, which is neither",
            )
        folders.append(there[0])
    return folders


def prefer_first_source(indexes: Sequence[pd.DataFrame], task: str | None) -> pd.DataFrame:
    """Join the indexes of several folders; a later one only gives what the earlier ones lack."""
    several = [keep_task(index, task).assign(source=rank) for rank, index in enumerate(indexes)]
    rows = pd.concat(several, ignore_index=True)
    sessions = rows["session"].map(spell_session, na_action="ignore").astype("str")
    # A preprocessed run may owe its repetition time to the raw one, which is left out then.
    rows = borrow_times(rows.assign(session=sessions))
    keys = [rows[name].fillna("") for name in ("subject", "session", "modality")]
    usable = rows["source"].where(rows["problem"].isna())
    first = usable.groupby(keys).transform("min")
    return rows[~(rows["source"] > first)].drop(columns="source").reset_index(drop=True)


def choose_entry_sessions(
    subjects: pd.Index, images: pd.DataFrame, visits: pd.DataFrame, session: str | None
) -> pd.Series:
    """Return the session at which each subject enters."""
    told = visits[["subject", "session"]]
    if session is None:
        told = told[~told["subject"].isin(images["subject"])]
    seen = pd.concat([images[["subject", "session", "acquired"]], told], ignore_index=True)
    seen = seen[seen["session"].fillna("") != ""]
    if session is not None:
        seen = seen[seen["session"] == spell_session(session)]
    return find_earliest(seen).reindex(subjects).astype("str").rename("session")


def find_earliest(seen: pd.DataFrame) -> pd.Series:
    """Return the earliest session by subject: by the time of acquisition, else by its number."""
    times = pd.to_datetime(seen["acquired"])
    sessions = times.groupby([seen["subject"], seen["session"]]).min().reset_index()
    number = sessions["session"].str.extract(r"(\d+)", expand=False)
    sessions["number"] = pd.to_numeric(number).astype("float64")
    whose = sessions.groupby("subject")
    timed = sessions["acquired"].notna().groupby(sessions["subject"]).transform("all")
    numbered = sessions["number"].notna().groupby(sessions["subject"]).transform("all")
    unclear = ~timed & ~numbered & (whose["session"].transform("size") > 1)
    if unclear.any():
        raise InputError(
            "Sessions have times of acquisition, or numbers in their labels, to tell the earliest",
            got=f"neither for {first_names(sessions.loc[unclear, 'subject'].unique())}, sessions "
            f"{first_names(sessions.loc[unclear, 'session'].unique())}",
            remedy="Choose one by the 'session' parameter",
        )
    sessions["acquired"] = sessions["acquired"].where(timed)
    ordered = sessions.sort_values(["subject", "acquired", "number"])
    return ordered.drop_duplicates("subject").set_index("subject")["session"]


def select_session_files(images: pd.DataFrame, sessions: pd.Series) -> pd.DataFrame:
    """Return the files of each subject's session that a frame has columns for."""
    wanted = images["subject"].map(sessions).fillna("")
    rows = images[(images["session"].fillna("") == wanted) & images["modality"].isin(PATH_COLUMNS)]
    return drop_strange_confounds(rows)


def drop_strange_confounds(rows: pd.DataFrame) -> pd.DataFrame:
    """Leave out confounds of another run, or of another pipeline than made the run.

    XCP-D has regressed them out already.
    """
    ordered = pd.concat([rows[rows["modality"] == name] for name in ("bold", "roi_series")])
    parts = ["subject", "pipeline", "task", "run"]
    runs = pd.MultiIndex.from_frame(ordered.drop_duplicates("subject")[parts].fillna(""))
    same_run = pd.MultiIndex.from_frame(rows[parts].fillna("")).isin(runs)
    return rows[(rows["modality"] != "confounds") | same_run]


def drop_broken(rows: pd.DataFrame, flow: FlowTable, broken: str) -> tuple[pd.DataFrame, FlowTable]:
    """Leave out files that cannot be used, and their subjects if asked."""
    rows = rows[rows["subject"].isin(flow.kept)]
    bad = rows[rows["problem"].notna()]
    if bad.empty:
        return rows, flow
    counts = (bad["modality"] + ": " + bad["problem"]).value_counts()
    told = ", ".join(f"{reason} ({count} files)" for reason, count in counts.items())
    if broken == "raise":
        first = bad.iloc[0]
        raise VolumeError(
            "An image can be read", got=first["problem"], remedy=FETCH, subject=first["subject"]
        )
    if broken == "missing":
        warn(f"Files that cannot be used count as missing: {told}.", DataWarning, stacklevel=3)
        return rows[rows["problem"].isna()], flow
    reasons = (bad["modality"] + ": " + bad["problem"]).set_axis(bad["subject"])
    flow = flow.exclude_each(reasons, "images")
    if flow.kept.empty:
        raise VolumeError("Somebody's images can be used", got=told, remedy=FETCH)
    return rows[rows["subject"].isin(flow.kept)], flow


def tabulate_paths(rows: pd.DataFrame, subjects: pd.Index) -> pd.DataFrame:
    """Return a table of paths, one row a subject and one column a modality that there is."""
    table = rows.pivot(index="subject", columns="modality", values="path").reindex(subjects)
    names = [name for name in PATH_COLUMNS if name in table]
    return pd.DataFrame({name: table[name].astype("str") for name in names}, index=subjects)
