"""What a file is by its first bytes, whatever its name, and its content read to the end.

Names lie: a gzip is called ``.nii``, a plain image ``.nii.gz``, a download is a web page. An image
is opened by what it holds; what is none is named for what it is.
"""

from __future__ import annotations

import bz2
import codecs
import gzip
import os
from collections.abc import Callable
from math import prod
from pathlib import Path
from typing import IO, Any

import numpy as np

from adestim._support.files import FETCHED_BY, name_pointer
from adestim._support.tables import UNPACKING_ERRORS

HEAD_BYTES = 1024
CHUNK_BYTES = 1 << 20
# Some writers fill the last block of a disk, or count the header twice.
PADDING_BYTES = 4096
# The tags that FreeSurfer writes behind the voxels are small.
TAG_BYTES = 64 << 20
OPENERS: dict[bytes, Callable] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open}
MGH_VERSION = b"\0\0\0\1"
CIFTI_INTENTS = range(3000, 3100)

TO_NIFTI = "Convert it to NIfTI (.nii.gz)"
AS_WHAT = "Write an image as .nii.gz, and ROI series as .tsv, .csv or .npy"
UNPACK = "Unpack it, or pack it with gzip (.nii.gz)"
# Where a mark stands, the mark, what such a file is, what to do about it.
KNOWN_FILES = (
    (0, b"PK\x03\x04", "a zip archive, as numpy.savez (.npz) writes it", AS_WHAT),
    (0, b"\x93NUMPY", "an array file of numpy (.npy)", AS_WHAT),
    (0, b"MATLAB", "a file of MATLAB (.mat)", AS_WHAT),
    (0, b"\x89HDF", "an HDF5 file (.h5, or a .mat of MATLAB 7.3)", AS_WHAT),
    (0, b"\x80", "a pickle of Python", AS_WHAT),
    (128, b"DICM", "a DICOM file", "Convert the series with dcm2niix, and pass its .nii.gz"),
    (0, b"NRRD", "an NRRD file", TO_NIFTI),
    (0, b"ObjectType", "a MetaImage (.mha, .mhd)", TO_NIFTI),
    (0, b"\x89PNG", "a PNG picture", "Pass the volume itself"),
    (0, b"\xff\xd8\xff", "a JPEG picture", "Pass the volume itself"),
    (0, b"%PDF", "a PDF document", "Pass the volume itself"),
    (0, b"\xff\xff\xfe", "a surface of FreeSurfer", "Pass a volume"),
    (0, b"\xfd7zXZ", "packed by xz", UNPACK),
    (0, b"\x28\xb5\x2f\xfd", "packed by zstd", UNPACK),
    (0, b"BZh", "packed by bzip2", UNPACK),
    (257, b"ustar", "a tar archive", "Unpack it, and pass the image in it"),
)


def find_opener(path: Path) -> Callable:
    """Return what opens a file unpacked, by its first bytes."""
    with path.open("rb") as file:
        start = file.read(4)
    return next((opener for mark, opener in OPENERS.items() if start.startswith(mark)), open)


def read_head(path: Path) -> bytes:
    """Return the first bytes of a file, unpacked."""
    with find_opener(path)(path, "rb") as stream:
        return stream.read(HEAD_BYTES)


def load_image(path: Path) -> Any:
    """Open an image lazily, NIfTI and MGH by their content and any other as nibabel does."""
    import nibabel
    from nibabel.arrayproxy import ArrayProxy

    found = choose_class(read_head(path))
    if found is None:
        return nibabel.load(path)
    with find_opener(path)(path, "rb") as stream:
        image = found.from_stream(stream)
    voxels = ArrayProxy(str(path), describe_voxels(image.dataobj))
    return found(voxels, image.affine, image.header)


def choose_class(head: bytes) -> Any:
    """Return the class of nibabel for a file that is one image, None for others."""
    import nibabel

    if head[344:348] == b"n+1\0":
        return nibabel.Nifti1Image
    if head[4:8] == b"n+2\0":
        return nibabel.Nifti2Image
    return nibabel.MGHImage if head.startswith(MGH_VERSION) else None


