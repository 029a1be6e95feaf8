"""The estimator: folders, statistics files or columns of tables in, a column of encodings out."""

from __future__ import annotations

import os
from typing import ClassVar

import pandas as pd

from adestim._support.docs import fill_docs
from adestim._support.ranges import Choice
from adestim._support.sklearn import HasMethods, StrOptions
from adestim.encoding import BackboneSpec
from adestim.exceptions import InputError
from adestim.extraction.base import BaseExtractor
from adestim.extraction.prepared import SubjectPreparation, TokenPreparation
from adestim.extraction.subjects import Preparation, prepare_subject, settle_failures
from adestim.modalities.freesurfer.measures import MEASURES, Measured
from adestim.modalities.freesurfer.places import place_by_number
from adestim.modalities.freesurfer.reading import choose_reader
from adestim.modalities.freesurfer.region_model import learn_regions


@fill_docs
class FreeSurferExtractor(BaseExtractor):
    """Encode what FreeSurfer or FastSurfer measured: one token a region.

    A cell is the path of a subject's folder, or of a statistics file, of which several may stand
    in columns side by side; or the columns are those of the tables that ``asegstats2table`` and
    ``aparcstats2table`` write, numbers under FreeSurfer's names.

    Parameters
    ----------
    atlas : str or None, default="aparc"
        Parcellation of the cortex that is read of a folder, as its files are called between the
        hemisphere and ``.stats``: ``"aparc"`` (Desikan-Killiany), ``"aparc.DKTatlas"``,
        ``"aparc.a2009s"`` (Destrieux), FastSurfer's ``"aparc.DKTatlas.mapped"``. None: the
        segmentation alone. Of files and columns it says nothing.
    measures : sequence of {"volume", "thickness", "area"}, default=("volume", "thickness", "area")
        What is read of a region: grey-matter volume, or that of a structure, in mm3; mean
        thickness in mm and area of the white surface in mm2, of cortical regions alone.
    normalise : {"etiv"} or None, default="etiv"
        Whether volumes are divided by the estimated total intracranial volume, in per mille of it.
        Thickness and area stay as they are. None: volumes in mm3.
    parcellation : str, path-like, nibabel image or None, default=None
        3-D label image in MNI152 space with FreeSurfer's numbers, on which maps are drawn:
        ``$FREESURFER_HOME/subjects/cvs_avg35_inMNI152/mri/aparc+aseg.mgz``, for instance. None:
        regions are known by their names alone. Measures do not depend on it.
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
        When a file is not whole, an atlas or the intracranial volume is not there, or a subject
        has other regions than the training rows.

    See Also
    --------
    adestim.SMRIExtractor : The same from the volumes themselves.
    adestim.datasets.read_freesurfer_tables : Tables of FreeSurfer, by subject.

    Notes
    -----
    Files of FreeSurfer 5 to 8 and of FastSurfer are read: they have one form. Regions keep
    their names: ``Left-Hippocampus`` of ``aseg.stats``; ``lh_entorhinal`` of ``lh.aparc.stats``, as
    ``aparcstats2table`` writes it. ``Left-Thalamus-Proper`` of versions before 7 is
    ``Left-Thalamus``. Sums over the brain are not tokens. Versions of FreeSurfer measure
    differently: use one for all subjects, or harmonise by
    :class:`adestim.datasets.SiteHarmonizer`.

    Regions are learned from the training rows: all that at least one of them has. One that a
    subject lacks is masked; a subject who lacks more than half of them is refused.

    References
    ----------
    Fischl (2012). FreeSurfer. NeuroImage 62(2), 774-781.
    Henschel et al. (2020). FastSurfer: a fast and accurate deep learning based neuroimaging
    pipeline. NeuroImage 219, 117012.
    Desikan et al. (2006). An automated labeling system for subdividing the human cerebral cortex
    on MRI scans into gyral based regions of interest. NeuroImage 31(3), 968-980.
    Buckner et al. (2004). A unified approach for morphometric and functional data analysis in
    young, old, and demented adults using automated atlas-based head size normalization.
    NeuroImage 23(2), 724-738.

    Examples
    --------
    >>> import pandas as pd
    >>> from adestim import FreeSurferExtractor
    >>> table = pd.DataFrame(
    ...     {
    ...         "Left-Hippocampus": [3900.0, 3100.0],
    ...         "lh_entorhinal_volume": [1900.0, 1500.0],
    ...         "lh_entorhinal_thickness": [3.4, 2.9],
    ...         "eTIV": [1.5e6, 1.6e6],
    ...     },
    ...     index=["s1", "s2"],
    ... )
    >>> encodings = FreeSurferExtractor().fit_transform(table)
    >>> encodings.loc["s1", "freesurfer"]
    <Encoding freesurfer 2x2>
    >>> encodings.loc["s1", "freesurfer"].tokens.round(2).tolist()
    [[2.5999999046325684, 0.0], [1.2699999809265137, 3.4000000953674316]]
    """

    _modality: ClassVar[str] = "freesurfer"
    _parameter_constraints: ClassVar[dict] = {
        **BaseExtractor._parameter_constraints,
        "atlas": [None, str],
        "measures": ["array-like"],
        "normalise": [None, StrOptions({"etiv"})],
        "parcellation": [None, str, os.PathLike, HasMethods("get_fdata")],
    }
    _search_space: ClassVar[dict] = {"normalise": Choice(("etiv", None), on_request=True)}
    _not_searched: ClassVar[dict] = {
        **BaseExtractor._not_searched,
        "atlas": "what the files are",
        "measures": "what the files are",
        "parcellation": "what is drawn",
    }

    def __init__(
        self,
        *,
        atlas="aparc",
        measures=MEASURES,
        normalise="etiv",
        parcellation=None,
        memory=None,
        errors="raise",
        n_jobs=None,
        verbose=False,
    ):
        self.atlas = atlas
        self.measures = measures
        self.normalise = normalise
        self.parcellation = parcellation
        self.memory = memory
        self.errors = errors
        self.n_jobs = n_jobs
        self.verbose = verbose

    def _learn(self, frame: pd.DataFrame) -> None:
        """Learn which regions there are."""
        require_measures(self.measures)
        self._read = choose_reader(frame, self.atlas)
        training = self._read_rows(frame)
        self._model = learn_regions(training, self.measures, self.normalise)

    def _read_rows(self, frame: pd.DataFrame) -> list[Measured]:
        """Return the measures of the rows that have some; raise failures where these are errors."""
        rows = zip(frame.index, frame.itertuples(index=False, name=None), strict=True)
        results = [prepare_subject(self._read, cells, subject) for subject, cells in rows]
        if self.errors == "raise":
            settle_failures(results, self.errors)
        return [item for item in results if isinstance(item, Measured)]

    def _preparation(self) -> Preparation:
        """Return reading and the model as one picklable callable."""
        return SubjectPreparation(self._read, TokenPreparation(self._model))

    def _spec(self) -> BackboneSpec:
        """Return the name tag of the model."""
        return self._model.spec()

    @classmethod
    def place_tokens(cls, tokens, spec, *, fitted=None, parcellation=None, coordinates=None):
        """Return the regions of the label image, names alone without one."""
        own = None if fitted is None else fitted.parcellation
        image = own if parcellation is None else parcellation
        return tokens if image is None else place_by_number(tokens, image)


def require_measures(measures) -> None:
    """Refuse measures that are none, or none at all."""
    strange = [name for name in measures if name not in MEASURES]
    if strange or not len(measures) or isinstance(measures, str):
        raise InputError(
            f"The 'measures' parameter of FreeSurferExtractor must name some of {list(MEASURES)}",
            got=f"{measures!r} instead",
        )
