"""Clinical tables: demographics, scores, categories and notes."""

from adestim.clinical.extractor import ClinicalExtractor
from adestim.clinical.leakage import diagnostic_columns
from adestim.clinical.text import ColumnPhrase, RecordTemplate

__all__ = ["ClinicalExtractor", "ColumnPhrase", "RecordTemplate", "diagnostic_columns"]
