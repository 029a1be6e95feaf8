"""Functional MRI: runs and ROI series, their cleaning, and the connectome backbone."""

from adestim.modalities.fmri.extractor import FMRIExtractor

__all__ = ["FMRIExtractor"]
