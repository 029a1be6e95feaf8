"""Volumes: what is refused, and that orientation and voxel size do not matter."""

import gzip

import nibabel
import numpy as np
import pytest

from adestim.exceptions import VolumeError
from adestim.modalities.smri.grid import Grid
from adestim.modalities.smri.volume import (
    GridVolume,
    normalise_intensity,
    read_volume,
    resample_to_grid,
    volume_support,
)

AFFINE = np.diag([2.0, 2.0, 2.0, 1.0])


def volume(shape=(4, 5, 6), affine=AFFINE):
    values = np.random.default_rng(0).uniform(1, 2, shape).astype(np.float32)
    return nibabel.Nifti1Image(values, affine)


def refused(source, **options):
    with pytest.raises(VolumeError) as caught:
        read_volume(source, **options)
    assert caught.value.remedy
    return str(caught.value)


@pytest.mark.parametrize("kind", [str, lambda path: path, nibabel.load])
def test_paths_and_images_are_read_alike(tmp_path, kind):
    image = volume()
    path = tmp_path / "t1.nii.gz"
    nibabel.save(image, path)
    read = read_volume(kind(path))
    np.testing.assert_array_equal(read.get_fdata(), image.get_fdata())
    np.testing.assert_array_equal(read.affine, AFFINE)


@pytest.mark.parametrize("dtype", [np.int64, np.uint8, np.float64, bool])
def test_array_of_any_real_type_is_read_with_its_affine(dtype):
    array = np.arange(60).reshape(3, 4, 5).astype(dtype)
    image = read_volume(array, affine=AFFINE.tolist())
    np.testing.assert_array_equal(image.get_fdata(), array)


def test_array_without_affine_is_refused():
    assert "Pass affine= to the extractor" in refused(np.zeros((3, 3, 3)))


@pytest.mark.parametrize("source", [7.0, {}, np.array(["a"]), np.zeros((2, 2, 2), dtype=complex)])
def test_what_is_no_volume_is_refused(source):
    assert "a path, a nibabel image or an array" in refused(source, affine=AFFINE)


def test_trailing_axis_of_length_one_is_dropped():
    assert read_volume(volume((4, 5, 6, 1))).shape == (4, 5, 6)
    assert read_volume(np.arange(8.0).reshape(2, 2, 2, 1), affine=AFFINE).shape == (2, 2, 2)


@pytest.mark.parametrize("shape", [(4, 5, 6, 7), (4, 5)])
def test_other_numbers_of_dimensions_are_refused(shape):
    assert f"shape {shape}" in refused(np.ones(shape), affine=AFFINE)


def test_four_dimensional_file_is_told_to_be_a_run(tmp_path):
    nibabel.save(volume((4, 5, 6, 7)), tmp_path / "bold.nii")
    assert "a T1w image, not a run" in refused(tmp_path / "bold.nii")


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_voxels_that_are_not_finite_are_counted(bad):
    values = volume().get_fdata()
    values[1, 2, 3] = values[0, 0, 0] = bad
    assert "2 NaN or infinite voxels of 120" in refused(values, affine=AFFINE)


def test_constant_image_is_refused():
    assert "must not be constant" in refused(np.full((3, 3, 3), 5.0), affine=AFFINE)


def test_affine_that_cannot_be_inverted_is_refused():
    assert "finite and invertible" in refused(np.ones((3, 3, 3)), affine=np.zeros((4, 4)))


@pytest.mark.parametrize("name", ["empty.nii.gz", "empty.nii"])
def test_empty_file_is_refused(tmp_path, name):
    (tmp_path / name).touch()
    assert "an empty file" in refused(tmp_path / name)


def test_corrupt_files_are_refused(tmp_path):
    (tmp_path / "text.nii.gz").write_bytes(gzip.compress(b"not an image" * 99))
    assert "readable by nibabel" in refused(tmp_path / "text.nii.gz")
    nibabel.save(volume((20, 20, 20)), tmp_path / "whole.nii.gz")
    cut = (tmp_path / "whole.nii.gz").read_bytes()[:9000]
    (tmp_path / "cut.nii.gz").write_bytes(cut)
    assert "readable to the end" in refused(tmp_path / "cut.nii.gz")


def test_missing_path_and_dangling_link_are_refused(tmp_path):
    link = tmp_path / "t1.nii.gz"
    assert "no such file" in refused(link)
    link.symlink_to(tmp_path / "annex" / "object")
    assert "a dangling link" in refused(link)


