"""The fusions as scikit-learn estimators, thin over the rooms below."""

from adestim.fusion.anchored_classifier import AnchoredFusionClassifier
from adestim.fusion.anchored_regressor import AnchoredFusionRegressor
from adestim.fusion.anchored_survival import AnchoredFusionSurvival
from adestim.fusion.block_average import BlockAverageClassifier, tuned_logistic
from adestim.fusion.calibration import (
    PatternCalibratedClassifier,
    PatternConformalClassifier,
)
from adestim.fusion.late import LateFusionClassifier
from adestim.fusion.ordinal import OrdinalClassifier
from adestim.fusion.token_fusions import (
    ConcatFusionClassifier,
    CrossAttentionFusionClassifier,
    LinearFusionClassifier,
    MixtureFusionClassifier,
    SelfAttentionFusionClassifier,
)
from adestim.fusion.unimodal import UnimodalClassifier

__all__ = [
    "AnchoredFusionClassifier",
    "AnchoredFusionRegressor",
    "AnchoredFusionSurvival",
    "BlockAverageClassifier",
    "ConcatFusionClassifier",
    "CrossAttentionFusionClassifier",
    "LateFusionClassifier",
    "LinearFusionClassifier",
    "MixtureFusionClassifier",
    "OrdinalClassifier",
    "PatternCalibratedClassifier",
    "PatternConformalClassifier",
    "SelfAttentionFusionClassifier",
    "UnimodalClassifier",
    "tuned_logistic",
]
