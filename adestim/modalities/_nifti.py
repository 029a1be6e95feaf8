"""Open a NIfTI image, and refuse a bad one, before a single voxel is loaded.

Whoever reads images (smri, fmri) opens them here, so that a missing, empty, broken or absurd
file always ends in one clear error and never in a traceback of the reading library.
"""

from __future__ import annotations

import os
import zlib
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from adestim.exceptions import InputError

MAX_BYTES = 16 * 2**30
MIN_COMPRESSION = 1 / 1100
FINITE_AFFINE_LIMIT = 1e6


def open_nifti(
    source: Any, *, n_dim: int, error: type[InputError], max_bytes: int = MAX_BYTES
) -> Any:
    """Return an image whose header has been checked; its voxels stay on disk."""
    image = load_header(source, error) if is_path(source) else require_image(source, error)
    require_real_values(image, error)
    require_plausible_size(image, max_bytes, error)
    if is_path(source):
        require_whole_file(Path(source), image, error)
    image = drop_trailing_axes(image, n_dim, error)
    require_invertible_affine(image, error)
    return image


def image_values(image: Any, error: type[InputError], dtype=np.float32) -> np.ndarray:
    """Load the voxels of an image, scaled as its header says."""
    try:
        return np.asarray(image.get_fdata(dtype=dtype, caching="unchanged"))
    except (OSError, EOFError, ValueError, zlib.error) as failure:
        raise error(
            "The voxels of an image file must be readable to the end",
            got=f"{type(failure).__name__}: {failure}",
            remedy="The file is truncated or corrupt; copy or convert it again",
        ) from failure


def is_path(source: Any) -> bool:
    """Tell whether the source names a file."""
    return isinstance(source, (str, os.PathLike))


def require_image(source: Any, error: type[InputError]) -> Any:
    """Refuse what is neither a path nor an image."""
    if not (hasattr(source, "affine") and hasattr(source, "get_fdata")):
        raise error(
            "An image is given as a path or as a nibabel image",
            got=f"an object of type {type(source).__name__}",
            remedy="Pass the path of a .nii or .nii.gz file",
        )
    return source


def load_header(source: Any, error: type[InputError]) -> Any:
    """Open a file lazily; only its header is read."""
    import nibabel
    from nibabel.filebasedimages import ImageFileError
    from nibabel.spatialimages import HeaderDataError

    path = require_readable_file(Path(source), error)
    try:
        return require_image(nibabel.load(path), error)
    except (ImageFileError, HeaderDataError, OSError, EOFError, ValueError, zlib.error) as failure:
        raise error(
            "An image file must be readable by nibabel",
            got=f"{path.name}: {type(failure).__name__}",
            remedy="The file is corrupt or not a NIfTI image; copy or convert it again",
        ) from failure


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


def require_whole_file(path: Path, image: Any, error: type[InputError]) -> None:
    """Refuse a file too small for the voxels that its header claims."""
    path = path.expanduser()
    offset = int(getattr(image.dataobj, "offset", 0) or 0)
    if path.suffix not in (".nii", ".gz") or offset == 0:
        return
    stored = prod(int(length) for length in image.shape) * image.get_data_dtype().itemsize
    needed = stored * MIN_COMPRESSION if is_gzip(path) else stored + offset
    size = path.stat().st_size
    if size < needed:
        raise error(
            "An image file must hold all the voxels that its header claims",
            got=f"{size} bytes for shape {tuple(image.shape)} in {path.name}",
            remedy="The file is truncated or its header is corrupt; copy it again",
        )


def is_gzip(path: Path) -> bool:
    """Tell whether the file begins as a gzip stream does."""
    with path.open("rb") as stream:
        return stream.read(2) == b"\x1f\x8b"


def drop_trailing_axes(image: Any, n_dim: int, error: type[InputError]) -> Any:
    """Drop trailing axes of length one, down to the dimensions the caller needs."""
    shape = tuple(image.shape)
    if len(shape) > n_dim and all(length == 1 for length in shape[n_dim:]):
        return image.slicer[(..., *(0,) * (len(shape) - n_dim))]
    if len(shape) != n_dim:
        kind = {3: "a single volume (3 dimensions)", 4: "a 4-D run (x, y, z, time)"}
        raise error(
            f"This modality reads {kind.get(n_dim, f'{n_dim} dimensions')}",
            got=f"an image of {len(shape)} dimensions, shape {shape}",
            remedy={
                3: "Pass one volume: a T1w image, not a run",
                4: "Pass the whole run, not its mean or a single volume",
            }.get(n_dim),
        )
    return image


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
