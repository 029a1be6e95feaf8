"""Open a NIfTI image, and refuse a bad one, before a single voxel is loaded.

Whoever reads images (smri, fmri) opens them here, so that a missing, empty, broken or absurd
file always ends in one clear error and never in a traceback of the reading library.
"""

from __future__ import annotations

import os
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from adestim._support.remarks import remark
from adestim.exceptions import InputError
from adestim.modalities._image_files import (
    allowed_surplus,
    describe_file,
    file_of_voxels,
    find_opener,
    is_cifti,
    load_image,
    read_voxels,
)

MAX_BYTES = 16 * 2**30
MIN_COMPRESSION = 1 / 1100
FINITE_AFFINE_LIMIT = 1e6
LARGEST_LABEL = 2.0**53
# Symmetric matrices, displacements and vectors.
VECTOR_INTENTS = (1005, 1006, 1007)


def open_nifti(
    source: Any, *, n_dim: int, error: type[InputError], max_bytes: int = MAX_BYTES
) -> Any:
    """Return an image whose header has been checked; its voxels stay on disk."""
    image = load_header(source, error) if is_path(source) else require_image(source, error)
    require_real_values(image, error)
    require_plausible_size(image, max_bytes, error)
    require_whole_file(image, error)
    image = drop_empty_axes(image, n_dim, error)
    require_invertible_affine(image, error)
    question_orientation(image)
    return image


def image_values(image: Any, error: type[InputError], dtype=np.float32) -> np.ndarray:
    """Load the voxels of an image, scaled as its header says, and check them by their checksum."""
    try:
        return read_voxels(image, dtype)
    # Damaged bytes make nibabel and the unpackers raise whatever they come upon.
    except Exception as failure:
        raise error(
            "The voxels of an image file must be readable to the end",
            got=f"{type(failure).__name__}: {failure}",
            remedy="The file is truncated or corrupt; copy or convert it again",
        ) from failure


def label_values(image: Any, error: type[InputError]) -> np.ndarray:
    """Return the whole numbers of a label image; NaN is background."""
    values = image_values(image, error, np.float64)
    values = np.where(np.isnan(values), 0.0, values)
    if not (abs(values) < LARGEST_LABEL).all() or not np.array_equal(values, np.rint(values)):
        raise error(
            "A label image must hold whole numbers, one a region",
            got="fractions or non-finite values",
            remedy="Pass the atlas's maximum-probability (dseg) version",
        )
    return values.astype(np.int64)


def is_path(source: Any) -> bool:
    """Tell whether the source names a file."""
    return isinstance(source, (str, os.PathLike))


def require_image(source: Any, error: type[InputError]) -> Any:
    """Refuse what is neither a path nor an image."""
    if not (hasattr(source, "affine") and hasattr(source, "get_fdata")):
        raise error(
            "An image is given as a path or as a nibabel image",
            got="a CIFTI file (grayordinates)"
            if is_cifti(source)
            else f"an object of type {type(source).__name__}",
            remedy="Pass the path of a .nii or .nii.gz file",
        )
    return source


def load_header(source: Any, error: type[InputError]) -> Any:
    """Open a file lazily; only its header is read."""
    path = require_readable_file(Path(source), error)
    try:
        image = load_image(path)
    # A damaged header makes nibabel raise whatever it comes upon.
    except Exception as failure:
        raise unreadable(path, error, f"{type(failure).__name__}: {failure}") from failure
    if is_cifti(image):
        raise error(
            "An image must hold voxels alone",
            got=f"{path.name}: a CIFTI file, whose rows are vertices and voxels",
            remedy="Pass the volume (.nii.gz); FMRIExtractor also reads series of grayordinates "
            "or parcels that are called .dtseries.nii or .ptseries.nii",
        )
    if not hasattr(image, "affine"):
        raise unreadable(path, error, f"an object of type {type(image).__name__}")
    return image


def unreadable(path: Path, error: type[InputError], said: str) -> InputError:
    """Return the error about a file that is no usable image, named for what it is."""
    what, remedy = describe_file(path) or (
        said,
        "The file is corrupt or not a NIfTI image; copy or convert it again",
    )
    rule = "An image file must be readable by nibabel"
    return error(rule, got=f"{path.name}: {what}", remedy=remedy)


