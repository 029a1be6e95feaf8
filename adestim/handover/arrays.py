"""Arrays and tensors as entries of one safetensors file, told apart from it by a few words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from adestim.exceptions import SavedModelError

# What a safetensors file holds as it is; other arrays are kept as their bytes.
NATIVE = frozenset(
    ["|b1", "|i1", "|u1", "<i2", "<u2", "<i4", "<u4", "<i8", "<u8", "<f2", "<f4", "<f8"]
)
AS_INTEGERS = {torch.bfloat16: torch.int16}


class Shelf:
    """Arrays by the names that they get."""

    def __init__(self) -> None:
        self.arrays: dict[str, np.ndarray] = {}

    def put(self, array: np.ndarray) -> dict[str, Any]:
        """Keep an array without objects; return what finds it, bit by bit and in its order."""
        name = f"a{len(self.arrays)}"
        in_columns = array.flags.f_contiguous and not array.flags.c_contiguous
        note: dict[str, Any] = {"array": name}
        if in_columns:
            array, note["order"] = array.T, "F"
        array = np.ascontiguousarray(array).reshape(array.shape)
        if array.dtype.str not in NATIVE:
            note |= {"dtype": np.lib.format.dtype_to_descr(array.dtype), "shape": array.shape}
            array = np.frombuffer(array.tobytes(), dtype=np.uint8)
        self.arrays[name] = array
        return note

    def put_tensor(self, tensor: torch.Tensor) -> dict[str, Any]:
        """Keep a tensor; return what finds it."""
        plain = tensor.detach().cpu()
        note: dict[str, Any] = {"gpu": True} if tensor.is_cuda else {}
        # Sums run along memory, so that another order of axes gives other last digits.
        axes = sorted(range(plain.dim()), key=lambda axis: -plain.stride(axis))
        if not plain.is_contiguous() and plain.permute(axes).is_contiguous():
            plain, note["axes"] = plain.permute(axes), axes
        if plain.dtype in AS_INTEGERS:
            note["torch"] = str(plain.dtype).removeprefix("torch.")
            plain = plain.contiguous().view(AS_INTEGERS[plain.dtype])
        return self.put(plain.contiguous().numpy()) | note


def take_array(note: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return an array of its own, as it was kept."""
    array = np.array(arrays[note["array"]])
    if "dtype" in note:
        dtype = np.lib.format.descr_to_dtype(read_descr(note["dtype"]))
        if dtype.hasobject:
            raise SavedModelError("Arrays of a saved model hold no objects", got=str(dtype))
        array = np.frombuffer(array.tobytes(), dtype=dtype).reshape(note["shape"]).copy()
    return array.T if note.get("order") == "F" else array


def read_descr(descr: Any) -> Any:
    """Return the description of a data type as numpy wants it: lists of JSON were tuples."""
    if not isinstance(descr, list):
        return descr
    return [
        tuple(
            tuple(item) if place == 2 and isinstance(item, list) else read_descr(item)
            for place, item in enumerate(field)
        )
        for field in descr
    ]


def take_tensor(note: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> torch.Tensor:
    """Return a tensor as it was kept, on a GPU if it was on one and there is one."""
    tensor = torch.from_numpy(take_array(note, arrays))
    if "torch" in note:
        kinds = {str(kind).removeprefix("torch."): kind for kind in AS_INTEGERS}
        tensor = tensor.view(kinds[note["torch"]])
    if "axes" in note:
        tensor = tensor.permute([note["axes"].index(axis) for axis in range(tensor.dim())])
    return tensor.cuda() if note.get("gpu") and torch.cuda.is_available() else tensor
