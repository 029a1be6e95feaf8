"""A brain of four regions, and images of uptake in it."""

import json

import nibabel
import numpy as np

SHAPE = (8, 8, 8)
AFFINE = np.array([[20, 0, 0, -70], [0, 20, 0, -90], [0, 0, 20, -60], [0, 0, 0, 1]], float)
# Number of every voxel's region: 1, 2, 5 and 7.
VALUES = np.repeat([1, 2, 5, 7], 2)[:, None, None] * np.ones(SHAPE, np.int16)
LABELS = {0: "background", 1: "frontal", 2: "parietal", 5: "temporal", 7: "cerebellum", 9: "none"}


def atlas():
    """The label image."""
    return nibabel.Nifti1Image(VALUES.astype(np.int16), AFFINE)


def uptake(frontal=2.0, parietal=3.0, temporal=4.0, cerebellum=2.0):
    """Values of a scan, one a region."""
    by_value = {1: frontal, 2: parietal, 5: temporal, 7: cerebellum}
    return np.vectorize(by_value.get)(VALUES).astype(np.float32)


def scan(values=None, affine=AFFINE):
    """An image of uptake."""
    return nibabel.Nifti1Image(uptake() if values is None else values, affine)


def save_scan(path, values, **fields):
    """Write an image and its sidecar; -> the path as text."""
    nibabel.save(scan(values), path)
    if fields:
        path.with_name(path.name.replace(".nii.gz", ".json")).write_text(json.dumps(fields))
    return str(path)
