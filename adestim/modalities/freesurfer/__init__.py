"""Regions as FreeSurfer and FastSurfer measured them: their statistics files and tables."""

from adestim._support.lazy import lazy_names

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        "FreeSurferExtractor": "adestim.modalities.freesurfer.extractor",
    },
)
