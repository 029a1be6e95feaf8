"""Weights that moved since ``fit`` saw them, found again by their SHA-256.

Looked for in this order: where the user says that they are now, where ``fit`` saw them, the folders
of the environment variable ``ADESTIM_WEIGHTS``, and the cache of the Hugging Face hub. Nothing is
taken but by its digest, and nothing is downloaded.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from adestim.backbone.registry import class_named, get_card
from adestim.backbone.weights.files import WEIGHT_SUFFIXES, list_weight_files
from adestim.encoding import BackboneSpec
from adestim.exceptions import CheckpointError

SEARCH_PATH = "ADESTIM_WEIGHTS"
WEIGHTS = "weights"
# Behind the name of a source: its whole path, its size in bytes, and where it was before the user
# said where it is now.
WHOLE, SIZE, BEFORE = " from the root", " in bytes", " before"
HUB_FOLDER = "models--"


def describe_sources(paths: Mapping[str, str | Path]) -> dict[str, str]:
    """Return what a name tag says of files and folders, by which they are found again."""
    described = {name: str(path) for name, path in paths.items()}
    for name, path in paths.items():
        path = Path(path).expanduser()
        if str(path.absolute()) != described[name]:
            described[name + WHOLE] = str(path.absolute())
        described[name + SIZE] = str(measure_size(path))
    return described


def say_where(spec: BackboneSpec, now: Mapping[str, str | os.PathLike]) -> BackboneSpec:
    """Return a name tag whose files and folders are where the user says that they are now."""
    sources = dict(spec.sources)
    for name, path in now.items():
        path = Path(path).expanduser()
        given = sources.get(name)
        if given is not None and path != Path(given).expanduser():
            before = sources.get(name + BEFORE, given)
            sources |= {name: str(path.absolute()), name + BEFORE: before}
    return replace(spec, sources=tuple(sources.items()))


def find_sources(spec: BackboneSpec) -> BackboneSpec:
    """Return a name tag whose weights, and files beside them, are where they are found now."""
    found = {WEIGHTS: find_weights(spec)}
    for name, digest in spec.option("files", ()):
        # Where a file beside the weights is gone, the model says so in words of its own.
        found[name] = find_source(spec, name, digest)
    known = {name: str(path) for name, path in found.items() if path is not None}
    return replace(spec, sources=tuple((dict(spec.sources) | known).items()))


def find_weights(spec: BackboneSpec) -> Path | None:
    """Return where the weights of a name tag are now, or refuse others; None of a model without."""
    given = spec.source(WEIGHTS)
    digest = spec.option("unadapted", spec.digest)
    if not digest or given is None:
        return None if given is None else Path(given)
    found = find_source(spec, WEIGHTS, digest)
    if found is None:
        raise explain_loss(spec, Path(given).expanduser(), digest)
    return found


def find_source(spec: BackboneSpec, name: str, digest: str) -> Path | None:
    """Return where one of a name tag's files or folders is now, by its SHA-256."""
    model = class_named(spec.name, spec.source("home"))
    places = list_places(spec, name)
    return next((path for path in places if has_digest(model, path, digest)), None)


def has_digest(model: type[Any], path: Path, digest: str) -> bool:
    """Tell whether a file or folder is there and is the one that is looked for."""
    with suppress(CheckpointError, OSError):
        return path.exists() and model.digest(path) == digest
    return False


def list_places(spec: BackboneSpec, name: str) -> Iterator[Path]:
    """Yield where a file or folder may be, the likeliest first."""
    sources = dict(spec.sources)
    size = sources.get(name + SIZE)
    size_wanted = None if size is None else int(size)
    given = Path(sources[name]).expanduser()
    yield given
    if name + BEFORE in sources:
        yield from walk_places(given, size_wanted)
        if given.exists():
            # Another one than the user names would be used without a word.
            return
        yield Path(sources[name + BEFORE]).expanduser()
    if name + WHOLE in sources:
        yield Path(sources[name + WHOLE])
    for folder in list_search_path():
        yield from walk_places(folder, size_wanted)
    yield from list_cached(spec, given)


def list_search_path() -> list[Path]:
    """Return the files and folders that the environment names."""
    named = os.environ.get(SEARCH_PATH, "").split(os.pathsep)
    return [Path(item).expanduser() for item in named if item.strip()]


def walk_places(root: Path, size: int | None) -> Iterator[Path]:
    """Yield a file or folder, and all within it, that may hold weights of a size in bytes."""
    yield root
    for folder, folders, files in os.walk(root):
        folders.sort()
        inside = [Path(folder, item) for item in (*folders, *sorted(files))]
        yield from (path for path in inside if may_be(path, size))


def may_be(path: Path, size: int | None) -> bool:
    """Tell by its size, where that is known, whether something is worth reading."""
    is_index = path.name.endswith(".index.json")
    if size is not None:
        return measure_size(path) == size
    return path.is_dir() or path.suffix in WEIGHT_SUFFIXES or is_index


def measure_size(path: Path) -> int:
    """Return the bytes of a file, or of the files of weights that a folder or an index names."""
    with suppress(CheckpointError, OSError):
        return sum(file.stat().st_size for file in list_weight_files(path))
    return 0


def list_cached(spec: BackboneSpec, given: Path) -> Iterator[Path]:
    """Yield what the cache of the hub has of a model, whatever the revision."""
    try:
        from huggingface_hub import constants
    except ImportError:
        return
    cache, card = Path(constants.HF_HUB_CACHE), get_card(spec.name)
    parts = given.parts
    start = next((at for at, part in enumerate(parts) if part.startswith(HUB_FOLDER)), None)
    if start is not None:
        # It was in the cache of another machine, or of another user.
        yield cache.joinpath(*parts[start:])
    if card is not None and card.hub:
        repository = cache / (HUB_FOLDER + card.hub.replace("/", "--"))
        yield from (path / card.filename for path in sorted(repository.glob("snapshots/*")))


def explain_loss(spec: BackboneSpec, path: Path, digest: str) -> CheckpointError:
    """Return the error about weights that are nowhere to be found."""
    got = f"{path}: " + ("another content" if path.exists() else "no such file or folder")
    if not (path.exists() and spec.source(WEIGHTS + BEFORE)):
        searched = ", ".join(map(str, list_search_path())) or "which is not set"
        got += f"; nor are they in {SEARCH_PATH} ({searched}), or in the cache of the hub"
    return CheckpointError(
        f"The weights of {spec.name!r} must be those that fit saw",
        got=got,
        remedy=f"Put them back, {whence(spec, digest)}; or say where they are now, by "
        f"set_params(weights=...) of the extractor or as a folder in {SEARCH_PATH}; or fit again",
    )


def whence(spec: BackboneSpec, digest: str) -> str:
    """Say which file a spec's weights are, and where they can be had."""
    what = f"the file whose SHA-256 is {digest}"
    card = get_card(spec.name)
    place = "" if card is None else f"https://huggingface.co/{card.hub}" if card.hub else card.url
    name = "" if card is None or not card.filename else f"{card.filename} "
    return f"{what} ({name}from {place})" if place else what