def test_header_that_claims_more_than_four_gib_is_refused_unread(tmp_path):
    header = nibabel.Nifti1Header()
    header.set_data_dtype(np.uint8)
    header.set_data_shape((30000, 30000, 30000))
    header["vox_offset"], header["magic"] = 352, b"n+1"
    header.set_sform(np.eye(4), code=1)
    path = tmp_path / "huge.nii"
    path.write_bytes(header.binaryblock + b"\0" * 64)
    assert "must fit 4 GiB" in refused(path)


def test_axes_are_put_in_ras_order():
    image = volume(affine=np.array([[0, -2, 0, 9], [0, 0, 3, 1], [-1, 0, 0, 5], [0, 0, 0, 1.0]]))
    read = read_volume(image)
    assert nibabel.aff2axcodes(read.affine) == ("R", "A", "S")
    assert sorted(read.get_fdata().ravel()) == sorted(image.get_fdata().ravel())


def smooth_image(sizes, axes=((0, 1), (1, 1), (2, 1))):
    """The function x + 2y + 3z over a box of 48 mm, sampled with any voxels and orientation."""
    affine = np.zeros((4, 4))
    affine[3, 3] = 1
    for column, ((axis, sign), size) in enumerate(zip(axes, sizes, strict=True)):
        affine[axis, column] = sign * size
        affine[axis, 3] = -sign * (24 - size / 2)
    shape = [round(48 / size) for size in sizes]
    places = np.moveaxis(np.indices(shape), 0, -1) @ affine[:3, :3].T + affine[:3, 3]
    return nibabel.Nifti1Image((places @ [1, 2, 3]).astype(np.float32), affine)


@pytest.mark.parametrize("sizes", [(1, 1, 1), (1, 2, 3), (4, 4, 4), (1.5, 6, 0.75)])
@pytest.mark.parametrize("axes", [((0, 1), (1, 1), (2, 1)), ((2, -1), (0, -1), (1, 1))])
def test_voxel_size_and_orientation_do_not_matter(sizes, axes):
    grid = Grid((5, 5, 5), (-8.0, -8.0, -8.0), 4.0)
    resampled = resample_to_grid(read_volume(smooth_image(sizes, axes)), grid)
    np.testing.assert_allclose(resampled.values, grid.centres() @ [1, 2, 3], atol=1e-3)
    assert resampled.seen.all()


def test_outside_the_field_of_view_there_is_no_support():
    grid = Grid((9, 1, 1), (-2.0, -2.0, -2.0), 4.0)
    resampled = resample_to_grid(smooth_image((4, 4, 4)), grid)
    assert resampled.seen.ravel().tolist() == [True] * 7 + [False] * 2
    assert (resampled.values[7:] == 0).all()


def test_edge_of_a_stripped_brain_is_not_darkened():
    values = np.zeros((12, 12, 12), dtype=np.float32)
    values[3:8, 3:9, 3:9] = 7 + np.random.default_rng(0).normal(0, 1e-3, (5, 6, 6))
    resampled = resample_to_grid(
        nibabel.Nifti1Image(values, np.eye(4)), Grid((6, 6, 6), (0.5, 0.5, 0.5), 2.0)
    )
    np.testing.assert_allclose(resampled.values[resampled.seen], 7, atol=0.01)
    assert (resampled.values[~resampled.seen] == 0).all()


def test_background_of_a_scaled_image_is_found():
    values = np.full((6, 6, 6), -0.7)
    values[2:4, 2:4, 2:4] = np.arange(8).reshape(2, 2, 2)
    assert np.count_nonzero(volume_support(values)) == 8


def test_noisy_air_is_no_background():
    assert volume_support(volume().get_fdata()).all()


@pytest.mark.parametrize("scale", [1e-3, 1.0, 4095.0])
def test_scale_of_the_scanner_is_removed(scale):
    values = volume().get_fdata()
    inside = np.ones(values.shape, dtype=bool)
    expected = normalise_intensity(values, inside)
    np.testing.assert_allclose(normalise_intensity(scale * values, inside), expected, rtol=1e-5)
    assert np.percentile(expected, 99) == pytest.approx(1)


def test_standard_scores_are_shifted_to_zero():
    values = np.random.default_rng(0).normal(size=(9, 9, 9))
    normalised = normalise_intensity(values, np.ones(values.shape, dtype=bool))
    assert np.percentile(normalised, [1, 99]) == pytest.approx([0, 1], abs=0.01)


def test_brain_without_differences_is_refused():
    with pytest.raises(VolumeError, match="must show differences"):
        normalise_intensity(np.ones((3, 3, 3)), np.ones((3, 3, 3), dtype=bool))


def test_half_a_voxel_counts_as_seen():
    support = np.array([[[0.0, 0.49, 0.5, 1.0]]])
    assert GridVolume(support, support).seen.tolist() == [[[False, False, True, True]]]
