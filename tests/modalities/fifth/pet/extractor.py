"""The estimator: a column of PET volumes in, a column of encodings out."""

from dataclasses import dataclass, replace
from typing import Any, ClassVar

from adestim.modalities.pet.reader import read_uptake
from adestim.modalities.pet.suvr import label_image, measure_parts, spec_of

from adestim._support.ranges import Choice
from adestim._support.sklearn import StrOptions
from adestim.encoding import is_missing
from adestim.extraction import BaseExtractor
from adestim.extraction.foundation import (
    FOUNDATION_CONSTRAINTS,
    FOUNDATION_NOT_SEARCHED,
    open_foundation,
    refuse_model_options,
)
from adestim.extraction.stored import Prepared

BUILT_IN = "suvr"


class PETExtractor(BaseExtractor):
    """Encode PET: one token a part of the brain, or those of a foundation model."""

    _modality: ClassVar[str] = "pet"
    _parameter_constraints: ClassVar[dict] = {
        **BaseExtractor._parameter_constraints,
        **FOUNDATION_CONSTRAINTS,
        "reference": [StrOptions({"whole", "back"})],
    }
    _search_space: ClassVar[dict] = {"reference": Choice(("whole", "back"), on_request=True)}
    _not_searched: ClassVar[dict] = {
        **BaseExtractor._not_searched,
        **FOUNDATION_NOT_SEARCHED,
    }

    def __init__(
        self,
        *,
        backbone=BUILT_IN,
        reference="whole",
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
        self.reference = reference
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

    def _learn(self, frame):
        refuse_model_options(self, BUILT_IN)
        self._model = None
        if self.backbone != BUILT_IN:
            volumes = (read_uptake(cell) for cell in frame.iloc[:, 0] if not is_missing(cell))
            self._model = open_foundation(self, self._modality, volumes)

    def _preparation(self):
        prepare = None if self._model is None else self._model.prepare
        return SubjectPreparation(self.reference, prepare)

    def _spec(self):
        return spec_of(self.reference) if self._model is None else self._model.spec

    @classmethod
    def place_tokens(cls, tokens, spec, *, fitted=None, parcellation=None, coordinates=None):
        """Return the parts of the brain, or the cubes of a foundation model."""
        if spec.name != BUILT_IN:
            return super().place_tokens(tokens, spec)
        return replace(tokens, kind="regions", labels=label_image())


@dataclass(frozen=True)
class SubjectPreparation:
    """One subject's cell in, the model's input out."""

    reference: str
    model: Any

    def __call__(self, cells):
        """Read the volume, and measure or prepare it."""
        values = read_uptake(cells[0])
        if self.model is None:
            return Prepared(measure_parts(values, self.reference))
        return self.model(values)
