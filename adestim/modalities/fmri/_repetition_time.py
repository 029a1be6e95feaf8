"""The repetition time of a run, in seconds: from the header, its sidecar, or the user."""

from __future__ import annotations

import json
from collections.abc import Iterator
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np

from adestim.exceptions import TimeSeriesError

SHORTEST = 0.05
LONGEST = 20.0
TOLERANCE = 0.01
SECONDS_IN = {"sec": 1.0, "msec": 1e-3, "usec": 1e-6, "unknown": 1.0}
WRITERS_DEFAULT = 1.0
N_LEVELS_UP = 4
DATASET_ROOT = "dataset_description.json"


def checked_t_r(value: Any, origin: str) -> float:
    """Return a repetition time that a scanner can have, in seconds."""
    rule = f"The repetition time must be between {SHORTEST} and {LONGEST:.0f} s"
    if not isinstance(value, (Real, np.number)) or isinstance(value, bool):
        raise TimeSeriesError(rule, got=f"{value!r} from {origin}", remedy="Pass t_r= in seconds")
    seconds = float(value)
    if SHORTEST <= seconds <= LONGEST:
        return seconds
    raise TimeSeriesError(
        rule,
        got=f"{seconds:g} s from {origin}{likely_mistake(seconds)}",
        remedy="Mend the header or the sidecar, or pass t_r= in seconds",
    )


def likely_mistake(seconds: float) -> str:
    """Say what a strange repetition time probably means."""
    if SHORTEST <= seconds / 1000 <= LONGEST:
        return f", which looks like milliseconds ({seconds / 1000:g} s)"
    if seconds > 0 and SHORTEST <= seconds * 1000 <= LONGEST:
        return f", which looks like seconds declared as milliseconds ({seconds * 1000:g} s)"
    return ""


def header_t_r(image: Any) -> float | None:
    """Return the repetition time that a 4-D image's header states, unchecked, in s."""
    zooms = image.header.get_zooms()
    if len(zooms) < 4 or zooms[3] == 0 or not hasattr(image.header, "get_xyzt_units"):
        return None
    unit = image.header.get_xyzt_units()[1]
    if unit == "unknown" and zooms[3] == WRITERS_DEFAULT:
        return None
    return round(float(zooms[3]) * SECONDS_IN[unit], 6) if unit in SECONDS_IN else None


def sidecar_t_r(path: Path) -> float | None:
    """Return the repetition time of the nearest JSON sidecar, unchecked, in s.

    BIDS inheritance is followed: a ``.json`` file beside the run or in a folder above it
    describes the run when it ends in the same suffix (``bold``) and all its entities are the
    run's too; the nearest that states a time wins.
    """
    for sidecar in sidecars(path):
        fields = read_json(sidecar)
        for key, to_seconds in (("RepetitionTime", float), ("SamplingFrequency", period)):
            if key in fields:
                return to_seconds(require_number(fields[key], key, sidecar))
    return None


def period(frequency: float) -> float:
    """Return the period in s of a frequency in Hz."""
    return 1 / frequency if frequency else 0.0


def sidecars(path: Path) -> Iterator[Path]:
    """Yield the sidecars that describe a file, nearest first."""
    stem = path.name.split(".")[0]
    exact = path.absolute().with_name(f"{stem}.json")
    if exact.is_file():
        yield exact
    *entities, suffix = stem.split("_")
    if not any("-" in entity for entity in entities):
        return
    for folder in list(exact.parents)[: N_LEVELS_UP + 1]:
        found = [
            candidate
            for candidate in sorted(folder.glob(f"*{suffix}.json"))
            if describes(candidate, entities, suffix) and candidate != exact
        ]
        yield from sorted(found, key=lambda candidate: -candidate.name.count("_"))
        if (folder / DATASET_ROOT).is_file():
            return


def describes(sidecar: Path, entities: list[str], suffix: str) -> bool:
    """Tell whether all entities of a sidecar's name are those of the run's."""
    *own, own_suffix = sidecar.stem.split("_")
    return own_suffix == suffix and set(own) <= set(entities)


def read_json(path: Path) -> dict:
    """Read a sidecar."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as failure:
        raise TimeSeriesError(
            "A JSON sidecar must be readable",
            got=f"{path}: {failure}",
            remedy="Mend the sidecar",
        ) from failure
    return content if isinstance(content, dict) else {}


def require_number(value: Any, key: str, sidecar: Path) -> float:
    """Refuse a field that is no number."""
    if not isinstance(value, Real) or isinstance(value, bool):
        raise TimeSeriesError(
            f"{key} of a JSON sidecar must be a number",
            got=f"{value!r} in {sidecar}",
            remedy="Write it as a number: seconds for RepetitionTime, Hz for SamplingFrequency",
        )
    return float(value)


def settle_t_r(
    override: float | None, in_header: float | None, in_sidecar: float | None
) -> float | None:
    """Return the repetition time of a run, in s, from the three who may state it."""
    if override is not None:
        return checked_t_r(override, "the parameter t_r")
    if in_header is not None and in_sidecar is not None:
        if abs(in_header - in_sidecar) > TOLERANCE * abs(in_sidecar):
            raise TimeSeriesError(
                "Header and JSON sidecar must state the same repetition time",
                got=f"{in_header:g} s in the header and {in_sidecar:g} s in the sidecar",
                remedy="Mend the wrong one, or pass t_r= in seconds",
            )
        return checked_t_r(in_sidecar, "the JSON sidecar")
    if in_sidecar is not None:
        return checked_t_r(in_sidecar, "the JSON sidecar")
    return None if in_header is None else checked_t_r(in_header, "the image's header")
