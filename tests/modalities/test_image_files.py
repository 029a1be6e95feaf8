"""Files are read by what they hold: under wrong names, to their checksum, never half."""

import bz2
import gzip
import json
import logging

import nibabel
import numpy as np
import pytest

from adestim.exceptions import AdestimError, TimeSeriesError, VolumeError
from adestim.modalities._image_files import read_to_end
from adestim.modalities._nifti import image_values, open_nifti

RNG = np.random.default_rng(0)
VALUES = RNG.integers(0, 900, (9, 8, 7)).astype(np.int16)
AFFINE = np.diag([2.0, 2.0, 2.0, 1.0])
IMAGE = nibabel.Nifti1Image(VALUES, AFFINE)
PLAIN = IMAGE.to_bytes()


def read(path, n_dim=3, error=VolumeError):
    return image_values(open_nifti(path, n_dim=n_dim, error=error), error)


def written(path, content):
    path.write_bytes(content)
    return path


def refusal(path, error=VolumeError, n_dim=3):
    with pytest.raises(error) as caught:
        read(path, n_dim, error)
    return str(caught.value)


NIFTI_2 = nibabel.Nifti2Image(VALUES, AFFINE).to_bytes()
SWAPPED = nibabel.Nifti1Image(VALUES, AFFINE, nibabel.Nifti1Header(endianness=">")).to_bytes()


@pytest.mark.parametrize(
    "name", ["a.nii", "a.nii.gz", "T1w", "a.NII.GZ", "a.img", "a.mgz", "a.txt"]
)
@pytest.mark.parametrize(
    "content",
    [
        PLAIN, gzip.compress(PLAIN), bz2.compress(PLAIN), NIFTI_2, gzip.compress(NIFTI_2), SWAPPED,
    ],
    ids=["plain", "gzip", "bzip2", "nifti2", "nifti2-gzip", "big-endian"],
)  # fmt: skip
def test_nifti_is_read_under_any_name(tmp_path, name, content):
    np.testing.assert_array_equal(read(written(tmp_path / name, content)), VALUES)


@pytest.mark.parametrize("ending", [".mgz", ".mgh", ".img", ".hdr"])
def test_other_formats_are_read_as_nibabel_does(tmp_path, ending):
    kind = nibabel.Nifti1Pair if ending in (".img", ".hdr") else nibabel.MGHImage
    nibabel.save(kind(VALUES, AFFINE), tmp_path / f"a{ending}")
    np.testing.assert_array_equal(read(tmp_path / f"a{ending}"), VALUES)


def archive(path):
    np.savez(path, VALUES)


def array(path):
    with path.open("wb") as file:
        np.save(file, VALUES)


def matlab(path):
    from scipy.io import savemat

    with path.open("wb") as file:
        savemat(file, {"a": VALUES})


GIFTI = '<?xml version="1.0"?>\n<!DOCTYPE GIFTI SYSTEM "x">\n<GIFTI Version="1.0"></GIFTI>'
WRONG_FILES = {
    "npz": (archive, "a zip archive", ".tsv"),
    "npy": (array, "an array file of numpy", ".npy"),
    "mat": (matlab, "a file of MATLAB", ".nii.gz"),
    "h5": (b"\x89HDF\r\n\x1a\n" + bytes(900), "an HDF5 file", ".tsv"),
    "gii": (GIFTI.encode(), "a GIFTI surface", "Pass the volume"),
    "html": (b"\n<!DOCTYPE html><html>404</html>", "a web page", "Download the file again"),
    "lfs": (b"version https://git-lfs.github.com/spec/v1\n", "a git-lfs pointer", "git lfs pull"),
    "annex": (b"/annex/objects/MD5E-s1--0.nii.gz\n", "a git-annex pointer", "git annex get"),
    "dicom": (bytes(128) + b"DICM" + bytes(900), "a DICOM file", "dcm2niix"),
    "nrrd": (b"NRRD0004\ntype: short\n", "an NRRD file", "Convert it to NIfTI"),
    "mha": (b"ObjectType = Image\n", "a MetaImage", "Convert it to NIfTI"),
    "png": (b"\x89PNG\r\n\x1a\n" + bytes(99), "a PNG picture", "Pass the volume"),
    "pdf": (b"%PDF-1.4\n" + bytes(99), "a PDF document", "Pass the volume"),
    "pickle": (b"\x80\x04\x95" + bytes(99), "a pickle", ".nii.gz"),
    "xz": (b"\xfd7zXZ\x00" + bytes(99), "packed by xz", "gzip"),
    "zst": (b"\x28\xb5\x2f\xfd" + bytes(99), "packed by zstd", "gzip"),
    "tar": (bytes(257) + b"ustar" + bytes(300), "a tar archive", "Unpack it"),
    "json": (json.dumps({"RepetitionTime": 2}).encode(), "a file of text", ".nii.gz"),
    "words": ("Größe\t1\n".encode(), "a file of text", ".tsv"),
}