def require_readable_file(path: Path, error: type[InputError]) -> Path:
    """Refuse a path that is no readable, non-empty file."""
    try:
        path = path.expanduser()
        fault = path_fault(path)
    except (OSError, RuntimeError) as failure:
        fault = f"{type(failure).__name__}: {path}", "Check the path and its permissions"
    if fault is not None:
        got, remedy = fault
        raise error("An image path must lead to a readable, non-empty file", got=got, remedy=remedy)
    return path


def path_fault(path: Path) -> tuple[str, str] | None:
    """Return what is wrong with a path and what to do about it, or None."""
    if path.is_symlink() and not path.exists():
        remedy = "Fetch the file's content first ('datalad get' or 'git annex get')"
        return f"a dangling link: {path}", remedy
    if not path.exists():
        return f"no such file: {path}", "Check the path of this cell"
    if not path.is_file():
        return f"a folder: {path}", "Pass the path of the image itself"
    if path.stat().st_size == 0:
        return f"an empty file (0 bytes): {path}", "Fetch it again, or leave the cell empty"
    if not os.access(path, os.R_OK):
        return f"no permission: {path}", "Give yourself permission to read it"
    return None


def require_real_values(image: Any, error: type[InputError]) -> None:
    """Refuse complex and colour images."""
    if image.get_data_dtype().kind not in "biuf":
        raise error(
            "An image must hold one real number a voxel",
            got=f"values of type {image.get_data_dtype()}",
            remedy="Convert a complex or colour image first",
        )


def require_plausible_size(image: Any, max_bytes: int, error: type[InputError]) -> None:
    """Refuse a header that claims no voxels, or more than memory should be asked for."""
    shape = tuple(int(length) for length in image.shape)
    claimed = prod(shape) * np.dtype(np.float32).itemsize
    if any(length < 1 for length in shape):
        raise error(
            "An image must have at least one voxel along every axis",
            got=f"shape {shape}",
            remedy="The header is corrupt; convert the image again",
        )
    if claimed > max_bytes:
        raise error(
            f"An image must fit {max_bytes / 2**30:.0f} GiB as float32",
            got=f"shape {shape}, that is {claimed / 2**30:.0f} GiB",
            remedy="The header is corrupt, or the image must be resampled or split first",
        )


def require_whole_file(image: Any, error: type[InputError]) -> None:
    """Refuse a file too small, or too large, for the voxels that its header claims."""
    path = file_of_voxels(image)
    if path is None:
        return
    if not path.is_file():
        raise error(
            "The header and the voxels of an image must both be there",
            got=f"no such file: {path}",
            remedy="Put the .img beside its .hdr, or convert the image to .nii.gz",
        )
    stored = prod(int(length) for length in image.shape) * image.get_data_dtype().itemsize
    needed = int(image.dataobj.offset) + stored
    size, packed = path.stat().st_size, find_opener(path) is not open
    too_small = size < (stored * MIN_COMPRESSION if packed else needed)
    if too_small or (not packed and size > needed + allowed_surplus(image)):
        raise error(
            "An image file must hold all the voxels that its header claims, and no more",
            got=f"{size} bytes for shape {tuple(image.shape)} in {path.name}",
            remedy="The file is truncated or its header is corrupt; copy it again",
        )


def is_nifti(image: Any) -> bool:
    """Tell whether an image is NIfTI, of one file or two."""
    from nibabel import Nifti1Pair

    return isinstance(image, Nifti1Pair)


def drop_empty_axes(image: Any, n_dim: int, error: type[InputError]) -> Any:
    """Drop axes of length one behind the first three, where that leaves what the caller needs."""
    shape = tuple(image.shape)
    kept = (*shape[:3], *(length for length in shape[3:] if length > 1))
    kept += (1,) * (min(n_dim, len(shape)) - len(kept))
    if len(kept) != n_dim or min(len(shape), 3) < 3 or holds_vectors(image):
        raise wrong_dimensions(image, n_dim, error)
    return image if kept == shape else reshape_image(image, kept)


def holds_vectors(image: Any) -> bool:
    """Tell whether the fifth axis is that of vectors, as of a warp, not of time."""
    is_vector = is_nifti(image) and int(image.header["intent_code"]) in VECTOR_INTENTS
    return is_vector and len(image.shape) > 4


