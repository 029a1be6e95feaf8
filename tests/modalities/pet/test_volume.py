"""Images that can be read, and those that cannot."""

import nibabel
import numpy as np
import pandas as pd
import pytest

from adestim import PETExtractor
from adestim.exceptions import VolumeError
from tests.modalities.pet.phantom import AFFINE, LABELS, SHAPE, atlas, save_scan, scan, uptake


def encode(image, **params):
    settings = {"parcellation": atlas(), "labels": LABELS, "reference": "cerebellum", **params}
    frame = pd.DataFrame({"pet": [image]}, index=["s1"])
    return PETExtractor(**settings).fit_transform(frame).loc["s1", "pet"]


def test_a_fourth_axis_of_one_frame_is_no_time(tmp_path):
    path = save_scan(tmp_path / "a.nii.gz", uptake()[..., None])
    np.testing.assert_allclose(encode(path).tokens, encode(scan()).tokens)


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("nothing.nii.gz", "no such file"),
        (np.ones(SHAPE), "an object of type ndarray"),
        (nibabel.Nifti1Image(np.zeros(SHAPE, np.float32), AFFINE), "no voxel above 0"),
        (nibabel.Nifti1Image(np.full(SHAPE, np.inf, np.float32), AFFINE), "512 infinite ones"),
        (nibabel.Nifti1Image(np.ones((8, 8), np.float32), AFFINE), "2 dimensions"),
    ],
)
def test_what_cannot_be_read_is_refused_by_subject(cell, said):
    with pytest.raises(VolumeError, match=rf"Subject 's1'.*{said}"):
        encode(cell)


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("sub-1_pet.nii.gz", {"TracerName": "[18F]AV-45"}),
        ("sub-1_trc-18FAV45_pet.nii.gz", {}),
    ],
)
def test_an_image_of_another_tracer_is_refused(tmp_path, name, fields):
    path = save_scan(tmp_path / name, uptake(), **fields)
    assert encode(path, tracer="FBP").tokens[0, 0] == 1
    with pytest.raises(VolumeError, match=r"one tracer, tracer='pib'. Got one of 'florbetapir'"):
        encode(path, tracer="11C-PiB")


def test_a_broken_sidecar_is_refused(tmp_path):
    path = save_scan(tmp_path / "a.nii.gz", uptake())
    (tmp_path / "a.json").write_text("{")
    with pytest.raises(VolumeError, match=r"Subject 's1'.*sidecar must be readable"):
        encode(path)
