"""What the tokens of the foundation models of this package stand for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from adestim.backbone.registry import known_card
from adestim.encoding import BackboneSpec

SAM_RESOLUTION = 1.5
MVP_RESOLUTION = 2.0
MVP_STRIDES = (16, 8)
UNKNOWN_EDGE = 1.0
BRAIN_JEPA_ROIS, BRAIN_JEPA_TIME_PATCHES = 450, 10
BRAINLM_SIZES = {"n_parcels": 424, "n_frames": 200, "image_size": 432, "patch_size": 16}
SMALL_PARCELS, SMALL_FRAMES, SMALL_PATCH = 424, 200, 20


@dataclass(frozen=True, eq=False)
class TokenGrid:
    """Tokens that are cells of a grid over a volume."""

    shape: tuple[int, int, int]  # cells along x, y and z
    cells: np.ndarray  # (n_tokens, 3); cell of every token
    # edges of a cell along x, y and z, in mm; in voxels of the model's input where their size is
    # not known
    edge: tuple[float, float, float]


@dataclass(frozen=True, eq=False)
class OrderedTokens:
    """Tokens that stand for times and parcels."""

    names: tuple[str, ...]
    mixing: np.ndarray  # (n_parcels, n_tokens); share of every token that falls to a parcel
    # (n_parcels, 3); their centres in mm, where the model has a file of them that is at hand
    coordinates: np.ndarray | None = None


def token_grid(spec: BackboneSpec, n_tokens: int | None = None) -> TokenGrid | None:
    """Return the grid of a model of volumes; None for another model."""
    make = GRIDS.get(home_of(spec))
    return None if make is None else make(sizes_of(spec), preparation_of(spec), n_tokens)


def brainiac_grid(sizes: dict, preparation: dict, n_tokens: int | None) -> TokenGrid:
    """Return BrainIAC's grid; its voxels are as large as the field of view makes them."""
    patch = sizes.get("patch_size", 16)
    shape = [length // patch for length in sizes.get("img_size", (96, 96, 96))]
    return row_by_row(shape, UNKNOWN_EDGE * patch)


def sam_grid(sizes: dict, preparation: dict, n_tokens: int | None) -> TokenGrid:
    """Return SAM-Med3D's grid."""
    patch = sizes.get("patch_size", 16)
    return row_by_row([sizes.get("img_size", 128) // patch] * 3, SAM_RESOLUTION * patch)


def mvp_grid(sizes: dict, preparation: dict, n_tokens: int | None) -> TokenGrid:
    """Return BrainMVP's grid at its output, or where auxiliary tokens join; axes z, x and y."""
    volume = sizes.get("volume_shape", (96, 96, 96))
    shapes = {stride: [length // stride for length in volume] for stride in MVP_STRIDES}
    fitting = [stride for stride in shapes if n_tokens in (None, prod(shapes[stride]))]
    stride = fitting[0] if fitting else MVP_STRIDES[0]
    x, y, z = shapes[stride]
    edge = stride * preparation.get("resolution", MVP_RESOLUTION)
    cells = np.indices((z, x, y)).reshape(3, -1).T[:, [1, 2, 0]]
    return TokenGrid((x, y, z), cells, (edge,) * 3)


def row_by_row(shape: Sequence[int], edge: float) -> TokenGrid:
    """Return a grid whose tokens run along z, then y, then x."""
    x, y, z = shape
    return TokenGrid((x, y, z), np.indices((x, y, z)).reshape(3, -1).T, (edge,) * 3)


def ordered_tokens(spec: BackboneSpec) -> OrderedTokens | None:
    """Return the parcels of a model of ROI series; None for another model."""
    make = ORDERS.get(home_of(spec))
    return None if make is None else make(sizes_of(spec), coordinates_of(spec))


def brain_jepa_order(sizes: dict, coordinates: np.ndarray | None) -> OrderedTokens:
    """Return Brain-JEPA's parcels, each of several times."""
    n_rois = sizes.get("n_rois", BRAIN_JEPA_ROIS)
    n_times = sizes.get("n_time_patches", BRAIN_JEPA_TIME_PATCHES)
    return OrderedTokens(parcels(n_rois), np.kron(np.eye(n_rois), np.ones(n_times)))


def small_brainlm_order(sizes: dict, coordinates: np.ndarray | None) -> OrderedTokens:
    """Return the parcels of BrainLM 13M, each of several times, behind a class token."""
    n_parcels = sizes.get("n_parcels", SMALL_PARCELS)
    n_times = sizes.get("n_frames", SMALL_FRAMES) // sizes.get("patch_size", SMALL_PATCH)
    mixing = np.kron(np.eye(n_parcels), np.ones(n_times))
    return OrderedTokens(parcels(n_parcels), np.pad(mixing, ((0, 0), (1, 0))), coordinates)


def brainlm_order(sizes: dict, coordinates: np.ndarray | None) -> OrderedTokens | None:
    """Return BrainLM's parcels: a row of patches sees several, from back to front."""
    n_parcels, _, image, patch = (sizes.get(name, BRAINLM_SIZES[name]) for name in BRAINLM_SIZES)
    if coordinates is None:
        return None
    edge = image // patch
    # A row of the image, after the margin, is a parcel; the last voxels may be in no patch.
    row_of = (np.arange(n_parcels) + (image - n_parcels) // 2) // patch
    share = np.zeros((n_parcels, edge))
    share[np.flatnonzero(row_of < edge), row_of[row_of < edge]] = 1.0
    share /= np.maximum(share.sum(axis=0), 1)
    mixing = np.zeros_like(share)
    mixing[np.argsort(coordinates[:, 1], kind="stable")] = share
    mixing = np.pad(np.kron(mixing, np.ones(edge)), ((0, 0), (1, 0)))
    return OrderedTokens(parcels(n_parcels), mixing, coordinates)


def parcels(n_parcels: int) -> tuple[str, ...]:
    """Return names of parcels that have numbers alone."""
    return tuple(f"parcel {number}" for number in range(1, n_parcels + 1))


def coordinates_of(spec: BackboneSpec) -> np.ndarray | None:
    """Return the coordinates that a model's file holds; None where there is none at hand."""
    path = spec.source("coordinates")
    if path is None:
        return None
    from adestim.modalities.fmri.models.a424 import parcel_table

    try:
        return parcel_table(Path(path))[:, 1:4]
    except (OSError, ValueError):
        return None


def home_of(spec: BackboneSpec) -> str:
    """Return the importable name of a model's class; nothing for one without weights."""
    card = known_card(spec.name)
    return (card.home if card is not None else spec.source("home")) or ""


def sizes_of(spec: BackboneSpec) -> dict[str, Any]:
    """Return the architecture of a model."""
    return dict(spec.option("architecture", ()))


def preparation_of(spec: BackboneSpec) -> dict[str, Any]:
    """Return the options by which a model's inputs were prepared."""
    return dict(spec.option("preparation", ()))


GRIDS = {
    "adestim.modalities.smri.models.brainiac:BrainIAC": brainiac_grid,
    "adestim.modalities.smri.models.sam_med3d:SAMMed3D": sam_grid,
    "adestim.modalities.smri.models.brainmvp:BrainMVP": mvp_grid,
}
ORDERS = {
    "adestim.modalities.fmri.models.brain_jepa:BrainJEPA": brain_jepa_order,
    "adestim.modalities.fmri.models.brainlm:BrainLM": brainlm_order,
    "adestim.modalities.fmri.models.brainlm_13m:BrainLM13M": small_brainlm_order,
}
