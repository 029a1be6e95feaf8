"""The reference backbone: one token a region, of its volume, thickness and area. No weights."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from adestim._support.remarks import remark
from adestim._support.words import first_names
from adestim.encoding import BackboneSpec
from adestim.exceptions import InputError
from adestim.modalities.freesurfer.measures import MEASURES, Measured

PER_MILLE = 1000.0
MIN_REGIONS_SHARED = 0.5
# mL; heads of adults lie within, failed registrations often outside.
PLAUSIBLE_HEAD = (800, 2500)


@dataclass(frozen=True)
class RegionModel:
    """One subject's measures in, one token a region out. Picklable."""

    names: tuple[str, ...]
    measures: tuple[str, ...]  # the features of a token
    # (n_regions, n_measures); which region has which measure, of a cortical one all
    known: tuple[tuple[bool, ...], ...]
    normalise: str | None  # "etiv": volumes in per mille of the intracranial volume

    def __call__(self, measured: Measured) -> tuple[np.ndarray, np.ndarray]:
        """Return tokens (n_regions, n_measures) and their mask (n_regions,)."""
        self._require_same_atlas(measured)
        values = np.array(
            [
                [measured.regions.get(name, {}).get(measure, np.nan) for measure in self.measures]
                for name in self.names
            ]
        )
        if self.normalise == "etiv" and "volume" in self.measures:
            head = require_intracranial(measured)
            values[:, self.measures.index("volume")] *= PER_MILLE / head
        known = np.array(self.known)
        mask = ~(np.isnan(values) & known).any(axis=1)
        tokens = np.where(known & mask[:, None], values, 0).astype(np.float32)
        return tokens, mask

    def _require_same_atlas(self, measured: Measured) -> None:
        """Refuse a subject with other regions; remark on a few of them."""
        shared = sum(name in measured.regions for name in self.names)
        strange = [name for name in measured.regions if name not in self.names]
        if shared < MIN_REGIONS_SHARED * len(self.names):
            raise InputError(
                f"A subject must have most of the {len(self.names)} regions of the training rows",
                got=f"{shared} of them, and {len(strange)} others",
                remedy="Measure all subjects by one atlas, with the same columns or files",
            )
        if strange:
            remark(
                f"regions that no training subject has are left out: {first_names(strange)}; was "
                "another version or atlas used?"
            )

    def spec(self) -> BackboneSpec:
        """Return the name tag: what the tokens are."""
        return BackboneSpec(
            "freesurfer",
            options=(
                ("token_names", self.names),
                ("feature_names", self.measures),
                ("normalise", self.normalise),
            ),
        )


def require_intracranial(measured: Measured) -> float:
    """Return the intracranial volume in mm3; refuse a subject without it."""
    head = measured.intracranial
    if not head:
        raise InputError(
            "Volumes are divided by the estimated total intracranial volume (eTIV)",
            got="none" if head is None else "0",
            remedy="Pass aseg.stats, or the column EstimatedTotalIntraCranialVol or eTIV, beside "
            "the others; or normalise=None",
        )
    low, high = PLAUSIBLE_HEAD
    if not low <= head / 1000 <= high:
        remark(
            f"the estimated total intracranial volume is outside {low} to {high} mL: look at the "
            "registration to the Talairach atlas"
        )
    return head


def learn_regions(
    subjects: Iterable[Measured], measures: Sequence[str], normalise: str | None
) -> RegionModel:
    """Return the model of all regions that some subject has, in the order of their appearance."""
    found: dict[str, set[str]] = {}
    for subject in subjects:
        for name, region in subject.regions.items():
            found.setdefault(name, set()).update(region)
    wanted = [measure for measure in MEASURES if measure in measures]
    used = tuple(measure for measure in wanted if any(measure in one for one in found.values()))
    names = tuple(name for name, one in found.items() if one & set(used))
    if not names:
        raise InputError(
            f"At least one training subject must have a region with {' or '.join(wanted)}",
            got="none that can be read",
            remedy="Pass folders or files of FreeSurfer, or columns of its tables",
        )
    known = tuple(tuple(measure in found[name] for measure in used) for name in names)
    return RegionModel(names, used, known, normalise)
