"""One record of the feature store: a few arrays in a safetensors file, written whole or not at all.

Of a safetensors file the header is read here, so that one array is read, or mapped, without the
others. The file's metadata hold a checksum of every array and one of the header.
"""

from __future__ import annotations

import errno
import json
import os
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save

from adestim._support.digests import checksum
from adestim._support.files import write_whole
from adestim.exceptions import InputError

FORMAT = "1"
DTYPES = {
    "F16": "<f2", "F32": "<f4", "F64": "<f8", "C64": "<c8", "BOOL": "|b1",
    "U8": "|u1", "U16": "<u2", "U32": "<u4", "U64": "<u8",
    "I8": "|i1", "I16": "<i2", "I32": "<i4", "I64": "<i8",
}  # fmt: skip
CODES = {dtype: code for code, dtype in DTYPES.items()}
LARGEST_HEADER = 2**20

# Hashes of the states of files in which this process has compared an array with its checksum.
_COMPARED: set[int] = set()


class DamagedRecordError(Exception):
    """A record that cannot be trusted; the message says why."""


class OtherFormatError(DamagedRecordError):
    """A file that another version of the library, or somebody else, wrote."""


@dataclass(frozen=True)
class StoredArray:
    """An array in a record, read from its file whenever it is asked for.

    It is compared with its checksum when a process reads it first, and again when the file has
    changed since.
    """

    path: str
    offset: int  # where the array begins, in bytes
    dtype: str
    shape: tuple[int, ...]
    crc32: str = ""  # its checksum; empty where it is not known

    def read(self) -> np.ndarray:
        """Return the array, read into memory."""
        return self._trusted(self._load)

    def map(self) -> np.ndarray:
        """Return the array as a read-only map of the file."""
        return self._trusted(self._load_map)

    def check(self) -> None:
        """Compare the array with its checksum; raise DamagedRecordError where they differ."""
        with Path(self.path).open("rb", buffering=0) as file:
            state = read_file_state(file.fileno())
            self._compare(self._load(file))
        _COMPARED.add(hash((state, self.offset)))

    def was_compared(self, state: tuple) -> bool:
        """Tell whether this process has compared the array in this state of its file."""
        return hash((state, self.offset)) in _COMPARED

    def _trusted(self, load: Callable[[Any], np.ndarray]) -> np.ndarray:
        """Return the array once it was compared with its checksum."""
        try:
            with Path(self.path).open("rb", buffering=0) as file:
                state = read_file_state(file.fileno())
                values = load(file)
            if not self.was_compared(state):
                self._compare(values)
                _COMPARED.add(hash((state, self.offset)))
        except (FileNotFoundError, DamagedRecordError) as error:
            raise InputError(
                "Encodings that lie in a feature store need its records",
                got=f"none, or a damaged one, at {self.path}",
                remedy="Encode the subjects again: transform makes what is not there",
            ) from error
        return values

    def _load(self, file: Any) -> np.ndarray:
        """Return the array, read from its open file."""
        values = np.empty(self.shape, self.dtype)
        wanted = values.reshape(-1).view(np.uint8).data
        file.seek(self.offset)
        n_read = 0
        # One call reads 2 GiB at most.
        while n_read < len(wanted):
            n_now = file.readinto(wanted[n_read:])
            if not n_now:
                raise DamagedRecordError("it ends early")
            n_read += n_now
        return values

    def _load_map(self, file: Any) -> np.ndarray:
        """Return the array as a map of its open file."""
        try:
            return np.memmap(file, self.dtype, "r", self.offset, self.shape)
        except ValueError:
            # What is empty cannot be mapped, nor what is not there.
            return self._load(file)

    def _compare(self, values: np.ndarray) -> None:
        """Raise where values differ from the checksum."""
        if self.crc32 and checksum(values) != self.crc32:
            raise DamagedRecordError(f"checksum of the array at {self.offset}")


@dataclass(frozen=True)
class Record:
    """The arrays of a record, and what is said of them."""

    arrays: Mapping[str, StoredArray]
    metadata: Mapping[str, str]  # what the writer said
    # state of the file when its header was read
    state: tuple = field(default=(), compare=False, repr=False)

    def check(self) -> None:
        """Compare every array with its checksum; raise DamagedRecordError where they differ."""
        compare_all(self.arrays.values())

    def check_once(self) -> None:
        """Compare the arrays that this process has not compared since the file last changed."""
        compare_all(array for array in self.arrays.values() if not array.was_compared(self.state))


