"""How a released file holds the weights of a model."""

import pytest
import torch
from torch import nn

from adestim.backbone import CheckpointLayout
from adestim.backbone.weights.layout import canonical_state
from adestim.exceptions import CheckpointError

ONE, TWO = torch.ones(1), torch.ones(2)


@pytest.mark.parametrize(
    ("raw", "layout"),
    [
        ({"a": ONE}, CheckpointLayout()),
        ({"model": {"a": ONE}, "ema": {"a": TWO}}, CheckpointLayout(wrappers=("model",))),
        ({"ema": {"a": ONE}, "model": {"a": TWO}}, CheckpointLayout(wrappers=("ema", "model"))),
        ({"net": {"a": ONE}, "optimizer": {"state": {0: TWO}}}, CheckpointLayout()),
        ({"a": ONE}, CheckpointLayout(wrappers=("model",))),
        ({"module.a": ONE}, CheckpointLayout(prefixes=("module.",))),
        ({"a": ONE}, CheckpointLayout(prefixes=("module.",))),
        ({"module.body.a": ONE}, CheckpointLayout(prefixes=("module.", "body."))),
        ({"a": ONE, "head.b": TWO}, CheckpointLayout(ignored=("head.",))),
        ({"m.a": ONE, "m.head.a": TWO}, CheckpointLayout(prefixes=("m.",), ignored=("head.",))),
        ({"b": ONE}, CheckpointLayout(rename=lambda name: name.replace("b", "a"))),
        ({"a": ONE, "epoch": 3, 7: TWO, "note": "text"}, CheckpointLayout()),
        ({"model": nn.ParameterDict({"a": nn.Parameter(ONE)})}, CheckpointLayout(("model",))),
    ],
)
def test_the_state_is_found_under_the_names_of_the_module(raw, layout):
    state = canonical_state(raw, layout)
    assert list(state) == ["a"]
    assert state["a"].equal(ONE)


def test_names_that_become_one_are_refused():
    layout = CheckpointLayout(prefixes=("module.",))
    with pytest.raises(CheckpointError, match=r"Got 'a' twice, once from 'module\.a'"):
        canonical_state({"a": ONE, "module.a": TWO}, layout)


def test_a_file_without_tensors_is_refused():
    with pytest.raises(CheckpointError, match="Got none under epoch, args"):
        canonical_state({"epoch": 3, "args": {"rate": 0.1}}, CheckpointLayout())


def test_a_file_with_several_tables_is_refused():
    with pytest.raises(CheckpointError, match="Got several: student, teacher"):
        canonical_state({"student": {"a": ONE}, "teacher": {"a": ONE}}, CheckpointLayout())


@pytest.mark.parametrize("content", [{}, {"rate": 0.1}, [ONE], 3])
def test_a_wrapper_around_no_tensors_is_refused(content):
    with pytest.raises(CheckpointError, match="by name in its entry 'model'"):
        canonical_state({"model": content}, CheckpointLayout(wrappers=("model",)))
