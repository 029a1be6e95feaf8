"""Where FreeSurfer's regions are: the numbers that they have in its label images."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import nibabel
import numpy as np

from adestim._support.remarks import remark_of
from adestim.encoding.places import TokenPlaces
from adestim.exceptions import InputError, VolumeError
from adestim.modalities._nifti import label_values, open_nifti

# Numbers of FreeSurferColorLUT.txt, which all its versions share, and FastSurfer.
PAIRED = {
    "Lateral-Ventricle": (4, 43), "Inf-Lat-Vent": (5, 44), "Cerebellum-White-Matter": (7, 46),
    "Cerebellum-Cortex": (8, 47), "Thalamus": (10, 49), "Caudate": (11, 50), "Putamen": (12, 51),
    "Pallidum": (13, 52), "Hippocampus": (17, 53), "Amygdala": (18, 54),
    "Accumbens-area": (26, 58), "VentralDC": (28, 60), "vessel": (30, 62),
    "choroid-plexus": (31, 63), "Cerebral-White-Matter": (2, 41),
}  # fmt: skip
UNPAIRED = {
    "3rd-Ventricle": 14, "4th-Ventricle": 15, "Brain-Stem": 16, "CSF": 24, "5th-Ventricle": 72,
    "WM-hypointensities": 77, "Optic-Chiasm": 85, "CC_Posterior": 251, "CC_Mid_Posterior": 252,
    "CC_Central": 253, "CC_Mid_Anterior": 254, "CC_Anterior": 255,
}  # fmt: skip
# Of Desikan and others, and of the DKT atlas, which lacks some; from 1001 left, 2001 right.
CORTICAL = (
    "bankssts", "caudalanteriorcingulate", "caudalmiddlefrontal", "corpuscallosum", "cuneus",
    "entorhinal", "fusiform", "inferiorparietal", "inferiortemporal", "isthmuscingulate",
    "lateraloccipital", "lateralorbitofrontal", "lingual", "medialorbitofrontal",
    "middletemporal", "parahippocampal", "paracentral", "parsopercularis", "parsorbitalis",
    "parstriangularis", "pericalcarine", "postcentral", "posteriorcingulate", "precentral",
    "precuneus", "rostralanteriorcingulate", "rostralmiddlefrontal", "superiorfrontal",
    "superiorparietal", "superiortemporal", "supramarginal", "frontalpole", "temporalpole",
    "transversetemporal", "insula",
)  # fmt: skip
NUMBERS = {
    **UNPAIRED,
    **{f"Left-{name}": left for name, (left, _) in PAIRED.items()},
    **{f"Right-{name}": right for name, (_, right) in PAIRED.items()},
    **{f"lh_{name}": number for number, name in enumerate(CORTICAL, 1001)},
    **{f"rh_{name}": number for number, name in enumerate(CORTICAL, 2001)},
}
MIN_FOUND = 0.5


def place_by_number(tokens: TokenPlaces, parcellation: Any) -> TokenPlaces:
    """Return tokens in the regions of a label image with FreeSurfer's numbers."""
    with remark_of("parcellation"):
        image = open_nifti(parcellation, n_dim=3, error=VolumeError)
    values = label_values(image, VolumeError)
    codes = np.zeros(values.shape, dtype=np.int32)
    found = 0
    for place, name in enumerate(tokens.names, 1):
        inside = values == NUMBERS.get(name, -1)
        codes[inside] = place
        found += bool(inside.any())
    if found < MIN_FOUND * len(tokens.names):
        raise InputError(
            f"The parcellation must hold most of the {len(tokens.names)} regions of modality "
            f"{tokens.modality!r} under FreeSurfer's numbers",
            got=f"{found}",
            remedy="Pass the aparc+aseg.mgz of a subject in MNI152 space, such as FreeSurfer's own "
            "cvs_avg35_inMNI152",
        )
    labels = nibabel.Nifti1Image(codes, image.affine)
    return replace(tokens, kind="regions", labels=labels)
