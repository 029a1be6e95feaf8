"""Training of an anchor's nets, one an inner fold: in step, and through one frozen body."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from joblib import Parallel, delayed
from skorch.utils import TeeGenerator
from torch import Tensor

from adestim._support.torch import autocast, memory_of
from adestim.backbone.lora import AdaptedBackbone
from adestim.exceptions import InputError
from adestim.training.batches import BatchIterator, to_device
from adestim.training.lockstep.random_streams import RandomStream
from adestim.training.lockstep.shared_body import SharedBody
from adestim.training.lockstep.stacked_teams import list_stacks, train_stacked
from adestim.training.lockstep.team import Batch, Lane, Team
from adestim.training.net import FusionNet, record_losses

Drawn = list[tuple[Lane, Batch]]


def kinship(team: Team) -> Hashable:
    """Return what nets must have in common to be trained through one body; None for no other.

    Learning rates, weight decay, dropout, patience, sizes of batches and numbers of epochs are
    each team's own.
    """
    lane = team.lanes[0]
    if not isinstance(lane.net.module.backbone, AdaptedBackbone):
        return None
    spec, settings, device, *options = lane.net.module.backbone.recipe
    joining = lane.net.module.n_joining
    return spec.identity(), settings, str(device), *options, lane.net.precision, joining


def train_teams(teams: Sequence[Team], n_jobs: int | None = 1) -> None:
    """Train some anchors' nets.

    Those of reference anchors are stacked, ``n_jobs`` stacks at a time; those of one frozen body
    read through it together, and others are trained one by one.
    """
    stacks = list_stacks(teams)
    # Threads whatever the user's backend: another process would train copies.
    Parallel(n_jobs, require="sharedmem")(delayed(train_stacked)(group) for group in stacks)
    stacked = {id(team) for group in stacks for team in group}
    kin: dict[Hashable, list[Team]] = {}
    for team in teams:
        if id(team) not in stacked:
            kin.setdefault(kinship(team) or id(team), []).append(team)
    for group in kin.values():
        train_together(group)


def train_together(teams: Sequence[Team]) -> None:
    """Train the nets of kin teams, all in step; each is left as if trained alone."""
    lanes = [lane for team in teams for lane in team.lanes]
    net = lanes[0].net
    with memory_of(
        net.device,
        f"Training {len(lanes)} nets together",
        got=f"batch_size={max(lane.net.batch_size for lane in lanes)} a net, "
        f"precision={net.precision!r}",
        remedy="Pass a smaller batch_size, n_together or n_folds, gradient_checkpointing=True, "
        "or precision='bfloat16' to the estimator",
    ):
        for place, lane in enumerate(lanes):
            lane.place = place
            lane.net.initialize()
        # Dropout of a shared body draws from the global generators, which are left as found.
        with RandomStream(torch.device(net.device)).taken_up():
            run(teams, choose_stepper(teams, lanes))


def choose_stepper(teams: Sequence[Team], lanes: Sequence[Lane]) -> Stepper:
    """Return one pass of the body that nets share; a team alone can do without it."""
    if kinship(teams[0]) is None or len(lanes) == 1:
        return OneByOne()
    try:
        return ThroughOneBody.of(lanes)
    except InputError:
        # A model that mixes the subjects of a batch reads those of every net by themselves.
        if len(teams) > 1:
            raise
        return OneByOne()


def run(teams: Sequence[Team], stepper: Stepper) -> None:
    """Train until no team goes on."""
    for team, outputs in judge(teams, stepper):
        consider(team, outputs)
        for lane in team.lanes:
            lane.net.notify("on_train_begin", X=lane.train, y=None)
    active = list(teams)
    while active:
        lanes = [lane for team in active for lane in team.lanes]
        run_epoch(lanes, stepper)
        judged = judge(active, stepper)
        for lane in lanes:
            lane.net.notify("on_epoch_end", dataset_train=lane.train, dataset_valid=None)
        active = [team for team, outputs in judged if end_epoch(team, outputs)]
    for team in teams:
        team.restore()
        for lane in team.lanes:
            lane.module.eval()
            lane.net.end_training(lane.train)


def consider(team: Team, outputs: Sequence[np.ndarray]) -> None:
    """Judge a team as it is, and keep its weights if it is the best so far."""
    if team.consider(outputs):
        team.keep()


def end_epoch(team: Team, outputs: Sequence[np.ndarray]) -> bool:
    """Judge and record an epoch; tell whether training goes on."""
    consider(team, outputs)
    for lane in team.lanes:
        lane.net.history.record("valid_loss", team.losses[-1])
    trained = [lane.net.history[-1]["train_loss"] for lane in team.lanes]
    sizes = [len(lane.train) for lane in team.lanes]
    return team.end_epoch(float(np.average(trained, weights=sizes)))


def judge(teams: Sequence[Team], stepper: Stepper) -> list[tuple[Team, list[np.ndarray]]]:
    """Return every team with its nets' outputs for the subjects that they do not see."""
    outputs = iter(stepper.predict_held_out([lane for team in teams for lane in team.lanes]))
    return [(team, [next(outputs) for _ in team.lanes]) for team in teams]


