"""Structural MRI: reading T1-weighted volumes, and the morphometry backbone."""

from adestim.modalities.smri.extractor import SMRIExtractor

__all__ = ["SMRIExtractor"]
