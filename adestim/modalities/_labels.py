"""Names of regions as people hold them: lists, bytes, dicts, tables and text files of an atlas."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from adestim.exceptions import InputError


def spell_label(label: Any) -> str:
    """Return one name as text: bytes are decoded, whole numbers lose their decimals."""
    if isinstance(label, bytes):
        try:
            return label.decode("utf-8")
        except UnicodeDecodeError:
            return label.decode("latin-1")
    if isinstance(label, (float, np.floating)) and float(label).is_integer():
        return str(int(label))
    return str(label)


def spell_labels(labels: Any, owner: str) -> list[str]:
    """Return names of regions in ascending order of label, as text.

    Of a dict or a Series by label, or of a table with the columns ``index`` and ``name``, the
    background (label 0) is left out. A path is that of the atlas's text file.
    """
    if isinstance(labels, (str, os.PathLike)):
        labels = read_label_file(labels, owner)
    if isinstance(labels, pd.DataFrame):
        labels = label_column(labels, owner)
    if isinstance(labels, pd.Series) and not isinstance(labels.index, pd.RangeIndex):
        labels = labels.to_dict()
    if isinstance(labels, Mapping):
        return sort_names(labels, owner)
    if isinstance(labels, bytes) or np.ndim(np.asarray(labels, dtype=object)) != 1:
        raise refuse_labels(owner, f"an object of type {type(labels).__name__}")
    return require_names(labels, owner)


def read_label_file(path: str | os.PathLike, owner: str) -> dict[int, str] | list[str]:
    """Return the names in an atlas's text file, by label where it gives labels.

    A line a region: a name alone, or its label and its name among colours, in either order (BIDS
    ``_dseg.tsv``, FreeSurfer, FSLeyes); or the name above its label and colours (Workbench).
    """
    try:
        text = Path(path).expanduser().read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as failure:
        raise refuse_labels(owner, f"{Path(path).name}: {type(failure).__name__}") from failure
    rows = [re.split(r"[\t, ]+", line.strip()) for line in text.splitlines() if line.strip()]
    names = [next((cell for cell in row if not is_number(cell)), None) for row in rows]
    labels = [next((int(cell) for cell in row if cell.isdecimal()), None) for row in rows]
    if all(label is None for label in labels):
        return require_file_names(names, path, owner)
    pairs = pair_lines(labels, names) if None in names else list(zip(labels, names, strict=True))
    # The first line of a table names its columns.
    pairs = pairs[1:] if pairs[0][0] is None else pairs
    found = [label for label, _ in pairs]
    if None in found or len(set(found)) != len(found):
        raise refuse_labels(owner, f"{Path(path).name}: a line without a label of its own")
    found_names = require_file_names([name for _, name in pairs], path, owner)
    return dict(zip(found, found_names, strict=True))


def pair_lines(
    labels: Sequence[int | None], names: Sequence[str | None]
) -> list[tuple[int | None, str | None]]:
    """Return labels and names where each name stands on the line above its label."""
    return [
        (label, names[place - 1] if place else None)
        for place, label in enumerate(labels)
        if label is not None
    ]


def require_file_names(
    names: Sequence[str | None], path: str | os.PathLike, owner: str
) -> list[str]:
    """Return the names of a file, or say that a line has none."""
    found = [name for name in names if name is not None]
    if not found or len(found) != len(names):
        raise refuse_labels(owner, f"{Path(path).name}: a line without a name")
    return found


def is_number(cell: str) -> bool:
    """Tell whether a cell of text is a number."""
    try:
        float(cell)
    except ValueError:
        return False
    return True


def label_column(table: pd.DataFrame, owner: str) -> dict[int, Any]:
    """Return the names of a table by label."""
    by_name = {str(name).strip().lower(): name for name in table.columns}
    name = next((name for name in ("name", "label") if name in by_name), None)
    if "index" not in by_name or name is None:
        raise refuse_labels(owner, f"a table with the columns {list(table.columns)[:6]}")
    return dict(zip(table[by_name["index"]], table[by_name[name]], strict=True))


def sort_names(labels: Mapping, owner: str) -> list[str]:
    """Return the names of a dict, label to name or name to label, in ascending order of label."""
    pairs = list(labels.items())
    if not all(is_label(key) for key, _ in pairs):
        pairs = [(value, key) for key, value in pairs]
    if not all(is_label(key) for key, _ in pairs):
        raise refuse_labels(owner, "a dict without a number for every name")
    ordered = sorted((int(key), name) for key, name in pairs if int(key) != 0)
    return require_names([name for _, name in ordered], owner)


def is_label(value: Any) -> bool:
    """Tell whether a value is the whole number of a region."""
    if isinstance(value, bool):
        return False
    if isinstance(value, (int, np.integer)):
        return True
    if isinstance(value, (str, bytes)):
        return spell_label(value).strip().isdecimal()
    return isinstance(value, (float, np.floating)) and float(value).is_integer()


def require_names(labels: Iterable, owner: str) -> list[str]:
    """Return names as text; refuse what names nothing."""
    found = list(labels)
    odd = next((one for one in found if not is_name(one)), None)
    if odd is not None or any(one is None for one in found):
        raise refuse_labels(owner, f"{type(odd).__name__} among the names")
    return [spell_label(one).strip() for one in found]


def is_name(label: Any) -> bool:
    """Tell whether one label is text or a number that says something."""
    if isinstance(label, (str, bytes)):
        return bool(label.strip())
    is_number = isinstance(label, (int, float, np.integer, np.floating))
    return is_number and bool(np.isfinite(label))


def refuse_labels(owner: str, got: str) -> InputError:
    """Return the error about names that are none."""
    return InputError(
        f"labels of {owner} must be names of regions",
        got=got,
        remedy="Pass a list of names in ascending order of label, a dict of label and name, a "
        "table with the columns 'index' and 'name', or the path of the atlas's text file",
    )
