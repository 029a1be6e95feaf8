"""What a file is, read off its name in the manner of BIDS."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from adestim._support.bids import FileName

VOLUME = (".nii.gz", ".nii")
TABLE = (".tsv",)
# Decided by the columns of the table: older fMRIPrep named its confounds no further.
UNCLEAR_SERIES = "unclear series"


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


# Of fMRI that was stored as magnitude and phase, the magnitude is the image.
NOT_AN_IMAGE = ("phase", "real", "imag")
RAW = (
    Rule("t1w", "T1w", VOLUME),
    Rule("bold", "bold", VOLUME),
)


def by_suffix(rules: Sequence[Rule]) -> dict[str, list[Rule]]:
    """Sort rules by the suffix they ask for; the first that fits will count."""
    table: dict[str, list[Rule]] = {}
    for rule in rules:
        table.setdefault(rule.suffix, []).append(rule)
    return table


def modality_of(name: FileName, rules: Mapping[str, Sequence[Rule]]) -> str | None:
    """Return the modality of a file, or None."""
    if name.entities.get("part") in NOT_AN_IMAGE:
        return None
    fitting = (rule.modality for rule in rules.get(name.suffix, ()) if rule.fits(name))
    return next(fitting, None)


def atlas_of(modality: str, entities: Mapping[str, str]) -> str | None:
    """Return the atlas whose regions a file is about."""
    if modality == "roi_volumes":
        return entities.get("space")
    named = (entities.get(key) for key in ("atlas", "seg", "parcellation"))
    return next((atlas for atlas in named if atlas), None)


def description_of(entities: Mapping[str, str]) -> str | None:
    """Return what was done to the image."""
    if "desc" in entities:
        return entities["desc"]
    told = [f"{key}-{entities[key]}" for key in ("modulated", "fwhm") if key in entities]
    return "_".join(told) or None
