"""Clinical tables: demographics, scores, categories and notes."""

from adestim._support.lazy import lazy_names

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        "ClinicalExtractor": "adestim.modalities.clinical.extractor",
        "ColumnPhrase": "adestim.modalities.clinical.text",
        "RecordTemplate": "adestim.modalities.clinical.text",
        "diagnostic_columns": "adestim._support.diagnostic_columns",
    },
)
