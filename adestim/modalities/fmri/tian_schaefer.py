"""The 450 regions that Brain-JEPA reads, out of the user's own files of the two atlases."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from adestim._support.remarks import remark_of
from adestim.exceptions import TimeSeriesError
from adestim.modalities._labels import spell_labels
from adestim.modalities._nifti import label_values, open_nifti
from adestim.modalities.fmri.cifti import (
    ATLASES,
    DENSE_SERIES,
    is_cifti_image,
    is_named_cifti,
    load_cifti,
    read_cifti_labels,
)
from adestim.modalities.fmri.models.roi_order import (
    CORTEX_ORDER,
    N_SCHAEFER,
    N_TIAN,
    plain_tian_name,
    require_schaefer_order,
    schaefer_names,
    tian_names,
)

OWNER = "build_tian_schaefer"
MODEL = "Brain-JEPA"
# Both claim voxels where they touch; more than this means that they lie in different spaces.
MAX_OVERLAP = 0.2
# In mm from the midline: the last regions of a hemisphere are TempPar, far out, in the order of
# the 17 networks, and those of the precuneus, at the midline, in that of the 7.
LATERAL = 30.0
N_LAST = 4
BACKGROUND = "background"


class TianSchaefer(NamedTuple):
    """The regions that Brain-JEPA reads, as :class:`adestim.FMRIExtractor` takes them."""

    image: Any  # label image, of voxels or of grayordinates: ``parcellation=``
    labels: list[str]  # names of the 450 regions: ``labels=``


def build_tian_schaefer(
    tian: Any, schaefer: Any, *, tian_labels: Any = None, schaefer_labels: Any = None
) -> TianSchaefer:
    """Build the 450 regions that Brain-JEPA reads from the two atlases that they come from.

    Tian's scale III of 3 T (50 regions; right hemisphere, then left) comes first, then Schaefer's
    400 regions in the order of the 17 networks (left, then right). That the subcortex is first is
    the authors' word [1]_; that of the cortex is what their code reads.

    Parameters
    ----------
    tian : str, path-like or nibabel image
        Tian's atlas [2]_: a volume (``Tian_Subcortex_S3_3T.nii``, or ``_1mm.nii.gz``), or CIFTI
        (``Tian_Subcortex_S3_3T_32k.dscalar.nii``, or a ``.dlabel.nii``).
    schaefer : str, path-like or nibabel image
        Schaefer's atlas [3]_ of the same kind: a volume on the same grid
        (``Schaefer2018_400Parcels_17Networks_order_FSLMNI152_2mm.nii.gz``), or CIFTI
        (``Schaefer2018_400Parcels_17Networks_order.dlabel.nii``).
    tian_labels : sequence of str, dict, DataFrame, str, path-like or None, default=None
        Names of Tian's regions, in ascending order of label or by label, or the path of their text
        file. None: those that the file holds, else those of the release.
    schaefer_labels : sequence of str, dict, DataFrame, str, path-like or None, default=None
        The same for Schaefer's.

    Returns
    -------
    TianSchaefer
        ``image``, a label image (volume, or CIFTI like the inputs) whose values 1 to 450 are the
        regions, and ``labels``, their names: ``parcellation=`` and ``labels=`` of
        :class:`adestim.FMRIExtractor`. Where both atlases claim a voxel it is Tian's.

    Raises
    ------
    TimeSeriesError
        When an atlas has other regions (another scale, number of parcels, or the order of the 7
        networks), names are missing or strange, the grids differ, left and right are exchanged, or
        one is a volume and the other CIFTI.

    References
    ----------
    .. [1] https://github.com/Eric-LRL/Brain-JEPA/issues/15
    .. [2] Tian et al. (2020). Topographic organization of the human subcortex unveiled with
       functional connectivity gradients. Nature Neuroscience 23, 1421-1432.
       https://github.com/yetianmed/subcortex
    .. [3] Schaefer et al. (2018). Local-global parcellation of the human cerebral cortex from
       intrinsic functional connectivity MRI. Cerebral Cortex 28, 3095-3114.
       https://github.com/ThomasYeoLab/CBIG

    Examples
    --------
    Two atlases in miniature, each region a voxel:

    >>> import nibabel
    >>> import numpy as np
    >>> from adestim.modalities.fmri import build_tian_schaefer
    >>> affine = np.diag([8.0, 8.0, 8.0, 1.0])
    >>> affine[0, 3] = -76.0
    >>> tian, schaefer = np.zeros((20, 30, 20), int), np.zeros((20, 30, 20), int)
    >>> tian[12, 0, :], tian[12, 1, :5] = np.arange(1, 21), np.arange(21, 26)
    >>> tian[7, 0, :], tian[7, 1, :5] = np.arange(26, 46), np.arange(46, 51)
    >>> schaefer[2, 3:13] = np.arange(1, 201).reshape(10, 20)
    >>> schaefer[17, 3:13] = np.arange(201, 401).reshape(10, 20)
    >>> regions = build_tian_schaefer(
    ...     nibabel.Nifti1Image(tian.astype(np.int16), affine),
    ...     nibabel.Nifti1Image(schaefer.astype(np.int16), affine),
    ... )
    >>> regions.labels[0], regions.labels[50], len(regions.labels)
    ('HIP-head-m-rh', '17Networks_LH_VisCent_1', 450)
    """
    cifti = [is_cifti_atlas(source) for source in (tian, schaefer)]
    if cifti[0] != cifti[1]:
        raise TimeSeriesError(
            "The atlases of Tian and of Schaefer must both be volumes, or both CIFTI",
            got="a CIFTI file and a volume",
            remedy="Pass both as the runs are: NIfTI for volumes, CIFTI for grayordinates",
        )
    if cifti[0]:
        return build_cifti(tian, schaefer, tian_labels, schaefer_labels)
    return build_volume(tian, schaefer, tian_labels, schaefer_labels)


def is_cifti_atlas(source: Any) -> bool:
    """Tell whether an atlas is one of grayordinates."""
    return is_named_cifti(source, (*ATLASES, DENSE_SERIES)) or is_cifti_image(source)


def build_volume(tian: Any, schaefer: Any, tian_labels: Any, schaefer_labels: Any) -> TianSchaefer:
    """Build the label image of two volumes."""
    import nibabel

    first = open_label_volume(tian, "Tian's atlas")
    second = open_label_volume(schaefer, "Schaefer's atlas")
    require_same_grid(first, second)
    deep, cortex = (label_values(image, TimeSeriesError) for image in (first, second))
    deep, deep_names = number_tian(deep, tian_labels, {})
    cortex, cortex_names = number_schaefer(cortex, schaefer_labels, {})
    require_sides(deep, first.affine, N_TIAN // 2, "Tian's", first_is_right=True)
    require_sides(cortex, first.affine, N_SCHAEFER // 2, "Schaefer's", first_is_right=False)
    require_seventeen_networks(cortex, first.affine)
    require_little_overlap(deep, cortex)
    codes = np.where(deep > 0, deep, np.where(cortex > 0, cortex + N_TIAN, 0))
    require_every_region(codes)
    image = nibabel.Nifti1Image(codes.astype(np.int16), first.affine)
    image.header.set_xyzt_units("mm")
    return TianSchaefer(image, [*deep_names, *cortex_names])


def open_label_volume(source: Any, what: str) -> Any:
    """Return a label image whose axes run to the right, the front and the top."""
    import nibabel

    with remark_of(what):
        image = open_nifti(source, n_dim=3, error=TimeSeriesError)
    return nibabel.as_closest_canonical(nibabel.Nifti1Image(image.dataobj, image.affine))


def build_cifti(tian: Any, schaefer: Any, tian_labels: Any, schaefer_labels: Any) -> TianSchaefer:
    """Build the atlas of grayordinates of two CIFTI files."""
    import nibabel

    codes, axes, names = [], [], []
    for source, given, number, before in (
        (tian, tian_labels, number_tian, 0),
        (schaefer, schaefer_labels, number_schaefer, N_TIAN),
    ):
        image = load_cifti(source)
        values, _, own = read_cifti_labels(image)
        found, found_names = number(values, given, own)
        inside = found > 0
        codes.append(found[inside] + before)
        axes.append(image.header.get_axis(1)[inside])
        names += found_names
    require_same_volume(*axes)
    require_every_region(np.concatenate(codes))
    table = {0: ("???", (0.0, 0.0, 0.0, 0.0))}
    table |= {code: (name, (1.0, 1.0, 1.0, 1.0)) for code, name in enumerate(names, 1)}
    label = nibabel.cifti2.LabelAxis(["Tian S3, Schaefer 400 of 17 networks"], table)
    rows = np.concatenate(codes)[None].astype(np.float32)
    return TianSchaefer(nibabel.Cifti2Image(rows, (label, axes[0] + axes[1])), names)


def require_same_volume(first: Any, second: Any) -> None:
    """Refuse grayordinates whose voxels lie on different grids."""
    shapes = [axis.volume_shape for axis in (first, second) if axis.volume_shape is not None]
    affines = [axis.affine for axis in (first, second) if axis.affine is not None]
    alike = len(shapes) < 2 or (
        tuple(shapes[0]) == tuple(shapes[1]) and np.allclose(affines[0], affines[1], atol=1e-3)
    )
    if not alike:
        raise TimeSeriesError(
            "The voxels of both CIFTI atlases must lie on the same grid",
            got=" and ".join(str(tuple(shape)) for shape in shapes),
            remedy="Pass both in the same space",
        )


def number_tian(values: np.ndarray, given: Any, own: dict) -> tuple[np.ndarray, list[str]]:
    """Return Tian's regions numbered in the order of the release, and their names."""
    found = list_regions(values, N_TIAN, "Tian's scale III of 3 T", "Tian_Subcortex_S3_3T")
    names = settle_region_names(found, given, own, "tian_labels")
    if names is None:
        require_counted(found, N_TIAN, "tian_labels")
        names = tian_names()
    wanted = [name.lower() for name in tian_names()]
    plain = [plain_tian_name(name) for name in names]
    strange = [name for name, spelt in zip(names, plain, strict=True) if spelt not in wanted]
    if strange or len(set(plain)) != N_TIAN:
        raise TimeSeriesError(
            "The names of Tian's regions must be those of scale III of 3 T, each once",
            got=repr(strange[0]) if strange else "a name twice",
            remedy="Pass Tian_Subcortex_S3_3T_label.txt as tian_labels=",
        )
    places = np.array([wanted.index(name) + 1 for name in plain])
    return renumber(values, found, places), tian_names()


