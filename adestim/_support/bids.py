"""Files named as BIDS names them: their parts, and the sidecars of JSON that describe them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import isfinite
from numbers import Real
from pathlib import Path
from typing import Any, NamedTuple

N_LEVELS_UP = 4
DATASET_DESCRIPTION = "dataset_description.json"


class FileName(NamedTuple):
    """The parts of a name: ``sub-01_task-rest_bold.nii.gz``."""

    entities: Mapping[str, str]
    suffix: str
    extension: str


def parse_name(name: str) -> FileName:
    """Take a name apart; words without a hyphen before the last one are passed over.

    As nilearn's ``parse_bids_filename``, which cuts ``sub-AD-01`` to ``AD``, so that people become
    one, and cannot take a name without a dot or a suffix.
    """
    stem, dot, extension = name.partition(".")
    words = stem.split("_")
    pairs = (word.partition("-") for word in words)
    entities = {key: value for key, hyphen, value in pairs if hyphen}
    return FileName(entities, "" if "-" in words[-1] else words[-1], dot + extension)


# Sidecars


class Sidecar(NamedTuple):
    """A file of JSON, and the words that a file's name must have for it to apply."""

    path: str
    words: frozenset[str]


# Sidecars of one folder by suffix, the most particular first.
Level = Mapping[str, Sequence[Sidecar]]


def split_words(name: str) -> tuple[frozenset[str], str]:
    """Return the words of a file's name before its suffix, and the suffix."""
    *words, suffix = name.partition(".")[0].split("_")
    return frozenset(words), suffix


def sort_sidecars(folder: str | Path, names: Iterable[str]) -> Level:
    """Sort the sidecars of a folder."""
    level: dict[str, list[Sidecar]] = {}
    for name in names:
        words, suffix = split_words(name)
        level.setdefault(suffix, []).append(Sidecar(f"{folder}{os.sep}{name}", words))
    for sidecars in level.values():
        sidecars.sort(key=lambda sidecar: (-len(sidecar.words), sidecar.path))
    return level


def find_namesake(folder: str | Path, name: str, names: Iterable[str]) -> Level:
    """Return the sidecar of a file that is named as it is, whether as in BIDS or not."""
    stem = name.partition(".")[0]
    if f"{stem}.json" not in names:
        return {}
    return {split_words(stem)[1]: [Sidecar(f"{folder}{os.sep}{stem}.json", frozenset())]}


def find_sidecars(path: Path) -> Iterator[Path]:
    """Yield the sidecars that describe a file, nearest first; nothing above its data set is read.

    One beside the file or in a folder above it describes it when it ends in the same suffix and
    all its entities are the file's too.
    """
    own = path.absolute().with_name(f"{path.name.partition('.')[0]}.json")
    levels = [find_namesake(own.parent, own.name, [own.name] if own.is_file() else [])]
    words, suffix = split_words(path.name)
    if any("-" in word for word in words):
        levels += levels_above(own.parent, suffix)
    # The namesake is among those of its folder too.
    yield from map(Path, dict.fromkeys(applying_sidecars(path.name, levels)))


def levels_above(folder: Path, suffix: str) -> Iterator[Level]:
    """Yield the sidecars of a folder and of those above it in the data set."""
    for place in [folder, *folder.parents][: N_LEVELS_UP + 1]:
        yield sort_sidecars(place, [found.name for found in place.glob(f"*{suffix}.json")])
        if (place / DATASET_DESCRIPTION).is_file():
            return


def applying_sidecars(name: str, levels: Iterable[Level]) -> Iterator[str]:
    """Yield the sidecars that apply to a file of this name, given the levels nearest first."""
    words, suffix = split_words(name)
    for level in levels:
        yield from (s.path for s in level.get(suffix, ()) if s.words <= words)


def read_json(path: str | Path) -> dict:
    """Return the fields of a file of JSON, in any Unicode or Latin-1; none where it is no object.

    A file that is no JSON is a ValueError.
    """
    content = Path(path).read_bytes()
    try:
        fields = json.loads(content)
    except UnicodeDecodeError:
        fields = json.loads(content.decode("latin-1"))
    # Brackets within brackets, deeper than any sidecar.
    except RecursionError as failure:
        raise ValueError("nested too deeply") from failure
    return fields if isinstance(fields, dict) else {}


class StatedTime(NamedTuple):
    """What a sidecar says of time: the field, as it stands there, and in s; None if no number."""

    field: str
    value: Any
    seconds: float | None


def list_stated_times(fields: Mapping[str, Any]) -> Iterator[StatedTime]:
    """Yield what a sidecar's fields say of the repetition time, the plainest first, unchecked."""
    for field in ("RepetitionTime", "SamplingFrequency"):
        value = fields.get(field)
        if value is not None:
            number = convert_number(value)
            is_rate = field == "SamplingFrequency" and number is not None
            yield StatedTime(field, value, invert_frequency(number) if is_rate else number)


def convert_number(value: Any) -> float | None:
    """Return a number, also one in writing; None where it is none."""
    if isinstance(value, bool) or not isinstance(value, (Real, str)):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if isfinite(number) or not isinstance(value, str) else None


def invert_frequency(frequency: float) -> float:
    """Return the period in s of a frequency in Hz."""
    return 1 / frequency if frequency else 0.0
