"""Small CIFTI files: two surfaces of 40 vertices, and voxels of a grid of 6 x 6 x 6."""

import nibabel
import numpy as np
from nibabel.cifti2 import BrainModelAxis, LabelAxis, ParcelsAxis, ScalarAxis, SeriesAxis

N_VERTICES = 40
SHAPE = (6, 6, 6)
AFFINE = np.diag([2.0, 2.0, 2.0, 1.0])


def grayordinates(n_vertices=N_VERTICES, medial_wall=(), shape=SHAPE, affine=AFFINE, deep=True):
    """An axis of both cortices, without their medial walls, and of two deep structures."""
    kept = np.setdiff1d(np.arange(n_vertices), medial_wall)
    axis = BrainModelAxis.from_surface(kept, n_vertices, "CortexLeft")
    axis += BrainModelAxis.from_surface(kept, n_vertices, "CortexRight")
    if not deep:
        return axis
    for structure, first in (("HIPPOCAMPUS_LEFT", 0), ("HIPPOCAMPUS_RIGHT", 3)):
        mask = np.zeros(shape, dtype=bool)
        mask[first : first + 3, 2:4, 2:4] = True
        axis += BrainModelAxis.from_mask(mask, affine=affine, name=structure)
    return axis


def atlas(codes, axis, names=None):
    """A .dlabel.nii; labels are called region<code> unless names are given."""
    codes = np.asarray(codes)
    names = names or {int(code): f"region{code}" for code in np.unique(codes) if code}
    table = {0: ("???", (0.0, 0.0, 0.0, 0.0))}
    table |= {code: (name, (1.0, 1.0, 1.0, 1.0)) for code, name in names.items()}
    return nibabel.Cifti2Image(codes[None].astype(np.float32), (LabelAxis(["atlas"], table), axis))


def scalars(values, axis, maps=1):
    """A .dscalar.nii."""
    rows = np.repeat(np.asarray(values, dtype=np.float32)[None], maps, axis=0)
    return nibabel.Cifti2Image(rows, (ScalarAxis([f"m{number}" for number in range(maps)]), axis))


def run(values, axis, step=2.0, unit="SECOND"):
    """A .dtseries.nii."""
    values = np.asarray(values, dtype=np.float32)
    return nibabel.Cifti2Image(values, (SeriesAxis(0, step, len(values), unit), axis))


def parcel_series(values, names, step=2.0, unit="SECOND"):
    """A .ptseries.nii, whose parcels hold a vertex each."""
    vertices = [{"CIFTI_STRUCTURE_CORTEX_LEFT": np.array([place])} for place in range(len(names))]
    voxels = [np.empty((0, 3), dtype=int)] * len(names)
    axis = ParcelsAxis(
        list(names), voxels, vertices, nvertices={"CIFTI_STRUCTURE_CORTEX_LEFT": len(names)}
    )
    values = np.asarray(values, dtype=np.float32)
    return nibabel.Cifti2Image(values, (SeriesAxis(0, step, len(values), unit), axis))


def saved(image, path):
    """The image, written."""
    image.to_filename(path)
    return path