def number_schaefer(values: np.ndarray, given: Any, own: dict) -> tuple[np.ndarray, list[str]]:
    """Return Schaefer's regions numbered in the order of the 17 networks, and their names."""
    what = "Schaefer's atlas of 400 parcels"
    found = list_regions(values, N_SCHAEFER, what, "Schaefer2018_400Parcels_17Networks_order")
    names = settle_region_names(found, given, own, "schaefer_labels")
    if names is None:
        require_counted(found, N_SCHAEFER, "schaefer_labels")
        names = schaefer_names()
    require_schaefer_order(names, MODEL, CORTEX_ORDER)
    return renumber(values, found, np.arange(1, N_SCHAEFER + 1)), names


def list_regions(values: np.ndarray, n_regions: int, what: str, file: str) -> np.ndarray:
    """Return the labels of an atlas, which must be as many as it has regions."""
    found = np.unique(values)
    found = found[found != 0]
    if len(found) != n_regions:
        raise TimeSeriesError(
            f"{what} has {n_regions} regions",
            got=f"{len(found)} labels",
            remedy=f"Pass {file}; a file that holds both in order is a parcellation= itself",
        )
    return found


def settle_region_names(found: np.ndarray, given: Any, own: dict, option: str) -> list[str] | None:
    """Return a name a label: the user's, or else the file's; None without either."""
    if given is None and not own:
        return None
    if given is None:
        return [own.get(int(label), f"label {label}, which has no name") for label in found]
    names = spell_labels(given, OWNER)
    names = names[1:] if names and names[0].lower() == BACKGROUND else names
    if len(names) != len(found):
        raise TimeSeriesError(
            f"{option} must name the {len(found)} regions of the atlas, background left out",
            got=f"{len(names)} names",
            remedy="Pass the text file that comes with the atlas",
        )
    return names


