import os
import pickle
import subprocess
import sys
from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path

import nibabel
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adestim._support.keys import content_key, freeze_value


@dataclass(frozen=True)
class Options:
    scale: float
    names: tuple
    place: str = field(default="", compare=False)


class Plain:
    """Something that is known by its pickle alone."""

    def __init__(self, value):
        self.value = value


def prepare(cells):
    return cells


def frame(**columns):
    return pd.DataFrame({"x": [1, 2], "y": ["a", "b"], **columns}, index=["s1", "s2"])


def masked(hidden):
    return np.ma.MaskedArray([1.0, 2.0], mask=[False, hidden])


def image(value=1.0, zoom=1.0):
    affine = np.diag([zoom, 1, 1, 1])
    return nibabel.Nifti1Image(np.full((2, 2, 2), value, np.float32), affine)


def examples():
    """Parts that all differ, made anew by every call."""
    return [
        (),
        ((),),
        ([],),
        ({},),
        (None,),
        (1,),
        (True,),
        (1.0,),
        ("1",),
        (b"1",),
        (Path("1"),),
        (float("nan"),),
        (0.0,),
        (-0.0,),
        ("a", "b"),
        ("ab",),
        (["a", "b"],),
        (["a", ["b"]],),
        ({"b": 1, "a": [1, 2]},),
        ({"a", "b"},),
        (Options(1.5, ("a", "b")),),
        (Options(2.5, ("a", "b")),),
        (np.arange(5.0),),
        (np.arange(5.0, dtype=np.float32),),
        (np.arange(5),),
        (np.arange(6).reshape(2, 3),),
        (np.arange(6).reshape(3, 2),),
        (np.array(["a", None], dtype=object),),
        (np.float32(1),),
        (np.datetime64("2020-01-01"),),
        (masked(False),),
        (masked(True),),
        (np.zeros((0, 3)),),
        (frame(),),
        (frame().rename(columns={"x": "z"}),),
        (frame().rename(index={"s1": "s3"}),),
        (frame(y=pd.Categorical(["a", "b"])),),
        (frame(y=pd.Categorical(["a", "b"], ["a", "b", "c"])),),
        (frame()["x"],),
        (frame()["x"].rename("z"),),
        (frame().index,),
        (image(),),
        (image(2.0),),
        (image(zoom=2.0),),
        (prepare,),
        (Plain(1),),
        (Plain(2),),
    ]


def test_equal_content_has_equal_keys():
    for one, other in zip(examples(), examples(), strict=True):
        assert content_key(*one) == content_key(*other), one


def test_other_content_has_other_keys():
    keys = [content_key(*parts) for parts in examples()]
    assert len(set(keys)) == len(keys)


def test_a_key_is_forty_hexadecimal_digits():
    assert len(content_key("a")) == 40
    assert int(content_key("a"), 16) > 0


def test_what_a_dataclass_is_not_compared_by_does_not_count():
    assert content_key(Options(1.0, (), "here")) == content_key(Options(1.0, (), "there"))


def test_shared_objects_count_like_equal_ones():
    one = "long enough to be shared"
    other = "".join(list(one))
    assert content_key([one, one]) == content_key([one, other])


def test_the_order_in_which_a_mapping_was_filled_does_not_count():
    assert content_key({"a": 1, "b": 2}) == content_key(OrderedDict(b=2, a=1))


def test_the_layout_of_an_array_in_memory_does_not_count():
    values = np.arange(6.0).reshape(2, 3)
    assert content_key(values) == content_key(np.asfortranarray(values))
    assert content_key(values[:, ::2]) == content_key(values[:, ::2].copy())


def test_an_image_whose_file_changed_has_another_key(tmp_path):
    path = tmp_path / "a.nii"
    keys = []
    for value in (1.0, 2.0):
        nibabel.save(image(value), path)
        keys.append(content_key(nibabel.load(path)))
    assert keys[0] != keys[1]


def test_an_image_has_the_key_of_its_values_wherever_its_file_lies(tmp_path):
    keys = set()
    for name in ("a.nii", "b.nii"):
        nibabel.save(image(), tmp_path / name)
        keys.add(content_key(nibabel.load(tmp_path / name)))
    assert len(keys) == 1


def test_what_does_not_pickle_is_an_error():
    with pytest.raises(Exception, match="pickle"):
        content_key(lambda cells: cells)


def test_keys_do_not_depend_on_the_process():
    program = (
        "from adestim._support.keys import content_key; import numpy as np;"
        "print(content_key({'b', 'a'}, {'y': 1, 'x': 2}, 'x', (1, 2.5), np.arange(3)))"
    )
    keys = {
        subprocess.run(
            [sys.executable, "-c", program],
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(keys) == 1


SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.tuples(inner, inner), max_leaves=5
)


def spelled(value):
    """A value in words that tell apart what == does not: 1, 1.0 and True; 0.0 and -0.0."""
    if isinstance(value, list | tuple):
        return f"{type(value).__name__}({', '.join(map(spelled, value))})"
    return f"{type(value).__name__}:{value!r}"


@settings(max_examples=50)
@given(VALUES, VALUES)
def test_keys_are_equal_where_values_are(one, other):
    same = spelled(one) == spelled(other)
    assert (content_key(one) == content_key(other)) is same
    assert content_key(one, other) != content_key([one, other])


# Hashable forms


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"b": 1, "a": 2}, {"a": 2, "b": 1}),
        ([1, 2], (1, 2)),
        (np.arange(6).reshape(2, 3), np.arange(6).reshape(2, 3, order="C").copy()),
        (np.arange(6).reshape(2, 3).T, np.ascontiguousarray(np.arange(6).reshape(2, 3).T)),
        ({"path": Path("a"), "b": 1}, {"path": Path("c"), "b": 1}),
    ],
)
def test_equal_values_have_equal_forms(first, second):
    assert freeze_value(first) == freeze_value(second)
    assert hash(freeze_value(first)) == hash(freeze_value(second))


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (np.arange(3), np.arange(3.0)),
        (np.zeros((2, 3)), np.zeros((3, 2))),
        ({"a": [1, {"b": 2}]}, {"a": [1, {"b": 3}]}),
    ],
)
def test_other_values_have_other_forms(first, second):
    assert freeze_value(first) != freeze_value(second)


def test_large_arrays_become_small():
    assert len(pickle.dumps(freeze_value({"mean": np.zeros(100_000)}))) < 500
