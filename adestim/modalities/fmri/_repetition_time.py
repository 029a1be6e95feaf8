"""The repetition time of a run, in seconds: from the header, its sidecar, or the user."""

from __future__ import annotations

from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np

from adestim._support.bids import StatedTime, find_sidecars, list_stated_times, read_json
from adestim._support.remarks import remark
from adestim.exceptions import TimeSeriesError

SHORTEST = 0.05
LONGEST = 20.0
TOLERANCE = 0.01
SECONDS_IN = {"sec": 1.0, "msec": 1e-3, "usec": 1e-6, "unknown": 1.0}
WRITERS_DEFAULT = 1.0


def require_possible_t_r(value: Any, origin: str) -> float:
    """Return a repetition time that a scanner can have, in seconds."""
    rule = f"The repetition time must be between {SHORTEST} and {LONGEST:.0f} s"
    if not isinstance(value, (Real, np.number)) or isinstance(value, bool):
        raise TimeSeriesError(rule, got=f"{value!r} from {origin}", remedy="Pass t_r= in seconds")
    seconds = float(value)
    if SHORTEST <= seconds <= LONGEST:
        return seconds
    raise TimeSeriesError(
        rule,
        got=f"{seconds:g} s from {origin}{guess_mistake(seconds)}",
        remedy="Mend the header or the sidecar, or pass t_r= in seconds",
    )


def guess_mistake(seconds: float) -> str:
    """Say what a strange repetition time probably means."""
    if SHORTEST <= seconds / 1000 <= LONGEST:
        return f", which looks like milliseconds ({seconds / 1000:g} s)"
    if seconds > 0 and SHORTEST <= seconds * 1000 <= LONGEST:
        return f", which looks like seconds declared as milliseconds ({seconds * 1000:g} s)"
    return ""


def read_header_t_r(image: Any) -> float | None:
    """Return the repetition time that a 4-D image's header states, unchecked, in s."""
    zooms = image.header.get_zooms()
    if len(zooms) < 4 or zooms[3] == 0 or not hasattr(image.header, "get_xyzt_units"):
        return None
    unit = image.header.get_xyzt_units()[1]
    if unit == "unknown" and zooms[3] == WRITERS_DEFAULT:
        return None
    return round(float(zooms[3]) * SECONDS_IN[unit], 6) if unit in SECONDS_IN else None


def read_sidecar_t_r(path: Path) -> float | None:
    """Return the repetition time of the nearest JSON sidecar, unchecked, in s.

    The nearest that states a time wins.
    """
    for sidecar in find_sidecars(path):
        stated = next(list_stated_times(read_sidecar(sidecar)), None)
        if stated is not None:
            return require_seconds(stated, sidecar)
    return None


def read_sidecar(path: Path) -> dict:
    """Return the fields of a sidecar, or say that it cannot be read."""
    try:
        return read_json(path)
    except (OSError, ValueError) as failure:
        raise TimeSeriesError(
            "A JSON sidecar must be readable",
            got=f"{path}: {failure}",
            remedy="Mend the sidecar",
        ) from failure


def require_seconds(stated: StatedTime, sidecar: Path) -> float:
    """Refuse a field that is no number."""
    if stated.seconds is None:
        raise TimeSeriesError(
            f"{stated.field} of a JSON sidecar must be a number",
            got=f"{stated.value!r} in {sidecar}",
            remedy="Write it as a number: seconds for RepetitionTime, Hz for SamplingFrequency",
        )
    return stated.seconds


def settle_t_r(
    override: float | None,
    in_file: float | None,
    in_sidecar: float | None,
    place: str = "the image's header",
) -> float | None:
    """Return the repetition time of a run, in s, from the three who may state it.

    The sidecar is the authority for its run, since converters lose the header's more easily.
    """
    if override is not None:
        return require_possible_t_r(override, "the parameter t_r")
    if in_sidecar is None:
        return None if in_file is None else require_possible_t_r(in_file, place)
    settled = require_possible_t_r(in_sidecar, "the JSON sidecar")
    if in_file is not None and abs(in_file - settled) > TOLERANCE * settled:
        remark(
            f"the repetition time is {in_file:g} s in {place} and {settled:g} s in the JSON "
            "sidecar, which is used. Mend the wrong one, or pass t_r= in seconds."
        )
    return settled
