"""Training of several nets in step: their batches go through one frozen body together."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from skorch.utils import TeeGenerator
from torch import Tensor

from adestim._support.torch import autocast, memory_of
from adestim.backbone.lora import AdaptedBackbone
from adestim.training.batches import BatchIterator, FusionData, to_device
from adestim.training.lockstep.random_streams import RandomStream
from adestim.training.lockstep.shared_body import SharedBody
from adestim.training.net import FusionNet, StopTraining
from adestim.training.nets import AnchoredFusion

Batch = tuple[dict, Tensor]
Drawn = list[tuple["Lane", Batch]]


@dataclass(eq=False)
class Lane:
    """One net in training beside others."""

    net: FusionNet  # the net, as ``prepare_net`` returns it
    train: FusionData
    stream: RandomStream
    place: int = 0  # its place among the nets of the shared body

    @property
    def module(self) -> AnchoredFusion:
        """The net's module."""
        return self.net.module_

    @property
    def validation(self) -> FusionData:
        """The inner validation subjects."""
        return dict(self.net.callbacks_)["early_stop"].validation

    def draw(self, batches: Iterator[Batch]) -> Batch | None:
        """Return the next batch, None after the last; its random numbers are the net's own."""
        with self.stream.taken_up():
            return next(batches, None)


def kinship(lane: Lane) -> Hashable:
    """Return what nets must have in common to be trained through one body; None for no other.

    Learning rates, weight decay, dropout, patience, sizes of batches and numbers of epochs are
    each net's own.
    """
    module = lane.net.module
    if not isinstance(module.backbone, AdaptedBackbone):
        return None
    spec, settings, device, *options = module.backbone.recipe
    precision = lane.net.precision
    return spec.identity(), settings, str(device), *options, precision, module.n_joining


def train_lanes(lanes: Sequence[Lane]) -> None:
    """Train nets, those of one frozen body together, and others one by one."""
    kin: dict[Hashable, list[Lane]] = {}
    for lane in lanes:
        kin.setdefault(kinship(lane) or id(lane), []).append(lane)
    for group in kin.values():
        if len(group) > 1:
            train_together(group)
            continue
        with group[0].stream.taken_up():
            group[0].net.fit(group[0].train)


def train_together(lanes: Sequence[Lane]) -> None:
    """Train nets of one frozen body, all in step; each is left as if trained alone."""
    net = lanes[0].net
    with memory_of(
        net.device,
        f"Training {len(lanes)} folds together",
        got=f"batch_size={max(lane.net.batch_size for lane in lanes)} a fold, "
        f"precision={net.precision!r}",
        remedy="Pass a smaller n_together; or a smaller batch_size, "
        "gradient_checkpointing=True, or precision='bfloat16' to the estimator",
    ):
        for place, lane in enumerate(lanes):
            lane.place = place
            lane.net.initialize()
        run(lanes, SharedBody([lane.module for lane in lanes], [lane.stream for lane in lanes]))


def run(lanes: Sequence[Lane], shared: SharedBody) -> None:
    """Train until no net goes on."""
    net = lanes[0].net
    start = validation_losses(shared, lanes)
    with autocast(torch.device(net.device), net.precision):
        shared.require_rows_by_subject(lanes[0].module.n_joining, torch.device(net.device))
    for lane, losses in zip(lanes, start, strict=True):
        lane.net.notify("on_train_begin", X=lane.train, y=None, losses=losses)
    active = list(lanes)
    while active:
        run_epoch(shared, active)
        ends = zip(active, validation_losses(shared, active), strict=True)
        active = [lane for lane, losses in ends if goes_on(lane, losses)]


def goes_on(lane: Lane, losses: np.ndarray) -> bool:
    """End a net's epoch; tell whether it goes on."""
    net = lane.net
    try:
        net.notify("on_epoch_end", dataset_train=lane.train, dataset_valid=None, losses=losses)
    except StopTraining:
        net.history.record("stopped", True)
    else:
        if len(net.history) < net.max_epochs:
            return True
    net.end_training(lane.train)
    return False


