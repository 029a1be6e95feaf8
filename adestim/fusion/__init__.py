"""The fusion as torch modules; it knows names and widths of modalities, not their meaning."""

from adestim.fusion.anchored import AnchoredFusion, ModalityShape
from adestim.fusion.mixture import MixtureFusion
from adestim.fusion.qformer import ModalityAwareQFormer
from adestim.fusion.rivals import (
    ConcatFusion,
    CrossAttentionFusion,
    LinearFusion,
    SelfAttentionFusion,
)

__all__ = [
    "AnchoredFusion",
    "ConcatFusion",
    "CrossAttentionFusion",
    "LinearFusion",
    "MixtureFusion",
    "ModalityAwareQFormer",
    "ModalityShape",
    "SelfAttentionFusion",
]
