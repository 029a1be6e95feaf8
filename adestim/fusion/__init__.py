"""The fusion as torch modules; it knows names and widths of modalities, not their meaning."""

from adestim.fusion.anchored import AnchoredFusion, ModalityShape
from adestim.fusion.qformer import ModalityAwareQFormer

__all__ = ["AnchoredFusion", "ModalityAwareQFormer", "ModalityShape"]
