import gzip
import io
import zlib

import numpy as np
import pytest

from adestim import GeneticsExtractor
from adestim.exceptions import DataWarning, GenotypeError
from adestim.modalities.genetics import harmonise, vcf_lines
from adestim.modalities.genetics.vcf import open_vcf
from adestim.modalities.genetics.vcf_lines import (
    BGZIP_END,
    LineReader,
    bound_lines,
    number_lines,
)
from tests.modalities.genetics.files import random_dosages, simple_variants, write_vcf
from tests.modalities.genetics.frames import frame_of

NAMES = [f"s{number}" for number in range(40)]


@pytest.fixture
def passes(monkeypatch):
    """The files that are opened to be read, each as often as that happens."""
    opened, open_bytes = [], vcf_lines.open_bytes
    monkeypatch.setattr(
        vcf_lines, "open_bytes", lambda path: opened.append(path) or open_bytes(path)
    )
    return opened


def written(tmp_path, n_variants, name="a.vcf"):
    dosages = random_dosages(40, n_variants)
    return write_vcf(tmp_path / name, dosages, NAMES, simple_variants(n_variants))


@pytest.mark.parametrize("n_variants", [10, 100])
def test_passes_over_a_file_do_not_grow_with_its_variants(
    tmp_path, monkeypatch, passes, n_variants
):
    monkeypatch.setattr(harmonise, "BLOCK_VALUES", 200)
    extractor = GeneticsExtractor(genotypes=written(tmp_path, n_variants))
    extractor.fit(frame_of(NAMES))
    assert len(passes) == 2
    extractor.transform(frame_of(NAMES))
    assert len(passes) <= 4


def test_lines_that_rise_are_read_in_one_pass(tmp_path, passes):
    genotypes = open_vcf(written(tmp_path, 9))
    pieces = [np.array([2, 0]), np.array([3]), np.array([], dtype=int), np.array([8, 5])]
    found = list(genotypes.dosages_in_turn(np.arange(40), pieces))
    assert len(passes) == 2
    everything = genotypes.dosages(np.arange(40), np.arange(9))
    for piece, dosages in zip(pieces, found, strict=True):
        np.testing.assert_array_equal(dosages, everything[:, piece])


def test_a_line_that_lies_behind_is_found_by_another_pass(tmp_path, passes):
    reader = LineReader(written(tmp_path, 3))
    assert [number for number, _ in reader.read_lines([3, 5, 4])] == [3, 5, 4]
    assert len(passes) == 2


def test_a_file_that_became_shorter_is_refused(tmp_path):
    path = written(tmp_path, 3)
    genotypes = open_vcf(path)
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))
    with pytest.raises(GenotypeError, match=r"must not change while it is read\. Got no line 5"):
        genotypes.dosages(np.arange(40), np.arange(3))


def test_a_file_whose_lines_moved_is_refused(tmp_path):
    path = written(tmp_path, 3)
    genotypes = open_vcf(path)
    path.write_text("##more\n" + path.read_text())
    with pytest.raises(GenotypeError, match="must not change while it is read"):
        genotypes.dosages(np.arange(40), np.arange(3))


def test_a_line_too_long_for_memory_is_refused_unread(tmp_path):
    stream = io.BytesIO(b"short\n" + b"x" * 1000)
    lines = bound_lines(stream, tmp_path, largest=100)
    assert next(lines) == b"short\n"
    with pytest.raises(GenotypeError, match="Got a line of more than 100 bytes"):
        next(lines)
    assert stream.tell() == 106


@pytest.mark.parametrize("line", ["\n", "##contig=<ID=x>\n", " \n", "#\r\n"])
def test_a_file_of_blanks_or_headers_alone_is_refused_soon(tmp_path, monkeypatch, line):
    monkeypatch.setattr(vcf_lines, "MOST_IDLE", 10)
    (tmp_path / "a.vcf").write_bytes(line.encode() * 1000)
    with pytest.raises(GenotypeError, match="more than 10 lines that are blank or of a header"):
        list(number_lines(tmp_path / "a.vcf"))


def test_blank_lines_and_ends_of_windows_are_left_out(tmp_path):
    path = tmp_path / "a.vcf"
    path.write_bytes(b"\xef\xbb\xbf##one\r\n\r\n##two\n")
    assert list(number_lines(path)) == [(1, b"##one"), (3, b"##two")]


def bgzip(text):
    """A block as bgzip writes it."""
    packed = zlib.compressobj(wbits=-15)
    body = packed.compress(text) + packed.flush()
    size = 18 + len(body) + 8 - 1
    head = bytes.fromhex("1f8b08040000000000ff060042430200") + size.to_bytes(2, "little")
    sums = zlib.crc32(text).to_bytes(4, "little") + len(text).to_bytes(4, "little")
    return head + body + sums


def test_a_file_of_bgzip_without_its_end_is_warned_about(tmp_path):
    text = written(tmp_path, 3).read_bytes()
    whole, cut = tmp_path / "whole.vcf.gz", tmp_path / "cut.vcf.gz"
    whole.write_bytes(bgzip(text) + BGZIP_END)
    cut.write_bytes(bgzip(text))
    assert open_vcf(whole).n_samples == 40
    with pytest.warns(DataWarning, match=r"cut\.vcf\.gz does not end as bgzip ends a file"):
        open_vcf(cut)


def test_a_damaged_packed_file_is_refused(tmp_path):
    path = written(tmp_path, 30, "a.vcf.gz")
    raw = bytearray(path.read_bytes())
    raw[-6] ^= 1
    path.write_bytes(raw)
    with pytest.raises(GenotypeError, match=r"cannot be read to its end. Got BadGzipFile"):
        open_vcf(path)
    path.write_bytes(gzip.compress(b"x")[:6])
    with pytest.raises(GenotypeError, match=r"cannot be read to its end. Got EOFError"):
        open_vcf(path)
