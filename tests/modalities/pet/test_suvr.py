"""Ratios of uptake, on any grid; references that cannot be."""

import nibabel
import numpy as np
import pandas as pd
import pytest

from adestim import PETExtractor
from adestim.exceptions import VolumeError
from tests.modalities.pet.phantom import AFFINE, LABELS, SHAPE, VALUES, atlas, scan, uptake


def encode(image, **params):
    settings = {"parcellation": atlas(), "labels": LABELS, "reference": "cerebellum", **params}
    frame = pd.DataFrame({"pet": [image]}, index=["s1"])
    return PETExtractor(**settings).fit_transform(frame).loc["s1", "pet"]


def test_uptake_is_divided_by_that_of_the_reference():
    encoding = encode(scan())
    assert encoding.tokens.ravel().tolist() == [1, 1.5, 2]
    assert encoding.backbone.option("token_names") == ("frontal", "parietal", "temporal")


def test_the_scale_of_an_image_does_not_matter():
    np.testing.assert_allclose(encode(scan(1e4 * uptake())).tokens, encode(scan()).tokens)


def test_a_flipped_image_is_read_by_its_affine():
    flip = np.diag([-1.0, 1, 1, 1])
    flip[0, 3] = SHAPE[0] - 1
    flipped = scan(np.ascontiguousarray(uptake()[::-1]), AFFINE @ flip)
    np.testing.assert_allclose(encode(flipped).tokens, encode(scan()).tokens, rtol=1e-6)


def test_another_grid_is_interpolated():
    ramp = np.indices(SHAPE)[1].astype(np.float32) + 1
    coarse, shifted = scan(ramp), AFFINE.copy()
    shifted[1, 3] += 10.0
    moved = scan(ramp + 0.5, shifted)
    inner = np.where((np.indices(SHAPE)[1] > 0) & (np.indices(SHAPE)[1] < 7), VALUES, 0)
    parcellation = nibabel.Nifti1Image(inner.astype(np.int16), AFFINE)
    ratios = [
        encode(image, parcellation=parcellation, reference=parcellation).tokens
        for image in (coarse, moved)
    ]
    np.testing.assert_allclose(*ratios, rtol=1e-6)


def test_a_region_that_the_image_does_not_show_is_masked():
    values = uptake()
    values[VALUES == 2] = 0
    values[0, 0, 0] = np.nan
    encoding = encode(scan(values))
    assert encoding.mask.tolist() == [True, False, True]
    assert encoding.tokens.ravel().tolist() == [1, 0, 2]


@pytest.mark.parametrize(
    ("image", "said"),
    [
        (scan(uptake(cerebellum=0)), r"half of the reference region. Got 0%"),
        (scan(uptake(cerebellum=-1)), r"mean uptake of the reference region must be above 0"),
        (scan(affine=AFFINE + 5e3 * np.eye(4, k=3)),
         "must be in the space of the parcellation"),
    ],
)  # fmt: skip
def test_a_reference_that_cannot_be_is_refused_by_subject(image, said):
    with pytest.raises(VolumeError, match=rf"Subject 's1'.*{said}"):
        encode(image)
