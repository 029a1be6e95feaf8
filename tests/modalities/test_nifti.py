"""Opening images: every kind of bad file ends in one clear error."""

import gzip
import os
import tarfile
from pathlib import Path

import nibabel
import numpy as np
import pytest

from adestim.exceptions import DataWarning, TimeSeriesError, VolumeError
from adestim.modalities._nifti import image_values, open_nifti


@pytest.fixture
def volume():
    values = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    return nibabel.Nifti1Image(values, np.eye(4))


def save(image, path):
    nibabel.save(image, path)
    return path


def refused(source, n_dim=3, error=VolumeError):
    with pytest.raises(error) as caught:
        open_nifti(source, n_dim=n_dim, error=error)
    return str(caught.value)


@pytest.mark.parametrize("name", ["t1.nii", "t1.nii.gz"])
def test_opens_a_file_without_reading_its_voxels(volume, tmp_path, name):
    image = open_nifti(str(save(volume, tmp_path / name)), n_dim=3, error=VolumeError)
    assert image.shape == (2, 3, 4)
    assert not image.in_memory
    np.testing.assert_array_equal(image_values(image, VolumeError), volume.get_fdata())


def test_scale_factors_of_the_header_are_applied(tmp_path):
    image = nibabel.Nifti1Image(np.arange(8, dtype=np.int16).reshape(2, 2, 2), np.eye(4))
    image.header.set_slope_inter(0.5, 10)
    path = save(image, tmp_path / "scaled.nii")
    values = image_values(open_nifti(path, n_dim=3, error=VolumeError), VolumeError)
    assert values.dtype == np.float32
    np.testing.assert_allclose(values, nibabel.load(path).get_fdata())


def test_trailing_axes_of_length_one_are_dropped():
    image = nibabel.Nifti1Image(np.zeros((2, 3, 4, 5, 1), dtype=np.float32), np.eye(4))
    assert open_nifti(image, n_dim=4, error=TimeSeriesError).shape == (2, 3, 4, 5)


def test_wrong_number_of_dimensions_says_what_to_pass(volume):
    assert "Pass the whole run" in refused(volume, n_dim=4, error=TimeSeriesError)
    run = nibabel.Nifti1Image(np.zeros((2, 3, 4, 5), dtype=np.float32), np.eye(4))
    assert "shape (2, 3, 4, 5)" in refused(run, n_dim=3)


def test_missing_file_is_named(tmp_path):
    assert "no such file" in refused(tmp_path / "absent.nii.gz")


def test_dangling_link_names_the_remedy(tmp_path):
    link = tmp_path / "t1.nii.gz"
    link.symlink_to(tmp_path / "annex" / "content")
    assert "datalad get" in refused(link)


def unpacked(archive, member, folder):
    """Unpack one file of a real archive."""
    with tarfile.open(archive) as files:
        files.extract(member, folder, filter="data")
    return folder / member


def test_real_dangling_link_is_refused(realdata, tmp_path):
    archive = realdata / "openneuro" / "ds000245.tar.gz"
    link = "ds000245/sub-ODP10/anat/sub-ODP10_T1w.nii.gz"
    assert "dangling link" in refused(unpacked(archive, link, tmp_path))


def test_real_header_without_its_voxels_is_refused(realdata, tmp_path):
    archive = realdata / "bids_examples" / "synthetic.tar.gz"
    name = "synthetic/sub-04/ses-01/anat/sub-04_ses-01_T1w.nii"
    assert "must hold all the voxels" in refused(unpacked(archive, name, tmp_path))


def test_folder_is_refused(tmp_path):
    assert "a folder" in refused(tmp_path)


def test_empty_file_is_refused(tmp_path):
    path = tmp_path / "t1.nii.gz"
    path.touch()
    assert "an empty file (0 bytes)" in refused(path)


def test_unreadable_file_is_refused(volume, tmp_path, monkeypatch):
    path = save(volume, tmp_path / "t1.nii")
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert "no permission" in refused(path)


def test_folder_that_may_not_be_searched_is_refused(tmp_path, monkeypatch):
    def forbid(path):
        raise PermissionError(path)

    monkeypatch.setattr(Path, "exists", forbid)
    assert "PermissionError" in refused(tmp_path / "t1.nii")


@pytest.mark.parametrize("name", ["t1.nii", "t1.nii.gz"])
def test_text_in_place_of_an_image_is_refused(tmp_path, name):
    path = tmp_path / name
    path.write_text("this is no image")
    assert "must be readable by nibabel" in refused(path)


