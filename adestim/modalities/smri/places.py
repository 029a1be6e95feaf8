"""Where regions of a label image are."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import nibabel
import numpy as np

from adestim.encoding import BackboneSpec
from adestim.encoding.places import TokenPlaces
from adestim.exceptions import InputError
from adestim.modalities.smri.parcellation import (
    Parcellation,
    builtin_parcellation,
    resample_label_parcellation,
)
from adestim.modalities.smri.template import mni_grid


def place_in_regions(
    tokens: TokenPlaces,
    spec: BackboneSpec,
    measured: Parcellation | None = None,
    parcellation: Any = None,
) -> TokenPlaces:
    """Return tokens in the regions that they were measured in; names alone without these."""
    grid = mni_grid(spec.option("resolution"))
    if parcellation is not None:
        found = resample_label_parcellation(parcellation, grid, list(tokens.names))
    else:
        found = builtin_parcellation(grid) if measured is None else measured
    if found.digest != spec.option("parcellation"):
        if parcellation is None:
            return tokens
        raise InputError(
            f"The parcellation must be the one that modality {tokens.modality!r} was measured in",
            got="other regions",
            remedy="Pass the label image that the extractor was given",
        )
    image = nibabel.Nifti1Image(found.labels.astype(np.int32), grid.affine)
    return replace(tokens, kind="regions", labels=image)
