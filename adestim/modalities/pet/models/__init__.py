"""Models of PET, one a file; the built-in one is beside this folder."""

from dataclasses import replace

from adestim.backbone.registry import reference_card, register_backbone

NEEDS = ('parcellation="atlas.nii.gz"', 'reference="label7"')
register_backbone(replace(reference_card("suvr", "pet"), needs=NEEDS))
