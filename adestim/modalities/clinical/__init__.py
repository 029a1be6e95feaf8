"""Clinical tables: demographics, scores, categories and notes."""

from adestim._support.diagnostic_columns import diagnostic_columns
from adestim.modalities.clinical.extractor import ClinicalExtractor
from adestim.modalities.clinical.text import ColumnPhrase, RecordTemplate

__all__ = ["ClinicalExtractor", "ColumnPhrase", "RecordTemplate", "diagnostic_columns"]
