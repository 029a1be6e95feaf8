"""Cells in, encodings out: what extractors share, and the union that sets them side by side."""

from adestim.extraction.base import BaseExtractor, check_cells

__all__ = ["BaseExtractor", "check_cells"]
