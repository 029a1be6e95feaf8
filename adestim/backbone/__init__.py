"""Backbones: their contract, their registry, their weights.

Names are imported when first used, so that what needs no torch brings none.
"""

from adestim._support.lazy import lazy_names

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        "CLOSED": "adestim.backbone.attention",
        "Attention": "adestim.backbone.attention",
        "Backbone": "adestim.backbone.contract",
        "BackboneCard": "adestim.backbone.registry",
        "CheckpointLayout": "adestim.backbone.weights.checkpoint",
        "ReferenceBackbone": "adestim.backbone.reference",
        "check_backbone": "adestim.backbone.check.checks",
        "find_card": "adestim.backbone.registry",
        "limit_embedded": "adestim.backbone.embedded",
        "list_backbones": "adestim.backbone.listing",
        "load_backbone": "adestim.backbone.loading",
        "masked_attention": "adestim.backbone.attention",
        "register_backbone": "adestim.backbone.registry",
    },
)