@pytest.mark.parametrize("kind", WRONG_FILES)
@pytest.mark.parametrize("ending", [None, "nii", "nii.gz"])
def test_what_is_no_image_is_named_for_what_it_is(tmp_path, kind, ending):
    make, what, remedy = WRONG_FILES[kind]
    path = tmp_path / f"a.{ending or kind}"
    made = tmp_path / f"b.{kind}"
    if callable(make):
        make(made)
    else:
        made.write_bytes(make)
    content = made.read_bytes()
    said = refusal(written(path, content))
    assert what in said
    assert remedy in said


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_cifti_is_named(tmp_path, pack):
    axes = (nibabel.cifti2.SeriesAxis(0, 1, 5), nibabel.cifti2.ScalarAxis(["a", "b"]))
    image = nibabel.Cifti2Image(np.zeros((5, 2), np.float32), axes)
    nibabel.save(image, tmp_path / "a.dtseries.nii")
    said = refusal(tmp_path / "a.dtseries.nii", TimeSeriesError, 4)
    assert "a CIFTI file" in said
    assert ".ptseries.nii" in said
    content = (tmp_path / "a.dtseries.nii").read_bytes()
    assert "a CIFTI file" in refusal(written(tmp_path / "b.nii.gz", pack(content)))


def test_header_without_its_voxels_is_named(tmp_path):
    nibabel.save(nibabel.Nifti1Pair(VALUES, AFFINE), tmp_path / "a.hdr")
    (tmp_path / "a.img").unlink()
    assert "Put the .img beside" in refusal(tmp_path / "a.hdr")


# Damage


def damaged(content, kind, rng):
    """The content of a file with something wrong in it."""
    found = bytearray(content)
    place = int(rng.integers(len(found)))
    if kind == "bit":
        found[place] ^= 1 << rng.integers(8)
    elif kind == "bytes":
        for at in rng.integers(len(found), size=4):
            found[at] = rng.integers(256)
    elif kind == "cut":
        found = found[:place]
    elif kind == "more":
        found += bytes(rng.integers(0, 256, 1 + place % 900, dtype=np.uint8))
    elif kind == "zeros":
        found[place : place + 60] = bytes(len(found[place : place + 60]))
    return bytes(found)


def tell_fate(path, expected=VALUES):
    """How a file is taken: refused in our words, read right, or read wrong."""
    try:
        found = read(path)
    except AdestimError:
        return "refused"
    return "right" if np.array_equal(found, expected) else "wrong"


@pytest.fixture
def quiet():
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("kind", ["bit", "bytes", "cut", "more", "zeros"])
def test_damaged_packed_file_is_refused_or_read_right(tmp_path, quiet, kind):
    rng, content = np.random.default_rng(1), gzip.compress(PLAIN)
    path = tmp_path / "a.nii.gz"
    fates = [tell_fate(written(path, damaged(content, kind, rng))) for _ in range(120)]
    assert "wrong" not in fates
    # What is not checked is the time and the system in a gzip's header.
    assert fates.count("refused") > 110


@pytest.mark.parametrize("kind", ["bit", "bytes", "cut"])
def test_damaged_bzip2_is_refused_or_read_right(tmp_path, quiet, kind):
    rng, content = np.random.default_rng(1), bz2.compress(PLAIN)
    path = tmp_path / "a.nii.bz2"
    fates = {tell_fate(written(path, damaged(content, kind, rng))) for _ in range(60)}
    assert "wrong" not in fates


