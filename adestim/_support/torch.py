"""Choice of device and precision, its memory, and random numbers that leave no trace."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch

from adestim.exceptions import DeviceMemoryError, InputError


def choose_device(device: str) -> torch.device:
    """Return the device to compute on."""
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        chosen = torch.device(device)
    except RuntimeError as error:
        raise InputError(
            "The 'device' parameter must be 'auto' or a device that torch knows",
            got=repr(device),
            remedy="Write device='cpu', device='cuda' or device='cuda:1'",
        ) from error
    if chosen.type == "cuda" and not torch.cuda.is_available():
        raise InputError(
            f"device={device!r} needs a CUDA GPU that torch can use",
            got="none",
            remedy="Write device='auto' or device='cpu'",
        )
    require_usable_device(device, chosen)
    return chosen


def require_usable_device(name: str, device: torch.device) -> None:
    """Refuse a device that holds no numbers, or that this torch or machine does not have."""
    try:
        torch.zeros(1, device=device).item()
    # Every kind of device refuses in its own way.
    except Exception as error:
        raise InputError(
            f"device={name!r} must be a device that torch can compute on here",
            got=(str(error) or type(error).__name__).splitlines()[0].partition(". ")[0],
            remedy="Write device='auto' or device='cpu'",
        ) from error


@contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Seed torch's generators inside the block; leave them as found after it."""
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        yield


def autocast(device: torch.device, precision: str) -> AbstractContextManager:
    """Return the context in which the forward pass runs in the asked precision."""
    if precision == "float32":
        return nullcontext()
    return torch.autocast(device.type, dtype=getattr(torch, precision))


@contextmanager
def memory_of(
    device: torch.device | str, doing: str, *, got: str | None = None, remedy: str
) -> Iterator[None]:
    """Say, where a GPU's memory runs out inside the block, what asked for it and what helps."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise DeviceMemoryError(
            f"{doing} needs more memory than {device} has", got=got, remedy=remedy
        ) from error
