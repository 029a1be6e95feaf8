"""Where the regions of uptake are."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import nibabel
import numpy as np

from adestim.encoding import BackboneSpec
from adestim.encoding.places import TokenPlaces
from adestim.exceptions import InputError
from adestim.modalities.pet.regions import Regions, open_labelled


def place_in_parcellation(
    tokens: TokenPlaces, spec: BackboneSpec, measured: Regions | None, parcellation: Any
) -> TokenPlaces:
    """Return tokens in the regions that they were measured in; names alone without these."""
    if parcellation is not None:
        image, values = open_labelled(parcellation, "parcellation")
        numbers = spec.option("label_values")
        absent = [number for number in numbers if not (values == number).any()]
        if absent:
            raise InputError(
                f"The parcellation must be the one that modality {tokens.modality!r} was measured "
                "in",
                got=f"an image without the values {absent[:6]}",
                remedy="Pass the label image that the extractor was given",
            )
        codes = np.zeros(values.shape, dtype=np.int32)
        for place, number in enumerate(numbers, 1):
            codes[values == number] = place
        affine = image.affine
    elif measured is not None:
        codes, affine = measured.codes, measured.affine
    else:
        return tokens
    return replace(tokens, kind="regions", labels=nibabel.Nifti1Image(codes, affine))
