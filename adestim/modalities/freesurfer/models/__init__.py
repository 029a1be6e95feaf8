"""The built-in model of FreeSurfer's measures, which are tokens by themselves."""

from adestim.backbone.registry import reference_card, register_backbone

register_backbone(reference_card("freesurfer", "freesurfer"))
