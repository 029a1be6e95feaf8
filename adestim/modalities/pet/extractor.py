"""The estimator: a column of PET images in, a column of encodings out."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable
from numbers import Real
from pathlib import Path
from typing import Any, ClassVar

import pandas as pd

from adestim._support.docs import fill_docs
from adestim._support.sklearn import HasMethods
from adestim.exceptions import DataWarning, InputError
from adestim.extraction.foundation import OpenedModel
from adestim.extraction.foundation_extractor import FoundationExtractor
from adestim.extraction.prepared import SubjectPreparation, TokenPreparation
from adestim.extraction.subjects import Preparation, readable_raws
from adestim.modalities._nifti import is_path
from adestim.modalities.pet.places import place_in_parcellation
from adestim.modalities.pet.regions import Regions, is_mask_file, open_regions, split_reference
from adestim.modalities.pet.suvr import SuvrModel
from adestim.modalities.pet.tracers import require_equation, require_tracer
from adestim.modalities.pet.volume import UptakeReader

# What the volumes of interest of the Centiloid project are called.
CENTILOID_FILES = {"parcellation": "voi_ctx", "reference": "voi_whlcbl"}


@fill_docs
class PETExtractor(FoundationExtractor):
    """Encode PET: one token a brain region, its uptake relative to a reference region (SUVR).

    A cell is the path of a NIfTI file or a nibabel image, static or dynamic, in the space of the
    parcellation: MNI152, usually.

    Parameters
    ----------
    backbone : str, default="suvr"
        Model that makes the tokens. ``"suvr"``: mean uptake of every region over that of the
        reference; built in. Or one that :func:`adestim.register_backbone` has made known.
    %(foundation)s
    parcellation : str, path-like, nibabel image or None, default=None
        3-D label image of the regions. Of the built-in backbone only, which needs it, as are
        ``labels``, ``reference`` and ``centiloid``. Maps are drawn as if it were in MNI152 space.
    labels : sequence of str, dict, DataFrame, str, path-like or None, default=None
        Names of its regions, in ascending order of value; a dict of value and name; a table with
        the columns ``index`` and ``name``; or the path of the atlas's text file, BIDS
        ``_dseg.tsv`` or ``FreeSurferColorLUT.txt``, which may name more. None: ``label<value>``.
    reference : str, list of str, path-like, nibabel image or None, default=None
        Region by whose mean uptake all others are divided: one or several names of the
        parcellation's, which are tokens no more; or a mask image in the same space.
    tracer : str or None, default=None
        Tracer of all images, by any usual name: ``"fdg"``, ``"pib"``, ``"florbetapir"`` (AV45),
        ``"florbetaben"``, ``"flutemetamol"``, ``"nav4694"``, ``"flortaucipir"`` (AV1451),
        ``"mk6240"``, ``"pi2620"`` and others. An image whose BIDS sidecar or name tells of another
        is refused. None: not checked.
    frames : sequence of int or None, default=None
        Numbers, from 0, of the frames of a dynamic image that are averaged. A static image has
        one frame, whatever is said.
    window : tuple of (float, float) or None, default=None
        Those that lie within these times, in s after injection, by ``FrameTimesStart``,
        ``FrameDuration`` and ``InjectionStart`` of the BIDS sidecar. Without it and ``frames`` all
        are averaged, with a warning where early ones are among them.
    centiloid : bool, default=False
        Whether ratios become Centiloids by the published equation of the amyloid tracer, see
        Notes.
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

    Raises
    ------
    InputError
        When parcellation, labels, reference, tracer or frames do not fit each other.
    VolumeError
        When an image cannot be read, lies elsewhere, shows less than half of the reference region,
        has no uptake there, or is of another tracer; the subject is named.

    Warns
    -----
    DataWarning
        When Centiloids are asked for with files that are not called as the standard ones are, or
        all frames of a dynamic image are averaged though early ones are among them.

    See Also
    --------
    adestim.SMRIExtractor : The same for structural MRI.
    adestim.ModalityUnion : Encodes several modalities, or tracers, side by side.

    Notes
    -----
    Frames are averaged by their durations. Uptake is interpolated linearly at the parcellation's
    voxels; voxels that are NaN or exactly zero are not shown by the image, and a region less than
    half of which is shown is masked. Nothing is smoothed, aligned or corrected for partial
    volume, and nothing is learned from the training rows. Whether an image is in the
    parcellation's space is told by overlap alone.

    Ratios depend on tracer, reference region, parcellation and time after injection: an extractor
    for every tracer. Usual references are the pons for FDG, the whole cerebellum for amyloid, the
    inferior cerebellar grey matter for tau.

    *Centiloids* are defined for one region, the cortical volume of interest of the Centiloid
    project, relative to its whole cerebellum, on images that were normalised to MNI152 space as
    the project says (Klunk et al. 2015). With other regions, references or pipelines the equations
    do not hold. So ``centiloid=True`` takes a parcellation of one region and a mask as reference,
    ``voi_ctx_2mm.nii`` and ``voi_WhlCbl_2mm.nii`` of https://www.gaain.org/centiloid-project, and
    warns where files bear other names. Ratios by another atlas stand beside them in a union. The
    equations, Centiloids of a ratio r:

    ================  ========================  =========================
    tracer            Centiloids                source
    ================  ========================  =========================
    PiB               100 (r - 1.009) / 1.067   Klunk et al. (2015)
    florbetapir       175.4 r - 182.3           Navitsky et al. (2018)
    florbetaben       153.4 r - 154.9           Rowe et al. (2017)
    flutemetamol      121.42 r - 121.16         Battle et al. (2018)
    NAV4694           100 (r - 1.028) / 1.174   Rowe et al. (2016)
    ================  ========================  =========================

    References
    ----------
    Klunk et al. (2015). The Centiloid Project: standardizing quantitative amyloid plaque
    estimation by PET. Alzheimer's & Dementia 11(1), 1-15.
    Rowe et al. (2016). Standardized expression of 18F-NAV4694 and 11C-PiB amyloid-beta PET results
    with the Centiloid scale. Journal of Nuclear Medicine 57(8), 1233-1237.
    Rowe et al. (2017). 18F-Florbetaben PET beta-amyloid binding expressed in Centiloids. European
    Journal of Nuclear Medicine and Molecular Imaging 44(12), 2053-2059.
    Navitsky et al. (2018). Standardization of amyloid quantitation with florbetapir standardized
    uptake value ratios to the Centiloid scale. Alzheimer's & Dementia 14(12), 1565-1571.
    Battle et al. (2018). Centiloid scaling for quantification of brain amyloid with
    [18F]flutemetamol using multiple processing methods. EJNMMI Research 8, 107.

    Examples
    --------
    >>> import nibabel
    >>> import numpy as np
    >>> import pandas as pd
    >>> from adestim import PETExtractor
    >>> affine = np.diag([4.0, 4.0, 4.0, 1.0])
    >>> regions = np.repeat([1, 2, 3], 9).reshape(3, 3, 3)
    >>> atlas = nibabel.Nifti1Image(regions.astype(np.int16), affine)
    >>> scan = nibabel.Nifti1Image((regions / 2).astype(np.float32), affine)
    >>> frame = pd.DataFrame({"pet": [scan, None]}, index=["s1", "s2"])
    >>> names = ["precuneus", "cerebellum", "putamen"]
    >>> extractor = PETExtractor(parcellation=atlas, labels=names, reference="cerebellum")
    >>> encodings = extractor.fit_transform(frame)
    >>> encodings
                        pet
    s1  <Encoding suvr 2x1>
    s2                 None
    >>> encodings.loc["s1", "pet"].tokens.ravel().tolist()
    [0.5, 1.5]
    """

    _modality: ClassVar[str] = "pet"
    _built_in: ClassVar[str] = "suvr"
    _of_built_in: ClassVar[dict] = {
        "parcellation": None,
        "labels": None,
        "reference": None,
        "centiloid": False,
    }
    _parameter_constraints: ClassVar[dict] = {
        **FoundationExtractor._parameter_constraints,
        "parcellation": [None, str, os.PathLike, HasMethods("get_fdata")],
        "labels": [None, str, os.PathLike, "array-like", dict],
        "reference": [None, str, os.PathLike, HasMethods("get_fdata"), "array-like"],
        "tracer": [None, str],
        "frames": [None, "array-like"],
        "window": [None, "array-like"],
        "centiloid": ["boolean"],
    }
    _not_searched: ClassVar[dict] = {
        **FoundationExtractor._not_searched,
        **dict.fromkeys(("parcellation", "labels", "tracer", "frames"), "what the files are"),
        **dict.fromkeys(("reference", "window", "centiloid"), "the protocol's"),
    }

    def __init__(  # noqa: PLR0913 - keyword-only, and each is an option of its own
        self,
        *,
        backbone="suvr",
        weights=None,
        backbone_params=None,
        trust_checkpoint=False,
        device="auto",
        precision="float32",
        batch_size=4,
        parcellation=None,
        labels=None,
        reference=None,
        tracer=None,
        frames=None,
        window=None,
        centiloid=False,
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
        self.parcellation = parcellation
        self.labels = labels
        self.reference = reference
        self.tracer = tracer
        self.frames = frames
        self.window = window
        self.centiloid = centiloid
        self.adapt = adapt
        self.adapt_params = adapt_params
        self.cross_fit = cross_fit
        self.random_state = random_state
        self.memory = memory
        self.errors = errors
        self.n_jobs = n_jobs
        self.verbose = verbose

    def _learn_rows(self, frame: pd.DataFrame) -> None:
        """Check the table, and settle how images are read; nothing is learned from them."""
        require_pet_column(frame)
        if self.frames is not None and self.window is not None:
            raise InputError(
                "Frames of PETExtractor are chosen by frames= or by window=",
                got="both",
                remedy="Leave one of them out",
            )
        tracer = require_tracer(self.tracer)
        self._read = UptakeReader(tracer, settle_frames(self.frames), settle_window(self.window))

    def _built_in_model(self, frame: pd.DataFrame) -> OpenedModel:
        """Return the ratios of the regions."""
        equation = require_equation(self._read.tracer) if self.centiloid else None
        if self.parcellation is None:
            raise InputError(
                "PETExtractor needs a parcellation, in whose regions uptake is measured",
                got="parcellation=None",
                remedy="Pass a label image in the space of the images, and its labels=",
            )
        regions, reference = split_reference(
            open_regions(self.parcellation, self.labels), self.reference
        )
        if equation is not None:
            require_centiloid_regions(regions, self.parcellation, self.reference)
        return self._tag_model(SuvrModel(regions, reference, equation))

    def _tag_model(self, model: SuvrModel) -> OpenedModel:
        """Return a model with its name tag, which says how images are read for it."""
        read = self._read
        spec = model.spec(("tracer", read.tracer), ("frames", read.frames), ("window", read.window))
        return OpenedModel(TokenPreparation(model), spec)

    def _training_raws(self, frame: pd.DataFrame) -> Iterable[Any]:
        """Return the volumes of the training rows."""
        return readable_raws(frame, self._read)

    def _preparation(self) -> Preparation:
        """Return reading and the model's preparation as one picklable callable."""
        return SubjectPreparation(self._read, self._prepare_now())

    @classmethod
    def place_tokens(cls, tokens, spec, *, fitted=None, parcellation=None, coordinates=None):
        """Return the regions of the built-in model, or what a foundation model says."""
        if spec.name != cls._built_in:
            return super().place_tokens(tokens, spec)
        measured = None if fitted is None else fitted._model.prepare.model.regions
        return place_in_parcellation(tokens, spec, measured, parcellation)


