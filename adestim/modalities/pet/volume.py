"""One PET image: read, checked, its frames averaged to one volume."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from adestim._support.bids import find_sidecars, parse_name, read_json
from adestim.encoding import is_missing
from adestim.exceptions import VolumeError
from adestim.modalities._nifti import (
    image_values,
    is_path,
    load_header,
    open_nifti,
    require_image,
)
from adestim.modalities.pet.frames import read_frame_times, weigh_frames
from adestim.modalities.pet.tracers import find_tracer


@dataclass(frozen=True)
class UptakeReader:
    """One subject's cells in, a volume of uptake out, in the space of its file."""

    tracer: str | None
    frames: tuple[int, ...] | None
    window: tuple[float, float] | None

    def __call__(self, cells: tuple) -> Any:
        """Read the only cell; -> an image of 3 dimensions, NaN where it shows nothing."""
        import nibabel

        if is_missing(cells[0]):
            return None
        image = open_uptake(cells[0])
        fields = read_fields(cells[0])
        if self.tracer is not None:
            require_same_tracer(cells[0], fields, self.tracer)
        values = image_values(image, VolumeError)
        if values.ndim == 4:
            times = read_frame_times(fields, values.shape[3])
            weights = weigh_frames(times, values.shape[3], self.frames, self.window)
            values = values[..., weights > 0] @ weights[weights > 0].astype(np.float32)
        require_uptake(values)
        return nibabel.Nifti1Image(np.where(values == 0, np.nan, values), image.affine)

    def also_reads(self, cells: tuple) -> list[Path]:
        """Return the sidecars beside the image."""
        return list(find_sidecars(Path(cells[0]))) if is_path(cells[0]) else []


def open_uptake(source: Any) -> Any:
    """Return an image of one volume or of several frames; its voxels stay on disk."""
    image = load_header(source, VolumeError) if is_path(source) else source
    image = require_image(image, VolumeError)
    n_dim = 4 if prod(image.shape[3:]) > 1 else 3
    return open_nifti(image, n_dim=n_dim, error=VolumeError)


def read_fields(source: Any) -> dict:
    """Return the fields of the sidecars that describe an image, the nearest first to say it."""
    fields: dict = {}
    for sidecar in find_sidecars(Path(source).expanduser()) if is_path(source) else ():
        try:
            fields = {**read_json(sidecar), **fields}
        except (OSError, ValueError) as failure:
            raise VolumeError(
                "A JSON sidecar must be readable",
                got=f"{sidecar}: {failure}",
                remedy="Mend the sidecar",
            ) from failure
    return fields


def require_same_tracer(source: Any, fields: dict, tracer: str) -> None:
    """Refuse an image whose sidecar or name tells of another tracer."""
    named = parse_name(Path(source).name).entities.get("trc", "") if is_path(source) else ""
    told = [str(fields.get("TracerName") or ""), named]
    found = next(filter(None, map(find_tracer, told)), tracer)
    if found != tracer:
        raise VolumeError(
            f"All images of a modality must be of one tracer, tracer={tracer!r}",
            got=f"one of {found!r} by its sidecar or its name",
            remedy="Give every tracer an extractor of its own in ModalityUnion",
        )


def require_uptake(values: np.ndarray) -> None:
    """Refuse infinite voxels, and a volume that shows nothing."""
    n_infinite = int(np.isinf(values).sum())
    if n_infinite:
        raise VolumeError(
            "The voxels of a PET image must be finite, NaN where it shows nothing",
            got=f"{n_infinite} infinite ones",
            remedy="Convert the image again",
        )
    if not (np.nan_to_num(values) > 0).any():
        raise VolumeError(
            "A PET image must hold uptake",
            got="no voxel above 0",
            remedy="The image is blank; convert or copy it again, or leave the cell empty",
        )
