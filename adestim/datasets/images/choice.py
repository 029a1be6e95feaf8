"""Which of several files of a subject, session and modality is meant."""

from __future__ import annotations

from collections.abc import Mapping
from warnings import warn

import pandas as pd

from adestim._support.words import first_names
from adestim.exceptions import DataWarning, InputError

VOLUMES = ("t1w", "bold")
RUNS = ("bold", "roi_series", "confounds", "connectivity", "motion", "outliers")
SPACES = (
    "MNI152NLin2009cAsym",
    "MNI152NLin6Asym",
    "MNI152NLin2009cSym",
    "MNI152NLin2009aSym",
)
DESCRIPTIONS = ("denoised", "Crop", "preproc")
OTHER, NATIVE = 20, 10


def of_task(index: pd.DataFrame, task: str | None) -> pd.DataFrame:
    """Leave out runs of other tasks."""
    if task is None:
        return index
    named = index["task"].str.casefold().str.startswith(task.casefold()).fillna(False).astype(bool)
    return index[named | ~index["modality"].isin(RUNS)]


def of_space(index: pd.DataFrame, space: str | Mapping[str, str] | None) -> pd.DataFrame:
    """Leave out volumes in other spaces."""
    if space is None:
        return index
    asked = space if isinstance(space, Mapping) else dict.fromkeys(VOLUMES, space)
    unknown = sorted(set(asked) - set(VOLUMES))
    if unknown:
        raise InputError(
            "The 'space' parameter names spaces of 't1w' and 'bold'",
            got=f"{first_names(unknown)} besides",
        )
    for modality, wanted in asked.items():
        index = of_one_space(index, modality, wanted)
    return index


def of_one_space(index: pd.DataFrame, modality: str, space: str) -> pd.DataFrame:
    """Leave out volumes of one modality in other spaces."""
    concerned = index["modality"] == modality
    fits = index["space"] == space
    if concerned.any() and not (concerned & fits).any():
        there = sorted(index.loc[concerned, "space"].fillna("none: native").unique())
        raise InputError(
            f"There are files of {modality!r} in the space {space!r}",
            got=f"only others: {first_names(there)}",
            remedy="Choose one of these; a mapping such as {'bold': ...} chooses by modality",
        )
    return index[~concerned | fits]


def check_atlas(index: pd.DataFrame, atlas: str | None) -> pd.DataFrame:
    """Leave out ROI series of other atlases; refuse to guess which one is meant."""
    concerned = index["modality"].isin(["roi_series", "connectivity"])
    series = index.loc[index["modality"] == "roi_series", "atlas"].dropna()
    there = sorted(series.unique())
    if atlas is None and len(there) > 1:
        raise InputError(
            "ROI series are of one atlas",
            got=f"series of {len(there)}: {first_names(there, limit=20)}",
            remedy="Choose one by the 'atlas' parameter",
        )
    if atlas is None or not there:
        return index
    if atlas not in there:
        raise InputError(
            f"There are ROI series of the atlas {atlas!r}",
            got=f"others: {first_names(there, limit=20)}",
            remedy="Choose one of these",
        )
    return index[~concerned | (index["atlas"] == atlas)]


def in_order_of_preference(index: pd.DataFrame) -> pd.DataFrame:
    """Sort files so that the one that is meant comes first."""
    ranks = pd.DataFrame(
        {
            "problem": index["problem"].notna(),
            "description": index["description"].map(description_rank),
            "space": index["space"].map(space_rank),
            "run": index["run"].map(run_number),
            "path": index["path"],
        },
        index=index.index,
    )
    return index.loc[ranks.sort_values(list(ranks)).index]


def space_rank(space: object) -> int:
    """Return a lower number for a space that is preferred."""
    if not isinstance(space, str):
        return NATIVE
    if space in SPACES:
        return SPACES.index(space)
    return len(SPACES) if space.startswith("MNI") else OTHER


def description_rank(description: object) -> int:
    """Return a lower number for an image of which more has been made."""
    if not isinstance(description, str):
        return len(DESCRIPTIONS)
    if description in DESCRIPTIONS:
        return DESCRIPTIONS.index(description)
    return len(DESCRIPTIONS) + 1 + ("repeat" in description.casefold())


def run_number(run: object) -> int:
    """Return the number of a run; all runs together come before each."""
    return int(run) if isinstance(run, str) and run.isdigit() else 0


def warn_of_mixed_spaces(chosen: pd.DataFrame) -> None:
    """Say so if the volumes of a cohort do not lie in one space."""
    for modality in VOLUMES:
        spaces = chosen.loc[chosen["modality"] == modality, "space"].fillna("none: native")
        if spaces.nunique() > 1:
            warn(
                f"Files of {modality!r} are in several spaces: {first_names(spaces.unique())}. "
                "Choose one by the 'space' parameter.",
                DataWarning,
                stacklevel=3,
            )
