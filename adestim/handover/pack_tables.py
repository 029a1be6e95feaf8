"""Tables of pandas as nodes: their labels, and column by column their values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from adestim.exceptions import SavedModelError

MASKED = frozenset(
    ["boolean", *(f"{sign}Int{bits}" for sign in ("", "U") for bits in (8, 16, 32, 64)),
     "Float32", "Float64"]
)  # fmt: skip
NA_WORDS = {"missing": pd.NA, "nan": np.nan}


def pack_index(packer: Any, index: pd.Index) -> dict[str, Any]:
    """Keep labels."""
    if isinstance(index, pd.RangeIndex):
        steps = [index.start, index.stop, index.step]
        return {"kind": "range", "steps": steps, "name": packer.pack(index.name)}
    if isinstance(index, pd.MultiIndex):
        levels = [packer.pack(index.get_level_values(at)) for at in range(index.nlevels)]
        return {"kind": "labels", "levels": levels}
    return {
        "kind": "index", "values": pack_values(packer, index), "name": packer.pack(index.name)
    }  # fmt: skip


def pack_series(packer: Any, series: pd.Series) -> dict[str, Any]:
    """Keep one column with its labels."""
    return {
        "kind": "series",
        "values": pack_values(packer, series),
        "index": packer.pack(series.index),
        "name": packer.pack(series.name),
    }


def pack_frame(packer: Any, frame: pd.DataFrame) -> dict[str, Any]:
    """Keep a table."""
    columns = [pack_values(packer, frame.iloc[:, at]) for at in range(frame.shape[1])]
    labels = packer.pack(frame.columns), packer.pack(frame.index)
    return {"kind": "frame", "values": columns, "columns": labels[0], "index": labels[1]}


def pack_values(packer: Any, column: pd.Series | pd.Index) -> Any:
    """Keep the values of one column."""
    dtype = column.dtype
    if isinstance(dtype, np.dtype):
        return packer.pack(column.to_numpy())
    if isinstance(dtype, pd.CategoricalDtype):
        values = column.array
        return {
            "categories": packer.pack(values.categories),
            "codes": packer.pack(np.asarray(values.codes)),
            "ordered": bool(dtype.ordered),
        }
    items = packer.pack_all(None if pd.isna(item) else item for item in column.array)
    if isinstance(dtype, pd.StringDtype):
        missing = "missing" if dtype.na_value is pd.NA else "nan"
        return {"strings": items, "storage": dtype.storage, "missing": missing}
    if str(dtype) not in MASKED:
        raise SavedModelError(
            "Columns of a saved table hold numbers, words, dates or categories", got=str(dtype)
        )
    return {"numbers": items, "dtype": str(dtype)}


def unpack_index(unpacker: Any, node: Mapping[str, Any]) -> pd.Index:
    """Return labels."""
    if node["kind"] == "range":
        return pd.RangeIndex(*node["steps"], name=unpacker.unpack(node["name"]))
    if node["kind"] == "labels":
        return pd.MultiIndex.from_arrays([unpacker.unpack(level) for level in node["levels"]])
    values, name = unpack_values(unpacker, node["values"]), unpacker.unpack(node["name"])
    return pd.Index(values, dtype=values.dtype, name=name)


def unpack_series(unpacker: Any, node: Mapping[str, Any]) -> pd.Series:
    """Return one column with its labels."""
    values = unpack_values(unpacker, node["values"])
    index, name = unpacker.unpack(node["index"]), unpacker.unpack(node["name"])
    return pd.Series(values, index=index, dtype=values.dtype, name=name)


def unpack_frame(unpacker: Any, node: Mapping[str, Any]) -> pd.DataFrame:
    """Return a table."""
    values = dict(enumerate(unpack_values(unpacker, column) for column in node["values"]))
    index = unpacker.unpack(node["index"])
    columns = {at: pd.Series(own, index=index, dtype=own.dtype) for at, own in values.items()}
    frame = pd.DataFrame(columns, index=index)
    frame.columns = unpacker.unpack(node["columns"])
    return frame


def unpack_values(unpacker: Any, note: Mapping[str, Any]) -> Any:
    """Return the values of one column."""
    if "codes" in note:
        categories = unpacker.unpack(note["categories"])
        dtype = pd.CategoricalDtype(categories, ordered=note["ordered"])
        return pd.Categorical.from_codes(unpacker.unpack(note["codes"]), dtype=dtype)
    if "strings" in note:
        return pd.array(
            [unpacker.unpack(item) for item in note["strings"]],
            dtype=string_dtype(note["storage"], NA_WORDS[note["missing"]]),
        )
    if "numbers" in note:
        if note["dtype"] not in MASKED:
            raise SavedModelError("Columns of a saved table are of a known type")
        return pd.array([unpacker.unpack(item) for item in note["numbers"]], dtype=note["dtype"])
    return unpacker.unpack(note)


def string_dtype(storage: str, missing: Any) -> pd.StringDtype:
    """Return the type of a column of words; without pyarrow it is kept in Python's."""
    try:
        return pd.StringDtype(storage, na_value=missing)
    except ImportError:
        return pd.StringDtype("python", na_value=missing)


PACK_TABLES: Mapping[Any, Any] = {
    pd.Index: pack_index,
    pd.Series: pack_series,
    pd.DataFrame: pack_frame,
}
UNPACK_TABLES: Mapping[str, Any] = {
    **dict.fromkeys(("range", "labels", "index"), unpack_index),
    "series": unpack_series,
    "frame": unpack_frame,
}
