"""Structural MRI: reading T1-weighted volumes, and the morphometry backbone."""

from adestim._support.lazy import lazy_names

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        "SMRIExtractor": "adestim.modalities.smri.extractor",
    },
)
