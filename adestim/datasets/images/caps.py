"""Outputs of Clinica (CAPS): their names, and what Clinica calls subjects and visits."""

from __future__ import annotations

import re

from adestim.datasets.images.names import TABLE, VOLUME, Rule
from adestim.exceptions import InputError

# t1-linear is a T1w like any other; these are of t1-volume and t1-freesurfer.
RULES = (
    Rule("gray_matter", "probability", VOLUME, {"segm": "graymatter", "space": None}),
    Rule("roi_volumes", "statistics", TABLE, {"map": "graymatter", "space": None}),
    Rule("roi_thickness", "thickness", TABLE, {"parcellation": None}),
)

ADNI = re.compile(r"ADNI(\d{3})S(\d{4,5})")
MONTHS = re.compile(r"ses-M(\d+)")
DAYS = re.compile(r"ses-d(\d+)")


def study_subject(subject: str) -> str:
    """Return a subject's identifier as the study writes it."""
    label = subject.removeprefix("sub-")
    match = ADNI.fullmatch(label)
    return f"{match[1]}_S_{match[2]}" if match else label


def session_label(session: str) -> str:
    """Return a session's label as Clinica writes it today: ``ses-M006`` for ``ses-M06``."""
    label = session if not session or session.startswith("ses-") else f"ses-{session}"
    match = MONTHS.fullmatch(label)
    return f"ses-M{int(match[1]):03d}" if match else label


def session_months(session: str) -> float:
    """Return how many months after baseline a session was."""
    return number_in(MONTHS, session, "the month, as 'ses-M006'")


def session_days(session: str) -> float:
    """Return how many days after entry a session of OASIS-3 was."""
    return number_in(DAYS, session, "the day, as 'ses-d0757'")


def number_in(pattern: re.Pattern, session: str, what: str) -> float:
    """Return the number in a session's label."""
    match = pattern.fullmatch(session)
    if match is None:
        raise InputError(f"The label of a session names {what}", got=repr(session))
    return float(match[1])
