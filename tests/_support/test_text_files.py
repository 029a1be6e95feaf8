"""Files of text: encodings, packed files, bytes that are no text."""

import gzip

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.errors import ParserError

from adestim._support import text_files
from adestim._support.text_files import UNPACKING_ERRORS, decode_text, read_text

TEXT = "Ort\tß\r\nMünchen\t1 €\r\n"


def with_mark(text, encoding):
    return text.encode(encoding) if encoding[-2:] not in {"le", "be"} else (
        "\N{ZERO WIDTH NO-BREAK SPACE}" + text
    ).encode(encoding)  # fmt: skip


@pytest.mark.parametrize(
    "encoding",
    ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be", "cp1252"],
)
def test_text_is_read_in_every_encoding(encoding):
    content = (
        TEXT.encode(encoding) if encoding in {"utf-8", "cp1252"} else with_mark(TEXT, encoding)
    )
    assert decode_text(content) == TEXT


def test_letters_beyond_windows_1252_are_those_of_latin1():
    assert decode_text(b"\x81\xfc") == "\x81ü"


@settings(deadline=None, max_examples=50)
@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")))
def test_every_text_in_utf8_comes_back(text):
    text = text.lstrip("\N{ZERO WIDTH NO-BREAK SPACE}")
    assert decode_text(text.encode()) == text


@pytest.mark.parametrize(
    "content",
    [
        "RID\tDX".encode("utf-16-le"),
        "RID\tDX".encode("utf-16")[:-1],
        b"PK\x03\x04\x00\x00",
        b"\xff\xfe\x00\x81",
        b"\xff\x01\x02\xfe",
        "Müller ".encode() + "Müller ".encode("latin-1"),
    ],
    ids=["no mark", "cut off", "workbook", "letters alone", "controls", "two encodings"],
)
def test_bytes_that_are_no_text_are_refused(content):
    with pytest.raises(ParserError):
        decode_text(content)


@pytest.mark.parametrize("name", ["a.tsv.gz", "a.TSV.GZ", "a.tsv"])
def test_packed_file_is_unpacked_whatever_its_name(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(gzip.compress(TEXT.encode()))
    assert read_text(path) == TEXT


@pytest.mark.parametrize("content", [b"RID", gzip.compress(b"31\n" * 999)[:40]])
def test_file_that_cannot_be_unpacked_is_refused(tmp_path, content):
    path = tmp_path / "a.tsv.gz"
    path.write_bytes(content)
    with pytest.raises(UNPACKING_ERRORS):
        read_text(path)


def test_file_that_grows_wildly_is_refused_before_it_is_unpacked(tmp_path, monkeypatch):
    path = tmp_path / "a.tsv.gz"
    path.write_bytes(gzip.compress(b"0" * 2**24))
    assert len(read_text(path)) == 2**24
    monkeypatch.setattr(text_files, "FREE_BYTES", 2**20)
    with pytest.raises(ParserError, match=r"more than \d+ MiB packed in \d+ bytes"):
        read_text(path)