def test_gzip_of_nothing_is_refused(tmp_path):
    path = tmp_path / "t1.nii.gz"
    path.write_bytes(gzip.compress(b""))
    assert "must be readable by nibabel" in refused(path)


def test_truncated_file_is_refused_before_loading(volume, tmp_path):
    path = save(volume, tmp_path / "t1.nii")
    path.write_bytes(path.read_bytes()[:-8])
    assert "must hold all the voxels" in refused(path)


def test_truncated_gzip_stream_is_refused_when_read(tmp_path):
    noise = np.random.default_rng(0).normal(size=(10, 10, 10)).astype(np.float32)
    path = save(nibabel.Nifti1Image(noise, np.eye(4)), tmp_path / "t1.nii.gz")
    path.write_bytes(path.read_bytes()[:-500])
    image = open_nifti(path, n_dim=3, error=VolumeError)
    with pytest.raises(VolumeError, match="readable to the end"):
        image_values(image, VolumeError)


def header_claiming(shape, path):
    """Write a NIfTI header that claims a shape, with no voxels behind it."""
    header = nibabel.Nifti1Header()
    header.set_data_shape(shape)
    header.set_data_dtype(np.float32)
    header["vox_offset"] = 352
    header["magic"] = b"n+1"
    header.set_sform(np.eye(4), code=1)
    path.write_bytes(header.binaryblock + b"\0" * 100)
    return path


def test_header_that_claims_terabytes_is_refused_before_loading(tmp_path):
    path = header_claiming((20000, 20000, 2000), tmp_path / "huge.nii")
    assert "GiB as float32" in refused(path)


def test_compressed_file_too_small_for_its_header_is_refused(tmp_path):
    plain = header_claiming((1000, 1000, 1000), tmp_path / "plain.nii")
    path = tmp_path / "bomb.nii.gz"
    path.write_bytes(gzip.compress(plain.read_bytes()))
    assert "must hold all the voxels" in refused(path)


def test_limit_on_size_is_the_callers_to_choose(volume):
    with pytest.raises(VolumeError, match="must fit"):
        open_nifti(volume, n_dim=3, error=VolumeError, max_bytes=24 * 4 - 1)


@pytest.mark.parametrize("fault", [np.zeros((4, 4)), np.full((4, 4), np.nan)])
def test_affine_that_cannot_be_inverted_is_refused(volume, fault):
    fault = fault.copy()
    fault[3] = [0, 0, 0, 1]
    image = nibabel.Nifti1Image(volume.get_fdata(dtype=np.float32), None)
    image._affine = fault
    assert "finite and invertible" in refused(image)


def test_complex_image_is_refused():
    image = nibabel.Nifti1Image(np.zeros((2, 2, 2), dtype=np.complex64), np.eye(4))
    assert "one real number a voxel" in refused(image)


def test_what_is_no_image_is_refused():
    assert "of type float" in refused(1.5)


# Orientation


def stating(qform_code, sform_code, flip=False, kind=nibabel.Nifti1Image):
    """An image whose header has these codes; with ``flip``, a qform that mirrors the sform."""
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    image = kind(np.arange(24, dtype=np.float32).reshape(2, 3, 4), affine)
    image.set_qform(affine @ np.diag([-1.0, 1, 1, 1]) if flip else affine)
    content = bytearray(image.to_bytes())
    for field, code in (("qform_code", qform_code), ("sform_code", sform_code)):
        dtype, place = kind.header_class.template_dtype.fields[field][:2]
        content[place : place + dtype.itemsize] = np.asarray(code, dtype).tobytes()
    return kind.from_bytes(bytes(content))


@pytest.mark.parametrize("ending", [".nii", ".nii.gz", ".hdr"])
@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
def test_orientation_that_nobody_states_is_told(tmp_path, ending, kind):
    if ending == ".hdr":
        kind = nibabel.Nifti1Pair
        image = kind(np.arange(24, dtype=np.float32).reshape(2, 3, 4), None)
        image.header["pixdim"][1:4] = 2
    else:
        image = stating(0, 0, kind=kind)
    path = save(image, tmp_path / f"t1{ending}")
    with pytest.warns(DataWarning, match="does not state its orientation.*read as LAS"):
        open_nifti(path, n_dim=3, error=VolumeError)


