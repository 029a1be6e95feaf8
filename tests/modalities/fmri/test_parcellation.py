"""Regions of a run: against nilearn's maskers, and at the edges."""

import pickle

import nibabel
import numpy as np
import pytest
from nilearn.maskers import NiftiLabelsMasker, NiftiSpheresMasker

from adestim.exceptions import TimeSeriesError
from adestim.modalities.fmri.parcellation import (
    Parcellation,
    digest_of,
    mean_series,
    read_label_parcellation,
    seitzman_parcellation,
)


def noise_run(shape=(16, 18, 15), zoom=4.0, origin=(-30, -34, -28), n_volumes=6):
    values = np.random.default_rng(0).normal(100, 10, size=(*shape, n_volumes))
    affine = np.diag([zoom, zoom, zoom, 1.0])
    affine[:3, 3] = origin
    return nibabel.Nifti1Image(values.astype(np.float32), affine)


def spheres(centres, radius):
    centres = np.asarray(centres, dtype=float)
    radii = np.full(len(centres), float(radius))
    names = tuple(f"s{number}" for number in range(len(centres)))
    return Parcellation(names, None, digest_of(centres, radii), centres=centres, radii=radii)


def test_spheres_agree_with_nilearn():
    centres = [(-10.3, 2.2, 5.1), (0.0, 0.0, 0.0), (11.9, -15.2, 7.7)]
    run = noise_run()
    expected = NiftiSpheresMasker(
        centres, radius=9.0, allow_overlap=True, standardize=None
    ).fit_transform(run)
    np.testing.assert_allclose(mean_series(run, spheres(centres, 9.0)), expected, rtol=1e-5)


def test_labels_on_another_grid_agree_with_nilearn():
    values = np.zeros((31, 34, 29), dtype=np.int16)
    values[3:12, 5:15, 4:20], values[14:25, 18:30, 6:15], values[15:20, 2:9, 20:27] = 5, 9, 40
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    affine[:3, 3] = (-30.3, -34.4, -28.2)
    atlas = nibabel.Nifti1Image(values, affine)
    run = noise_run()
    masker = NiftiLabelsMasker(atlas, resampling_target="data", standardize=None)
    expected = masker.fit_transform(run)
    np.testing.assert_allclose(
        mean_series(run, read_label_parcellation(atlas)), expected, rtol=1e-5
    )


def test_flipped_and_oblique_grids_are_followed():
    atlas = np.zeros((12, 12, 12), dtype=np.uint8)
    atlas[2:5, 2:10, 2:10] = 1
    parcellation = read_label_parcellation(nibabel.Nifti1Image(atlas, np.eye(4)))
    values = np.random.default_rng(0).normal(size=(12, 12, 12, 4)).astype(np.float32)
    straight = nibabel.Nifti1Image(values, np.eye(4))
    flip = np.diag([-1.0, 1.0, 1.0, 1.0])
    flip[0, 3] = 11
    flipped = nibabel.Nifti1Image(values[::-1], flip)
    np.testing.assert_allclose(
        mean_series(flipped, parcellation), mean_series(straight, parcellation), rtol=1e-5
    )


def test_sphere_smaller_than_a_voxel_takes_the_nearest():
    run = noise_run()
    centre = run.affine[:3, :3] @ (5, 6, 7) + run.affine[:3, 3] + 1.4
    np.testing.assert_allclose(
        mean_series(run, spheres([centre], 0.5))[:, 0], run.get_fdata()[5, 6, 7], rtol=1e-6
    )


def test_region_mostly_outside_the_field_of_view_is_unknown():
    result = mean_series(noise_run(), spheres([(0, 0, 0), (-36, 0, 0), (500, 0, 0)], 9.0))
    assert np.isfinite(result[:, 0]).all()
    assert np.isnan(result[:, 1:]).all()


