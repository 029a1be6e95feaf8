"""Files that cells and parameters name: a result holds as long as they hold the same."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pandas as pd

from adestim._support.bids import find_sidecars
from adestim._support.digests import digest_file

# What transformers writes into the folder of a model.
OF_MODELS = "config.json"
# The ends of files that belong to a prefix, or lie beside one that is named.
OF_GENOTYPES = (".bed", ".bim", ".fam")
PAIRS = {".hdr": ".img", ".img": ".hdr"}
IMAGES = (".nii", ".nii.gz")


def digest_cells(table: pd.DataFrame, memo: Path) -> list[str]:
    """Return the digests of the files that cells name, and of those read with them, in order."""
    named = sorted({file for cell in list_texts(table) for file in list_named_files(cell)})
    return [digest for digest in (digest_if_there(file, memo) for file in named) if digest]


def describe_path(value: str | os.PathLike, memo: Path | None) -> Any:
    """Return a parameter; where it names a file, with the digests of what belongs to it."""
    digests = [digest_if_there(file, memo) for file in list_named_files(value)]
    return (str(value), digests) if digests else value


def list_texts(table: pd.DataFrame) -> Iterator[str | os.PathLike]:
    """Yield the cells of a table that may be paths, each once."""
    columns = [table.iloc[:, place] for place in range(table.shape[1])]
    seen = set()
    for column in columns:
        if pd.api.types.is_numeric_dtype(column.dtype):
            continue
        for cell in column.array:
            if isinstance(cell, (str, os.PathLike)) and cell not in seen:
                seen.add(cell)
                yield cell


def list_named_files(value: str | os.PathLike) -> list[Path]:
    """Return the files that a text names, with those that are read along with them."""
    path = Path(os.fspath(value)).expanduser() if is_short(value) else None
    if path is None:
        return []
    if os.path.isdir(path):  # noqa: PTH112 - Path's own raises for odd text
        return sorted(path.iterdir()) if (path / OF_MODELS).is_file() else []
    if not os.path.isfile(path):  # noqa: PTH113
        prefixed = [Path(f"{path}{ending}") for ending in OF_GENOTYPES]
        return prefixed if all(map(Path.is_file, prefixed)) else []
    beside = [path.with_suffix(PAIRS[path.suffix])] if path.suffix in PAIRS else []
    beside += [path.with_suffix(end) for end in OF_GENOTYPES[1:] if path.suffix == ".bed"]
    if path.name.endswith(IMAGES):
        beside += find_sidecars(path)
    return [path, *(file for file in beside if file.is_file())]


def is_short(value: str | os.PathLike) -> bool:
    """Tell whether a text may be a path: free text is longer, and holds ends of lines."""
    text = os.fspath(value)
    return isinstance(text, str) and 0 < len(text) < 4096 and not set(text) & {"\n", "\0"}


def digest_if_there(file: Path, memo: Path | None) -> str:
    """Return the digest of a file, nothing of one that cannot be read."""
    with suppress(OSError):
        return digest_file(file, memo)
    return ""
