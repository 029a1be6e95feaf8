"""What a file is, read off its name: of BIDS, fMRIPrep, XCP-D and Clinica."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from adestim._support.bids import FileName, read_json
from adestim.exceptions import InputError

VOLUME = (".nii.gz", ".nii")
TABLE = (".tsv",)
# Decided by the columns of the table: older fMRIPrep named its confounds no further.
UNCLEAR_SERIES = "unclear series"
# Of fMRI that was stored as magnitude and phase, the magnitude is the image.
NOT_AN_IMAGE = ("phase", "real", "imag")
CONFOUNDS = {
    "framewisedisplacement",
    "globalsignal",
    "csf",
    "whitematter",
    "transx",
    "stddvars",
}
ADNI = re.compile(r"ADNI(\d{3})S(\d{4,5})")
MONTHS = re.compile(r"ses-M(\d+)")
DAYS = re.compile(r"ses-d(\d+)")


class Rule(NamedTuple):
    """Which files are of a modality: their suffix, endings and, if need be, entities.

    An entity of None may have any value, but must be there.
    """

    modality: str
    suffix: str
    endings: Sequence[str]
    entities: Mapping[str, str | None] = {}

    def fits(self, name: FileName) -> bool:
        """Tell whether a file is of the modality."""
        return name.extension in self.endings and all(
            key in name.entities and value in (None, name.entities[key])
            for key, value in self.entities.items()
        )


RAW = (
    Rule("t1w", "T1w", VOLUME),
    Rule("bold", "bold", VOLUME),
)
# Rules of which files hold confounds, ROI series, connectivity and head motion.
#
# fMRIPrep: desc-confounds_timeseries, before 20.2 desc-confounds_regressors, in its first versions
# bold_confounds. XCP-D: atlas-X_timeseries up to 0.6.4, seg-X_stat-mean_timeseries in 0.7.0 to
# 0.14.1, atlas-X_stat-mean_timeseries from 26.0.0; conmat became relmat.
PREPROCESSED = (
    Rule("confounds", "timeseries", TABLE, {"desc": "confounds"}),
    Rule("confounds", "regressors", TABLE),
    Rule("confounds", "confounds", TABLE),
    Rule("roi_series", "timeseries", TABLE, {"atlas": None}),
    Rule("roi_series", "timeseries", TABLE, {"seg": None}),
    Rule(UNCLEAR_SERIES, "timeseries", TABLE),
    Rule("connectivity", "conmat", TABLE),
    Rule("connectivity", "relmat", TABLE),
    Rule("motion", "motion", TABLE, {"task": None}),
    Rule("outliers", "outliers", TABLE),
)
# t1-linear is a T1w like any other; these are of t1-volume and t1-freesurfer.
CAPS = (
    Rule("gray_matter", "probability", VOLUME, {"segm": "graymatter", "space": None}),
    Rule("roi_volumes", "statistics", TABLE, {"map": "graymatter", "space": None}),
    Rule("roi_thickness", "thickness", TABLE, {"parcellation": None}),
)


def group_by_suffix(rules: Sequence[Rule]) -> dict[str, list[Rule]]:
    """Sort rules by the suffix they ask for; the first that fits will count."""
    table: dict[str, list[Rule]] = {}
    for rule in rules:
        table.setdefault(rule.suffix, []).append(rule)
    return table


def find_modality(name: FileName, rules: Mapping[str, Sequence[Rule]]) -> str | None:
    """Return the modality of a file, or None."""
    if name.entities.get("part") in NOT_AN_IMAGE:
        return None
    fitting = (rule.modality for rule in rules.get(name.suffix, ()) if rule.fits(name))
    return next(fitting, None)


def find_atlas(modality: str, entities: Mapping[str, str]) -> str | None:
    """Return the atlas whose regions a file is about."""
    if modality == "roi_volumes":
        return entities.get("space")
    named = (entities.get(key) for key in ("atlas", "seg", "parcellation"))
    return next((atlas for atlas in named if atlas), None)


def find_description(entities: Mapping[str, str]) -> str | None:
    """Return what was done to the image."""
    if "desc" in entities:
        return entities["desc"]
    told = [f"{key}-{entities[key]}" for key in ("modulated", "fwhm") if key in entities]
    return "_".join(told) or None


def tell_series_modality(path: str) -> str:
    """Return what a table of series holds whose name does not say: confounds or regions."""
    with Path(path).open(encoding="utf-8", errors="replace") as file:
        names = file.readline().split("\t")
    plain = {"".join(filter(str.isalnum, name.casefold())) for name in names}
    return "confounds" if plain & CONFOUNDS else "roi_series"


def read_pipeline_name(description: Path) -> str:
    """Return who made the images of a data set."""
    facts = read_json_if_sound(description)
    generated = facts.get("GeneratedBy")
    makers = generated if isinstance(generated, list) else []
    # How BIDS said it before version 1.4.
    makers = [*makers, facts.get("PipelineDescription")]
    names = [maker["Name"] for maker in makers if isinstance(maker, Mapping) and "Name" in maker]
    # A converter made a raw data set; no pipeline has been over it.
    return str(names[0]) if names and facts.get("DatasetType") != "raw" else "raw"


def read_json_if_sound(path: Path) -> dict:
    """Return what a file of JSON holds; nothing where it cannot be read."""
    try:
        return read_json(path)
    except (OSError, ValueError):
        return {}


def spell_as_in_study(subject: str) -> str:
    """Return a subject's identifier as the study writes it."""
    label = subject.removeprefix("sub-")
    match = ADNI.fullmatch(label)
    return f"{match[1]}_S_{match[2]}" if match else label


def spell_session(session: str) -> str:
    """Return a session's label as Clinica writes it today: ``ses-M006`` for ``ses-M06``."""
    label = session if not session or session.startswith("ses-") else f"ses-{session}"
    match = MONTHS.fullmatch(label)
    return f"ses-M{int(match[1]):03d}" if match else label


def parse_session_months(session: str) -> float:
    """Return how many months after baseline a session was."""
    return parse_number(MONTHS, session, "the month, as 'ses-M006'")


def parse_session_days(session: str) -> float:
    """Return how many days after entry a session of OASIS-3 was."""
    return parse_number(DAYS, session, "the day, as 'ses-d0757'")


def parse_number(pattern: re.Pattern, session: str, what: str) -> float:
    """Return the number in a session's label."""
    match = pattern.fullmatch(session)
    if match is None:
        raise InputError(f"The label of a session names {what}", got=repr(session))
    return float(match[1])
