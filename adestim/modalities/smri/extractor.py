"""The estimator: a column of T1-weighted volumes in, a column of encodings out."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from numbers import Real
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from adestim._support.docs import fill_docs
from adestim._support.ranges import Choice
from adestim._support.sklearn import HasMethods, Interval, StrOptions
from adestim.encoding import is_missing
from adestim.exceptions import InputError
from adestim.extraction.foundation import (
    OpenedModel,
)
from adestim.extraction.foundation_extractor import FoundationExtractor
from adestim.extraction.prepared import SubjectPreparation, TokenPreparation
from adestim.extraction.subjects import Preparation
from adestim.modalities.smri.brain_extraction import (
    BrainExtraction,
    name_extraction,
    settle_extraction,
)
from adestim.modalities.smri.morphometry import WHEN_REGISTRATION_FAILED, Morphometry
from adestim.modalities.smri.parcellation import Parcellation, resample_label_parcellation
from adestim.modalities.smri.places import place_in_regions
from adestim.modalities.smri.registration import register_affine
from adestim.modalities.smri.template import load_template, mni_grid, require_mni
from adestim.modalities.smri.training_volumes import TrainingVolumes
from adestim.modalities.smri.volume import read_volume, resample_to_grid

REGISTRATION_CHECK_MM = 6.0


@fill_docs
class SMRIExtractor(FoundationExtractor):
    """Encode T1-weighted structural MRI: one token a brain region, or those of a foundation model.

    A cell is the path of a NIfTI file, a nibabel image, or a 3-D array, of any orientation,
    resolution and intensity scale. The built-in backbone reads volumes in MNI152 space, with the
    skull or without, or brings them there with ``registration="affine"``; foundation models
    read them in any space.

    Parameters
    ----------
    backbone : str, default="morphometry"
        Model that makes the tokens. ``"morphometry"``: volume, asymmetry and intensities of
        every region, from a tissue segmentation guided by the bundled MNI152 maps; built in, no
        download. ``"brainmvp"``, ``"sam-med3d"``, ``"brainiac"``, ``"neurovfm"``: foundation
        models, see Notes; or one that :func:`adestim.register_backbone` has made known.
    %(foundation)s
    resolution : float, default=3.0
        Edge of the voxels that tissues are measured on, in mm, between 1 and 12. Of the built-in
        backbone only, as are ``parcellation`` and ``labels``.
    parcellation : str, path-like, nibabel image or None, default=None
        3-D label image in MNI152 space. None: 108 built-in regions, see Notes.
    labels : sequence of str, dict, DataFrame, str, path-like or None, default=None
        Names of the regions of ``parcellation``, in ascending order of value; a dict of value and
        name; its table with the columns ``index`` and ``name``, or the path of that
        (``_dseg.tsv``). None: ``label<value>``.
    brain_extraction : {"deepbet", "mask"} or None, default=None
        How the skull is taken off, before registration. None: volumes are read as they are.
        ``"deepbet"``: by the nets that come with the package deepbet, on the CPU, some three
        seconds a subject; needs ``pip install 'adestim[brain-extraction]'``. ``"mask"``: by the
        mask beside each file, see Notes.
    registration : {"affine"} or None, default=None
        How volumes are brought to MNI152 space. None: they stay where they are, and the built-in
        backbone refuses one that is not there already. ``"affine"``: twelve parameters, by DIPY,
        which needs ``pip install 'adestim[registration]'`` and some ten seconds a subject.
    affine : array-like of shape (4, 4) or None, default=None
        Voxel indices to mm (RAS), for cells that are arrays. Images have their own.
    %(adapt)s
    %(random_state)s
    %(memory)s
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

    The background may be zero, another constant or NaN. An image whose header does not state its
    orientation is read with a warning that names the subject: left and right may be exchanged.
    A packed file is read to its checksum.

    The built-in backbone learns nothing from the training rows. Whether a volume is in MNI152
    space is told by how much of the template's brain it shows (60 % at least) and by its
    correlation with the template inside it (.4 at least), which a shift of some 15 mm breaks;
    smaller errors pass, and a flip of left and right is not seen. Registration removes the size
    of the head, so that all volumes are relative to the template's brain of 1.9 L.

    With ``brain_extraction="mask"`` a mask lies beside each ``<name>.nii.gz`` on the same grid, as
    ``<name>_bet_mask.nii.gz`` (HD-BET 1), ``<name>_bet.nii.gz`` (HD-BET 2 with
    ``--save_bet_mask``), ``<name>_brain_mask.nii.gz``, ``<name>_brainmask.nii.gz``,
    ``<name>_mask.nii.gz``, or, in BIDS, ``<entities>_desc-brain_mask.nii.gz``; the first that is
    there is used. Extracted brains of less than 0.3 L or more than 2.8 L are refused.

    Foundation models read volumes of any orientation and resolution, in native space or after
    ``registration="affine"``; unless ``adapt`` says otherwise, nothing is learned from the
    training rows. What ``backbone_params`` may hold:

    ``"brainmvp"`` (216 tokens of width 512)
        A skull-stripped volume whose background is zero; another is refused. ``"resolution"``:
        edge of the voxels in mm, 2.0 by default, at which 96 voxels hold a whole brain. The model
        was trained at 1.0, with which 160 x 192 x 160 voxels are read and six times the tokens
        made. ``"architecture": {"volume_shape": (160, 176, 144)}``: other multiples of 16. The
        5th and 95th percentile of the brain's bounding box become 0 and 1. Auxiliary tokens join
        at the first attention stage, among 1728 tokens of width 320.
    ``"sam-med3d"`` (512 tokens of width 768)
        A volume with the skull or without, of which a cube of 192 mm around the brain is read at
        1.5 mm. ``"architecture": {"output": "neck"}``: the neck's 512 tokens of width 384.
    ``"brainiac"`` (216 tokens of width 768)
        A skull-stripped volume whose background is zero. Its whole field of view becomes 96
        voxels along each axis, as in pre-training, so that all volumes should have the same:
        those that are far from the authors' template, or differ among the training rows, are
        told of. ``"field_of_view": "template"`` cuts the template's 170 x 206 x 162 mm, or three
        lengths of yours, around every brain. ``"orientation"``: where the axes of the input run,
        ``"LAS"`` by default, as the template's; the authors read arrays as they are stored.
        ``"architecture": {"pooling": "first"}``: the authors' pooled vector, which is the token
        of a corner.
    ``"neurovfm"`` (a token of width 768 for every patch within the head, up to some 1500)
        A volume with the skull or without, in slices of 4 mm with pixels of 1 mm; patches of
        16 x 16 x 16 mm that touch the darkest tenth of the volume are left out. ``"slices"``:
        ``"axial"`` (default), as its authors cut isotropic volumes, or ``"as-acquired"``, along the
        axis whose length or spacing differs, as they cut others: then subjects of different
        scanners may be cut differently. Its layers have not been compared with outputs of the
        released weights.

    What they were pre-trained on, and what their licences allow, is in
    :func:`adestim.list_backbones`.

    References
    ----------
    Ashburner and Friston (2005). Unified segmentation. NeuroImage 26(3), 839-851.
    Seitzman et al. (2020). A set of functionally-defined brain regions with improved
    representation of the subcortex and cerebellum. NeuroImage 206, 116290.
    Garyfallidis et al. (2014). Dipy, a library for the analysis of diffusion MRI data.
    Frontiers in Neuroinformatics 8, 8.
    Fisch et al. (2024). deepbet: fast brain extraction of T1-weighted MRI using convolutional
    neural networks. Computers in Biology and Medicine 179, 108845.
    Isensee et al. (2019). Automated brain extraction of multisequence MRI using artificial neural
    networks. Human Brain Mapping 40(17), 4952-4964.
    Rui et al. (2025). Multi-modal vision pre-training for medical image analysis. CVPR.
    Wang et al. (2023). SAM-Med3D: towards general-purpose segmentation models for volumetric
    medical images. arXiv:2310.15161.
    Tak et al. (2026). A generalizable foundation model for analysis of human brain MRI. Nature
    Neuroscience.
    Kondepudi et al. (2025). Health system learning achieves generalist neuroimaging models.
    arXiv:2511.18640.

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
    _built_in: ClassVar[str] = "morphometry"
    _of_built_in: ClassVar[dict] = {"resolution": 3.0, "parcellation": None, "labels": None}
    _parameter_constraints: ClassVar[dict] = {
        **FoundationExtractor._parameter_constraints,
        "resolution": [Interval(Real, 1, 12, closed="both")],
        "parcellation": [None, str, os.PathLike, HasMethods("get_fdata")],
        "labels": [None, str, os.PathLike, "array-like"],
        "brain_extraction": [None, StrOptions({"deepbet", "mask"})],
        "registration": [None, StrOptions({"affine"})],
        "affine": [None, "array-like"],
    }
    # Another value reads every subject's files again, so all are searched on request alone.
    _search_space: ClassVar[dict] = {"resolution": Choice((2.0, 3.0, 4.0), on_request=True)}
    _not_searched: ClassVar[dict] = {
        **FoundationExtractor._not_searched,
        **dict.fromkeys(("parcellation", "labels", "affine"), "what the files are"),
        **dict.fromkeys(("brain_extraction", "registration"), "what the images need"),
    }

    def __init__(  # noqa: PLR0913 - keyword-only, and each is an option of its own
        self,
        *,
        backbone="morphometry",
        weights=None,
        backbone_params=None,
        trust_checkpoint=False,
        device="auto",
        precision="float32",
        batch_size=4,
        resolution=3.0,
        parcellation=None,
        labels=None,
        brain_extraction=None,
        registration=None,
        affine=None,
        adapt=None,
        adapt_params=None,
        cross_fit=False,
        random_state=None,
        memory=None,
        errors="raise",
        n_jobs=None,
        verbose=False,
    ):
        self.backbone = backbone
        self.weights = weights
        self.backbone_params = backbone_params
        self.trust_checkpoint = trust_checkpoint
        self.device = device
        self.precision = precision
        self.batch_size = batch_size
        self.resolution = resolution
        self.parcellation = parcellation
        self.labels = labels
        self.brain_extraction = brain_extraction
        self.registration = registration
        self.affine = affine
        self.adapt = adapt
        self.adapt_params = adapt_params
        self.cross_fit = cross_fit
        self.random_state = random_state
        self.memory = memory
        self.errors = errors
        self.n_jobs = n_jobs
        self.verbose = verbose

    def _learn_rows(self, frame: pd.DataFrame) -> None:
        """Check the table, and settle how volumes are read; nothing is learned from them."""
        require_one_column(frame)
        extraction = settle_extraction(self.brain_extraction)
        self._read = OnlyCell(extraction) if self._is_built_in() else self._volume_reader()

    def _built_in_model(self, frame: pd.DataFrame) -> OpenedModel:
        """Return morphometry, which reads volumes by itself, onto its own grid."""
        morphometry = Morphometry(
            grid=mni_grid(self.resolution),
            parcellation=choose_parcellation(self.parcellation, self.labels, self.resolution),
            registration=self.registration,
            affine=hashable_affine(self.affine),
            extraction=settle_extraction(self.brain_extraction),
        )
        return OpenedModel(TokenPreparation(morphometry), morphometry.spec())

    def _open_model(self, frame: pd.DataFrame) -> OpenedModel:
        """Return the model that is named; its name tag says how volumes are read for it."""
        model = super()._open_model(frame)
        reader = self._volume_reader()
        reading = (("registration", reader.registration), ("affine", reader.affine))
        spec = replace(
            model.spec,
            options=(*model.spec.options, *reading, *name_extraction(reader.extraction)),
        )
        return replace(model, spec=spec)

    def _training_raws(self, frame: pd.DataFrame) -> Iterable[Any]:
        """Return the volumes of the training rows."""
        return TrainingVolumes(self._read, frame, hashable_affine(self.affine))

    def _preparation(self) -> Preparation:
        """Return reading and the model's preparation as one picklable callable."""
        return SubjectPreparation(self._read, self._prepare_now())

    def _volume_reader(self) -> VolumeReader:
        """Return how volumes are read for a foundation model."""
        extraction = settle_extraction(self.brain_extraction)
        return VolumeReader(self.registration, hashable_affine(self.affine), extraction)

    @classmethod
    def place_tokens(cls, tokens, spec, *, fitted=None, parcellation=None, coordinates=None):
        """Return the regions of the built-in model, or the cells of a foundation model's grid."""
        if spec.name != cls._built_in:
            return super().place_tokens(tokens, spec)
        measured = None if fitted is None else fitted._model.prepare.model.regions()
        return place_in_regions(tokens, spec, measured, parcellation)


