"""Functional MRI: runs and ROI series, their cleaning, and the connectome backbone."""

from adestim._support.lazy import lazy_names

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        "FMRIExtractor": "adestim.modalities.fmri.extractor",
        "SuiteModel": "adestim.modalities.fmri.suite_model",
        "TianSchaefer": "adestim.modalities.fmri.tian_schaefer",
        "build_tian_schaefer": "adestim.modalities.fmri.tian_schaefer",
        "join_tian_schaefer": "adestim.modalities.fmri.tian_schaefer_series",
    },
)
