"""A statistics file of FreeSurfer or FastSurfer: ``aseg.stats``, ``lh.aparc.stats``.

Lines ``# Measure <group>, <name>, <words>, <value>, <unit>`` hold sums, ``# ColHeaders`` the names
of the columns, and every other line without ``#`` a region. So they are written by FreeSurfer 5
to 8 and by FastSurfer; FreeSurfer 5 calls the intracranial volume ICV instead of eTIV.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from math import isfinite
from pathlib import Path

from adestim._support.text_files import UNPACKING_ERRORS, read_text
from adestim.exceptions import InputError
from adestim.modalities.freesurfer.measures import INTRACRANIAL, Measured, name_region

COLUMNS = {
    "Volume_mm3": "volume",
    "GrayVol": "volume",
    "ThickAvg": "thickness",
    "SurfArea": "area",
}
HEMISPHERES = ("lh", "rh")


def read_stats_file(path: Path) -> Measured:
    """Return what a statistics file says of its regions."""
    header, rows = split_lines(read_lines(path))
    columns = require_stats_columns(header, path)
    require_whole_table(header, rows, columns, path)
    side = "" if "Volume_mm3" in columns else f"{find_hemisphere(header, path)}_"
    regions = {}
    for row in rows:
        cells = dict(zip(columns, row, strict=True))
        name = name_region(side + cells["StructName"])
        if name in regions:
            raise unusable_stats(path, f"region {name!r} twice")
        regions[name] = {
            measure: parse_measure(cells[column], path)
            for column, measure in COLUMNS.items()
            if column in cells
        }
    return Measured(regions, find_intracranial(header, path))


def read_lines(path: Path) -> list[str]:
    """Return the lines of a file of text that are not blank."""
    try:
        text = read_text(path)
    except (OSError, ValueError, *UNPACKING_ERRORS) as failure:
        raise unusable_stats(path, str(failure)) from failure
    return [line.strip() for line in text.splitlines() if line.strip()]


def split_lines(lines: list[str]) -> tuple[list[str], list[list[str]]]:
    """Return the lines of the header without their mark, and the cells of the others."""
    header = [line.lstrip("# ") for line in lines if line.startswith("#")]
    return header, [line.split() for line in lines if not line.startswith("#")]


def require_stats_columns(header: list[str], path: Path) -> list[str]:
    """Return the names of the columns; refuse a file without those that are needed."""
    stated = [line.split()[1:] for line in header if line.startswith("ColHeaders")]
    columns = stated[-1] if stated else []
    if "StructName" not in columns or not set(COLUMNS) & set(columns):
        said = f"columns {columns[:6]}" if columns else "no line '# ColHeaders'"
        raise unusable_stats(path, said)
    return columns


def require_whole_table(
    header: list[str], rows: list[list[str]], columns: list[str], path: Path
) -> None:
    """Refuse a file that was cut off."""
    short = next((number for number, row in enumerate(rows, 1) if len(row) != len(columns)), None)
    if short is not None:
        said = f"{len(rows[short - 1])} cells in row {short} of {len(columns)} columns"
        raise unusable_stats(path, said)
    stated = [line.split()[-1] for line in header if re.fullmatch(r"NRows\s+\d+", line)]
    if not rows or (stated and int(stated[-1]) != len(rows)):
        of = f" of {stated[-1]}" if stated else ""
        raise unusable_stats(path, f"{len(rows)} rows{of}")


def find_hemisphere(header: list[str], path: Path) -> str:
    """Return the hemisphere that a file of a surface is of, by its header or its name."""
    said = [line.split()[-1] for line in header if re.fullmatch(r"hemi\s+[lr]h", line)]
    side = said[-1] if said else path.name[:2]
    if side not in HEMISPHERES:
        raise unusable_stats(path, "neither a line '# hemi lh' or '# hemi rh', nor one in its name")
    return side


def find_intracranial(header: list[str], path: Path) -> float | None:
    """Return the intracranial volume, None where the file does not state it."""
    for line in header:
        cells = [cell.strip() for cell in line.removeprefix("Measure").split(",")]
        if line.startswith("Measure") and len(cells) >= 4 and set(cells[:2]) & set(INTRACRANIAL):
            return parse_measure(cells[3], path)
    return None


def parse_measure(cell: str, path: Path) -> float:
    """Return a measure; refuse what is none."""
    try:
        value = float(cell)
    except ValueError:
        value = -1.0
    if not isfinite(value) or value < 0:
        raise unusable_stats(path, "a measure that is no number from 0 upwards")
    return value


def unusable_stats(path: Path, said: str) -> InputError:
    """Return the error about a file that is no whole statistics file."""
    return InputError(
        "A statistics file of FreeSurfer or FastSurfer must be whole",
        got=f"{said} in {path}",
        remedy="Pass stats/aseg.stats, or stats/lh.aparc.stats and stats/rh.aparc.stats, as "
        "recon-all or FastSurfer wrote them; run it again where it was broken off",
    )


def read_stats_files(paths: Sequence[Path]) -> Measured:
    """Return the regions of several files of one subject together."""
    regions: dict[str, Mapping[str, float]] = {}
    parts = [read_stats_file(path) for path in paths]
    for path, part in zip(paths, parts, strict=True):
        twice = sorted(set(regions) & set(part.regions))
        if twice:
            raise InputError(
                "The statistics files of a subject must be of different regions",
                got=f"{twice[:3]} a second time in {path}",
                remedy="Pass aseg.stats and one atlas's files of both hemispheres",
            )
        regions |= part.regions
    stated = [part.intracranial for part in parts if part.intracranial is not None]
    return Measured(regions, stated[0] if stated else None)
