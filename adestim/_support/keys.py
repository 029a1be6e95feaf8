"""Keys of content: equal for equal values, in every process, whatever objects hold them.

Values are walked through, not pickled: a pickle tells apart equal objects by what they share, and
of an image it may hold no more than the path.
"""

from __future__ import annotations

import hashlib
import math
import struct
from collections.abc import Hashable, Iterator, Mapping, Set
from dataclasses import fields, is_dataclass
from functools import singledispatch
from pathlib import Path, PurePath
from typing import Any

import joblib
import numpy as np
import pandas as pd


def content_key(*parts: Any) -> str:
    """Return the key of what is made from some parts: equal for equal content."""
    digest = hashlib.sha256()
    for piece in walk(parts):
        digest.update(piece)
    return digest.hexdigest()[:40]


def prefix_with_kind(name: str, *contents: bytes | memoryview) -> Iterator[bytes | memoryview]:
    """Yield contents after their kind and lengths, so that no two values run into one another."""
    lengths = " ".join(str(len(content)) for content in contents)
    yield f"{name} {lengths};".encode()
    yield from contents


def class_name(value: Any) -> str:
    """Return the name of a value's class; where its module lies says nothing of content."""
    return type(value).__qualname__


def walk_all(name: str, values: Any) -> Iterator[bytes | memoryview]:
    """Yield what several values are, in their order."""
    yield from prefix_with_kind(f"{name} of {len(values)}")
    for value in values:
        yield from walk(value)


@singledispatch
def walk(value: Any) -> Iterator[bytes | memoryview]:
    """Yield what a value is, as bytes."""
    if is_dataclass(value) and not isinstance(value, type):
        held = [(item.name, getattr(value, item.name)) for item in fields(value) if item.compare]
        return walk_all(class_name(value), held)
    if hasattr(value, "dataobj") and hasattr(value, "affine"):
        return walk_image(value)
    return prefix_with_kind(class_name(value), joblib.hash(value).encode())


def walk_image(image: Any) -> Iterator[bytes | memoryview]:
    """Yield what an image of nibabel is, wherever its values lie."""
    said = bytes(getattr(image.header, "binaryblock", b""))
    return walk_all(class_name(image), (said, image.affine, np.asanyarray(image.dataobj)))


@walk.register(type(None))
@walk.register(bool)
@walk.register(int)
def _(value: Any) -> Iterator[bytes | memoryview]:
    return prefix_with_kind(type(value).__name__, str(value).encode())


@walk.register
def _(value: float) -> Iterator[bytes | memoryview]:
    return prefix_with_kind("float", b"nan" if math.isnan(value) else struct.pack("<d", value))


@walk.register
def _(value: str) -> Iterator[bytes | memoryview]:
    return prefix_with_kind("str", value.encode(errors="surrogatepass"))


@walk.register(bytes)
@walk.register(bytearray)
def _(value: Any) -> Iterator[bytes | memoryview]:
    return prefix_with_kind("bytes", bytes(value))


@walk.register
def _(value: PurePath) -> Iterator[bytes | memoryview]:
    return prefix_with_kind("path", str(value).encode(errors="surrogatepass"))


@walk.register(list)
@walk.register(tuple)
def _(value: Any) -> Iterator[bytes | memoryview]:
    return walk_all("list" if isinstance(value, list) else "tuple", value)


@walk.register
def _(value: Mapping) -> Iterator[bytes | memoryview]:
    return walk_all("mapping", sorted((content_key(key), content_key(value[key])) for key in value))


@walk.register
def _(value: Set) -> Iterator[bytes | memoryview]:
    return walk_all("set", sorted(map(content_key, value)))


@walk.register
def _(value: np.generic) -> Iterator[bytes | memoryview]:
    return walk(np.asarray(value))


@walk.register
def _(value: np.ndarray) -> Iterator[bytes | memoryview]:
    if value.dtype.hasobject:
        return walk_all(f"array {value.shape}", value.ravel().tolist())
    content = np.ascontiguousarray(value).reshape(-1).view(np.uint8).data
    return prefix_with_kind(f"array {value.dtype.descr} {value.shape}", content)


@walk.register
def _(value: np.ma.MaskedArray) -> Iterator[bytes | memoryview]:
    return walk_all("masked", (np.ma.getdata(value), np.ma.getmaskarray(value)))


@walk.register
def _(value: pd.Index) -> Iterator[bytes | memoryview]:
    return walk_all(f"index {value.dtype}", (list(value.names), value.to_numpy()))


@walk.register
def _(value: pd.Series) -> Iterator[bytes | memoryview]:
    categories = getattr(value.dtype, "categories", None)
    held = (value.name, value.index, categories, value.to_numpy())
    return walk_all(f"series {value.dtype}", held)


@walk.register
def _(value: pd.DataFrame) -> Iterator[bytes | memoryview]:
    columns = [value.iloc[:, place].to_numpy() for place in range(value.shape[1])]
    kinds = [(str(kind), getattr(kind, "categories", None)) for kind in value.dtypes]
    return walk_all("frame", (value.columns, value.index, kinds, columns))


def freeze_value(value: Any) -> Hashable:
    """Return a value in a hashable form: equal for equal values, small for large arrays.

    Paths are left out of mappings: it does not matter where a file lies, and its digest is kept.
    """
    if isinstance(value, Mapping):
        keys = sorted(key for key in value if not isinstance(value[key], Path))
        return tuple((key, freeze_value(value[key])) for key in keys)
    if isinstance(value, np.ndarray) and value.dtype == object:
        return ("object", value.shape, freeze_value(value.ravel().tolist()))
    if isinstance(value, np.ndarray):
        content = hashlib.sha256(np.ascontiguousarray(value).tobytes())
        return (str(value.dtype), value.shape, content.hexdigest())
    if isinstance(value, (set, frozenset)):
        return tuple(sorted(map(freeze_value, value), key=repr))
    if isinstance(value, (list, tuple)):
        return tuple(freeze_value(item) for item in value)
    # NaN is not equal to itself, and a name tag must be.
    return "nan" if isinstance(value, float) and math.isnan(value) else value