@pytest.mark.parametrize("kind", [nibabel.AnalyzeImage, nibabel.Spm99AnalyzeImage])
def test_analyze_states_no_orientation(tmp_path, kind):
    values = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    nibabel.save(kind(values, np.diag([-2.0, 2, 2, 1])), tmp_path / "t1.img")
    (tmp_path / "t1.mat").unlink(missing_ok=True)
    with pytest.warns(DataWarning, match="does not state its orientation"):
        image = open_nifti(tmp_path / "t1.img", n_dim=3, error=VolumeError)
    np.testing.assert_array_equal(image_values(image, VolumeError), values)


def test_mat_of_spm_states_it(tmp_path):
    affine = np.diag([2.0, 2, 2, 1])
    affine[:3, 3] = [-30, 4, 7]
    values = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    nibabel.save(nibabel.Spm99AnalyzeImage(values, affine), tmp_path / "t1.img")
    image = open_nifti(tmp_path / "t1.img", n_dim=3, error=VolumeError)
    np.testing.assert_allclose(image.affine, affine)


@pytest.mark.parametrize("codes", [(1, 0), (0, 1), (1, 1), (0, 4), (2, 0)])
@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
def test_one_orientation_is_enough(tmp_path, codes, ending):
    path = save(stating(*codes), tmp_path / f"t1{ending}")
    image = open_nifti(path, n_dim=3, error=VolumeError)
    np.testing.assert_allclose(image.affine, np.diag([2.0, 2, 2, 1]))


def test_orientations_that_mirror_each_other_are_told():
    with pytest.warns(DataWarning, match="disagree about left and right.*RAS"):
        open_nifti(stating(1, 1, flip=True), n_dim=3, error=VolumeError)
    open_nifti(stating(0, 1, flip=True), n_dim=3, error=VolumeError)


# Axes of length one


def shaped(shape, zooms, unit="sec", intent=0):
    values = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    image = nibabel.Nifti1Image(values, np.eye(4))
    image.header["pixdim"][1 : 1 + len(zooms)] = zooms
    image.header.set_xyzt_units("mm", unit)
    image.header["intent_code"] = intent
    return image


@pytest.mark.parametrize("pack", [None, ".nii", ".nii.gz"])
@pytest.mark.parametrize(
    ("zooms", "step"),
    [
        ((1, 1, 1, 2.5, 1), 2.5), ((1, 1, 1, 1, 2.5), 2.5), ((1, 1, 1, 0, 2.5), 2.5),
        ((1, 1, 1, 2.5, 2.5), 2.5), ((1, 1, 1, 1, 1), 1), ((1, 1, 1, 2.5, 3), 0),
    ],
)  # fmt: skip
def test_time_on_the_fifth_axis_is_time(tmp_path, pack, zooms, step):
    image = shaped((2, 3, 4, 1, 5), zooms)
    source = image if pack is None else save(image, tmp_path / f"bold{pack}")
    found = open_nifti(source, n_dim=4, error=TimeSeriesError)
    assert found.shape == (2, 3, 4, 5)
    assert found.header.get_zooms()[3] == step
    expected = image.get_fdata()[:, :, :, 0]
    np.testing.assert_array_equal(image_values(found, TimeSeriesError), expected)
    assert pack is None or not found.in_memory


@pytest.mark.parametrize("shape", [(2, 3, 4, 1), (2, 3, 4, 1, 1), (2, 3, 4, 1, 1, 1)])
def test_volume_with_empty_axes_is_a_volume(tmp_path, shape):
    path = save(shaped(shape, (1, 1, 1)), tmp_path / "t1.nii.gz")
    image = open_nifti(path, n_dim=3, error=VolumeError)
    np.testing.assert_array_equal(
        image_values(image, VolumeError), np.arange(24).reshape((2, 3, 4))
    )


@pytest.mark.parametrize("intent", [1005, 1006, 1007])
def test_vectors_on_the_fifth_axis_are_no_run(intent):
    warp = shaped((2, 3, 4, 1, 3), (1, 1, 1, 1, 1), intent=intent)
    assert "of vectors" in refused(warp, n_dim=4, error=TimeSeriesError)


@pytest.mark.parametrize("shape", [(2, 3, 4, 5, 6), (1, 3, 4), (2, 3)])
def test_what_stays_of_other_dimensions_is_refused_or_as_it_was(shape):
    image = shaped(shape, (1, 1))
    if len(shape) == 3:
        assert open_nifti(image, n_dim=3, error=VolumeError).shape == shape
    assert f"shape {shape}" in refused(image, n_dim=4, error=TimeSeriesError)
