"""Device, precision and seeds, without a trace on torch's global state."""

import pytest
import torch

from adestim._support.torch import autocast, choose_device, memory_of, seeded
from adestim.exceptions import DeviceMemoryError, InputError

CPU = torch.device("cpu")
needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no CUDA GPU")


# Device


def test_named_device_is_taken():
    assert choose_device("cpu") == CPU


@pytest.mark.parametrize(("available", "expected"), [(True, "cuda"), (False, "cpu")])
def test_auto_takes_the_gpu_where_there_is_one(monkeypatch, available, expected):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: available)
    assert choose_device("auto") == torch.device(expected)


@pytest.mark.parametrize("device", ["gpu", "", "cuda:first", "cpu:x"])
def test_unknown_device_is_refused(device):
    with pytest.raises(InputError, match="Write device='cpu'") as caught:
        choose_device(device)
    assert repr(device) in str(caught.value)


def test_gpu_that_is_not_there_is_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InputError, match=r"device='cuda:1' needs a CUDA GPU.*device='auto'"):
        choose_device("cuda:1")


@pytest.mark.parametrize("device", ["meta", "vulkan"])
def test_device_that_cannot_compute_here_is_refused(device):
    with pytest.raises(InputError, match=f"device='{device}' must be a device that torch can"):
        choose_device(device)


# Seeds


def test_same_seed_gives_same_numbers():
    draws = []
    for _ in range(2):
        with seeded(3, CPU):
            draws.append(torch.rand(4))
    assert torch.equal(*draws)


def test_global_generator_is_left_as_found():
    before = torch.get_rng_state()
    with seeded(3, CPU):
        torch.rand(4)
    assert torch.equal(torch.get_rng_state(), before)


def raise_inside(block):
    with block:
        torch.rand(4)
        raise RuntimeError("training failed")


def test_global_generator_is_left_as_found_by_a_failure():
    before = torch.get_rng_state()
    with pytest.raises(RuntimeError, match="training failed"):
        raise_inside(seeded(3, CPU))
    assert torch.equal(torch.get_rng_state(), before)


@needs_gpu
def test_generator_of_the_gpu_is_left_as_found():
    device = torch.device("cuda", 0)
    before = torch.cuda.get_rng_state(device)
    with seeded(3, device):
        torch.rand(4, device=device)
    assert torch.equal(torch.cuda.get_rng_state(device), before)


# Precision


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_forward_pass_runs_in_the_asked_precision(precision):
    layer = torch.nn.Linear(3, 2)
    with autocast(CPU, precision):
        output = layer(torch.ones(1, 3))
    assert output.dtype == getattr(torch, precision)
    assert layer.weight.dtype == torch.float32


def test_precision_is_as_before_after_the_block():
    with autocast(CPU, "bfloat16"):
        assert torch.is_autocast_enabled("cpu")
    assert not torch.is_autocast_enabled("cpu")


# Memory


def test_memory_that_runs_out_is_said_with_what_asked_for_it_and_what_helps():
    words = "Reading needs more memory than cuda:1 has. Got two batches. Pass one."
    with (
        pytest.raises(DeviceMemoryError) as caught,
        memory_of("cuda:1", "Reading", got="two batches", remedy="Pass one"),
    ):
        raise torch.OutOfMemoryError("tried to allocate")
    assert str(caught.value) == words
    assert isinstance(caught.value.__cause__, torch.OutOfMemoryError)


def test_other_errors_pass_through_the_watch_on_memory():
    with pytest.raises(RuntimeError, match="shapes"), memory_of(CPU, "Reading", remedy="Pass one"):
        raise RuntimeError("shapes")
