"""Objects as nodes, and what has none."""

import threading
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from sklearn.preprocessing import FunctionTransformer

import adestim
from adestim.encoding import BackboneSpec
from adestim.exceptions import SavedModelError
from adestim.handover.left_out import LeavingOut
from adestim.handover.pack import Packer
from adestim.handover.trust import Trust
from tests.handover.test_pack_tables import there_and_back

VALUES = {
    "plain": [None, True, 2**80, 0.1, "a", b"\x00\xff", 1 + 2j, float("inf")],
    "containers": {"a": (1, [2]), 3: {4, 5}, (6, 7): frozenset("b")},
    "numpy": [np.float32(1.5), np.str_("a"), np.bool_(True), np.dtype("<f4"), np.int8],
    "slice": slice(1, None, 2),
    "function": np.log1p,
    "spec": BackboneSpec("a", "d", (("token_names", ("x",)),), adapter=b"123"),
}


@pytest.mark.parametrize("name", VALUES)
def test_a_value_is_what_it_was(name):
    assert there_and_back(VALUES[name]) == VALUES[name]


def test_minus_zero_and_the_last_digit_stay():
    numbers = [-0.0, 0.1 + 0.2, 5e-324]
    assert list(map(repr, there_and_back(numbers))) == list(map(repr, numbers))


def test_one_object_is_one_again():
    array = np.arange(3)
    first, second = there_and_back([array, array])
    assert first is second


def test_a_list_that_holds_itself_is_what_it_was():
    loop = [1]
    loop.append(loop)
    again = there_and_back(loop)
    assert again[1] is again


def test_random_numbers_go_on_where_they_were():
    state, generator = np.random.RandomState(3), np.random.default_rng(3)
    for own, again in zip((state, generator), there_and_back([state, generator]), strict=True):
        assert own.normal() == again.normal()


def test_objects_in_an_array_are_what_they_were():
    cells = np.array([["a", None], [1.5, (2, 3)]], dtype=object)
    assert there_and_back(cells).tolist() == cells.tolist()


def test_a_part_of_a_function_is_what_it_was():
    assert there_and_back(partial(np.add, 1))(2) == 3


def test_paths_keep_their_last_part():
    assert there_and_back(Path("/somewhere/weights.pt")) == Path("weights.pt")


@pytest.mark.parametrize("value", [threading.Lock(), np.ma.masked_array([1]), (x for x in "a")])
def test_what_cannot_be_told_is_refused(value):
    with pytest.raises(SavedModelError, match="Everything in a saved model can be told"):
        Packer(Trust(), LeavingOut()).pack(value)


def test_a_function_of_the_users_is_refused_by_its_name(tmp_path):
    model = FunctionTransformer(there_and_back).fit(np.zeros((2, 1)))
    with pytest.raises(SavedModelError, match=r"trusted=\['tests\.handover\.test_pack_tables\.th"):
        adestim.save(model, tmp_path / "model")


def test_a_method_that_is_not_known_is_refused():
    with pytest.raises(SavedModelError, match=r"Got a builtins\.method"):
        Packer(Trust(), LeavingOut()).pack(BackboneSpec("a").identity)
