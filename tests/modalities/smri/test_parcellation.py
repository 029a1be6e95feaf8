"""Regions: the built-in ones, and a user's label image."""

import nibabel
import numpy as np
import pandas as pd
import pytest

from adestim.exceptions import DataWarning, InputError, VolumeError
from adestim.modalities.smri.parcellation import (
    builtin_parcellation,
    other_side,
    resample_label_parcellation,
)
from adestim.modalities.smri.template import load_template, mni_grid

GRID = mni_grid(4.0)


@pytest.fixture(scope="module")
def builtin():
    return builtin_parcellation(GRID)


def label_image(values, resolution=10.0, origin=-15.0):
    affine = np.diag([resolution] * 3 + [1.0])
    affine[:3, 3] = origin
    return nibabel.Nifti1Image(np.asarray(values), affine)


@pytest.fixture
def two_halves():
    values = np.full((4, 4, 4), 3, dtype=np.uint8)
    values[2:] = 7
    return label_image(values)


def test_some_hundred_regions_in_pairs(builtin):
    assert 60 <= builtin.n_regions <= 110
    assert len(set(builtin.names)) == builtin.n_regions
    np.testing.assert_array_equal(builtin.pairs[builtin.pairs], np.arange(builtin.n_regions))
    assert (builtin.pairs != np.arange(builtin.n_regions)).all()


def test_regions_mirror_each_other(builtin):
    left = np.isin(builtin.labels, 1 + np.flatnonzero(["_L" in name for name in builtin.names]))
    right = np.isin(builtin.labels, 1 + np.flatnonzero(["_R" in name for name in builtin.names]))
    x = GRID.centres()[..., 0]
    assert (x[left] < 0).all()
    assert (x[right] > 0).all()
    # The bundled maps are symmetric to within a voxel here and there.
    assert np.mean(left[::-1] != right) < 0.005


def test_most_of_the_brain_belongs_to_a_region(builtin):
    template = load_template(GRID)
    assert not (builtin.labels[~template.brain] > 0).any()
    assert np.mean(builtin.labels[template.brain] > 0) > 0.98


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("hippocampus_L", (-25, -12, -22)),
        ("hippocampus_R", (25, -25, -12)),
        ("hippocampus_R", (25, -38, -2)),
        ("amygdala_L", (-20, -2, -23)),
        ("caudate_R", (13, 17, 7)),
        ("putamen_L", (-28, -5, 5)),
        ("thalamus_R", (12, -18, 6)),
        ("lateral_ventricle_L", (-10, -5, 22)),
        ("cerebellum_R_3", (34, -70, -37)),
        ("white_matter_anterior_L", (-24, 30, 16)),
    ],
)
def test_structures_are_where_anatomy_has_them(builtin, name, place):
    voxel = np.rint((np.array(place) - GRID.origin) / GRID.resolution).astype(int)
    assert builtin.names[builtin.labels[tuple(voxel)] - 1] == name


def test_hippocampus_is_small(builtin):
    for name in ("hippocampus_L", "hippocampus_R"):
        size = np.count_nonzero(builtin.labels == 1 + builtin.names.index(name)) * GRID.voxel_ml
        assert 3 < size < 10


def test_names_do_not_depend_on_the_resolution(builtin):
    assert builtin_parcellation(mni_grid(6.0)).names == builtin.names
    assert builtin_parcellation(mni_grid(6.0)).digest != builtin.digest


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("Hippocampus_L", "Hippocampus_r"),
        ("Left-Thalamus", "right-Thalamus"),
        ("ctx-lh-insula", "ctx-rh-insula"),
        ("17Networks_RH_Vis_1", "17Networks_lh_Vis_1"),
        ("Brain-Stem", "Brain-Stem"),
        ("cerebellum", "cerebellum"),
    ],
)
def test_sides_of_the_usual_atlases_are_understood(name, other):
    assert other_side(name) == other