def run_epoch(lanes: Sequence[Lane], stepper: Stepper) -> None:
    """Train every net for one epoch of its own subjects."""
    for lane in lanes:
        lane.net.notify("on_epoch_begin", dataset_train=lane.train, dataset_valid=None)
    losses: dict[Lane, list[Tensor]] = {lane: [] for lane in lanes}
    iterators = [lane.net.get_iterator(lane.train, training=True) for lane in lanes]
    for drawn in rounds(lanes, iterators):
        for (lane, _), loss in zip(drawn, stepper.step(drawn), strict=True):
            losses[lane].append(loss)
    for lane, own in losses.items():
        record_losses(lane.net, "train", own)


def rounds(lanes: Sequence[Lane], sources: Sequence[Iterable[Batch]]) -> Iterator[Drawn]:
    """Yield the next batch of every net that has one left."""
    left = [(lane, iter(source)) for lane, source in zip(lanes, sources, strict=True)]
    while left:
        drawn = [(lane, lane.draw(batches)) for lane, batches in left]
        left = [pair for pair, (_, batch) in zip(left, drawn, strict=True) if batch is not None]
        if left:
            yield [(lane, batch) for lane, batch in drawn if batch is not None]


class Stepper(ABC):
    """How the nets of some teams take a step, and say what they make of the held-out subjects."""

    @abstractmethod
    def logits(self, drawn: Drawn) -> list[Tensor]:
        """Return every net's logits of its batch."""

    @abstractmethod
    def predict_held_out(self, lanes: Sequence[Lane]) -> list[np.ndarray]:
        """Return every net's outputs (n_validation, n_outputs)."""

    def step(self, drawn: Drawn) -> Sequence[Tensor]:
        """Take one step of every net that has a batch, and return their losses.

        Losses are summed, gradients separate.
        """
        for lane, batch in drawn:
            lane.net.notify("on_batch_begin", batch=batch, training=True)
            lane.module.train()
            lane.net.optimizer_.zero_grad()
        outputs = self.logits(drawn)
        losses = torch.stack(
            [
                lane.net.get_loss(output, y, X=X, training=True)
                for (lane, (X, y)), output in zip(drawn, outputs, strict=True)
            ]
        )
        losses.sum().backward()
        by_net = losses.detach().unbind()
        for (lane, batch), output, loss in zip(drawn, outputs, by_net, strict=True):
            end_step(lane.net, batch, output, loss)
        return by_net


def end_step(net: FusionNet, batch: Batch, output: Tensor, loss: Tensor) -> None:
    """Let a net's optimiser and callbacks do their part."""
    learnable = TeeGenerator(net.get_all_learnable_params())
    net.notify("on_grad_computed", named_parameters=learnable, batch=batch, training=True)
    net.optimizer_.step()
    net.history.record_batch("train_batch_size", len(batch[1]))
    net.notify("on_batch_end", batch=batch, training=True, loss=loss, y_pred=output)


def fetch_together(values: Sequence[Tensor]) -> list[np.ndarray]:
    """Return tensors as arrays; a GPU is waited for once."""
    parts = torch.cat([each.flatten() for each in values]).cpu().split([*map(Tensor.numel, values)])
    return [part.view(each.shape).numpy() for part, each in zip(parts, values, strict=True)]


class OneByOne(Stepper):
    """Every net by itself."""

    def logits(self, drawn):
        """Return every net's logits, its dropout drawn from its own stream."""
        outputs = []
        for lane, (X, _) in drawn:
            with lane.stream.taken_up():
                outputs.append(lane.net.infer(X))
        return outputs

    def predict_held_out(self, lanes):
        """Return outputs in evaluation mode."""
        return [lane.net.predict_logits(lane.validation) for lane in lanes]


@dataclass(frozen=True, eq=False)
class ThroughOneBody(Stepper):
    """All nets through one pass of the frozen body that they share."""

    body: SharedBody

    @classmethod
    def of(cls, lanes: Sequence[Lane]) -> ThroughOneBody:
        """Build the body, and see to it that it treats subjects one by one."""
        body = SharedBody([lane.module for lane in lanes], [lane.stream for lane in lanes])
        net = lanes[0].net
        with autocast(torch.device(net.device), net.precision):
            body.require_rows_by_subject(lanes[0].module.n_joining, torch.device(net.device))
        return cls(body)

    def logits(self, drawn):
        """Return every net's logits of its batch, the body run once."""
        net = drawn[0][0].net
        device = torch.device(net.device)
        batches = [to_device(X, device) for _, (X, _) in drawn]
        outputs = []
        with autocast(device, net.precision):
            vectors = self.body.pooled([lane.place for lane, _ in drawn], batches)
            for (lane, _), batch, vector in zip(drawn, batches, vectors, strict=True):
                with lane.stream.taken_up():
                    outputs.append(lane.module.classify(batch, vector))
        return [output.float() for output in outputs]

    def predict_held_out(self, lanes):
        """Return outputs in evaluation mode, batch by batch."""
        parts: dict[Lane, list[Tensor]] = {lane: [] for lane in lanes}
        for lane in lanes:
            lane.module.eval()
        on_gpu = torch.device(lanes[0].net.device).type == "cuda"
        sources = [
            BatchIterator(lane.validation, lane.net.batch_size, pin_memory=on_gpu) for lane in lanes
        ]
        with torch.no_grad():
            for drawn in rounds(lanes, sources):
                for (lane, _), output in zip(drawn, self.logits(drawn), strict=True):
                    parts[lane].append(output)
        return fetch_together([torch.cat(found) for found in parts.values()])
