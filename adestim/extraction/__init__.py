"""Cells in, encodings out: what extractors share, and the union that sets them side by side.

Names are imported when first used, so that workers who prepare subjects bring no torch.
"""

from adestim._support.lazy import lazy_names

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        "BaseExtractor": "adestim.extraction.base",
        "FoundationExtractor": "adestim.extraction.foundation_extractor",
        "check_cells": "adestim.extraction.base",
    },
)