def test_label_image_and_names(two_halves):
    parcellation = resample_label_parcellation(two_halves, GRID, labels=["core_L", "core_R"])
    x = GRID.centres()[..., 0]
    assert parcellation.names == ("core_L", "core_R")
    assert parcellation.pairs.tolist() == [1, 0]
    assert x[parcellation.labels == 1].max() < 0 < x[parcellation.labels == 2].min()


def test_regions_of_fluid_are_told_from_tissue(builtin):
    fluid = np.array(builtin.names)[builtin.is_fluid]
    assert sorted({name[:-2] for name in fluid}) == ["lateral_ventricle", "sulcal_csf"]
    values = np.ones((9, 9, 9), dtype=np.uint8)
    values[4, 4, 4] = 2
    affine = np.diag([4.0, 4.0, 4.0, 1.0])
    affine[:3, 3] = np.array([-6, 14, 11]) - 16
    in_frontal_horn = nibabel.Nifti1Image(values, affine)
    assert resample_label_parcellation(in_frontal_horn, mni_grid(2.0)).is_fluid.tolist() == [
        False,
        True,
    ]


def test_labels_without_names_are_numbered_and_have_no_pair(two_halves):
    parcellation = resample_label_parcellation(two_halves, GRID)
    assert parcellation.names == ("label3", "label7")
    assert parcellation.pairs.tolist() == [0, 1]


def test_names_from_a_bids_table(two_halves, tmp_path):
    table = pd.DataFrame({"index": [7, 3, 9], "name": ["right", "left", "unused"]})
    table.to_csv(tmp_path / "dseg.tsv", sep="\t", index=False)
    nibabel.save(two_halves, tmp_path / "dseg.nii.gz")
    parcellation = resample_label_parcellation(
        tmp_path / "dseg.nii.gz", GRID, labels=str(tmp_path / "dseg.tsv")
    )
    assert parcellation.names == ("left", "right")
    assert parcellation.pairs.tolist() == [1, 0]


@pytest.mark.parametrize("labels", [["one"], ["one", "one"], ["a", "b", "c"]])
def test_names_that_do_not_fit_are_refused(two_halves, labels):
    with pytest.raises(InputError, match="one unique name for every region"):
        resample_label_parcellation(two_halves, GRID, labels=labels)


def test_tables_that_do_not_fit_are_refused(two_halves, tmp_path):
    path = tmp_path / "dseg.tsv"
    path.write_text("index\tname\n3\tleft\n")
    with pytest.raises(InputError, match=r"no name for \[7\]"):
        resample_label_parcellation(two_halves, GRID, labels=path)
    path.write_text("id\tregion\n3\tleft\n")
    with pytest.raises(InputError, match="columns 'index' and 'name'"):
        resample_label_parcellation(two_halves, GRID, labels=path)
    with pytest.raises(InputError, match="must be a readable text file"):
        resample_label_parcellation(two_halves, GRID, labels=tmp_path / "absent.tsv")


@pytest.mark.parametrize(
    "atlas",
    [
        label_image(np.ones((4, 4, 4), dtype=np.uint8), origin=500),
        label_image(np.ones((40, 40, 40), dtype=np.uint8), origin=-50),
        label_image(np.zeros((4, 4, 4), dtype=np.uint8)),
    ],
)
def test_atlas_that_does_not_overlap_the_brain_is_refused(atlas):
    with pytest.raises(VolumeError, match="must overlap the MNI152 brain") as caught:
        resample_label_parcellation(atlas, GRID)
    assert "MNI152 space" in caught.value.remedy


def test_probabilities_are_no_labels():
    with pytest.raises(VolumeError, match="whole numbers"):
        resample_label_parcellation(label_image(np.full((4, 4, 4), 0.5, dtype=np.float32)), GRID)


def test_region_too_small_for_the_grid_is_named():
    values = np.ones((40, 40, 40), dtype=np.uint8)
    values[20, 20, 20] = 2
    atlas = label_image(values, resolution=1.0)
    with pytest.warns(DataWarning, match="'label2'"):
        parcellation = resample_label_parcellation(atlas, mni_grid(9.0))
    assert parcellation.names == ("label1",)
