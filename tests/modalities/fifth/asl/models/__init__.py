"""Models of ASL."""

from adestim.backbone.registry import reference_card, register_backbone

register_backbone(reference_card("perfusion", "asl"))
