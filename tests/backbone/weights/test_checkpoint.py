import pytest
import torch
from torch import nn

from adestim.backbone.weights.checkpoint import load_strict, read_state
from adestim.backbone.weights.layout import CheckpointLayout
from adestim.encoding import BackboneSpec
from adestim.exceptions import CheckpointError

ONE, TWO = torch.ones(1), torch.ones(2)
SPEC = BackboneSpec("tiny")


class Tiny(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(3, 2)
        self.norm = nn.BatchNorm1d(2)


def tiny_state():
    return {name: value.clone() for name, value in Tiny().state_dict().items()}


def meta_tiny():
    with torch.device("meta"):
        return Tiny()


def test_a_file_is_read_and_renamed(tmp_path):
    torch.save({"model": {"module.a": ONE}}, tmp_path / "model.pt")
    layout = CheckpointLayout(("model",), prefixes=("module.",))
    assert read_state(str(tmp_path / "model.pt"), layout, trust_pickle=False) == {"a": ONE}


def test_weights_inside_an_object_ask_for_trust(tmp_path):
    torch.save({"model": nn.Linear(2, 1)}, tmp_path / "model.pt")
    layout = CheckpointLayout(("model",))
    with pytest.raises(CheckpointError, match=r"'model'\. Got .*linear\.Linear.*trust_checkpoint"):
        read_state(str(tmp_path / "model.pt"), layout, trust_pickle=False)
    state = read_state(str(tmp_path / "model.pt"), layout, trust_pickle=True)
    assert state.keys() == {"weight", "bias"}


# Filling a module


def test_a_module_takes_over_the_tensors():
    module, state = meta_tiny(), tiny_state()
    load_strict(module, state, SPEC)
    assert all(value.equal(state[name]) for name, value in module.state_dict().items())
    assert not any(value.is_meta for value in module.state_dict().values())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_weights_keep_the_precision_of_the_file(dtype):
    module = meta_tiny()
    state = {
        name: value.to(dtype) if value.is_floating_point() else value
        for name, value in tiny_state().items()
    }
    load_strict(module, state, SPEC)
    assert module.fc.weight.dtype == dtype
    assert module.norm.num_batches_tracked.dtype == torch.int64


def problem_of(state):
    """Return the message about a state that does not fit."""
    with pytest.raises(CheckpointError, match="'tiny' must hold exactly") as caught:
        load_strict(meta_tiny(), state, SPEC)
    return caught.value.got


def test_missing_names_are_counted_and_named():
    state = tiny_state()
    del state["fc.bias"], state["norm.weight"]
    assert problem_of(state) == "2 of 7 missing: fc.bias, norm.weight"


def test_unexpected_names_are_counted_and_the_first_named():
    state = tiny_state() | {f"head.{place}": ONE for place in range(6)}
    assert problem_of(state) == "6 unexpected: head.0, head.1, head.2, head.3 and 2 more"


def test_other_shapes_are_named():
    state = tiny_state() | {"fc.weight": torch.ones(2, 5)}
    assert problem_of(state) == "1 of 7 of another shape: fc.weight (2, 5) instead of (2, 3)"


def test_quantised_weights_are_named():
    state = tiny_state() | {"fc.weight": torch.ones(2, 3, dtype=torch.int8)}
    expected = "1 of 7 of another kind of number: fc.weight torch.int8 instead of torch.float32"
    assert problem_of(state) == expected


def test_all_problems_are_said_at_once():
    state = tiny_state() | {"fc.weight": ONE, "head": ONE}
    del state["fc.bias"]
    said = problem_of(state)
    for what in ("1 of 7 missing", "1 unexpected", "of another shape"):
        assert what in said


def test_a_module_that_does_not_fit_is_left_as_it_was():
    module = meta_tiny()
    with pytest.raises(CheckpointError):
        load_strict(module, {"fc.weight": torch.ones(2, 3)}, SPEC)
    assert all(value.is_meta for value in module.state_dict().values())
