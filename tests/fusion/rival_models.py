"""Rivals of anchored fusion that are quick on small tables, and what their checks share."""

from adestim import (
    BlockAverageClassifier,
    ConcatFusionClassifier,
    CrossAttentionFusionClassifier,
    LateFusionClassifier,
    LinearFusionClassifier,
    MixtureFusionClassifier,
    SelfAttentionFusionClassifier,
    UnimodalClassifier,
)

SMALL = {"width": 8, "max_epochs": 2, "random_state": 0}
NETS = {
    "concat": ConcatFusionClassifier(**SMALL),
    "linear": LinearFusionClassifier(**SMALL),
    "self-attention": SelfAttentionFusionClassifier(depth=1, **SMALL),
    "cross-attention": CrossAttentionFusionClassifier(depth=1, **SMALL),
    "mixture": MixtureFusionClassifier(n_experts=3, **SMALL),
}
WEIGHTED = NETS | {
    "unimodal": UnimodalClassifier(modality="mri", depth=1, **SMALL),
    "late": LateFusionClassifier(random_state=0),
    "late, weighted": LateFusionClassifier(weighting="weighted", random_state=0),
    "late, stacked": LateFusionClassifier(weighting="stacked", random_state=0),
}
ALL = WEIGHTED | {"block average": BlockAverageClassifier(random_state=0)}
