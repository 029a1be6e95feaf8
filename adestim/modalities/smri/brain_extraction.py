"""A brain out of a head: by deepbet, or by a mask that lies beside the image."""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass
from functools import lru_cache
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from adestim._support.remarks import remark_of
from adestim.exceptions import MissingDependencyError, VolumeError
from adestim.modalities._nifti import image_values, is_path, open_nifti

DEEPBET, MASK = "deepbet", "mask"
ENDINGS = (".nii.gz", ".nii")
# What a mask is called beside the image ``<stem>.nii.gz``: HD-BET 1 (and its first versions, which
# kept the ending), HD-BET 2, whose mask has the name of version 1's brain, others.
SUFFIXES = ("_bet_mask", ".nii.gz_bet_mask", "_bet", "_brain_mask", "_brainmask", "_mask")
# As fMRIPrep and sMRIPrep call it beside desc-preproc_T1w.
BIDS_MASK = "_desc-brain_mask"
MIN_BRAIN_ML, MAX_BRAIN_ML = 300.0, 2800.0
SAME_PLACE_MM = 0.01
# deepbet keeps where the brain is between two steps of a run.
ONE_AT_A_TIME = Lock()


@dataclass(frozen=True)
class BrainExtraction:
    """A volume in, the same with zeros outside the brain out. Picklable."""

    how: str  # "deepbet" or "mask"
    version: str = ""  # of the package that does it

    @property
    def label(self) -> str:
        """What did it, with its version."""
        return f"{self.how} {self.version}".strip()

    def __call__(self, image: Any, source: Any) -> Any:
        """Return the brain of a volume that was read from a source."""
        import nibabel

        mask = find_brain(image) if self.how == DEEPBET else read_brain_mask(image, source)
        require_brain_size(mask, image.affine)
        values = np.where(mask, image_values(image, VolumeError), np.float32(0))
        return nibabel.Nifti1Image(values, image.affine)

    def list_files(self, source: Any) -> list[Path]:
        """Return the files beside a source on which the result depends."""
        return list_masks(source) if self.how == MASK and is_path(source) else []


def settle_extraction(how: str | None) -> BrainExtraction | None:
    """Return how brains are extracted, or say what is missing for it, before a volume is read."""
    if how != DEEPBET:
        return None if how is None else BrainExtraction(how)
    if find_spec("deepbet") is None:
        raise refuse_missing_package()
    return BrainExtraction(how, find_deepbet_version())


def name_extraction(extraction: BrainExtraction | None) -> tuple[tuple[str, str], ...]:
    """Return the option of a name tag that says how brains were extracted, none where not."""
    return () if extraction is None else (("brain_extraction", extraction.label),)


def find_deepbet_version() -> str:
    """Return the version of deepbet, nothing where it is not known."""
    try:
        return metadata.version("deepbet")
    except metadata.PackageNotFoundError:
        return ""


def refuse_missing_package() -> MissingDependencyError:
    """Return the error about a package that is not there."""
    return MissingDependencyError(
        "brain_extraction='deepbet' needs the package deepbet",
        got="no deepbet to import",
        remedy="pip install 'adestim[brain-extraction]', or pass skull-stripped volumes, or "
        "brain_extraction='mask' with masks beside them",
    )


@lru_cache(maxsize=1)
def load_deepbet() -> Any:
    """Return deepbet's nets, which its package holds, on the CPU; once a process."""
    try:
        # Its window is another module, which is not imported.
        from deepbet.bet import BrainExtraction as Nets
    except ImportError as failure:
        raise refuse_missing_package() from failure
    with warnings.catch_warnings():
        # Torch deprecates the format in which they are.
        warnings.simplefilter("ignore", DeprecationWarning)
        return Nets(no_gpu=True)


