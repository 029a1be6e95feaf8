"""The fusions as scikit-learn estimators, thin over the rooms below."""

from adestim.estimators.anchored import AnchoredFusionClassifier
from adestim.estimators.anchored_regressor import AnchoredFusionRegressor
from adestim.estimators.block_average import BlockAverageClassifier, tuned_logistic
from adestim.estimators.calibration import (
    PatternCalibratedClassifier,
    PatternConformalClassifier,
)
from adestim.estimators.late import LateFusionClassifier
from adestim.estimators.mixture import MixtureFusionClassifier
from adestim.estimators.ordinal import OrdinalClassifier
from adestim.estimators.token_fusions import (
    ConcatFusionClassifier,
    CrossAttentionFusionClassifier,
    LinearFusionClassifier,
    SelfAttentionFusionClassifier,
)
from adestim.estimators.unimodal import UnimodalClassifier

__all__ = [
    "AnchoredFusionClassifier",
    "AnchoredFusionRegressor",
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
