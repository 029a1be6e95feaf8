"""Structural MRI: reading T1-weighted volumes, and the morphometry backbone."""

from adestim.smri.extractor import SMRIExtractor

__all__ = ["SMRIExtractor"]
