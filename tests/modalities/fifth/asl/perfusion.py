"""The built-in model: perfusion of eight parts of the brain, relative to a reference."""

import nibabel
import numpy as np
from adestim.modalities.asl.reader import AFFINE, SHAPE

from adestim.encoding import BackboneSpec

NAMES = tuple(
    f"{side}_{depth}_{height}"
    for side in ("left", "right")
    for depth in ("back", "front")
    for height in ("low", "high")
)
# Number of every voxel's part, from 1.
PARTS = 1 + np.einsum("aijk,a->ijk", np.indices(SHAPE) // 4, [4, 2, 1]).astype(np.int32)
REFERENCES = {"whole": PARTS > 0, "back": np.indices(SHAPE)[1] < 4}


def measure_parts(values: np.ndarray, reference: str) -> np.ndarray:
    """Return one number a part."""
    means = [values[number == PARTS].mean() for number in range(1, len(NAMES) + 1)]
    return np.array(means, np.float32)[:, None] / values[REFERENCES[reference]].mean()


def spec_of(reference: str) -> BackboneSpec:
    """Return the name tag, with the names of the parts."""
    options = (("token_names", NAMES), ("feature_names", ("perfusion",)), ("reference", reference))
    return BackboneSpec("perfusion", options=options)


def label_image() -> nibabel.Nifti1Image:
    """Return where the parts are, in MNI152 space."""
    return nibabel.Nifti1Image(PARTS, AFFINE)
