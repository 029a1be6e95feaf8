"""PET: standardised uptake of eight regions, and a small foundation model of cubes."""

from adestim.modalities.pet.extractor import PETExtractor

__all__ = ["PETExtractor"]
