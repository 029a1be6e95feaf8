"""Regions of a label image in which uptake is measured, and the reference among or beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from adestim._support.remarks import remark_of
from adestim._support.words import first_names
from adestim.exceptions import InputError, VolumeError
from adestim.modalities._labels import is_label, label_column, read_label_file, spell_label
from adestim.modalities._nifti import is_path, label_values, open_nifti

OWNER = "PETExtractor"


@dataclass(frozen=True)
class Regions:
    """Regions on a grid. Picklable."""

    names: tuple[str, ...]
    values: tuple[int, ...]  # what the regions are called in the label image
    digest: str  # digest of what follows
    # (n_x, n_y, n_z); 0 is outside, k the k-th region
    codes: np.ndarray = field(compare=False, repr=False)
    affine: np.ndarray = field(compare=False, repr=False)  # (4, 4); to mm

    def drop(self, names: Sequence[str]) -> Regions:
        """Return the regions without some."""
        kept = [place for place, name in enumerate(self.names) if name not in names]
        codes = np.zeros(len(self.names) + 1, dtype=np.int32)
        codes[np.array(kept, dtype=int) + 1] = np.arange(1, len(kept) + 1)
        return number_regions_of(
            [self.names[place] for place in kept],
            [self.values[place] for place in kept],
            codes[self.codes],
            self.affine,
        )

    def merge(self, names: Sequence[str]) -> Regions:
        """Return some of the regions as one."""
        inside = np.isin(self.codes, [self.names.index(name) + 1 for name in names])
        return number_regions_of(["reference"], [1], inside, self.affine)


def number_regions_of(
    names: Sequence[str], values: Sequence[int], codes: np.ndarray, affine: np.ndarray
) -> Regions:
    """Return regions with their digest."""
    codes = np.ascontiguousarray(codes, dtype=np.int32)
    digest = blake2b(codes.tobytes(), digest_size=16)
    digest.update(np.round(np.asarray(affine, dtype=float), 4).tobytes())
    return Regions(tuple(names), tuple(values), digest.hexdigest(), codes, np.asarray(affine))


def open_regions(source: Any, labels: Any = None) -> Regions:
    """Return the regions of a label image under their names."""
    image, values = open_labelled(source, "parcellation")
    found, codes = np.unique(values, return_inverse=True)
    known = found[found != 0]
    if not len(known):
        raise InputError(
            f"The parcellation of {OWNER} must have a region",
            got="0 in every voxel",
            remedy="Pass a label image: whole numbers, one a region",
        )
    names = name_values(known, labels)
    places = np.cumsum(found != 0) * (found != 0)
    codes = places[codes].reshape(values.shape)
    return number_regions_of(names, [int(value) for value in known], codes, image.affine)


def open_labelled(source: Any, what: str) -> tuple[Any, np.ndarray]:
    """Return an image of whole numbers, and these."""
    with remark_of(what):
        image = open_nifti(source, n_dim=3, error=VolumeError)
    return image, label_values(image, VolumeError)


def name_values(values: np.ndarray, labels: Any) -> list[str]:
    """Return one unique name a value; a list is in ascending order of value."""
    if labels is None:
        return [f"label{value}" for value in values]
    by_value = find_names(labels)
    if isinstance(by_value, Mapping):
        unnamed = [int(value) for value in values if int(value) not in by_value]
        names = [by_value.get(int(value), "") for value in values]
    else:
        unnamed, names = [], [spell_label(name) for name in by_value]
    if unnamed or len(names) != len(values) or len(set(names)) != len(names):
        raise InputError(
            f"labels of {OWNER} must give one unique name for every region of the parcellation",
            got=f"no name for {unnamed[:6]}"
            if unnamed
            else f"{len(names)} names, {len(set(names))} of them unique, for {len(values)} regions",
            remedy="Pass the table that belongs to the label image, or a dict of value and name",
        )
    return names


def find_names(labels: Any) -> dict[int, str] | list:
    """Return names by value where labels say values, else in their order."""
    if is_path(labels):
        labels = read_label_file(labels, OWNER)
    if isinstance(labels, pd.DataFrame):
        labels = label_column(labels, OWNER)
    if not isinstance(labels, Mapping):
        return list(labels)
    pairs = list(labels.items())
    if not all(is_label(key) for key, _ in pairs):
        pairs = [(value, key) for key, value in pairs]
    if not all(is_label(value) for value, _ in pairs):
        raise InputError(
            f"A dict of labels of {OWNER} must hold a number for every name",
            got="a pair without a whole number",
        )
    return {int(value): spell_label(name) for value, name in pairs}


def split_reference(regions: Regions, reference: Any) -> tuple[Regions, Regions]:
    """Return the regions that are measured, and the one that they are divided by.

    The reference is one or several of the regions by name, which are measured no more, or a mask.
    """
    if reference is None:
        raise InputError(
            f"{OWNER} needs a reference region, by whose mean uptake all others are divided",
            got="reference=None",
            remedy=f"Pass one or several of the regions, such as {first_names(regions.names, 3)}, "
            "or a mask image",
        )
    if hasattr(reference, "get_fdata") or is_mask_file(reference, regions):
        return regions, open_reference_mask(reference)
    names = [reference] if isinstance(reference, str) else [str(name) for name in reference]
    strange = [name for name in names if name not in regions.names]
    if strange or not names:
        raise InputError(
            f"The 'reference' parameter of {OWNER} must name regions, or a mask image that is "
            "there",
            got=f"{first_names(strange) or 'nothing'} instead",
            remedy=f"The regions are {first_names(regions.names, 12)}",
        )
    left = regions.drop(names)
    if not left.names:
        raise InputError(
            f"Beside the reference, the parcellation of {OWNER} must have a region", got="none"
        )
    return left, regions.merge(names)


def is_mask_file(reference: Any, regions: Regions) -> bool:
    """Tell whether a reference is the path of an image rather than a region's name."""
    return (
        is_path(reference)
        and str(reference) not in regions.names
        and Path(reference).expanduser().is_file()
    )


def open_reference_mask(source: Any) -> Regions:
    """Return the voxels of a mask as one region."""
    image, values = open_labelled(source, "reference")
    if not values.any():
        raise InputError(
            f"The reference region of {OWNER} must have a voxel",
            got="a mask of 0 everywhere",
            remedy="Pass a mask that is 1 within the region",
        )
    return number_regions_of(["reference"], [1], values != 0, image.affine)