@pytest.mark.parametrize("kind", ["cut", "more"])
def test_plain_file_of_another_length_is_refused(tmp_path, quiet, kind):
    rng, path = np.random.default_rng(2), tmp_path / "a.nii"
    fates = {tell_fate(written(path, damaged(PLAIN, kind, rng))) for _ in range(150)}
    # A few bytes more than the voxels are padding.
    assert fates <= ({"refused"} if kind == "cut" else {"refused", "right"})


@pytest.mark.parametrize(
    "name", ["a.nii", "a.mgz", "a.hdr", "a.img", "a", "a.gii", "a.HEAD", "a.par"]
)
def test_noise_is_refused(tmp_path, quiet, name):
    rng = np.random.default_rng(3)
    for size in range(1, 900, 30):
        noise = bytes(rng.integers(0, 256, size, dtype=np.uint8))
        assert tell_fate(written(tmp_path / name, noise)) == "refused"


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_damaged_header_ends_in_one_clear_error_or_an_image(tmp_path, quiet, pack):
    rng, path = np.random.default_rng(4), tmp_path / "a.nii"
    for place in rng.permutation(348)[:120]:
        content = bytearray(PLAIN)
        content[place] = rng.choice([0, 1, 127, 128, 255])
        tell_fate(written(path, pack(bytes(content))))


def stated(**fields):
    """A file whose header says something."""
    content = bytearray(PLAIN)
    where = nibabel.Nifti1Header.template_dtype.fields
    for name, value in fields.items():
        kind, place = where[name][:2]
        value = np.asarray(value, kind.base).tobytes()
        content[place : place + len(value)] = value
    return bytes(content)


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize(
    "fields",
    [
        {"vox_offset": np.inf}, {"vox_offset": np.nan}, {"vox_offset": -352.0}, {"vox_offset": 9e9},
        {"dim": [3, 30000, 30000, 30000, 1, 1, 1, 1]}, {"dim": [3, -9, 8, 7, 1, 1, 1, 1]},
        {"dim": [3, 9, 8, 8, 1, 1, 1, 1]}, {"dim": [3, 9, 8, 6, 1, 1, 1, 1]},
        {"dim": [3, 8, 8, 7, 1, 1, 1, 1]}, {"dim": [9, 9, 8, 7, 1, 1, 1, 1]}, {"dim": [3, 0, 8, 7]},
        {"datatype": 16}, {"datatype": 2}, {"datatype": 9999}, {"datatype": 32},
        {"srow_x": [np.nan] * 4}, {"srow_x": [np.inf] * 4},
    ],
    ids=lambda fields: "-".join(f"{name}={value}" for name, value in fields.items()),
)  # fmt: skip
def test_header_that_lies_is_refused(tmp_path, quiet, fields, pack):
    said = refusal(written(tmp_path / "a.nii", pack(stated(**fields))))
    assert len(said) < 600


def test_padding_behind_the_voxels_is_none_of_them(tmp_path):
    padded = written(tmp_path / "a.nii.gz", gzip.compress(PLAIN + bytes(50)))
    np.testing.assert_array_equal(read(padded), VALUES)
    np.testing.assert_array_equal(read(written(tmp_path / "a.nii", PLAIN + bytes(50))), VALUES)


class Endless:
    """A stream that never ends."""

    def read(self, size):
        return bytes(size)


def test_stream_without_an_end_is_left():
    with pytest.raises(ValueError, match="more voxels"):
        read_to_end(Endless(), 4096)


def test_image_that_nibabel_opened_is_checked_too(tmp_path):
    content = bytearray(gzip.compress(PLAIN))
    content[-6] ^= 1
    image = nibabel.load(written(tmp_path / "a.nii.gz", bytes(content)))
    assert "readable to the end" in refusal(image)


def test_values_beyond_float32_are_no_crash(tmp_path):
    image = nibabel.Nifti1Image(VALUES * 1e300, AFFINE)
    nibabel.save(image, tmp_path / "a.nii")
    assert np.isinf(read(tmp_path / "a.nii")).any()