def describe_voxels(voxels: Any) -> tuple:
    """Return where and how voxels lie in their file, as nibabel's proxies are told."""
    return voxels.shape, voxels.dtype, voxels.offset, voxels.slope, voxels.inter


def file_of_voxels(image: Any) -> Path | None:
    """Return the file that voxels are read from by nibabel's own rules; None for other images."""
    from nibabel.arrayproxy import ArrayProxy

    voxels = image.dataobj
    if image.in_memory or type(voxels) is not ArrayProxy:
        return None
    return Path(voxels.file_like) if isinstance(voxels.file_like, (str, os.PathLike)) else None


def read_voxels(image: Any, dtype: Any) -> np.ndarray:
    """Return the voxels of an image; a packed file is read to its end, where its checksum is."""
    from nibabel.arrayproxy import ArrayProxy

    path = file_of_voxels(image)
    # Beyond the range of the type is infinite, which whoever wants the voxels refuses.
    with np.errstate(over="ignore", invalid="ignore"):
        if path is None:
            return np.asarray(image.get_fdata(dtype=dtype, caching="unchanged"))
        opener = find_opener(path)
        with opener(path, "rb") as stream:
            spec = describe_voxels(image.dataobj)
            voxels = ArrayProxy(stream, spec, order=image.dataobj.order)
            values = np.asarray(voxels, dtype=dtype)
            if opener is not open:
                read_to_end(stream, allowed_surplus(image))
    return values


def allowed_surplus(image: Any) -> int:
    """Return how many bytes may follow the voxels: tags of FreeSurfer, else hardly any."""
    from nibabel import Nifti1Pair

    if not isinstance(image, Nifti1Pair):
        return TAG_BYTES
    # One voxel more along the longest axis is the least that a wrong header leaves over.
    least = prod(image.shape) // max(image.shape) * image.get_data_dtype().itemsize
    return min(PADDING_BYTES, least - 1)


def read_to_end(stream: IO[bytes], allowed: int) -> None:
    """Read what follows the voxels, and with it the checksum; more than is allowed is an error."""
    surplus = 0
    while chunk := stream.read(CHUNK_BYTES):
        surplus += len(chunk)
        if surplus > allowed:
            raise ValueError("the file holds more voxels than its header says")


def describe_file(path: Path) -> tuple[str, str] | None:
    """Return what a file that is no usable image is, and what to do about it; None if unknown."""
    try:
        head = read_head(path)
    except (OSError, ValueError, *UNPACKING_ERRORS):
        return None
    pointer = name_pointer(head)
    if pointer is not None:
        what = f"a {pointer} pointer, which only says where the file is"
        return what, f"Fetch the file itself with '{FETCHED_BY[pointer]}'"
    for place, mark, what, remedy in KNOWN_FILES:
        if head[place:].startswith(mark):
            return what, remedy
    return describe_text(head)


def describe_text(head: bytes) -> tuple[str, str] | None:
    """Return what a file of text is, and what to do about it; None for other bytes."""
    try:
        text = codecs.getincrementaldecoder("utf-8-sig")().decode(head).lstrip().lower()
    except UnicodeDecodeError:
        return None
    if not text or "\0" in text:
        return None
    if "<gifti" in text:
        return "a GIFTI surface file (.gii)", "Pass the volume; a surface is no volume"
    if text.startswith(("<!doctype html", "<html")):
        return "a web page (HTML), as a failed download leaves", "Download the file again"
    return "a file of text", AS_WHAT


def is_cifti(image: Any) -> bool:
    """Tell whether an image holds vertices of surfaces beside voxels (CIFTI-2)."""
    header = getattr(image, "nifti_header", getattr(image, "header", None))
    if header is None or not hasattr(header, "get_intent"):
        return False
    return int(header["intent_code"]) in CIFTI_INTENTS