def find_brain(image: Any) -> np.ndarray:
    """Return the mask of a brain in its head, or without it.

    Fisch et al. (2024). deepbet: fast brain extraction of T1-weighted MRI using convolutional
    neural networks. Computers in Biology and Medicine 179, 108845.

    -> (n_x, n_y, n_z).
    """
    nets = load_deepbet()
    try:
        with ONE_AT_A_TIME, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            _, mask, _ = nets.run(image)
    # Where it finds no brain it fails in ways of its own.
    except Exception as failure:
        raise VolumeError(
            "deepbet must find a brain in a T1w volume",
            got=f"{type(failure).__name__}: {failure}",
            remedy="Look at the image and its orientation, or extract the brain with another tool",
        ) from failure
    return np.asanyarray(mask.dataobj) > 0


def list_masks(source: Any) -> list[Path]:
    """Return the files beside an image that are called like its mask, the best name first."""
    path = Path(os.fspath(source)).expanduser()
    ending = next((ending for ending in ENDINGS if path.name.lower().endswith(ending)), "")
    stem = path.name[: len(path.name) - len(ending)] if ending else path.name
    kept = [part for part in stem.split("_")[:-1] if not part.startswith("desc-")]
    stems = [f"{stem}{suffix}" for suffix in SUFFIXES]
    stems += ["_".join(kept) + BIDS_MASK] if kept else []
    named = [path.with_name(name + ending) for name in stems for ending in ENDINGS]
    return [each for each in named if each.is_file()]


def read_brain_mask(image: Any, source: Any) -> np.ndarray:
    """Return the mask that lies beside an image.

    -> (n_x, n_y, n_z).
    """
    if not is_path(source):
        raise VolumeError(
            "brain_extraction='mask' reads the mask that lies beside the image's file",
            got=f"an object of type {type(source).__name__}",
            remedy="Pass paths, or volumes that are multiplied by their masks",
        )
    found = list_masks(source)
    for path in found:
        mask = open_mask(path)
        if is_mask(mask):
            require_mask_on_grid(mask, image, path)
            return np.asanyarray(mask.dataobj) > 0
    name = Path(source).name
    raise VolumeError(
        "brain_extraction='mask' needs a brain mask beside every image",
        got=f"none beside {name}"
        + (f", {found[0].name} being no mask but an image" if found else ""),
        remedy=f"Save it as <name>{SUFFIXES[0]}.nii.gz (HD-BET: --save_bet_mask), "
        f"<name>{SUFFIXES[3]}.nii.gz or, in BIDS, <entities>{BIDS_MASK}.nii.gz",
    )


def open_mask(path: Path) -> Any:
    """Return a mask whose axes run to the right, the front and the top."""
    import nibabel

    with remark_of(f"brain mask {path.name}"):
        image = open_nifti(path, n_dim=3, error=VolumeError)
    values = image_values(image, VolumeError)
    return nibabel.as_closest_canonical(nibabel.Nifti1Image(values, image.affine))


def is_mask(image: Any) -> bool:
    """Tell whether an image holds zero and one other value alone, as a mask does."""
    values = np.unique(np.asanyarray(image.dataobj))
    return len(values) == 2 and values[0] == 0 and bool(np.isfinite(values).all())


def require_mask_on_grid(mask: Any, image: Any, path: Path) -> None:
    """Refuse a mask on another grid than the image's."""
    same_shape = tuple(mask.shape) == tuple(image.shape)
    if not same_shape or not np.allclose(mask.affine, image.affine, atol=SAME_PLACE_MM):
        raise VolumeError(
            "A brain mask must lie on the grid of its image",
            got=f"{path.name} of shape {tuple(mask.shape)} for an image of shape "
            f"{tuple(image.shape)}" + (", with another affine" if same_shape else ""),
            remedy="Resample the mask to the image, or extract the brain again",
        )


def require_brain_size(mask: np.ndarray, affine: np.ndarray) -> None:
    """Refuse a mask that is no brain's."""
    size = np.count_nonzero(mask) * abs(float(np.linalg.det(affine[:3, :3]))) / 1000
    if not MIN_BRAIN_ML <= size <= MAX_BRAIN_ML:
        raise VolumeError(
            f"An extracted brain must have {MIN_BRAIN_ML:g} to {MAX_BRAIN_ML:g} mL",
            got=f"{size:.0f} mL",
            remedy="Look at the image and the mask, and check that the affine is in mm",
        )
