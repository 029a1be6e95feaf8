"""ASL: perfusion of eight regions, and a small foundation model of cubes."""

from adestim.modalities.asl.extractor import ASLExtractor

__all__ = ["ASLExtractor"]
