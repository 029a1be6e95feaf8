"""The fusion as torch modules; it knows names and widths of modalities, not their meaning."""

from adestim.training.nets.anchored import AnchoredFusion, ModalityShape
from adestim.training.nets.fold_mean import FoldMean
from adestim.training.nets.qformer import ModalityAwareQFormer
from adestim.training.nets.rivals import (
    ConcatFusion,
    CrossAttentionFusion,
    LinearFusion,
    MixtureFusion,
    SelfAttentionFusion,
)

__all__ = [
    "AnchoredFusion",
    "ConcatFusion",
    "CrossAttentionFusion",
    "FoldMean",
    "LinearFusion",
    "MixtureFusion",
    "ModalityAwareQFormer",
    "ModalityShape",
    "SelfAttentionFusion",
]
