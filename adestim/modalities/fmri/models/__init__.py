"""Foundation models of functional MRI, one a file; the built-in one is beside this folder."""

from adestim.backbone.registry import reference_card, register_backbone

register_backbone(reference_card("connectome", "fmri"))
