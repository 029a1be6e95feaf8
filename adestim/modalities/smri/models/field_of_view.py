"""How a volume lies in its array: the order of its axes, and how far each reaches in mm."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from numbers import Real
from typing import Any

import numpy as np

from adestim._support.remarks import remark
from adestim.exceptions import DataWarning, InputError
from adestim.modalities.smri.models.preparation import (
    crop_or_pad,
    foreground_box,
    middle_of,
)

AXES = ("LR", "PA", "IS")
RAS = "RAS"
# Of a length in mm: a template of another age or release differs by less.
FAR_FROM_TEMPLATE = 0.1
ROWS_DIFFER = 0.05
TEMPLATE = "template"


def require_orientation(orientation: Any, model: str) -> str:
    """Return where the axes of an array run, as three letters, or say what is wrong with them."""
    usable = isinstance(orientation, str) and len(orientation) == 3
    letters = orientation.upper() if usable else ""
    axes = sorted(next((axis for axis in AXES if letter in axis), "") for letter in letters)
    if axes != sorted(AXES):
        raise InputError(
            f"orientation of {model} must say where the three axes of its input run: L or R, P or "
            "A, I or S",
            got=repr(orientation),
            remedy="Pass for example backbone_params={'orientation': 'LAS'}",
        )
    return letters


def require_field_of_view(
    field: Any, template: Sequence[float], model: str
) -> tuple[float, float, float] | None:
    """Return lengths to the right, the front and the top in mm, None for the image's own."""
    if field is None:
        return None
    lengths = tuple(template) if isinstance(field, str) and field == TEMPLATE else field
    usable = isinstance(lengths, Sequence) and not isinstance(lengths, str) and len(lengths) == 3
    if not usable or any(not isinstance(one, Real) or not float(one) > 0 for one in lengths):
        raise InputError(
            f"field_of_view of {model} must be three lengths in mm (left to right, back to front, "
            "bottom to top), 'template', or None",
            got=repr(field),
            remedy=f"Pass backbone_params={{'field_of_view': '{TEMPLATE}'}}",
        )
    x, y, z = (float(length) for length in lengths)
    return x, y, z


def measure_extent(image: Any) -> np.ndarray:
    """Return how far a volume reaches to the right, the front and the top, in mm, shape (3,)."""
    from nibabel import io_orientation
    from nibabel.affines import voxel_sizes

    lengths = np.asarray(image.shape[:3]) * voxel_sizes(image.affine)
    extent = np.empty(3)
    extent[io_orientation(image.affine)[:, 0].astype(int)] = lengths
    return extent


def show_extent(extent: Iterable[float]) -> str:
    """Return lengths in mm as words."""
    return " x ".join(f"{length:.0f}" for length in extent) + " mm"


def question_extent(image: Any, template: Sequence[float], model: str) -> None:
    """Remark on a field of view that is far from the one that a model's template has."""
    extent = measure_extent(image)
    if (np.abs(extent / template - 1) > FAR_FROM_TEMPLATE).any():
        remark(
            f"the field of view is {show_extent(extent)}, that of the template of {model} "
            f"{show_extent(template)}, and the model's tokens of one brain differ with it. "
            "Register volumes to that template, or pass backbone_params={'field_of_view': "
            f"'{TEMPLATE}'}}, which cuts this box around every brain."
        )


def warn_of_several_extents(extents: Sequence[np.ndarray], model: str) -> None:
    """Say where the training rows' fields of view differ from each other."""
    if not len(extents):
        return
    low, high = np.min(extents, axis=0), np.max(extents, axis=0)
    if (high > (1 + ROWS_DIFFER) * low).any():
        warnings.warn(
            f"The fields of view of the training rows differ, from {show_extent(low)} to "
            f"{show_extent(high)} along the axes, and {model}'s tokens of one brain differ with "
            "them: they may tell scanners apart. Register and crop volumes alike, or pass "
            f"backbone_params={{'field_of_view': '{TEMPLATE}'}}.",
            DataWarning,
            stacklevel=2,
        )


def cut_field(image: Any, values: np.ndarray, field: Sequence[float]) -> np.ndarray:
    """Return a box in mm around a skull-stripped brain, zeros where the image ends.

    values (n_x, n_y, n_z), as the image's axes run.
    """
    from nibabel import io_orientation
    from nibabel.affines import voxel_sizes

    sizes = voxel_sizes(image.affine)
    lengths = np.asarray(field)[io_orientation(image.affine)[:, 0].astype(int)]
    shape = np.maximum(np.rint(lengths / sizes).astype(int), 1)
    box = foreground_box(values)
    extent = np.array([part.stop - part.start for part in box])
    beyond = float(((extent - shape) * sizes).max())
    if beyond > 0:
        remark(f"the brain reaches {beyond:.0f} mm beyond the field of view, and is cut there.")
    middle = middle_of(extent.tolist()) + [part.start for part in box]
    return crop_or_pad(values, middle, tuple(shape))


def turn_axes(image: Any, values: np.ndarray, orientation: str) -> np.ndarray:
    """Return values whose axes run where an orientation says."""
    from nibabel import io_orientation
    from nibabel.orientations import apply_orientation, axcodes2ornt, ornt_transform

    wanted = axcodes2ornt(tuple(orientation))
    turned = apply_orientation(values, ornt_transform(io_orientation(image.affine), wanted))
    return np.ascontiguousarray(turned)


def place_cells(shape: Sequence[int], orientation: str) -> tuple[list[int], np.ndarray]:
    """Return the shape of a grid of cells with axes to the right, the front and the top.

    With it, where in this grid each cell of the model's own raster lies, shape (n_cells, 3).
    """
    cells = np.indices(shape).reshape(3, -1).T
    turned_shape, places = [0, 0, 0], np.empty_like(cells)
    for own, letter in enumerate(orientation):
        axis = next(place for place, ends in enumerate(AXES) if letter in ends)
        forward = AXES[axis].index(letter) == 1
        turned_shape[axis] = shape[own]
        places[:, axis] = cells[:, own] if forward else shape[own] - 1 - cells[:, own]
    return turned_shape, places
