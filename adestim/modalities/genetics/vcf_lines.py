"""Lines of VCF files, plain or compressed with gzip or bgzip: forward, in bounded memory."""

from __future__ import annotations

import gzip
import warnings
import zlib
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from io import BufferedReader
from itertools import chain
from pathlib import Path
from typing import IO

from adestim._support.files import LARGEST_LINE, require_fetched
from adestim.exceptions import DataWarning, GenotypeError

GZIP_MAGIC = b"\x1f\x8b"
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
# Where bgzip says in a header that it wrote it, and the empty block that it writes last.
BGZIP_MARK = slice(12, 16), b"BC\x02\x00"
BGZIP_END = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")
# Most lines that are blank or begin with a hash.
MOST_IDLE = 2**20
# As many bytes are unpacked at a time.
CHUNK = 2**17


class LineReader:
    """Lines by their numbers; as long as these rise, a file is passed once."""

    def __init__(self, path: Path):
        self._path = path
        self._lines: Iterator[tuple[int, bytes]] = iter(())
        self._last: float = float("inf")

    def read_lines(self, numbers: Iterable[int]) -> Iterator[tuple[int, bytes]]:
        """Yield the lines of these numbers, which rise."""
        for number in numbers:
            yield number, self._find(number)

    def close(self) -> None:
        """Let go of the file."""
        getattr(self._lines, "close", lambda: None)()

    def _find(self, wanted: int) -> bytes:
        """Return a line, opening the file anew where it lies behind."""
        if wanted <= self._last:
            self.close()
            self._lines = number_lines(self._path)
        for number, line in self._lines:
            if number == wanted:
                self._last = number
                return line
        raise GenotypeError(
            f"The VCF file {self._path} must not change while it is read",
            got=f"no line {wanted} any more",
            remedy="Start again when nobody writes to it",
        )


def number_lines(path: Path) -> Generator[tuple[int, bytes], None, None]:
    """Yield all lines but blank ones, with their numbers from 1, without what ends them."""
    n_idle = 0
    with open_bytes(path) as stream:
        for number, line in enumerate(bound_lines(stream, path), start=1):
            line = line.rstrip(b"\r\n")
            n_idle += not line.strip() or line.startswith(b"#")
            if n_idle > MOST_IDLE:
                raise no_vcf(path, f"more than {MOST_IDLE} lines that are blank or of a header")
            if line.strip():
                yield number, line


def bound_lines(stream: IO[bytes], path: Path, largest: int = LARGEST_LINE) -> Iterator[bytes]:
    """Yield lines; refuse one that would not fit into memory."""
    first = stream.readline(largest).removeprefix(BYTE_ORDER_MARK)
    for line in chain([first] * bool(first), iter(partial(stream.readline, largest), b"")):
        if len(line) == largest and not line.endswith(b"\n"):
            raise no_vcf(path, f"a line of more than {largest} bytes")
        yield line


def no_vcf(path: Path, got: str) -> GenotypeError:
    """Return the error about a file that no VCF file is like."""
    return GenotypeError(
        f"A VCF file has a header, and lines that fit into memory: {path}",
        got=got,
        remedy="The file is damaged, or no VCF file; write it again",
    )


@contextmanager
def open_bytes(path: Path) -> Iterator[IO[bytes]]:
    """Open a VCF file; whatever is wrong with its bytes becomes a GenotypeError."""
    if not path.is_file():
        raise GenotypeError(
            f"The VCF file {path} does not exist", remedy="Check the path given in genotypes="
        )
    require_fetched(path, GenotypeError)
    try:
        with path.open("rb") as file:
            packed = file.peek(2)[:2] == GZIP_MAGIC
            unpacked = BufferedReader(gzip.GzipFile(fileobj=file), CHUNK) if packed else file
            yield unpacked
    except (EOFError, zlib.error, OSError) as error:
        raise GenotypeError(
            f"The VCF file {path} cannot be read to its end",
            got=type(error).__name__,
            remedy="The file is cut off or damaged; copy it again",
        ) from error


def warn_of_lost_end(path: Path) -> None:
    """Warn of a file of bgzip that lacks the block with which it ends."""
    with path.open("rb") as file:
        place, mark = BGZIP_MARK
        if file.read(place.stop)[place] != mark:
            return
        file.seek(-min(len(BGZIP_END), path.stat().st_size), 2)
        whole = file.read() == BGZIP_END
    if not whole:
        warnings.warn(
            f"The VCF file {path} does not end as bgzip ends a file, and may be cut off. What "
            "is there is read. Compare its size with that of its source, or write it again.",
            DataWarning,
            stacklevel=2,
        )
