"""Extraction through a feature store: what is there is not read, nor encoded, again.

Two stages: a subject's prepared input is found by the content of the raw cells and by how they
are prepared, its tokens by the content of that input and by the model.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from adestim._support.keys import content_key
from adestim._support.remarks import gather_remarks, remark
from adestim.encoding import BackboneSpec, Encoding, is_missing
from adestim.extraction.prepared import Prepared, files_beside
from adestim.store import FeatureStore
from adestim.store.record import FORMAT, Record

# Raised when a preparation of ours gives another result for the same options.
PREPARATION_VERSION = 3
PAIRS = (".hdr", ".img")


@dataclass(frozen=True)
class RecalledPreparation:
    """A preparation whose results are kept; runs in worker processes, as the preparation does."""

    # one subject's cells in, ``Prepared`` or None out. Its ``also_reads``, if it has one, names
    # further files on which the result depends
    preparation: Callable[[tuple], Prepared | None]
    store: FeatureStore  # where results are kept
    key: str  # key of the preparation and its options
    modality: str
    backbone: str

    @classmethod
    def of(
        cls, preparation: Callable, store: FeatureStore, modality: str, backbone: str
    ) -> RecalledPreparation:
        """Return a preparation whose results are kept."""
        key = key_of_preparation(modality, preparation)
        return cls(preparation, store, key, modality, backbone)

    def __call__(self, cells: tuple) -> Prepared | None:
        """Return what was prepared before; prepare and keep what was not."""
        key = key_of_cells(self.key, cells, files_beside(self.preparation, cells), self.store)
        record = self.store.get("inputs", key) if key else None
        if record is not None:
            return read_prepared(record)
        with gather_remarks() as remarks:
            prepared = self.preparation(cells)
        if prepared is None:
            return None
        prepared = prepared._replace(remarks=(*prepared.remarks, *remarks))
        if not key:
            return prepared
        prepared = prepared._replace(key=content_key(np.asarray(prepared.inputs)))
        arrays = {"inputs": prepared.inputs, "mask": prepared.mask}
        record = self.store.put(
            "inputs",
            key,
            {name: value for name, value in arrays.items() if value is not None},
            content=prepared.key,
            modality=self.modality,
            backbone=self.backbone,
            **spell_remarks(prepared.remarks),
        )
        return prepared if record is None else read_prepared(record)


class KeptReading(Protocol):
    """Reading whose results can be kept."""

    def __call__(self, cells: tuple) -> Any:
        """Return a subject's raw data, None where missing."""

    def pack(self, raw: Any) -> dict[str, np.ndarray]:
        """Return raw data as what a record holds."""

    def unpack(self, arrays: Mapping[str, np.ndarray]) -> Any:
        """Return what a record holds as raw data."""


@dataclass(frozen=True)
class RecalledReading:
    """Reading whose results are kept, before a model has seen them; runs in worker processes.

    What a model fits to the training rows changes its inputs in every fold. What is read does not
    change: whoever finds it in the store opens no file again.
    """

    read: KeptReading
    # where results are kept. Of two that differ in it alone, the results are equal
    store: FeatureStore = field(compare=False)
    stage: str = field(compare=False)  # the store's name for such results
    modality: str = field(compare=False)
    backbone: str = field(compare=False)
    key: str = field(compare=False)  # key of ``read`` and its options

    @classmethod
    def of(
        cls, read: KeptReading, store: FeatureStore, stage: str, modality: str, backbone: str
    ) -> RecalledReading:
        """Return reading whose results are kept."""
        return cls(read, store, stage, modality, backbone, key_of_preparation(stage, read))

    def __call__(self, cells: tuple) -> Any:
        """Return what was read before; read and keep what was not."""
        key = key_of_cells(self.key, cells, files_beside(self.read, cells), self.store)
        record = self.store.get(self.stage, key) if key else None
        if record is not None:
            pass_on(read_remarks(record))
            return self.read.unpack({name: one.read() for name, one in record.arrays.items()})
        with gather_remarks() as remarks:
            raw = self.read(cells)
        pass_on(remarks)
        if raw is not None and key:
            arrays = self.read.pack(raw)
            names = {"modality": self.modality, "backbone": self.backbone}
            self.store.put(self.stage, key, arrays, **names, **spell_remarks(remarks))
        return raw

    def also_reads(self, cells: tuple) -> list[Path]:
        """Return the files beside a subject's cells that reading depends on."""
        return files_beside(self.read, cells)


