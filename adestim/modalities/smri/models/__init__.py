"""Foundation models of structural MRI, one a file; the built-in one is beside this folder."""

from adestim.backbone.registry import reference_card, register_backbone

register_backbone(reference_card("morphometry", "smri"))
