"""Nets that are trained beside others: one, and those of one anchor."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from torch import Tensor

from adestim.training.batches import FusionData
from adestim.training.lockstep.random_streams import RandomStream
from adestim.training.net import FusionNet, restore, snapshot
from adestim.training.nets import AnchoredFusion

Batch = tuple[dict, Tensor]


@dataclass(eq=False)
class Lane:
    """One net in training beside others."""

    net: FusionNet
    train: FusionData
    validation: FusionData  # the subjects of the fold that it does not see
    stream: RandomStream
    place: int = 0  # its place among the nets of the shared body

    @property
    def module(self) -> AnchoredFusion:
        """The net's module."""
        return self.net.module

    def draw(self, batches: Iterator[Batch]) -> Batch | None:
        """Return the next batch, None after the last; its random numbers are the net's own."""
        with self.stream.taken_up():
            return next(batches, None)


@dataclass(eq=False)
class Team:
    """The nets of one anchor, one an inner fold, which are judged together and end together.

    The epoch that is kept has the least loss over the validation subjects of all of them, the
    start being one of the candidates.
    """

    lanes: list[Lane]
    patience: int  # epochs without improvement after which they end
    hook: Callable[[dict], bool] | None = None  # is handed every epoch; ends training by True
    best_epoch: int = 0
    outputs: list[np.ndarray] = field(default_factory=list)  # of the validation subjects, then
    losses: list[float] = field(default_factory=list)  # validation losses, that of the start first
    history: list[dict] = field(default_factory=list)  # one record an epoch
    states: list[dict[str, Tensor]] = field(default_factory=list)  # weights of the best epoch

    @property
    def modules(self) -> list[AnchoredFusion]:
        """The nets' modules."""
        return [lane.module for lane in self.lanes]

    @property
    def max_epochs(self) -> int:
        """Largest number of epochs."""
        return self.lanes[0].net.max_epochs

    @property
    def start_record(self) -> dict:
        """Record of the start, before which nothing was trained."""
        return {"epoch": 0, "train_loss": None, "valid_loss": self.losses[0]}

    @property
    def n_epochs(self) -> int:
        """Epochs that were judged until now, the start not counted."""
        return len(self.losses) - 1

    def consider(self, outputs: Sequence[np.ndarray]) -> bool:
        """Judge the nets as they are; tell whether they are the best so far."""
        pairs = list(zip(self.lanes, outputs, strict=True))
        losses = np.concatenate([lane.net.losses_of(out, lane.validation) for lane, out in pairs])
        weight = [lane.validation.weight[lane.validation.rows].numpy() for lane in self.lanes]
        loss = float(np.average(losses, weights=np.concatenate(weight)))
        is_best = not self.losses or loss < self.losses[self.best_epoch]
        self.losses.append(loss)
        if is_best:
            self.best_epoch, self.outputs = self.n_epochs, list(outputs)
        return is_best

    def end_epoch(self, train_loss: float) -> bool:
        """Record the epoch that was judged last; tell whether training goes on."""
        epoch = self.n_epochs
        record = {"epoch": epoch, "train_loss": train_loss, "valid_loss": self.losses[-1]}
        self.history.append(record)
        stopped = self.hook is not None and self.hook(record)
        tired = epoch - self.best_epoch >= self.patience
        return not (stopped or tired or epoch >= self.max_epochs)

    def keep(self) -> None:
        """Remember the weights as they are."""
        self.states = [snapshot(module) for module in self.modules]

    def restore(self) -> None:
        """Go back to the weights that were kept."""
        for module, state in zip(self.modules, self.states, strict=True):
            restore(module, state)
        self.states = []

    def unseen_outputs(self, n_subjects: int) -> np.ndarray:
        """Return outputs (n_subjects, n_outputs) by the net that did not see the subject.

        0 for who is held out by no fold.
        """
        unseen = np.zeros((n_subjects, self.outputs[0].shape[1]))
        for lane, outputs in zip(self.lanes, self.outputs, strict=True):
            unseen[lane.validation.rows] = outputs
        return unseen
