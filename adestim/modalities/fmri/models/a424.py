"""What all BrainLM models share: the 424 parcels of the A424 atlas, and series as they read them.

The atlas and its coordinates come with github.com/vandijklab/BrainLM (``toolkit/atlases``).
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from adestim._support.digests import digest_file
from adestim.encoding import BackboneSpec
from adestim.exceptions import InputError, TableError
from adestim.modalities.fmri.models.resampling import (
    frames_within,
    require_known_params,
    require_usable,
    resample,
)
from adestim.modalities.fmri.models.roi_order import require_counted_regions
from adestim.modalities.fmri.models.scaling import quartiles, require_fitted, usable_spread
from adestim.modalities.fmri.models.training_series import usable_series
from adestim.modalities.fmri.models.windows import ALL, MIDDLE, count_frames, require_windows
from adestim.modalities.fmri.timeseries import RoiSeries

N_PARCELS = 424
N_FRAMES = 200
# UK Biobank's repetition time, in s.
STEP = 0.735
# toolkit/atlases/A424_Coordinates.dat: only these ends of its SHA-256 are known.
SHA256_ENDS = ("cdad8f88", "892c")
LARGEST_COORDINATE = 120.0


def learn_parcels(
    raws: Iterable[RoiSeries],
    model: str,
    *,
    coordinates: str | Path | None = None,
    coordinates_sha256: str | None = None,
    windows: str = MIDDLE,
    n_parcels: int = N_PARCELS,
    n_frames: int = N_FRAMES,
    **unknown: Any,
) -> dict[str, Any]:
    """Read the parcels' coordinates, check their order, and fit their robust scale."""
    known = "'coordinates', 'coordinates_sha256', 'windows' and 'architecture'"
    require_known_params(unknown, model, known)
    require_windows(windows, model)
    xyz = read_coordinates(coordinates, n_parcels, coordinates_sha256)
    layout = getattr(raws, "layout", None)
    if layout is not None:
        require_counted_regions(layout, n_parcels, model)
    centre, spread = learn_courses(raws, n_parcels, n_frames, model, windows)
    options = {"n_frames": n_frames, "xyz": xyz, "centre": centre, "spread": spread}
    return options if windows == MIDDLE else {**options, "windows": windows}


def read_coordinates(
    path: str | Path | None, n_parcels: int = N_PARCELS, sha256: str | None = None
) -> np.ndarray:
    """Read the parcels' coordinates.

    -> (n_parcels, 3).
    """
    if path is None or not Path(str(path)).expanduser().is_file():
        raise InputError(
            "backbone_params of BrainLM must name the file of the parcels' coordinates",
            got="none" if path is None else f"no file {path}",
            remedy="Get toolkit/atlases/A424_Coordinates.dat from github.com/vandijklab/BrainLM "
            "and pass backbone_params={'coordinates': its path}",
        )
    path = Path(str(path)).expanduser()
    values = parcel_table(path)
    if values.shape != (n_parcels, 4) or not (values[:, 0] == np.arange(1, n_parcels + 1)).all():
        raise TableError(
            f"The file of coordinates must hold {n_parcels} rows: label from 1 on, x, y, z",
            got=f"shape {values.shape}",
            remedy="Pass A424_Coordinates.dat of the BrainLM toolkit",
        )
    if not (np.abs(values[:, 1:]) <= LARGEST_COORDINATE).all():
        raise TableError(
            f"Coordinates must lie within {LARGEST_COORDINATE:.0f} mm of the origin of MNI152",
            got=f"{np.abs(values[:, 1:]).max():g}",
            remedy="Pass coordinates in mm, not voxel indices",
        )
    require_released_coordinates(path, n_parcels, sha256)
    return values[:, 1:].astype(np.float32)


def parcel_table(path: Path) -> np.ndarray:
    """Read a table of numbers between blanks or commas."""
    try:
        text = path.read_text(encoding="utf-8").replace(",", " ")
        return np.array([line.split() for line in text.splitlines() if line.strip()], dtype=float)
    except (OSError, ValueError) as error:
        raise TableError(
            "The file of coordinates must hold numbers without a header, four a row",
            got=f"{path.name}: {error}",
            remedy="Pass A424_Coordinates.dat of the BrainLM toolkit",
        ) from error


def coordinates_at_hand(spec: BackboneSpec) -> np.ndarray | None:
    """Return the coordinates that a fitted model's file holds; None where it is gone.

    -> (n_parcels, 3).
    """
    path = spec.source("coordinates")
    try:
        return None if path is None else parcel_table(Path(path))[:, 1:4]
    except TableError:
        return None


def require_released_coordinates(path: Path, n_parcels: int, sha256: str | None) -> None:
    """Refuse a file of coordinates that nobody vouches for."""
    found = digest_file(path)
    released = found.startswith(SHA256_ENDS[0]) and found.endswith(SHA256_ENDS[1])
    if found == str(sha256).lower() if sha256 is not None else released or n_parcels != N_PARCELS:
        return
    raise InputError(
        f"The file of coordinates must have the SHA-256 {sha256 or '...'.join(SHA256_ENDS)}",
        got=found,
        remedy="Download A424_Coordinates.dat again, as bytes (its lines end in CR LF); or pass "
        "the hash of your file as backbone_params['coordinates_sha256']",
    )


def learn_courses(
    raws: Iterable[RoiSeries], n_parcels: int, n_frames: int, model: str, windows: str = MIDDLE
) -> tuple[np.ndarray, np.ndarray] | tuple[None, None]:
    """Return every parcel's median and interquartile range over the frames of all rows."""
    frames = []
    for series in usable_series(raws, lambda series: require_usable(series, n_parcels, model)):
        n_whole = frames_within(series.n_volumes, series.t_r, STEP)
        n_real = n_whole if windows == ALL else min(n_frames, n_whole)
        course = cut_centred_frames(series, n_real).astype(np.float32)
        course[:, ~series.present] = np.nan
        frames.append(course)
    if not frames:
        return None, None
    pooled = np.concatenate(frames)
    low, middle, high = np.transpose([quartiles(column) for column in pooled.T])
    return middle, usable_spread(high - low)


def cut_centred_frames(series: RoiSeries, n_frames: int) -> np.ndarray:
    """Return the middle frames, 0.735 s apart, of series without their mean over the run."""
    centred = series.values - series.values.mean(axis=0)
    return resample(centred, series.t_r, STEP, n_frames)


def scale_frames(
    series: RoiSeries,
    model: str,
    *,
    n_frames: int,
    xyz: np.ndarray,
    centre: np.ndarray | None,
    spread: np.ndarray | None,
    windows: str = MIDDLE,
) -> np.ndarray:
    """Return one run as BrainLM reads it, parcels in ascending order of label.

    xyz (n_parcels, 3), centre, spread (n_parcels,) -> (n_parcels, n_frames); of all windows as many
    frames as the run lasts for, at least as many as one window has.
    """
    require_usable(series, len(xyz), model)
    require_fitted(centre, model)
    n_all = count_frames(series.n_volumes, series.t_r, STEP, n_frames, windows)
    scaled = (cut_centred_frames(series, n_all) - centre) / spread
    return np.where(series.present, scaled, 0.0).T.astype(np.float32)
