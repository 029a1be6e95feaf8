"""Clinical tables: demographics, scores, categories and notes."""

from adestim.clinical.extractor import ClinicalExtractor
from adestim.clinical.text import ColumnPhrase, RecordTemplate
from adestim.instruments import diagnostic_columns

__all__ = ["ClinicalExtractor", "ColumnPhrase", "RecordTemplate", "diagnostic_columns"]