@dataclass(frozen=True)
class OnlyCell:
    """One subject's cells in, the only one out, unread."""

    extraction: BrainExtraction | None = None  # what the built-in model will do with it

    def __call__(self, cells: tuple) -> Any:
        """Return the cell."""
        return cells[0]

    def also_reads(self, cells: tuple) -> list[Path]:
        """Return the masks beside the volume."""
        return [] if self.extraction is None else self.extraction.list_files(cells[0])


@dataclass(frozen=True)
class VolumeReader:
    """One subject's cells in, a volume whose axes run to the right, the front and the top out."""

    registration: str | None
    affine: tuple[tuple[float, ...], ...] | None
    extraction: BrainExtraction | None = None

    def __call__(self, cells: tuple) -> Any:
        """Read the only cell's volume; take the skull off, bring it to MNI152 space where asked."""
        if is_missing(cells[0]):
            return None
        image = read_volume(cells[0], affine=self.affine)
        if self.extraction is not None:
            image = self.extraction(image, cells[0])
        if self.registration is None:
            return image
        image = register_affine(image)
        template = load_template(mni_grid(REGISTRATION_CHECK_MM))
        volume = resample_to_grid(image, template.grid)
        require_mni(volume, template, remedy=WHEN_REGISTRATION_FAILED)
        return image

    def also_reads(self, cells: tuple) -> list[Path]:
        """Return the masks beside the volume."""
        return [] if self.extraction is None else self.extraction.list_files(cells[0])


def require_one_column(frame: pd.DataFrame) -> None:
    """Refuse more columns than the volume's."""
    if frame.shape[1] != 1:
        raise InputError(
            "SMRIExtractor reads one column, the T1w volume",
            got=f"{frame.shape[1]} columns: {list(frame.columns)[:6]}",
            remedy="Name its column in ModalityUnion([('smri', SMRIExtractor(), 't1w')])",
        )


def choose_parcellation(source: Any, labels: Any, resolution: float) -> Parcellation | None:
    """Return the user's regions on the grid, or None for the built-in ones."""
    if source is not None:
        return resample_label_parcellation(source, mni_grid(resolution), labels)
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
