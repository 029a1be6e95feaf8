"""PET: uptake of a tracer by region, relative to a reference region."""

from adestim._support.lazy import lazy_names

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        "PETExtractor": "adestim.modalities.pet.extractor",
    },
)
