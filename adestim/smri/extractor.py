"""The estimator: a column of T1-weighted volumes in, a column of encodings out."""

from __future__ import annotations

import os
from dataclasses import dataclass
from numbers import Real
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from adestim._docs import fill_docs
from adestim._sklearn import HasMethods, Interval, StrOptions
from adestim.encoding import BackboneSpec
from adestim.exceptions import InputError
from adestim.extraction import BaseExtractor, Preparation, Prepared
from adestim.smri.morphometry import Morphometry
from adestim.smri.parcellation import Parcellation, label_parcellation
from adestim.smri.template import mni_grid

__all__ = ["SMRIExtractor"]


@fill_docs
class SMRIExtractor(BaseExtractor):
    """Encode T1-weighted structural MRI: one token a brain region.

    A cell is the path of a NIfTI file, a nibabel image, or a 3-D array. Volumes must be in
    MNI152 space, with the skull or without, of any orientation, resolution and intensity scale;
    or pass ``registration="affine"``.

    Parameters
    ----------
    backbone : {"morphometry"}, default="morphometry"
        Model that makes the tokens. ``"morphometry"``: volume, asymmetry and intensities of
        every region, from a tissue segmentation guided by the bundled MNI152 maps; built in, no
        download.
    resolution : float, default=3.0
        Edge of the voxels that tissues are measured on, in mm, between 1 and 12.
    parcellation : str, path-like, nibabel image or None, default=None
        3-D label image in MNI152 space. None: 108 built-in regions, see Notes.
    labels : sequence of str, str, path-like or None, default=None
        Names of the regions of ``parcellation``, in ascending order of value, or the path of its
        BIDS table (``_dseg.tsv``). None: ``label<value>``.
    registration : {"affine"} or None, default=None
        How volumes are brought to MNI152 space. None: they are there already; one that is not
        is refused. ``"affine"``: twelve parameters, by DIPY, which needs
        ``pip install 'adestim[registration]'`` and some ten seconds a subject.
    affine : array-like of shape (4, 4) or None, default=None
        Voxel indices to mm (RAS), for cells that are arrays. Images have their own.
    %(per_subject)s

    Attributes
    ----------
    backbone_ : BackboneSpec
        Name tag of the model, with the names of tokens and features.
    n_features_in_ : int
        Number of columns seen in ``fit``.
    feature_names_in_ : ndarray of str
        Their names, where all are strings.

    See Also
    --------
    adestim.FMRIExtractor : The same for functional MRI.
    adestim.ModalityUnion : Encodes several modalities side by side.
    adestim.PoolTokens : Turns encodings into numbers for any scikit-learn model.

    Notes
    -----
    The built-in regions are made from data that nilearn bundles: the MNI152 grey-matter map, each
    voxel of it given to the nearest of the coordinates of Seitzman et al. (2020), neighbouring
    ones of a functional network merged; hippocampus, amygdala, basal ganglia and thalamus by
    themselves; lateral ventricles, other CSF and white matter besides. All are in left-right pairs.

    Nothing is learned from the training rows. Whether a volume is in MNI152 space is told by
    how much of the template's brain it shows (60 % at least) and by its correlation with
    the template inside it (.4 at least), which a shift of some 15 mm breaks; smaller errors pass,
    and a flip of left and right is not seen. Registration removes the size of the head, so that
    all volumes are relative to the template's brain of 1.9 L.

    References
    ----------
    Ashburner and Friston (2005). Unified segmentation. NeuroImage 26(3), 839-851.
    Seitzman et al. (2020). A set of functionally-defined brain regions with improved
    representation of the subcortex and cerebellum. NeuroImage 206, 116290.
    Garyfallidis et al. (2014). Dipy, a library for the analysis of diffusion MRI data.
    Frontiers in Neuroinformatics 8, 8.

    Examples
    --------
    >>> import pandas as pd
    >>> from nilearn.datasets import load_mni152_template
    >>> from adestim import SMRIExtractor
    >>> template = load_mni152_template(resolution=4)
    >>> frame = pd.DataFrame({"t1w": [template, None]}, index=["s1", "s2"])
    >>> SMRIExtractor(resolution=6.0).fit_transform(frame)
                                  smri
    s1  <Encoding morphometry 108x7>
    s2                          None
    """

    _modality: ClassVar[str] = "smri"
    _parameter_constraints: ClassVar[dict] = {
        **BaseExtractor._parameter_constraints,
        "backbone": [StrOptions({"morphometry"})],
        "resolution": [Interval(Real, 1, 12, closed="both")],
        "parcellation": [None, str, os.PathLike, HasMethods("get_fdata")],
        "labels": [None, str, os.PathLike, "array-like"],
        "registration": [None, StrOptions({"affine"})],
        "affine": [None, "array-like"],
    }

    def __init__(
        self,
        *,
        backbone="morphometry",
        resolution=3.0,
        parcellation=None,
        labels=None,
        registration=None,
        affine=None,
        errors="raise",
        n_jobs=None,
        verbose=False,
    ):
        self.backbone = backbone
        self.resolution = resolution
        self.parcellation = parcellation
        self.labels = labels
        self.registration = registration
        self.affine = affine
        self.errors = errors
        self.n_jobs = n_jobs
        self.verbose = verbose

    def _learn(self, frame: pd.DataFrame) -> None:
        """Settle what is measured where; nothing depends on the training rows."""
        require_one_column(frame)
        self._morphometry = Morphometry(
            grid=mni_grid(self.resolution),
            parcellation=chosen_parcellation(self.parcellation, self.labels, self.resolution),
            registration=self.registration,
            affine=hashable_affine(self.affine),
        )

    def _preparation(self) -> Preparation:
        """Return reading and measuring as one picklable callable."""
        return SubjectPreparation(self._morphometry)

    def _spec(self) -> BackboneSpec:
        """Return the name tag of the morphometry."""
        return self._morphometry.spec()


@dataclass(frozen=True)
class SubjectPreparation:
    """One subject's cell in, token table out."""

    morphometry: Morphometry

    def __call__(self, cells: tuple) -> Prepared:
        """Read and measure the volume in the only cell."""
        return Prepared(*self.morphometry(cells[0]))


def require_one_column(frame: pd.DataFrame) -> None:
    """Refuse more columns than the volume's."""
    if frame.shape[1] != 1:
        raise InputError(
            "SMRIExtractor reads one column, the T1w volume",
            got=f"{frame.shape[1]} columns: {list(frame.columns)[:6]}",
            remedy="Name its column in ModalityUnion([('smri', SMRIExtractor(), 't1w')])",
        )


def chosen_parcellation(source: Any, labels: Any, resolution: float) -> Parcellation | None:
    """Return the user's regions on the grid, or None for the built-in ones."""
    if source is not None:
        return label_parcellation(source, mni_grid(resolution), labels)
    if labels is not None:
        raise InputError(
            "labels of SMRIExtractor name the regions of a parcellation",
            got="labels without parcellation",
            remedy="Pass the label image as parcellation=, or leave labels out",
        )
    return None


def hashable_affine(affine: Any) -> tuple[tuple[float, ...], ...] | None:
    """Return an affine as nested tuples."""
    if affine is None:
        return None
    matrix = np.asarray(affine, dtype=float)
    if matrix.shape != (4, 4):
        raise InputError(
            "affine of SMRIExtractor must have the shape (4, 4)",
            got=f"shape {matrix.shape}",
            remedy="Pass the matrix that takes voxel indices to mm, as nibabel's image.affine",
        )
    return tuple(tuple(row) for row in matrix.tolist())