def wrong_dimensions(image: Any, n_dim: int, error: type[InputError]) -> InputError:
    """Return the error about an image with too many axes, or too few."""
    kind = {3: "a single volume (3 dimensions)", 4: "a 4-D run (x, y, z, time)"}
    shape = tuple(image.shape)
    what = f"an image of {len(shape)} dimensions, shape {shape}"
    return error(
        f"This modality reads {kind.get(n_dim, f'{n_dim} dimensions')}",
        got=f"{what}, of vectors" if holds_vectors(image) else what,
        remedy={
            3: "Pass one volume: a T1w image, not a run",
            4: "Pass the whole run, not its mean or a single volume",
        }.get(n_dim),
    )


def reshape_image(image: Any, shape: tuple[int, ...]) -> Any:
    """Return an image without its axes of length one; its voxels stay where they are."""
    voxels = image.dataobj
    in_file = file_of_voxels(image) is not None
    voxels = voxels.reshape(shape) if in_file else np.asanyarray(voxels).reshape(shape)
    header = image.header.copy()
    step = settle_time_step(image, shape)
    header.set_data_shape(shape)
    if step is not None:
        header.set_zooms((*header.get_zooms()[:3], step))
    return type(image)(voxels, image.affine, header)


def settle_time_step(image: Any, shape: tuple[int, ...]) -> float | None:
    """Return the step of the axis that is left of several, 0 where the header contradicts itself.

    Of (x, y, z, 1, t), some writers state the time between volumes with the fourth axis, others
    with the fifth; zero and one are what is written by those who were not told.
    """
    if len(shape) != 4 or len(image.shape) == 4:
        return None
    stated = {float(zoom) for zoom in image.header.get_zooms()[3:]} - {0.0}
    stated = stated - {1.0} or stated
    return stated.pop() if len(stated) == 1 else 0.0


def require_invertible_affine(image: Any, error: type[InputError]) -> None:
    """Refuse an affine that puts no voxel anywhere."""
    affine = np.asarray(image.affine, dtype=float)
    usable = np.isfinite(affine).all() and abs(affine).max() < FINITE_AFFINE_LIMIT
    if not usable or abs(np.linalg.det(affine[:3, :3])) < np.finfo(np.float32).tiny:
        raise error(
            "An image's affine must be finite and invertible, in mm",
            got=str(np.round(affine, 3).tolist()),
            remedy="Convert the image again with its orientation (qform or sform)",
        )


def question_orientation(image: Any) -> None:
    """Remark on an image whose header does not say where left and right are, or says both."""
    axes = "".join(str(axis) for axis in axis_codes(image.affine))
    if not states_orientation(image):
        remark(
            "the image's header does not state its orientation (qform_code and sform_code are 0, "
            f"or the format has none); it is read as {axes}, so that left and right, or any axes, "
            "may be exchanged. Write the orientation into the header, or leave the image out."
        )
    elif contradicts_itself(image):
        remark(
            "the qform and the sform of the image's header disagree about left and right; the "
            f"sform is used ({axes}). Correct the wrong one, or leave the image out."
        )


def axis_codes(affine: np.ndarray) -> tuple:
    """Return where the axes of an image run, as letters."""
    from nibabel import aff2axcodes

    return aff2axcodes(np.asarray(affine, dtype=float))


def states_orientation(image: Any) -> bool:
    """Tell whether a header says how the voxels lie in the head."""
    from nibabel import AnalyzeImage

    if is_nifti(image):
        return int(image.header["qform_code"]) > 0 or int(image.header["sform_code"]) > 0
    # SPM's .mat beside an Analyze image states it.
    return not isinstance(image, AnalyzeImage) or not np.allclose(
        image.affine, image.header.get_best_affine()
    )


def contradicts_itself(image: Any) -> bool:
    """Tell whether a header's two orientations are mirror images of each other."""
    if not is_nifti(image):
        return False
    header = image.header
    if not (int(header["qform_code"]) > 0 and int(header["sform_code"]) > 0):
        return False
    qform, sform = header.get_qform(), header.get_sform()
    return bool(np.linalg.det(qform[:3, :3]) * np.linalg.det(sform[:3, :3]) < 0)
