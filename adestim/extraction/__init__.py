"""Cells in, encodings out: what extractors share, and the union that sets them side by side."""

from adestim.extraction.base import BaseExtractor, check_cells
from adestim.extraction.foundation_extractor import FoundationExtractor

__all__ = ["BaseExtractor", "FoundationExtractor", "check_cells"]
