"""Parcellations, their names, and reference regions."""

import nibabel
import numpy as np
import pandas as pd
import pytest

from adestim import PETExtractor
from adestim.exceptions import InputError, VolumeError
from tests.modalities.pet.phantom import AFFINE, LABELS, SHAPE, VALUES, atlas, scan


def encode(**params):
    settings = {"parcellation": atlas(), "labels": LABELS, "reference": "cerebellum", **params}
    frame = pd.DataFrame({"pet": [scan()]}, index=["s1"])
    return PETExtractor(**settings).fit_transform(frame).loc["s1", "pet"]


@pytest.mark.parametrize(
    "labels",
    [
        ["frontal", "parietal", "temporal", "cerebellum"],
        {name: value for value, name in LABELS.items()},
        pd.DataFrame({"index": list(LABELS), "name": list(LABELS.values())}),
    ],
)
def test_names_come_in_any_form(labels):
    names = encode(labels=labels).backbone.option("token_names")
    assert names == ("frontal", "parietal", "temporal")


def test_names_come_from_a_file(tmp_path):
    path = tmp_path / "atlas_dseg.tsv"
    pd.DataFrame({"index": list(LABELS), "name": list(LABELS.values())}).to_csv(
        path, sep="\t", index=False
    )
    assert encode(labels=path).n_tokens == 3


def test_regions_without_names_have_numbers():
    assert encode(labels=None, reference="label7").backbone.option("token_names")[-1] == "label5"


def test_a_reference_of_several_regions_is_their_mean():
    assert encode(reference=["cerebellum", "temporal"]).tokens.ravel().tolist() == pytest.approx(
        [2 / 3, 1]
    )


def test_a_mask_is_a_reference_and_leaves_all_regions(tmp_path):
    mask = nibabel.Nifti1Image((VALUES == 5).astype(np.uint8), AFFINE)
    nibabel.save(mask, tmp_path / "mask.nii.gz")
    for reference in (mask, tmp_path / "mask.nii.gz", str(tmp_path / "mask.nii.gz")):
        assert encode(reference=reference).tokens.ravel().tolist() == [0.5, 0.75, 1, 0.5]


EMPTY = nibabel.Nifti1Image(np.zeros(SHAPE, np.uint8), AFFINE)
SOFT = nibabel.Nifti1Image(np.full(SHAPE, 0.5, np.float32), AFFINE)
ONE = nibabel.Nifti1Image((VALUES == 7).astype(np.uint8), AFFINE)


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"parcellation": None, "labels": None}, "needs a parcellation"),
        ({"parcellation": EMPTY}, "must have a region"),
        ({"labels": ["a", "b"]}, "2 names, 2 of them unique, for 4 regions"),
        ({"labels": ["a", "a", "b", "c"]}, "3 of them unique"),
        ({"labels": {1: "a", 2: "b"}}, r"no name for \[5, 7\]"),
        ({"labels": {"a": "x"}}, "without a whole number"),
        ({"reference": None}, "needs a reference region"),
        ({"reference": "pons"}, "'pons' instead. The regions are 'frontal'"),
        ({"reference": []}, "nothing instead"),
        ({"reference": EMPTY}, "reference region of PETExtractor must have a voxel"),
        ({"parcellation": ONE, "labels": ["cerebellum"]}, "must have a region. Got none"),
    ],
)
def test_regions_that_do_not_fit_are_refused(params, said):
    with pytest.raises(InputError, match=said):
        encode(**params)


@pytest.mark.parametrize("name", ["parcellation", "reference"])
def test_images_of_fractions_are_refused(name):
    with pytest.raises(VolumeError, match="whole numbers"):
        encode(**{name: SOFT})