def require_counted(found: np.ndarray, n_regions: int, option: str) -> None:
    """Refuse labels that are not numbered as in the release, where nothing names them."""
    if found[0] != 1 or found[-1] != n_regions:
        raise TimeSeriesError(
            f"Labels without names must be 1 to {n_regions}, as in the release",
            got=f"{found[0]} to {found[-1]}",
            remedy=f"Pass {option}=, the names by label",
        )


def renumber(values: np.ndarray, found: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Return values with each label replaced by its place; 0 stays."""
    codes = np.searchsorted(found, values)
    codes = np.minimum(codes, len(found) - 1)
    return np.where(values == 0, 0, places[codes])


def require_same_grid(first: Any, second: Any) -> None:
    """Refuse atlases on different grids."""
    same_shape = tuple(first.shape) == tuple(second.shape)
    if not same_shape or not np.allclose(first.affine, second.affine, atol=1e-3):
        edges = [np.abs(np.diag(image.affine)[:3]).round(2).tolist() for image in (first, second)]
        raise TimeSeriesError(
            "The atlases of Tian and of Schaefer must lie on the same grid",
            got=f"shapes {tuple(first.shape)} and {tuple(second.shape)}, voxels of "
            f"{edges[0]} and {edges[1]} mm" + (", different affines" if same_shape else ""),
            remedy="Pass both of MNI152NLin6Asym (FSL) at 2 mm, or both at 1 mm",
        )


def require_sides(
    codes: np.ndarray, affine: np.ndarray, n_first: int, whose: str, *, first_is_right: bool
) -> None:
    """Refuse an atlas whose first half of the regions does not lie on its side of the midline."""
    x = sides_of(codes, affine)
    right = (x > 0) == (np.arange(len(x)) < n_first)
    wrong = np.flatnonzero(right != first_is_right)
    if len(wrong):
        side = "right" if first_is_right else "left"
        raise TimeSeriesError(
            f"The first {n_first} regions of {whose} atlas lie in the {side} hemisphere",
            got=f"region {wrong[0] + 1} with its middle at x = {x[wrong[0]]:.0f} mm, and "
            f"{len(wrong) - 1} more",
            remedy="Pass the atlas as it was released, with its own affine; check that left and "
            "right are not exchanged",
        )


def sides_of(codes: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """Return the mean of x of every region, in mm, shape (n_regions,)."""
    place = np.stack(np.nonzero(codes))
    x = affine[0, :3] @ place + affine[0, 3]
    region = codes[tuple(place)] - 1
    return np.bincount(region, weights=x) / np.maximum(np.bincount(region), 1)


def require_seventeen_networks(codes: np.ndarray, affine: np.ndarray) -> None:
    """Refuse Schaefer's regions in the order of the 7 networks, by where the last of them lie."""
    x = np.abs(sides_of(codes, affine))
    half = N_SCHAEFER // 2
    last = np.r_[x[half - N_LAST : half], x[-N_LAST:]]
    if last.mean() < LATERAL:
        raise TimeSeriesError(
            "Schaefer's 400 regions must come in the order of the 17-network atlas, whose last of "
            "a hemisphere are temporo-parietal",
            got=f"last regions {last.mean():.0f} mm from the midline, as in the 7-network atlas",
            remedy="Pass Schaefer2018_400Parcels_17Networks_order (yeo_networks=17 of nilearn's "
            "fetch_atlas_schaefer_2018)",
        )


def require_little_overlap(deep: np.ndarray, cortex: np.ndarray) -> None:
    """Refuse atlases that claim the same voxels, as those of two spaces do."""
    share = np.count_nonzero((deep > 0) & (cortex > 0)) / np.count_nonzero(deep)
    if share > MAX_OVERLAP:
        raise TimeSeriesError(
            "The subcortex of Tian and the cortex of Schaefer must hardly overlap",
            got=f"{share:.0%} of Tian's voxels in Schaefer's regions",
            remedy="Pass both in the same space, MNI152NLin6Asym (FSL) for instance",
        )


def require_every_region(codes: np.ndarray) -> None:
    """Refuse regions that are nowhere left."""
    lost = set(range(1, N_TIAN + N_SCHAEFER + 1)) - set(np.unique(codes).tolist())
    if lost:
        raise TimeSeriesError(
            "Every one of the 450 regions must keep a voxel",
            got=f"{len(lost)} without, region {min(lost)} for instance",
            remedy="Pass both atlases in the same space, at 2 mm or finer",
        )
