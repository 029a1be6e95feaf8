"""What was measured of one subject's regions, and the names that FreeSurfer gives these."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

MEASURES = ("volume", "thickness", "area")
INTRACRANIAL = ("EstimatedTotalIntraCranialVol", "eTIV", "IntraCranialVol", "ICV")
# Sums over the brain or a hemisphere, which stand among the regions of a table.
GLOBAL = re.compile(
    r"Vol(NotVent(Surf|Vox)?)?$|-to-eTIV$|SurfaceHoles$|^([lr]h_)?(MeanThickness|WhiteSurfArea)"
)
OF_SURFACE = re.compile(r"(?P<region>[lr]h_.+)_(?P<measure>volume|thickness|area)")


@dataclass(frozen=True)
class Measured:
    """One subject's regions."""

    # by region, by name of the measure; volumes in mm3, thickness in mm, areas in mm2
    regions: Mapping[str, Mapping[str, float]]
    intracranial: float | None  # estimated total intracranial volume in mm3, None where not stated


class Meaning(NamedTuple):
    """What a column of a table holds."""

    region: str
    measure: str


def decode_column(name: str) -> Meaning | None:
    """Return what a column of a table of FreeSurfer holds; None for sums over the brain."""
    # What stands before two underscores is the modality's name.
    name = name.strip().rpartition("__")[2]
    if GLOBAL.search(name) or name in INTRACRANIAL:
        return None
    found = OF_SURFACE.fullmatch(name)
    if found is None:
        return Meaning(name_region(name), "volume")
    return Meaning(name_region(found["region"]), found["measure"])


def is_intracranial(name: str) -> bool:
    """Tell whether a column holds the intracranial volume."""
    return name.strip().rpartition("__")[2] in INTRACRANIAL


def name_region(name: str) -> str:
    """Return a region's name as it is since FreeSurfer 7, a cortical one as its tables write it.

    ``Left-Thalamus-Proper`` became ``Left-Thalamus``; ``ctx-lh-cuneus`` of a volume is the region
    that tables of the surface call ``lh_cuneus``.
    """
    name = re.sub(r"(?<=-Thalamus)-Proper\*?$", "", name)
    return re.sub(r"^ctx[-_]([lr]h)[-_]", r"\1_", name)