def compare_all(arrays: Iterable[StoredArray]) -> None:
    """Compare arrays with their checksums; a disk that cannot be read has damaged them."""
    try:
        for array in arrays:
            array.check()
    except OSError as error:
        if error.errno == errno.EIO:
            raise DamagedRecordError("the disk cannot read it") from error
        raise


def write_record(path: Path, arrays: Mapping[str, np.ndarray], metadata: Mapping[str, str]) -> None:
    """Write a record under a temporary name and give it its own when it is whole.

    A whole record that has the name keeps it: what one process has seen under a key does not
    change while others come to the same. So does one of another format.
    """
    arrays = {name: prepare_array(value) for name, value in arrays.items()}
    sums = {f"crc32 of {name}": checksum(value) for name, value in arrays.items()}
    said = {**metadata, **sums, "format": FORMAT, "key": path.stem}
    shapes = {name: (CODES[value.dtype.str], value.shape) for name, value in arrays.items()}
    said["crc32"] = sum_header(shapes, said)
    write_whole(path, save(arrays, metadata=said), stays=keeps_its_name)


def prepare_array(values: np.ndarray) -> np.ndarray:
    """Return an array as it is stored: little-endian, its last axis fastest."""
    values = np.asarray(values)
    values = np.asarray(values, dtype=values.dtype.newbyteorder("<"), order="C")
    if values.dtype.str not in CODES:
        raise InputError(
            "A feature store keeps arrays of numbers or bools",
            got=f"dtype {values.dtype}",
            remedy="Let the model's prepare return such, or leave memory=None",
        )
    return values


def keeps_its_name(path: Path) -> bool:
    """Tell whether a file is a record that can be trusted, or is not ours to replace."""
    try:
        open_record(path).check()
    except (DamagedRecordError, OSError) as problem:
        return isinstance(problem, OtherFormatError)
    return True


def open_record(path: Path) -> Record:
    """Read the header of a record."""
    with Path(path).open("rb", buffering=0) as file:
        state = read_file_state(file.fileno())
        start = 8 + int.from_bytes(file.read(8), "little")
        header = file.read(start - 8) if start - 8 <= LARGEST_HEADER else b""
    try:
        entries = json.loads(header)
        said = entries.pop("__metadata__", {})
        require_format(said.get("format"))
        shapes = {name: (entry["dtype"], entry["shape"]) for name, entry in entries.items()}
        if sum_header(shapes, said) != said.get("crc32") or said["key"] != path.stem:
            raise ValueError("its checksum or its key is another")
        arrays = {
            name: read_entry(path, entry, start, said[f"crc32 of {name}"])
            for name, entry in entries.items()
        }
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise DamagedRecordError(f"header: {error}") from error
    return Record(arrays, said, state)


def require_format(found: str | None) -> None:
    """Refuse a record of another format."""
    if found != FORMAT:
        raise OtherFormatError(f"format {found!r} instead of {FORMAT!r}")


def read_entry(path: Path, entry: Mapping[str, Any], start: int, crc32: str) -> StoredArray:
    """Return one array of a header; refuse one whose place is not of its size."""
    begin, end = entry["data_offsets"]
    dtype, shape = np.dtype(DTYPES[entry["dtype"]]), tuple(entry["shape"])
    if begin < 0 or end - begin != int(np.prod(shape)) * dtype.itemsize:
        raise ValueError("an array's size is not that of its place")
    return StoredArray(str(path), start + begin, dtype.str, shape, crc32)


def sum_header(shapes: Mapping[str, tuple], metadata: Mapping[str, str]) -> str:
    """Return the CRC-32 of what a header says, but for where arrays lie and for itself."""
    said = {name: text for name, text in metadata.items() if name != "crc32"}
    content = [[name, *shapes[name]] for name in sorted(shapes)], sorted(said.items())
    return f"{zlib.crc32(json.dumps(content).encode()):08x}"


def read_file_state(file: int | str | Path) -> tuple[int, ...]:
    """Return what changes when a file, open or named, does; of a restored date the last remains."""
    stat = os.stat(file)  # noqa: PTH116 - an open file has no path
    return stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns
