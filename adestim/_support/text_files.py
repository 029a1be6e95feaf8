"""Files of text: in whichever encoding, packed or not, never more than a table can be."""

from __future__ import annotations

import codecs
import gzip
import re
import zlib
from pathlib import Path

from pandas.errors import ParserError

BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    # Begins as UTF-16 does, and is therefore asked first.
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# Those of one byte a letter; every byte is a letter of the last.
OLD_ENCODINGS = ("cp1252", "latin-1")
CONTROLS = re.compile(rb"[\x01-\x08\x0e-\x19\x1c-\x1f]")
GZIP_MAGIC = b"\x1f\x8b"
# What a packed file raises that is cut off or none; beside these OSError and ValueError.
UNPACKING_ERRORS = (gzip.BadGzipFile, EOFError, zlib.error)
CHUNK = 2**20
# A table of text shrinks to a third or a tenth; what grows a thousandfold is no table.
FREE_BYTES = 2**26
MOST_BYTES = 2**30
MOST_GROWTH = 200


class NotTextError(ParserError):
    """Bytes that are no text, or more than a table can be; a kind of ValueError."""


def read_text(path: str | Path) -> str:
    """Return a file of text; refuse bytes that are none by a NotTextError."""
    return decode_text(read_content(path))


def decode_text(content: bytes) -> str:
    """Return bytes as text: UTF-8, UTF-16 and UTF-32 by their mark, else Windows-1252, Latin-1."""
    return content.decode(find_encoding(content))


def read_content(path: str | Path) -> bytes:
    """Return the bytes of a file, unpacked where it is packed by gzip; refuse what grows wildly."""
    path = Path(path)
    with path.open("rb") as file:
        packed = path.name.casefold().endswith(".gz") or file.read(2) == GZIP_MAGIC
    return unpack_content(path) if packed else path.read_bytes()


def unpack_content(path: Path) -> bytes:
    """Return what is packed in a file, up to what a table of its size may hold."""
    size = path.stat().st_size
    most = min(max(FREE_BYTES, MOST_GROWTH * size), MOST_BYTES)
    content = bytearray()
    with gzip.open(path, "rb") as file:
        while chunk := file.read(CHUNK):
            content += chunk
            if len(content) > most:
                raise NotTextError(
                    f"more than {most >> 20} MiB packed in {size} bytes, which no table needs"
                )
    return bytes(content)


def find_encoding(content: bytes) -> str:
    """Return the encoding of text; bytes that are none, or of two encodings, are refused."""
    for mark, name in BYTE_ORDER_MARKS:
        if content.startswith(mark):
            return require_encoding(content, name)
    if b"\0" in content:
        raise NotTextError("bytes that are no text")
    if is_decodable(content, "utf-8"):
        return "utf-8"
    if CONTROLS.search(content):
        raise NotTextError("bytes that are no text in UTF-8, Windows-1252 or Latin-1")
    if mixes_encodings(content):
        raise NotTextError("letters of UTF-8 beside bytes of another encoding")
    return next(name for name in OLD_ENCODINGS if is_decodable(content, name))


def require_encoding(content: bytes, encoding: str) -> str:
    """Return the encoding that a mark names; refuse bytes that are not in it, or no text in it."""
    if not is_decodable(content, encoding):
        raise NotTextError(f"bytes that are not of the encoding they name, {encoding}")
    text = content.decode(encoding)
    # No table is without a digit, a separator or the end of a line.
    if "\0" in text or (text and not re.search(r"[\t-~]", text)):
        raise NotTextError(f"bytes that are no text in {encoding}")
    return encoding


def is_decodable(content: bytes, encoding: str) -> bool:
    """Tell whether bytes are of an encoding, without keeping the text."""
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        for start in range(0, len(content), CHUNK):
            decoder.decode(content[start : start + CHUNK])
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def mixes_encodings(content: bytes) -> bool:
    """Tell whether bytes that are not all of UTF-8 hold letters of it nevertheless."""
    return any(ord(letter) > 127 for letter in content.decode("utf-8", errors="ignore"))
