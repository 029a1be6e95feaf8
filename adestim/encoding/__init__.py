"""What travels from the extractors to the fusion: encodings, and tables of them."""

from adestim._support.missing import is_missing
from adestim.encoding.encoding import (
    BackboneSpec,
    Encoding,
    encodings_frame,
    read_array,
)

__all__ = ["BackboneSpec", "Encoding", "encodings_frame", "is_missing", "read_array"]