def run_epoch(shared: SharedBody, lanes: Sequence[Lane]) -> None:
    """Train every net for one epoch of its own subjects."""
    for lane in lanes:
        lane.net.notify("on_epoch_begin", dataset_train=lane.train, dataset_valid=None)
    counts = dict.fromkeys(lanes, 0)
    iterators = [lane.net.get_iterator(lane.train, training=True) for lane in lanes]
    for drawn in rounds(lanes, iterators):
        step(shared, drawn)
        for lane, _ in drawn:
            counts[lane] += 1
    for lane, count in counts.items():
        lane.net.history.record("train_batch_count", count)


def rounds(lanes: Sequence[Lane], sources: Sequence[Iterable[Batch]]) -> Iterator[Drawn]:
    """Yield the next batch of every net that has one left."""
    left = [(lane, iter(source)) for lane, source in zip(lanes, sources, strict=True)]
    while left:
        drawn = [(lane, lane.draw(batches)) for lane, batches in left]
        left = [pair for pair, (_, batch) in zip(left, drawn, strict=True) if batch is not None]
        if left:
            yield [(lane, batch) for lane, batch in drawn if batch is not None]


def step(shared: SharedBody, drawn: Drawn) -> None:
    """Take one step of every net that has a batch; gradients are separate, so losses are summed."""
    for lane, batch in drawn:
        lane.net.notify("on_batch_begin", batch=batch, training=True)
        lane.module.train()
        lane.net.optimizer_.zero_grad()
    outputs = logits(shared, drawn)
    losses = torch.stack(
        [
            lane.net.get_loss(output, y, X=X, training=True)
            for (lane, (X, y)), output in zip(drawn, outputs, strict=True)
        ]
    )
    losses.sum().backward()
    for (lane, batch), output, loss in zip(drawn, outputs, losses.tolist(), strict=True):
        net = lane.net
        learnable = TeeGenerator(net.get_all_learnable_params())
        net.notify("on_grad_computed", named_parameters=learnable, batch=batch, training=True)
        net.optimizer_.step()
        net.history.record_batch("train_loss", loss)
        net.history.record_batch("train_batch_size", len(batch[1]))
        net.notify("on_batch_end", batch=batch, training=True, loss=loss, y_pred=output)


def logits(shared: SharedBody, drawn: Drawn) -> list[Tensor]:
    """Return every net's logits of its batch, the body run once."""
    net = drawn[0][0].net
    device = torch.device(net.device)
    batches = [to_device(X, device) for _, (X, _) in drawn]
    outputs = []
    with autocast(device, net.precision):
        vectors = shared.pooled([lane.place for lane, _ in drawn], batches)
        for (lane, _), batch, vector in zip(drawn, batches, vectors, strict=True):
            with lane.stream.taken_up():
                outputs.append(lane.module.classify(batch, vector))
    return [output.float() for output in outputs]


def validation_losses(shared: SharedBody, lanes: Sequence[Lane]) -> list[np.ndarray]:
    """Return every net's losses on its inner validation subjects."""
    parts: dict[Lane, list[np.ndarray]] = {lane: [] for lane in lanes}
    for lane in lanes:
        lane.module.eval()
    on_gpu = torch.device(lanes[0].net.device).type == "cuda"
    sources = [
        BatchIterator(lane.validation, lane.net.batch_size, pin_memory=on_gpu) for lane in lanes
    ]
    with torch.no_grad():
        for drawn in rounds(lanes, sources):
            for (lane, _), output in zip(drawn, logits(shared, drawn), strict=True):
                parts[lane].append(output.cpu().numpy())
    return [
        lane.net.losses_of(np.concatenate(found), lane.validation) for lane, found in parts.items()
    ]