def require_pet_column(frame: pd.DataFrame) -> None:
    """Refuse more columns than the image's."""
    if frame.shape[1] != 1:
        raise InputError(
            "PETExtractor reads one column, the PET image",
            got=f"{frame.shape[1]} columns: {list(frame.columns)[:6]}",
            remedy="Give every tracer an extractor of its own: "
            "ModalityUnion([('amyloid', PETExtractor(...), 'amyloid_pet'), ...])",
        )


def settle_frames(frames: Any) -> tuple[int, ...] | None:
    """Return the numbers of frames, None where none are named."""
    if frames is None:
        return None
    numbers = list(frames)
    if not numbers or not all(isinstance(one, Real) and float(one).is_integer() for one in numbers):
        raise InputError(
            "The 'frames' parameter of PETExtractor must hold whole numbers, from 0",
            got=f"{frames!r} instead",
        )
    return tuple(int(float(one)) for one in numbers)


def settle_window(window: Any) -> tuple[float, float] | None:
    """Return the two ends of a window, None where there is none."""
    if window is None:
        return None
    ends = list(window)
    if len(ends) != 2 or not all(isinstance(end, Real) for end in ends) or not ends[0] < ends[1]:
        raise InputError(
            "The 'window' parameter of PETExtractor must be two times in s after injection, the "
            "earlier first",
            got=f"{window!r} instead",
            remedy="50 to 70 min are (3000, 4200)",
        )
    return float(ends[0]), float(ends[1])


