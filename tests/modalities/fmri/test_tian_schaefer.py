"""The 450 regions of Brain-JEPA out of two atlases: in order, or refused with what is wrong."""

import nibabel
import numpy as np
import pandas as pd
import pytest

from adestim import FMRIExtractor
from adestim.exceptions import TimeSeriesError
from adestim.modalities.fmri import build_tian_schaefer
from adestim.modalities.fmri.models.roi_order import (
    require_tian_schaefer_regions,
    schaefer_names,
    tian_names,
)
from adestim.modalities.fmri.parcellation import read_label_parcellation
from adestim.modalities.fmri.timeseries import RoiLayout
from tests.modalities.fmri.cifti_files import atlas, grayordinates, scalars

AFFINE = np.diag([8.0, 8.0, 8.0, 1.0])
AFFINE[0, 3] = -76.0
SHAPE = (20, 30, 20)


def deep_codes(right=range(1, 26), left=range(26, 51)):
    """Tian's atlas in miniature, a voxel a region, to both sides of the midline."""
    codes = np.zeros(SHAPE, dtype=np.int16)
    for x, labels in ((12, list(right)), (7, list(left))):
        codes[x, 0, :], codes[x, 1, :5] = labels[:20], labels[20:]
    return codes


def cortex_codes(last_are_medial=False):
    """Schaefer's atlas in miniature; the last regions are far out, or at the midline."""
    codes = np.zeros(SHAPE, dtype=np.int16)
    codes[2, 3:13] = np.arange(1, 201).reshape(10, 20)
    codes[17, 3:13] = np.arange(201, 401).reshape(10, 20)
    if last_are_medial:
        for outer, inner in ((2, 9), (17, 10)):
            codes[inner, 20], codes[outer, 12] = codes[outer, 12], 0
    return codes


def volume(codes, affine=AFFINE):
    return nibabel.Nifti1Image(codes, affine)


def test_volumes_become_450_regions_subcortex_first(tmp_path):
    nibabel.save(volume(deep_codes()), tmp_path / "tian.nii")
    nibabel.save(volume(cortex_codes()), tmp_path / "schaefer.nii.gz")
    regions = build_tian_schaefer(tmp_path / "tian.nii", str(tmp_path / "schaefer.nii.gz"))
    values = np.asanyarray(regions.image.dataobj)
    np.testing.assert_array_equal(values[12, 0], np.arange(1, 21))
    np.testing.assert_array_equal(values[7, 0], np.arange(26, 46))
    np.testing.assert_array_equal(values[2, 3], np.arange(51, 71))
    assert np.count_nonzero(np.unique(values)) == 450
    require_tian_schaefer_regions(RoiLayout(tuple(regions.labels)), "brain-jepa")


def test_volumes_of_other_orientations_are_brought_together():
    turned = nibabel.as_closest_canonical(volume(cortex_codes())).as_reoriented(
        [[0, -1], [1, 1], [2, 1]]
    )
    regions = build_tian_schaefer(volume(deep_codes()), turned)
    expected = build_tian_schaefer(volume(deep_codes()), volume(cortex_codes()))
    np.testing.assert_array_equal(
        np.asanyarray(regions.image.dataobj), np.asanyarray(expected.image.dataobj)
    )


def test_shared_voxel_is_the_subcortex():
    cortex = cortex_codes()
    cortex[12, 0, 0] = 201
    regions = build_tian_schaefer(volume(deep_codes()), volume(cortex))
    assert np.asanyarray(regions.image.dataobj)[12, 0, 0] == 1


@pytest.mark.parametrize("spelling", ["release", "earlier release", "XCP-D"])
def test_names_of_tian_put_its_regions_in_order(spelling):
    """An atlas whose labels run from the left, and names of several releases."""
    names = [*tian_names()[25:], *tian_names()[:25]]
    if spelling == "earlier release":
        changes = {"THA-VPm": "THA-MPm", "THA-VPl": "THA-MPl", "THA-DP": "THA-LP"}
        for now, before in changes.items():
            names = [name.replace(now, before) for name in names]
    if spelling == "XCP-D":
        names = [
            name.replace("body-lh", "body-l").replace("PUT-DA-lh", "PUT-DA-l") for name in names
        ]
    turned = volume(deep_codes(right=range(26, 51), left=range(1, 26)))
    regions = build_tian_schaefer(turned, volume(cortex_codes()), tian_labels=names)
    assert np.asanyarray(regions.image.dataobj)[12, 0, 0] == 1
    assert regions.labels[:50] == tian_names()


def test_names_of_schaefer_may_be_a_table_or_a_list_with_background():
    names = schaefer_names()
    table = pd.DataFrame({"index": range(401), "name": ["Background", *names]})
    for given in (table, ["Background", *names], dict(enumerate(names, 1))):
        regions = build_tian_schaefer(
            volume(deep_codes()), volume(cortex_codes()), schaefer_labels=given
        )
        assert regions.labels[50:] == names


def shifted(codes, step):
    return np.where(codes > 0, codes + step, 0).astype(np.int16)


SEVEN = [name.replace("17Networks", "7Networks") for name in schaefer_names()]
FINER = np.diag([4.0, 4.0, 4.0, 1.0])
FLIPPED = np.diag([-1.0, 1.0, 1.0, 1.0]) @ AFFINE


