"""Arrays and tensors are kept bit by bit, and in their order in memory."""

import numpy as np
import pytest
import torch

from adestim.exceptions import SavedModelError
from adestim.handover.arrays import Shelf, take_array, take_tensor

ARRAYS = {
    "floats": np.array([0.1, -0.0, np.nan, np.inf]),
    "nothing": np.zeros((0, 3)),
    "one": np.array(2.5),
    "columns": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "strided": np.arange(10)[::3],
    "words": np.array(["CN", "MCI"]),
    "complex": np.array([[1 + 2j]]),
    "dates": np.array(["2026-01-02", "NaT"], dtype="datetime64[ns]"),
    "big-endian": np.arange(3, dtype=">f8"),
    "records": np.array([(1, 2.5)], dtype=[("place", "<i8"), ("value", "<f8")]),
    "aligned": np.zeros(2, dtype=np.dtype([("a", "i1"), ("b", "f8")], align=True)),
    "truth": np.array([True, False]),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_an_array_is_what_it_was(name):
    array, shelf = ARRAYS[name], Shelf()
    taken = take_array(shelf.put(array), shelf.arrays)
    assert (taken.dtype, taken.shape) == (array.dtype, array.shape)
    assert taken.tobytes() == array.tobytes()
    assert taken.flags.f_contiguous or not array.flags.f_contiguous
    assert taken.flags.writeable


TENSORS = {
    "float32": torch.tensor([0.1, -0.0]),
    "bfloat16": torch.tensor([[1.5, -2.0]], dtype=torch.bfloat16),
    "transposed": torch.arange(6.0).reshape(2, 3).T,
    "one": torch.tensor(3),
    "nothing": torch.zeros(0, 2),
}


@pytest.mark.parametrize("name", TENSORS)
def test_a_tensor_is_what_it_was(name):
    tensor, shelf = TENSORS[name], Shelf()
    taken = take_tensor(shelf.put_tensor(tensor), shelf.arrays)
    assert taken.dtype == tensor.dtype
    assert torch.equal(taken, tensor)
    assert not tensor.numel() or taken.stride() == tensor.stride()


def test_objects_are_no_array():
    note = {"array": "a0", "dtype": "|O", "shape": [1]}
    with pytest.raises(SavedModelError, match="hold no objects"):
        take_array(note, {"a0": np.zeros(8, dtype=np.uint8)})