def require_centiloid_regions(regions: Regions, parcellation: Any, reference: Any) -> None:
    """Refuse regions for which no Centiloids are defined; warn of files under other names."""
    named = not hasattr(reference, "get_fdata") and not is_mask_file(reference, regions)
    if len(regions.names) != 1 or named:
        raise InputError(
            "Centiloids are defined for the Centiloid project's cortical volume of interest alone, "
            "relative to its whole cerebellum",
            got=f"{len(regions.names)} region(s), and as reference "
            + ("regions of the parcellation" if named else "a mask"),
            remedy="Pass voi_ctx_2mm.nii as parcellation= and voi_WhlCbl_2mm.nii as reference=; "
            "ratios of other regions are made by a second PETExtractor with centiloid=False",
        )
    given = {"parcellation": parcellation, "reference": reference}
    other = [name for name, mark in CENTILOID_FILES.items() if not bears_mark(given[name], mark)]
    if other:
        warnings.warn(
            f"The equations of Centiloids hold only for the standard volumes of interest; "
            f"{' and '.join(other)} of PETExtractor are not called as these are (voi_ctx, "
            "voi_WhlCbl): make sure that they are the same.",
            DataWarning,
            stacklevel=2,
        )


def bears_mark(source: Any, mark: str) -> bool:
    """Tell whether an image's file is called after a standard volume of interest."""
    path = source if is_path(source) else getattr(source, "get_filename", lambda: None)()
    return path is not None and Path(path).name.lower().startswith(mark)
