"""The estimator: a column of ASL volumes in, a column of encodings out."""

from dataclasses import dataclass, replace
from typing import ClassVar

from adestim.modalities.asl.perfusion import label_image, measure_parts, spec_of
from adestim.modalities.asl.reader import read_flow

from adestim._support.ranges import Choice
from adestim._support.sklearn import StrOptions
from adestim.encoding import is_missing
from adestim.extraction.foundation import OpenedModel
from adestim.extraction.foundation_extractor import FoundationExtractor
from adestim.extraction.prepared import SubjectPreparation, TokenPreparation
from adestim.extraction.subjects import readable_raws


class ASLExtractor(FoundationExtractor):
    """Encode ASL: one token a part of the brain, or those of a foundation model."""

    _modality: ClassVar[str] = "asl"
    _built_in: ClassVar[str] = "perfusion"
    _parameter_constraints: ClassVar[dict] = {
        **FoundationExtractor._parameter_constraints,
        "reference": [StrOptions({"whole", "back"})],
    }
    _search_space: ClassVar[dict] = {"reference": Choice(("whole", "back"), on_request=True)}
    _not_searched: ClassVar[dict] = {
        **FoundationExtractor._not_searched,
    }

    def __init__(
        self,
        *,
        backbone="perfusion",
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

    def _built_in_model(self, frame):
        model = PartsModel(self.reference)
        return OpenedModel(TokenPreparation(model), spec_of(self.reference))

    def _training_raws(self, frame):
        return readable_raws(frame, read_cell)

    def _preparation(self):
        return SubjectPreparation(read_cell, self._model.prepare)

    @classmethod
    def place_tokens(cls, tokens, spec, *, fitted=None, parcellation=None, coordinates=None):
        """Return the parts of the brain, or the cubes of a foundation model."""
        if spec.name != cls._built_in:
            return super().place_tokens(tokens, spec)
        return replace(tokens, kind="regions", labels=label_image())


@dataclass(frozen=True)
class PartsModel:
    """One volume in, a token a part out."""

    reference: str

    def __call__(self, values):
        """Measure."""
        return measure_parts(values, self.reference), None


def read_cell(cells):
    """Return the volume in the only cell."""
    return None if is_missing(cells[0]) else read_flow(cells[0])