@pytest.mark.parametrize(
    ("tian", "schaefer", "names", "words"),
    [
        (cortex_codes(), cortex_codes(), {}, "has 50 regions.*Got 400 labels"),
        (deep_codes(), deep_codes(), {}, "has 400 regions.*Got 50 labels"),
        (shifted(deep_codes(), 100), cortex_codes(), {}, "must be 1 to 50.*Got 101 to 150"),
        (deep_codes(), shifted(cortex_codes(), 1000), {}, "must be 1 to 400.*schaefer_labels="),
        (
            deep_codes(right=range(26, 51), left=range(1, 26)),
            cortex_codes(),
            {},
            "first 25 regions of Tian's atlas lie in the right hemisphere.*and 49 more",
        ),
        (deep_codes(), cortex_codes(last_are_medial=True), {}, "as in the 7-network atlas"),
        (deep_codes(), cortex_codes(), {"schaefer_labels": SEVEN}, "a name of the 7-network atlas"),
        (
            deep_codes(),
            cortex_codes(),
            {"tian_labels": ["a", "b"]},
            "must name the 50.*Got 2 names",
        ),
        (
            deep_codes(),
            cortex_codes(),
            {"tian_labels": [f"r{n}" for n in range(50)]},
            "those of scale III of 3 T.*Got 'r0'",
        ),
        (
            deep_codes(),
            cortex_codes(),
            {"tian_labels": [*tian_names()[:49], tian_names()[0]]},
            "a name twice",
        ),
        (deep_codes(), cortex_codes()[:, :29], {}, "must lie on the same grid.*29"),
    ],
)
def test_other_atlases_are_refused(tian, schaefer, names, words):
    with pytest.raises(TimeSeriesError, match=words):
        build_tian_schaefer(volume(tian), volume(schaefer), **names)


def test_other_affines_are_refused():
    with pytest.raises(TimeSeriesError, match="different affines"):
        build_tian_schaefer(volume(deep_codes()), volume(cortex_codes(), FINER))
    with pytest.raises(TimeSeriesError, match="left and right are not exchanged"):
        build_tian_schaefer(volume(deep_codes(), FLIPPED), volume(cortex_codes(), FLIPPED))


def test_atlases_of_two_spaces_are_refused():
    cortex = cortex_codes()
    cortex[12, 0, :] = 201
    with pytest.raises(TimeSeriesError, match=r"hardly overlap.*Got 40% of Tian's voxels"):
        build_tian_schaefer(volume(deep_codes()), volume(cortex))


def test_region_that_is_lost_under_another_is_refused():
    cortex = cortex_codes()
    deep = deep_codes()
    deep[2, 3, 0] = 26
    with pytest.raises(TimeSeriesError, match=r"must keep a voxel.*region 51"):
        build_tian_schaefer(volume(deep), volume(cortex))


def cifti_pair(tian_named=True):
    """Tian's atlas in 50 voxels, Schaefer's on two surfaces of 200 vertices."""
    mask = np.zeros((5, 10, 2), dtype=bool)
    mask[:, :5] = True
    deep = nibabel.cifti2.BrainModelAxis.from_mask(mask, affine=np.eye(4), name="THALAMUS_LEFT")
    codes = np.arange(1, 51)
    names = dict(enumerate(tian_names(), 1))
    tian = atlas(codes, deep, names) if tian_named else scalars(codes, deep)
    cortex = grayordinates(n_vertices=200, deep=False)
    schaefer = atlas(np.arange(1, 401), cortex, dict(enumerate(schaefer_names(), 1)))
    return tian, schaefer


@pytest.mark.parametrize("tian_named", [True, False])
def test_cifti_atlases_become_one(tian_named, tmp_path):
    tian, schaefer = cifti_pair(tian_named)
    tian.to_filename(tmp_path / "tian.dscalar.nii")
    regions = build_tian_schaefer(tmp_path / "tian.dscalar.nii", schaefer)
    regions.image.to_filename(tmp_path / "both.dlabel.nii")
    parcellation = read_label_parcellation(tmp_path / "both.dlabel.nii")
    assert list(parcellation.names) == regions.labels == [*tian_names(), *schaefer_names()]
    require_tian_schaefer_regions(RoiLayout(parcellation.names), "brain-jepa")


def test_cifti_beside_a_volume_is_refused():
    tian, _ = cifti_pair()
    with pytest.raises(TimeSeriesError, match="both be volumes, or both CIFTI"):
        build_tian_schaefer(tian, volume(cortex_codes()))


def test_cifti_labels_without_a_name_are_refused():
    tian, schaefer = cifti_pair()
    names = dict(enumerate(tian_names(), 1))
    del names[7]
    axis = tian.header.get_axis(1)
    with pytest.raises(TimeSeriesError, match="Got 'label 7, which has no name'"):
        build_tian_schaefer(atlas(np.arange(1, 51), axis, names), schaefer)


def test_cifti_voxels_of_two_grids_are_refused():
    tian, _ = cifti_pair()
    axis = grayordinates(n_vertices=188)
    codes = np.arange(1, 401)
    schaefer = atlas(codes, axis, dict(enumerate(schaefer_names(), 1)))
    with pytest.raises(TimeSeriesError, match=r"same grid.*5, 10, 2"):
        build_tian_schaefer(tian, schaefer)


def test_built_volume_is_what_the_extractor_averages_over(tmp_path):
    regions = build_tian_schaefer(volume(deep_codes()), volume(cortex_codes()))
    names = tmp_path / "names.txt"
    names.write_text("\n".join(regions.labels))
    rng = np.random.default_rng(0)
    values = rng.normal(100, 5, size=(*SHAPE, 60)).astype(np.float32)
    run = nibabel.Nifti1Image(values, AFFINE)
    extractor = FMRIExtractor(
        parcellation=regions.image, labels=names, t_r=2.0, min_duration=None, profile="regions"
    )
    encoding = extractor.fit_transform(pd.DataFrame({"bold": [run]})).iloc[0, 0]
    assert encoding.tokens.shape[0] == 450
    assert encoding.backbone.option("token_names") == tuple(regions.labels)
