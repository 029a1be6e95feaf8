"""Clinical tables: demographics, scores, categories and notes."""

from adestim.clinical.extractor import ClinicalExtractor
from adestim.clinical.leakage import diagnostic_columns

__all__ = ["ClinicalExtractor", "diagnostic_columns"]
