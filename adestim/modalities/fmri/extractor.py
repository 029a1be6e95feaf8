"""The estimator: a column of runs or ROI series in, a column of encodings out."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from numbers import Real
from typing import Any, ClassVar

import pandas as pd

from adestim._support.docs import fill_docs
from adestim._support.ranges import Choice
from adestim._support.remarks import gather_remarks
from adestim._support.sklearn import HasMethods, Interval, StrOptions
from adestim.encoding import is_missing
from adestim.exceptions import InputError
from adestim.extraction.failures import name_failure
from adestim.extraction.foundation import (
    OpenedModel,
)
from adestim.extraction.foundation_extractor import FoundationExtractor
from adestim.extraction.prepared import SubjectPreparation, TokenPreparation
from adestim.extraction.subjects import Preparation
from adestim.modalities.fmri.cleaning import Cleaning
from adestim.modalities.fmri.connectome import Connectome
from adestim.modalities.fmri.models.training_series import TrainingSeries
from adestim.modalities.fmri.parcellation import (
    Parcellation,
    read_label_parcellation,
    seitzman_parcellation,
)
from adestim.modalities.fmri.places import place_at_parcels
from adestim.modalities.fmri.series_stage import CleanSeries
from adestim.modalities.fmri.timeseries import (
    RoiLayout,
    RoiSeries,
    SeriesReader,
    lay_out_parcellation,
    rename_regions,
)

# In Hz.
CONNECTOME_BAND = (0.01, 0.1)


@fill_docs
class FMRIExtractor(FoundationExtractor):
    """Encode resting-state fMRI: one token a region of interest (ROI).

    A cell is a run (path of a NIfTI file of four dimensions, or of a ``.dtseries.nii``; or a
    nibabel image), or ready ROI series of shape (time, ROI): path of a ``.ptseries.nii``, ``.tsv``,
    ``.csv``, ``.txt``, ``.1D`` or ``.npy`` file, an array, or a DataFrame. A second column, if
    there is one, holds the subject's confounds table.

    Parameters
    ----------
    backbone : str, default="connectome"
        Model that makes the tokens. ``"connectome"``: Ledoit-Wolf shrunk correlation, Fisher z;
        built in, no download. Or a foundation model: ``"brain-jepa"``, ``"brainlm-111m"``,
        ``"brainlm-650m"``, ``"brainlm-13m"``, ``"brainharmonix-f"`` or ``"cortex-mae-parcel"``, see
        Notes, or one registered by :func:`adestim.register_backbone`.
    parcellation : str, path-like, nibabel image or None, default=None
        3-D label image that 4-D runs are averaged over, in the runs' space; for runs of
        grayordinates (``.dtseries.nii``) a CIFTI atlas (``.dlabel.nii``), which has names of its
        own. None: the 300 spheres of Seitzman et al. (2020), in MNI152 space. Ready series
        ignore it.
    labels : sequence of str, dict, DataFrame, str, path-like or None, default=None
        Names of the regions, in ascending order of label or in the order of the columns. Of a
        dict of label and name, or a table with the columns ``index`` and ``name``, label 0 is
        left out. A path is that of the atlas's text file.
    t_r : float or None, default=None
        Repetition time of all runs, in s. None: each run's own, from its JSON sidecar (BIDS
        inheritance included), else its header or the ``time`` column of its table. Where they
        contradict each other the sidecar is used, with a warning.
    high_pass : float, "auto" or None, default="auto"
        Lowest frequency kept, in Hz. ``"auto"``: 0.01 for the connectome; None for
        foundation models, which read raw series with their mean.
    low_pass : float, "auto" or None, default="auto"
        Highest frequency kept, in Hz. ``"auto"``: 0.1 for the connectome, None for foundation
        models.
    confounds : list of str or None, default=None
        Columns of the confounds table to regress out. None: six motion parameters (as fMRIPrep
        names them, now or before 1.2, or AFNI), their derivatives, white matter and CSF, those of
        them that the table has; or all of its columns if it has none of these, with a warning if
        they are many. For a foundation model None means none.
    skip : float, default=0.0
        Time dropped at the start of a run, in s.
    window : float or None, default=None
        Longest time used, in s, from the middle of the run. A shorter run is used whole, as
        long as it lasts ``min_duration``. None: all of it.
    min_duration : float or None, default=100.0
        Shortest run accepted after ``skip``, in s. The default is one period of the
        connectome's ``high_pass``.
    profile : {"auto", "networks", "regions"}, default="auto"
        What a token holds. ``"networks"``: a region's mean connectivity to every functional
        network, and four graph strengths. ``"regions"``: its connectivity to every region.
        ``"auto"``: networks where they are known (the built-in coordinates; regions named as
        in the Schaefer atlases), else regions. Foundation models ignore it.
    %(foundation)s
    %(adapt)s
    %(random_state)s
    %(memory)s
    %(per_subject)s

    Attributes
    ----------
    backbone_ : BackboneSpec
        Name tag of the model, with the names of tokens and features.
    layout_ : RoiLayout
        The regions every subject must have, learned from the training rows.
    n_features_in_ : int
        Number of columns seen in ``fit``.
    feature_names_in_ : ndarray of str
        Their names, where all are strings.

    See Also
    --------
    adestim.ModalityUnion : Encodes several modalities side by side.
    adestim.PoolTokens : Turns encodings into numbers for any scikit-learn model.

    Notes
    -----
    Runs are taken to be preprocessed (motion-corrected, and in the parcellation's space). A
    region with less than half of its voxels in the field of view, or without a finite signal
    that varies, is a masked token. A subject with less than a tenth of the regions is refused.

    A table's header may be names in words, labels of an atlas (``2001 2002 2101``) or a comment
    (``# PCC mPFC V1``), and its first column may count the rows. A first row of whole numbers
    that may be a header or a volume is refused.

    Seconds and hertz, not volumes, make runs of different repetition times comparable, as those of
    ADNI are (0.6 to 3 s).

    **Foundation models** read raw series that kept their mean, at a fixed rate in seconds: the
    middle of a run, from a whole volume on, and for a shorter one every region's mean over the run
    after its end. Of a fast run volumes are picked, as in pre-training; between those of a slow one
    values are interpolated without losing spread. A tenth of the regions at most may lack a signal;
    they are set to a neutral value. ``skip``, ``window`` and ``min_duration`` apply.
    ``backbone_params`` holds ``"architecture"``, a dict of parameters of the model's class that
    differ from the released ones, and ``"windows"``: ``"middle"`` (default), the window in the
    middle of a run, or ``"all"``, as many as cover the run, each read by itself: the tokens of
    all, and the mean of their summaries. Beside these:

    - ``"brain-jepa"``: ``"gradients"``, path of ``gradient_mapping_450.csv``, which is checked by
      its SHA-256 (``"gradients_sha256"`` vouches for another table); ``"normalization"``:
      ``"scan"`` (default), one mean and standard deviation a run, ``"robust"``, median and
      interquartile range of a region's mean over the training rows, or None. It reads 160
      frames of 2.21 s (architecture ``{"n_time_patches": 5}``: 80) of the 50 regions of Tian's
      scale III (right hemisphere first), then Schaefer's 400 in the order of the
      **17-network** atlas, checked by name: name the columns, or pass ``labels``.
      :func:`adestim.modalities.fmri.build_tian_schaefer` builds the atlas of your files,
      :func:`adestim.modalities.fmri.join_tian_schaefer` joins series of XCP-D. Under ``"scan"``
      series that have lost their mean are told of by subject.
    - ``"brainlm-111m"``, ``"brainlm-650m"``, ``"brainlm-13m"``: ``"coordinates"``, path of
      ``A424_Coordinates.dat``, checked by its SHA-256 (``"coordinates_sha256"`` vouches for
      another file). They read 200 frames of 0.735 s of the 424 parcels of A424 (image
      ``A424+2mm.nii.gz``) in ascending order of label, minus every parcel's mean, by median and
      interquartile range over the training rows. Architecture ``{"pooling": "mean"}`` pools the
      tokens with data instead of the class token. The 13M model depends on the order of its
      tokens; prefer the larger ones.
    - ``"brainharmonix-f"``: ``"gradients"`` and ``"eigenmodes"``, paths of
      ``gradient_mapping_400.csv`` and ``schaefer400_roi_eigenmodes.csv``, checked by their SHA-256
      (``"gradients_sha256"``, ``"eigenmodes_sha256"`` vouch for others); ``"normalization"``:
      ``"robust"`` (default), ``"scan"`` or None, as of ``"brain-jepa"``. It reads every volume at
      any repetition time, in patches of 35.3 s, 18 at most (10.6 min), of Schaefer's 400 regions in
      the order of the **17-network** atlas, checked by name. A shorter run is read from its
      beginning, its last patch filled with zeros, patches after it closed.
    - ``"cortex-mae-parcel"``: ``"n_clips"``, how many clips of 16 s are read, evenly spread over
      the run: 4 by default, or ``"all"``; in place of ``"windows"``. It reads Schaefer's 400
      regions in the order of the **17-network** atlas, checked by name, in standard scores of every
      region, brought to 1 s, then of every frame. Architecture ``{"pooling": "mean"}`` pools the
      patches instead of the class tokens.

    References
    ----------
    Seitzman et al. (2020). A set of functionally-defined brain regions with improved
    representation of the subcortex and cerebellum. NeuroImage 206, 116290.
    Dong et al. (2024). Brain-JEPA: brain dynamics foundation model with gradient positioning
    and spatiotemporal masking. NeurIPS.
    Ortega Caro et al. (2024). BrainLM: a foundation model for brain activity recordings. ICLR.
    Dong et al. (2025). Brain Harmony: a multimodal foundation model unifying morphology and
    function into 1D tokens. NeurIPS.
    Lane et al. (2026). Scaling vision transformers for functional MRI with flat maps. ICML.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from adestim import FMRIExtractor
    >>> rng = np.random.default_rng(0)
    >>> frame = pd.DataFrame({"bold": [rng.normal(size=(140, 5)), None]}, index=["s1", "s2"])
    >>> FMRIExtractor(t_r=3.0).fit_transform(frame)
                             fmri
    s1  <Encoding connectome 5x5>
    s2                       None
    """

    _modality: ClassVar[str] = "fmri"
    _built_in: ClassVar[str] = "connectome"
    _parameter_constraints: ClassVar[dict] = {
        **FoundationExtractor._parameter_constraints,
        "parcellation": [None, str, os.PathLike, HasMethods("get_fdata")],
        "labels": [None, str, os.PathLike, "array-like"],
        "t_r": [None, Interval(Real, 0, None, closed="neither")],
        "high_pass": [None, StrOptions({"auto"}), Interval(Real, 0, None, closed="neither")],
        "low_pass": [None, StrOptions({"auto"}), Interval(Real, 0, None, closed="neither")],
        "confounds": [None, list, tuple],
        "skip": [Interval(Real, 0, None, closed="left")],
        "window": [None, Interval(Real, 0, None, closed="neither")],
        "min_duration": [None, Interval(Real, 0, None, closed="left")],
        "profile": [StrOptions({"auto", "networks", "regions"})],
    }
    # Another value reads every subject's files again, so all are searched on request alone.
    _search_space: ClassVar[dict] = {
        "high_pass": Choice(("auto", None, 0.01), on_request=True),
        "low_pass": Choice(("auto", None, 0.1), on_request=True),
        "window": Choice((None, 60.0, 120.0), on_request=True),
        "profile": Choice(("auto", "networks", "regions"), on_request=True),
    }
    _not_searched: ClassVar[dict] = {
        **FoundationExtractor._not_searched,
        **dict.fromkeys(("parcellation", "labels", "t_r", "confounds"), "what the files are"),
        "min_duration": "who takes part",
        "skip": "what the scanner needs to settle",
    }

    def __init__(  # noqa: PLR0913 - what a run's cleaning needs to be told
        self,
        *,
        backbone="connectome",
        parcellation=None,
        labels=None,
        t_r=None,
        high_pass="auto",
        low_pass="auto",
        confounds=None,
        skip=0.0,
        window=None,
        min_duration=100.0,
        profile="auto",
        weights=None,
        backbone_params=None,
        trust_checkpoint=False,
        device="auto",
        precision="float32",
        batch_size=4,
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
        self.parcellation = parcellation
        self.labels = labels
        self.t_r = t_r
        self.high_pass = high_pass
        self.low_pass = low_pass
        self.confounds = confounds
        self.skip = skip
        self.window = window
        self.min_duration = min_duration
        self.profile = profile
        self.weights = weights
        self.backbone_params = backbone_params
        self.trust_checkpoint = trust_checkpoint
        self.device = device
        self.precision = precision
        self.batch_size = batch_size
        self.adapt = adapt
        self.adapt_params = adapt_params
        self.cross_fit = cross_fit
        self.random_state = random_state
        self.memory = memory
        self.errors = errors
        self.n_jobs = n_jobs
        self.verbose = verbose

    def _learn_rows(self, frame: pd.DataFrame) -> None:
        """Learn the regions from the training rows, and settle how runs are read and cleaned."""
        require_columns(frame)
        cleaning = self._cleaning()
        reader = SeriesReader(choose_regions(self.parcellation), self.t_r)
        self.layout_ = learn_layout(reader, frame, self.errors)
        self._read = CleanSeries(reader, self.layout_, cleaning)

    def _built_in_model(self, frame: pd.DataFrame) -> OpenedModel:
        """Return the connectome of the regions."""
        layout = rename_regions(self.layout_, self.labels)
        connectome = Connectome(layout, settle_profile(self.profile, layout))
        return OpenedModel(TokenPreparation(connectome), connectome.spec())

    def _training_raws(self, frame: pd.DataFrame) -> Iterable[Any]:
        """Return the training rows' series; of regions that nobody stated nothing is said."""
        stated = self.parcellation is not None or not all(map(is_missing, frame.iloc[:, 0]))
        layout = rename_regions(self.layout_, self.labels) if stated else None
        return TrainingSeries(self._reading(), frame, layout, self.errors, self.n_jobs)

    def _preparation(self) -> Preparation:
        """Return reading, cleaning and the model's preparation as one picklable callable."""
        return SubjectPreparation(self._reading(), self._prepare_now())

    def _reading(self) -> Callable[[tuple], RoiSeries | None]:
        """Return reading and cleaning; for a model series are kept."""
        return self._read if self._is_built_in() else self._kept(self._read, "series")

    def _cleaning(self) -> Cleaning:
        """Return how series are cleaned."""
        high_pass, low_pass = self._band()
        require_band(high_pass, low_pass)
        return Cleaning(
            high_pass=high_pass,
            low_pass=low_pass,
            confounds=None if self.confounds is None else tuple(self.confounds),
            skip=self.skip,
            window=self.window,
            min_duration=self.min_duration,
            raw=not self._is_built_in(),
        )

    def _band(self) -> tuple[float | None, float | None]:
        """Return the band that is kept, in Hz."""
        default = CONNECTOME_BAND if self._is_built_in() else (None, None)
        given = (self.high_pass, self.low_pass)
        high_pass, low_pass = (
            usual if value == "auto" else value for value, usual in zip(given, default, strict=True)
        )
        return high_pass, low_pass

    @classmethod
    def place_tokens(cls, tokens, spec, *, fitted=None, parcellation=None, coordinates=None):
        """Return the parcels of the built-in model, or of a model whose order is known."""
        places = super().place_tokens(tokens, spec)
        if spec.name != cls._built_in and places.kind != "parcels":
            return places
        return place_at_parcels(
            places,
            layout=None if fitted is None else fitted.layout_,
            averaged_over=None if fitted is None else fitted._read.reader.parcellation,
            parcellation=parcellation,
            coordinates=coordinates,
        )


def require_columns(frame: pd.DataFrame) -> None:
    """Refuse more columns than the run and its confounds."""
    if frame.shape[1] > 2:
        raise InputError(
            "FMRIExtractor reads one column (the run) or two (the run, its confounds table)",
            got=f"{frame.shape[1]} columns: {list(frame.columns)[:6]}",
            remedy="Name its column in ModalityUnion([('fmri', FMRIExtractor(), 'bold')])",
        )


def require_band(high_pass: float | None, low_pass: float | None) -> None:
    """Refuse a band without width."""
    if high_pass is not None and low_pass is not None and high_pass >= low_pass:
        raise InputError(
            "high_pass of FMRIExtractor must be lower than low_pass, both in Hz",
            got=f"high_pass={high_pass:g}, low_pass={low_pass:g}",
            remedy="high_pass is the lowest frequency kept, 0.01 for instance",
        )


def choose_regions(source: Any) -> Parcellation:
    """Return the built-in coordinates, or the regions of the user's label image."""
    return seitzman_parcellation() if source is None else read_label_parcellation(source)


def learn_layout(reader: SeriesReader, frame: pd.DataFrame, errors: str) -> RoiLayout:
    """Return the regions of the first training row that can be read, else the parcellation's."""
    runs = zip(frame.index, frame.iloc[:, 0].array, strict=True)
    for subject, cell in runs:
        if is_missing(cell):
            continue
        try:
            # Told of later, when the subject is read.
            with gather_remarks():
                return reader.layout(cell)
        except Exception as failure:
            if errors == "raise":
                raise name_failure(failure, subject) from failure
    return lay_out_parcellation(reader.parcellation)


def settle_profile(profile: str, layout: RoiLayout) -> str:
    """Return what a token holds, where the regions allow it."""
    if profile == "auto":
        return "regions" if layout.networks is None else "networks"
    if profile == "networks" and layout.networks is None:
        raise InputError(
            "profile='networks' of FMRIExtractor needs regions whose networks are known",
            got="regions without networks",
            remedy="Pass profile='regions', or labels= named as in the Schaefer atlases "
            "('LH_Vis_1')",
        )
    return profile
