"""One record of the feature store: a few arrays in a safetensors file, written whole or not at all.

Of a safetensors file the header is read here, so that one array is read, or mapped, without the
others. Every array has a checksum in the file's metadata.
"""

from __future__ import annotations

import json
import os
import uuid
import zlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save

from adestim.exceptions import InputError

__all__ = [
    "FORMAT",
    "DamagedRecordError",
    "OtherFormatError",
    "Record",
    "StoredArray",
    "open_record",
    "write_record",
]

FORMAT = "1"
DTYPES = {
    "F16": np.float16, "F32": np.float32, "F64": np.float64, "BOOL": np.bool_, "U8": np.uint8,
    "I8": np.int8, "I16": np.int16, "I32": np.int32, "I64": np.int64,
}  # fmt: skip
LARGEST_HEADER = 2**20


class DamagedRecordError(Exception):
    """A record that cannot be trusted; the message says why."""


class OtherFormatError(DamagedRecordError):
    """A record that another version of the library wrote."""


@dataclass(frozen=True)
class StoredArray:
    """An array in a record, read from its file whenever it is asked for.

    Parameters
    ----------
    path : str
        The record.
    offset : int
        Where the array begins, in bytes.
    dtype : str
        Its dtype.
    shape : tuple of int
        Its shape.
    """

    path: str
    offset: int
    dtype: str
    shape: tuple[int, ...]

    def read(self) -> np.ndarray:
        """Return the array, read into memory."""
        count = int(np.prod(self.shape))
        try:
            values = np.fromfile(self.path, dtype=self.dtype, count=count, offset=self.offset)
            return values.reshape(self.shape)
        except (FileNotFoundError, ValueError) as error:
            raise InputError(
                "Encodings that lie in a feature store need its records",
                got=f"none, or a damaged one, at {self.path}",
                remedy="Encode the subjects again: transform makes what is not there",
            ) from error

    def map(self) -> np.ndarray:
        """Return the array as a read-only map of the file."""
        return np.memmap(
            self.path, dtype=self.dtype, mode="r", offset=self.offset, shape=self.shape
        )


@dataclass(frozen=True)
class Record:
    """The arrays of a record, and what is said of them.

    Parameters
    ----------
    arrays : mapping of str to StoredArray
        The arrays, unread.
    metadata : mapping of str to str
        What the writer said.
    """

    arrays: Mapping[str, StoredArray]
    metadata: Mapping[str, str]

    def check(self) -> None:
        """Compare every array with its checksum; raise DamagedRecordError where they differ."""
        for name, array in self.arrays.items():
            if checksum(array.read()) != self.metadata.get(f"crc32 of {name}"):
                raise DamagedRecordError(f"checksum of {name!r}")


def write_record(path: Path, arrays: Mapping[str, np.ndarray], metadata: Mapping[str, str]) -> None:
    """Write a record under a temporary name and give it its own when it is whole.

    Parameters
    ----------
    path : Path
        The record's file; it is readable by its owner alone.
    arrays : mapping of str to ndarray
        Arrays.
    metadata : mapping of str to str
        What is said of them.

    Raises
    ------
    OSError
        When the disk is full or the folder cannot be written; no part of the record remains.
    """
    arrays = {name: np.ascontiguousarray(value) for name, value in arrays.items()}
    sums = {f"crc32 of {name}": checksum(value) for name, value in arrays.items()}
    content = save(arrays, metadata={**metadata, **sums, "format": FORMAT})
    temporary = path.with_name(f".{uuid.uuid4().hex}.{os.getpid()}.tmp")
    try:
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as f:
            f.write(content)
        temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise


def open_record(path: Path) -> Record:
    """Read the header of a record.

    Parameters
    ----------
    path : Path
        Its file.

    Returns
    -------
    Record

    Raises
    ------
    FileNotFoundError
        When there is no such record.
    DamagedRecordError
        When it is no whole record.
    OtherFormatError
        When another version of the library wrote it.
    """
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        header = file.read(size) if size <= LARGEST_HEADER else b""
        length = os.fstat(file.fileno()).st_size
    try:
        entries = json.loads(header)
        metadata = entries.pop("__metadata__", {})
        arrays = {
            name: stored_array(path, entry, 8 + size, length) for name, entry in entries.items()
        }
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DamagedRecordError(f"header: {error}") from error
    if metadata.get("format") != FORMAT:
        raise OtherFormatError(f"format {metadata.get('format')!r} instead of {FORMAT!r}")
    return Record(arrays, metadata)


def stored_array(path: Path, entry: Mapping[str, Any], start: int, length: int) -> StoredArray:
    """Return one array of a header; refuse one that does not fit its file."""
    begin, end = entry["data_offsets"]
    dtype, shape = np.dtype(DTYPES[entry["dtype"]]), tuple(entry["shape"])
    if end - begin != int(np.prod(shape)) * dtype.itemsize or start + end > length:
        raise ValueError("an array's size is not that of its place")
    return StoredArray(str(path), start + begin, dtype.str, shape)


def checksum(values: np.ndarray) -> str:
    """Return the CRC-32 of an array's bytes."""
    return f"{zlib.crc32(np.ascontiguousarray(values).reshape(-1).view(np.uint8).data):08x}"
