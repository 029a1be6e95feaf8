"""Names of regions as people hold them: lists, bytes, dicts, tables of an atlas."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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
    background (label 0) is left out.
    """
    if isinstance(labels, pd.DataFrame):
        labels = label_column(labels, owner)
    if isinstance(labels, pd.Series) and not isinstance(labels.index, pd.RangeIndex):
        labels = labels.to_dict()
    if isinstance(labels, Mapping):
        return sort_names(labels, owner)
    if isinstance(labels, (str, bytes)) or np.ndim(np.asarray(labels, dtype=object)) != 1:
        raise refuse_labels(owner, f"an object of type {type(labels).__name__}")
    return require_names(labels, owner)


def label_column(table: pd.DataFrame, owner: str) -> dict[int, Any]:
    """Return the names of a table by label."""
    by_name = {str(name).strip().lower(): name for name in table.columns}
    if not {"index", "name"} <= set(by_name):
        raise refuse_labels(owner, f"a table with the columns {list(table.columns)[:6]}")
    return dict(zip(table[by_name["index"]], table[by_name["name"]], strict=True))


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
        remedy="Pass a list of names in ascending order of label, a dict of label and name, or a "
        "table with the columns 'index' and 'name'",
    )