def test_label_mostly_outside_the_field_of_view_is_unknown():
    values = np.zeros((60, 10, 10), dtype=np.uint8)
    values[:10], values[10:] = 1, 2
    parcellation = read_label_parcellation(nibabel.Nifti1Image(values, np.eye(4)))
    run = noise_run(shape=(20, 10, 10), zoom=1.0, origin=(0, 0, 0))
    result = mean_series(run, parcellation)
    np.testing.assert_allclose(result[:, 0], run.get_fdata()[:10].mean(axis=(0, 1, 2)), rtol=1e-6)
    assert np.isnan(result[:, 1]).all()


def test_small_labels_survive_a_coarse_grid():
    values = np.zeros((24, 24, 24), dtype=np.uint8)
    values[9:16, 9:16, 9:16], values[1:4, 1:4, 1:4] = 1, 2
    parcellation = read_label_parcellation(nibabel.Nifti1Image(values, np.eye(4)))
    run = noise_run(shape=(4, 4, 4), zoom=6.0, origin=(2.5, 2.5, 2.5))
    result = mean_series(run, parcellation)
    np.testing.assert_array_equal(np.isfinite(result).all(axis=0), [True, True])


def test_voxels_that_are_not_finite_or_never_change_are_left_out():
    run = noise_run()
    clean = mean_series(run, spheres([(0, 0, 0)], 9.0))
    values = run.get_fdata(dtype=np.float32).copy()
    middle = tuple(np.rint(np.linalg.inv(run.affine)[:3] @ (0, 0, 0, 1)).astype(int))
    values[(*middle, 2)] = np.nan
    values[middle[0] + 1, middle[1], middle[2]] = 0
    result = mean_series(nibabel.Nifti1Image(values, run.affine), spheres([(0, 0, 0)], 9.0))
    assert np.isfinite(result).all()
    assert not np.allclose(result, clean)
    assert abs(result.mean() - 100) < 5


def test_region_of_nan_voxels_is_unknown():
    run = noise_run()
    values = run.get_fdata(dtype=np.float32).copy()
    values[:8] = np.inf
    faulty = nibabel.Nifti1Image(values, run.affine)
    result = mean_series(faulty, spheres([(-20, 0, 0), (20, 0, 0)], 6.0))
    np.testing.assert_array_equal(np.isnan(result).all(axis=0), [True, False])


@pytest.mark.parametrize("kind", ["spheres", "labels"])
def test_atlas_that_does_not_overlap_is_refused(kind):
    atlas = nibabel.Nifti1Image(np.ones((4, 4, 4), dtype=np.uint8), np.eye(4))
    parcellation = seitzman_parcellation() if kind == "spheres" else read_label_parcellation(atlas)
    far = noise_run(origin=(900, 900, 900))
    with pytest.raises(TimeSeriesError, match=r"must overlap.*900.*space"):
        mean_series(far, parcellation)


def test_label_image_of_fractions_is_refused():
    atlas = nibabel.Nifti1Image(np.full((3, 3, 3), 0.4, dtype=np.float32), np.eye(4))
    with pytest.raises(TimeSeriesError, match="whole numbers"):
        read_label_parcellation(atlas)


def test_label_image_of_background_is_refused():
    atlas = nibabel.Nifti1Image(np.zeros((3, 3, 3), dtype=np.uint8), np.eye(4))
    with pytest.raises(TimeSeriesError, match="at least one region"):
        read_label_parcellation(atlas)


def test_probabilistic_atlas_is_refused():
    atlas = nibabel.Nifti1Image(np.zeros((3, 3, 3, 7), dtype=np.float32), np.eye(4))
    with pytest.raises(TimeSeriesError, match="a single volume"):
        read_label_parcellation(atlas)


def test_built_in_coordinates_name_their_networks():
    parcellation = seitzman_parcellation()
    assert len(set(parcellation.names)) == 300
    assert parcellation.networks.count("DefaultMode") == 67


def test_copies_are_equal_and_find_the_same_voxels():
    parcellation = seitzman_parcellation()
    copy = pickle.loads(pickle.dumps(parcellation))
    assert copy == parcellation
    assert hash(copy) == hash(parcellation)
    assert spheres([(0, 0, 0)], 5) != spheres([(0, 0, 1)], 5)