def key_of_preparation(modality: str, preparation: Callable) -> str:
    """Return the key of a preparation, its options and the format of records."""
    return content_key(FORMAT, PREPARATION_VERSION, modality, preparation)


def key_of_cells(key: str, cells: tuple, files: Sequence[Path], store: FeatureStore) -> str | None:
    """Return the key of what a preparation makes of some cells."""
    try:
        return content_key(key, [cell_content(cell, store) for cell in (*cells, *files)])
    # Whatever is wrong with a file, the preparation says it in words of its own.
    except Exception:
        return None


def read_prepared(record: Record) -> Prepared:
    """Return a record of the first stage as what it holds."""
    arrays = record.arrays
    content, remarks = record.metadata["content"], tuple(read_remarks(record))
    return Prepared(arrays["inputs"], arrays.get("mask"), content, remarks)


def spell_remarks(remarks: Sequence[str]) -> dict[str, str]:
    """Return remarks as metadata of a record."""
    return {"remarks": json.dumps(list(remarks))} if remarks else {}


def read_remarks(record: Record) -> list[str]:
    """Return the remarks that a record keeps."""
    return json.loads(record.metadata.get("remarks", "[]"))


def pass_on(remarks: Sequence[str]) -> None:
    """Say remarks again, to whoever gathers them further out."""
    for text in remarks:
        remark(text)


def cell_content(cell: Any, store: FeatureStore) -> str:
    """Return the key of a cell's content: of a path, that of the file."""
    if is_missing(cell):
        return ""
    if not isinstance(cell, (str, os.PathLike)) or not Path(cell).expanduser().is_file():
        return content_key(cell)
    path = Path(cell).expanduser()
    twins = [path.with_suffix(ending) for ending in PAIRS if path.suffix in PAIRS]
    files = sorted({path, *(twin for twin in twins if twin.is_file())})
    endings = "".join(path.suffixes[-2:])
    return content_key(endings, [store.file_digest(file) for file in files])


@dataclass(frozen=True)
class TokenShelf:
    """The part of a store that holds one model's tokens."""

    store: FeatureStore
    spec: BackboneSpec
    modality: str
    precision: str  # precision of the forward pass

    def find(self, prepared: Prepared) -> Encoding | None:
        """Return a subject's encoding, unread, or None where it was not made yet."""
        record = self.store.get("tokens", self._key(prepared))
        return None if record is None else self._encoding(prepared, record)

    def keep(self, prepared: Prepared, encoding: Encoding) -> Encoding:
        """Write a subject's tokens; return the encoding, unread where that succeeded."""
        arrays = {
            "tokens": self.store.narrow(encoding.tokens),
            "mask": encoding.mask,
            "pooled": encoding.pooled,
        }
        record = self.store.put(
            "tokens",
            self._key(prepared),
            {name: value for name, value in arrays.items() if value is not None},
            modality=self.modality,
            backbone=self.spec.name,
        )
        return encoding if record is None else self._encoding(prepared, record)

    def _key(self, prepared: Prepared) -> str:
        """Return the key of a subject's tokens."""
        parts = self.spec.identity(), self.precision, self.store.dtype
        return content_key(FORMAT, prepared.content_key(), parts)

    def _encoding(self, prepared: Prepared, record: Record) -> Encoding:
        """Return an encoding whose arrays are read when they are asked for."""
        tokens, mask, pooled = (record.arrays.get(name) for name in ("tokens", "mask", "pooled"))
        parts: tuple[Any, ...] = (prepared.inputs, tokens, mask, self.spec, pooled)
        return Encoding(*parts)


def recall_encodings(
    shelf: TokenShelf | None,
    prepared: list[Prepared | None],
    encode: Callable[[list, Callable[[int, Encoding], Encoding]], list[Encoding | None]],
) -> list[Encoding | None]:
    """Return encodings: those on the shelf; the others are made, and put there one by one."""
    if shelf is None:
        return encode(
            [None if item is None else item.inputs for item in prepared],
            lambda _, encoding: encoding,
        )
    found = [None if item is None else shelf.find(item) for item in prepared]
    wanted = [
        item.inputs if item is not None and known is None else None
        for item, known in zip(prepared, found, strict=True)
    ]
    made = encode(wanted, lambda row, encoding: shelf.keep(prepared[row], encoding))
    return [known or new for known, new in zip(found, made, strict=True)]
