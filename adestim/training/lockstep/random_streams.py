"""Streams of random numbers, each of which is left and taken up again where it was left."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

State = tuple[Tensor, Tensor | None]


class RandomStream:
    """A place in torch's random numbers, at first the present one.

    Dropout layers draw from torch's global generators; several trainings that take turns each get
    the numbers that they would get alone.
    """

    def __init__(self, device: torch.device):
        self.device = device
        self.state = read_generator_state(device)

    @contextmanager
    def taken_up(self, state: State | None = None) -> Iterator[None]:
        """Draw from the stream inside the block; leave the global generators as found."""
        outside = read_generator_state(self.device)
        write_state(self.device, self.state if state is None else state)
        try:
            yield
        finally:
            if state is None:
                self.state = read_generator_state(self.device)
            write_state(self.device, outside)


def draw_generator(stream: RandomStream) -> torch.Generator:
    """Return a generator of its own that stands where a stream's numbers of the CPU stand."""
    return torch.Generator().set_state(stream.state[0])


def read_generator_state(device: torch.device) -> State:
    """Return the state of the generators that a device's computations draw from."""
    on_gpu = torch.cuda.get_rng_state(device) if device.type == "cuda" else None
    return torch.get_rng_state(), on_gpu


def write_state(device: torch.device, state: State) -> None:
    """Put the generators into a state."""
    on_cpu, on_gpu = state
    torch.set_rng_state(on_cpu)
    if on_gpu is not None:
        torch.cuda.set_rng_state(on_gpu, device)
