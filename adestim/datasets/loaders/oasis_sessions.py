"""Sessions of OASIS-3: which one is used, and the clinical visit that belongs to it."""

from __future__ import annotations

from dataclasses import replace
from warnings import warn

import numpy as np
import pandas as pd

from adestim._support.words import first_names
from adestim.datasets.images.caps import session_days, session_months
from adestim.datasets.labelling.matching import match_visits
from adestim.datasets.loaders.attach import numbers_in, require_familiar, usable
from adestim.datasets.loaders.study import Study
from adestim.datasets.tables.visit_codes import DAYS_A_MONTH
from adestim.exceptions import DataWarning, InputError

# The study tells days since entry and no dates; any date may stand for the entry.
ENTRY = pd.Timestamp(2000, 1, 1)
SESSION = ["subject", "session"]


def session_day(session: object) -> float:
    """Return the day of a session from its label, in days (``ses-d0757``) or months (Clinica)."""
    for read, scale in ((session_days, 1.0), (session_months, DAYS_A_MONTH)):
        try:
            return round(read(str(session)) * scale)
        except InputError:
            continue
    return np.nan


def timed_images(index: pd.DataFrame, study: Study) -> pd.DataFrame:
    """Return the usable images of the study's people, with a day and a date that stands for it."""
    subjects = numbers_in(index["subject"], study.pattern)
    familiar = subjects.isin(study.people["number"])
    require_familiar(index, familiar)
    known = usable(index.assign(subject=subjects)[familiar])
    days = {session: session_day(session) for session in known["session"].unique()}
    known = known.assign(day=known["session"].map(days).astype("float64"))
    timeless = known["day"].isna()
    if timeless.any():
        warn(
            f"{int(timeless.sum())} images of {first_names(known['subject'][timeless].unique())} "
            "are in sessions that do not name their day, and count as missing.",
            DataWarning,
            stacklevel=3,
        )
    known = known[~timeless]
    return known.assign(acquired=ENTRY + pd.to_timedelta(known["day"], unit="D"))


def first_sessions(images: pd.DataFrame, visits: pd.DataFrame, window: float) -> pd.DataFrame:
    """Return each subject's first session with a diagnosis near; those with a T1w come first."""
    t1w = images["modality"].eq("t1w")
    sessions = (
        images.assign(t1w=t1w)
        .groupby(SESSION, as_index=False)
        .agg(day=("day", "first"), t1w=("t1w", "any"))
    )
    known = visits.loc[visits["diagnosis"].notna(), ["subject", "day"]].dropna()
    known = known.assign(visit_day=known["day"])
    matched = match_visits(sessions, known, image_time="day", visit_time="day", window=window)
    matched = matched[matched["visit_day"].notna()]
    ordered = matched.sort_values(["t1w", "day"], ascending=[False, True], kind="stable")
    return ordered.groupby("subject").first()[["session", "day", "visit_day"]]


def from_first_session(
    study: Study, images: pd.DataFrame, window: float | None
) -> tuple[Study, pd.DataFrame, pd.Series]:
    """Let each one's history begin with the visit that belongs to the first session."""
    sessions = first_sessions(images, study.visits, np.inf if window is None else window)
    if sessions.empty:
        raise InputError(
            "Some session has a visit with a diagnosis within 'window_days'",
            got=f"none of {len(images[SESSION].drop_duplicates())} sessions, {window} days",
            remedy="Widen the window, or look whether the tables go as far as the images",
        )
    start = study.visits["subject"].map(sessions["visit_day"])
    visits = study.visits[~(study.visits["day"] < start)].reset_index(drop=True)
    chosen = images["session"] == images["subject"].map(sessions["session"])
    return replace(study, visits=visits), images[chosen], sessions["day"]
