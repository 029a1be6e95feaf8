"""Training of reference anchors: all nets of some teams at once, through one stack."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from threading import Lock

import numpy as np
import torch
from torch import Tensor

from adestim._support.torch import autocast, memory_of
from adestim.training.batches import to_device
from adestim.training.lockstep.random_streams import draw_generator
from adestim.training.lockstep.team import Team
from adestim.training.net import FusionNet, WarmupCosine, require_gradients
from adestim.training.nets.stacked import StackedFusion, architecture_of, can_stack
from adestim.training.nets.stacked_weights import write_weights

# More nets at once gain nothing on a CPU, and memory grows with them.
LARGEST_STACK = {"cpu": 32}
LARGEST_STACK_ELSEWHERE = 256
N_JUDGED = 256
# Hooks that write into one record; stacks may be trained in several threads.
ONE_AT_A_TIME = Lock()
WARM_UP = 0.1


def list_stacks(teams: Sequence[Team]) -> list[list[Team]]:
    """Return groups of teams that are trained through one stack each; who has none is left out."""
    kin: dict[Hashable, list[Team]] = {}
    for team in teams:
        if can_stack(team.modules[0]):
            kin.setdefault(stack_kinship(team), []).append(team)
    return [part for group in kin.values() for part in split_stack(group)]


def stack_kinship(team: Team) -> Hashable:
    """Return what teams must have in common to be trained through one stack."""
    net = team.lanes[0].net
    settings = [getattr(net, name) for name in SETTINGS]
    return (architecture_of(team.modules[0]), *settings, batch_sizes(team)[0])


SETTINGS = (
    "device",
    "precision",
    "lr",
    "max_epochs",
    "optimizer__weight_decay",
    "iterator_train__modality_dropout",
)


def split_stack(teams: Sequence[Team]) -> Iterator[list[Team]]:
    """Yield parts of kin teams that have no more nets than a device does well at once."""
    device = torch.device(teams[0].lanes[0].net.device).type
    largest = LARGEST_STACK.get(device, LARGEST_STACK_ELSEWHERE)
    part: list[Team] = []
    for team in teams:
        if part and sum(len(each.lanes) for each in [*part, team]) > largest:
            yield part
            part = []
        part.append(team)
    yield part


def batch_sizes(team: Team) -> tuple[int, int]:
    """Return a team's number of steps an epoch, and the size of its largest batch.

    Nets have as many steps as that with the most subjects; batches of one net are of even sizes.
    """
    most = max(len(lane.train) for lane in team.lanes)
    n_steps = -(-most // team.lanes[0].net.batch_size)
    return n_steps, -(-most // n_steps)


def train_stacked(teams: Sequence[Team]) -> None:
    """Train the nets of kin teams through one stack."""
    net, n_nets = teams[0].lanes[0].net, sum(len(team.lanes) for team in teams)
    with memory_of(
        net.device,
        f"Training {n_nets} nets together",
        got=f"batch_size={net.batch_size} a net, precision={net.precision!r}",
        remedy="Pass a smaller batch_size, n_together or n_folds, or precision='bfloat16' to the "
        "estimator",
    ):
        StackedTraining(teams).run()


class Feed:
    """A team's subjects, batch by batch, for all of its nets at once.

    Its random numbers are its own, whatever other teams are trained at the same time.
    """

    def __init__(self, team: Team):
        self.team = team
        self.data = team.lanes[0].train
        self.generator = draw_generator(team.lanes[0].stream)
        self.modality_dropout = team.lanes[0].net.iterator_train__modality_dropout
        self.n_steps, self.size = batch_sizes(team)

    @property
    def n_nets(self) -> int:
        """Number of the team's nets."""
        return len(self.team.lanes)

    def shuffle(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield every step's rows (K, B), and which of them are real."""
        orders = [
            lane.train.rows[torch.randperm(len(lane.train), generator=self.generator).numpy()]
            for lane in self.team.lanes
        ]
        by_net = [np.array_split(order, self.n_steps) for order in orders]
        for parts in zip(*by_net, strict=True):
            yield pad_rows(parts, self.size)

    def draw(self, rows: Tensor, real: Tensor) -> tuple[dict, Tensor]:
        """Return a batch (K, B, ...) for training and its targets (K, B)."""
        given = rows.flatten().numpy()
        batch, y = self.data.batch(given, self.modality_dropout, generator=self.generator)
        batch["weight"] = batch["weight"] * real.flatten()
        return unflatten(batch, rows.shape), y.view(rows.shape)

    def draw_noise(self, shape: Sequence[int]) -> Tensor:
        """Return even random numbers from 0 to 1, (K, ...)."""
        return torch.rand((self.n_nets, *shape), generator=self.generator)

    def held_out(self, start: int, size: int) -> tuple[dict, Tensor]:
        """Return some of the subjects whom each net does not see, and which of them are real."""
        parts = [lane.validation.rows[start : start + size] for lane in self.team.lanes]
        rows, real = pad_rows(parts, max(1, *map(len, parts)))
        batch, _ = self.data.batch(rows.flatten().numpy())
        return unflatten(batch, rows.shape), real

    def count_judged(self, n_nets: int) -> int:
        """Return how many subjects a net judges at once, where several do at the same time."""
        return max(1, self.data.count_at_once(N_JUDGED * n_nets) // n_nets)

    @property
    def n_held_out(self) -> int:
        """Largest number of subjects whom a net does not see."""
        return max(len(lane.validation) for lane in self.team.lanes)


class StackedTraining:
    """The nets of kin teams in training."""

    def __init__(self, teams: Sequence[Team]):
        self.net: FusionNet = teams[0].lanes[0].net
        self.device = torch.device(self.net.device)
        self.feeds = [Feed(team) for team in teams]
        modules = [module.to(self.device) for team in teams for module in team.modules]
        self.stack = StackedFusion(modules)
        self.optimizer = build_optimizer(self.stack.trained, self.net)
        self.rates = [group["lr"] for group in self.optimizer.param_groups]
        n_steps = max(1, self.net.max_epochs) * self.feeds[0].n_steps
        self.schedule = WarmupCosine(n_steps, max(1, int(WARM_UP * n_steps)))
        self.n_steps = 0
        self.kept: dict[Team, dict[str, Tensor]] = {}

    def run(self) -> None:
        """Train until no team goes on."""
        self._judge()
        while self.feeds:
            losses = self.run_epoch()
            self._judge()
            self._part([self._end_epoch(*each) for each in zip(self.feeds, losses, strict=True)])
        for team, weights in self.kept.items():
            write_weights(weights, team.modules)
            for module in team.modules:
                module.eval()

    def run_epoch(self) -> list[float]:
        """Take every subject once; return the teams' losses."""
        total = torch.zeros(self._n_nets(), device=self.device)
        for rows in zip(*(feed.shuffle() for feed in self.feeds), strict=True):
            counts = torch.cat([real.sum(dim=1) for _, real in rows])
            total += self._step(rows) * to_device(counts, self.device)
        parts = total.cpu().split([feed.n_nets for feed in self.feeds])
        return [
            part.sum().item() / sum(len(lane.train) for lane in feed.team.lanes)
            for part, feed in zip(parts, self.feeds, strict=True)
        ]

    def _step(self, rows: Sequence[tuple[Tensor, Tensor]]) -> Tensor:
        """Take one step of all nets; return their losses (K,)."""
        drawn = [feed.draw(*each) for feed, each in zip(self.feeds, rows, strict=True)]
        size = max(feed.size for feed in self.feeds)
        batches = [widen_batch(batch, size) for batch, _ in drawn]
        batch = to_device(concatenate_batches(batches), self.device)
        noise = self._draw_noise(size)
        with autocast(self.device, self.net.precision):
            logits = self.stack.forward(batch, noise).float()
        losses = self._losses(logits, [y for _, y in drawn], batch["weight"])
        self.optimizer.zero_grad()
        losses.sum().backward()
        if self.n_steps == 0:
            require_gradients(self.stack.trained.items())
        factor = self.schedule(self.n_steps)
        for group, rate in zip(self.optimizer.param_groups, self.rates, strict=True):
            group["lr"] = rate * factor
        self.optimizer.step()
        self.n_steps += 1
        return losses.detach()

    def _draw_noise(self, size: int) -> Tensor | None:
        """Return the random numbers of a step's dropout, None where nothing is dropped."""
        if not any(self.stack.dropouts):
            return None
        shape = self.stack.n_dropouts, self.stack.width
        noise = [feed.draw_noise((feed.size, *shape)) for feed in self.feeds]
        return to_device(join([widen_batch(each, size) for each in noise]), self.device)

    def _losses(self, logits: Tensor, targets: Sequence[Tensor], weight: Tensor) -> Tensor:
        """Return every net's loss (K,), each team's by its own measure.

        logits (K, B, n_outputs), targets (K, B) of every team, weight (K, B).
        """
        found = []
        sizes = [feed.n_nets for feed in self.feeds]
        parts = zip(self.feeds, logits.split(sizes), targets, weight.split(sizes), strict=True)
        for feed, part, y, own in parts:
            # Subjects beyond the team's own batch are there for other teams' sake.
            part, own = part[:, : feed.size], own[:, : feed.size]
            wanted = to_device(y.flatten(), self.device)
            losses = feed.team.lanes[0].net.losses(part.flatten(0, 1), wanted)
            weighed = (losses.view(y.shape) * own).sum(dim=1)
            found.append(weighed / own.sum(dim=1).clamp(min=1e-12))
        return join(found)

    def _judge(self) -> None:
        """Let every team be judged, and keep its weights if it is the best so far."""
        self.stack.forget()
        outputs = iter(self._predict_held_out())
        weights = self._weights_by_team()
        for feed, own in zip(self.feeds, weights, strict=True):
            if feed.team.consider([next(outputs) for _ in feed.team.lanes]):
                self.kept[feed.team] = {name: value.clone() for name, value in own.items()}

    def _predict_held_out(self) -> list[np.ndarray]:
        """Return every net's outputs (n_validation, n_outputs)."""
        parts: list[list[np.ndarray]] = [[] for _ in range(self._n_nets())]
        n_judged = min(feed.count_judged(self._n_nets()) for feed in self.feeds)
        for start in range(0, max(feed.n_held_out for feed in self.feeds), n_judged):
            drawn = [feed.held_out(start, n_judged) for feed in self.feeds]
            size = max(real.shape[1] for _, real in drawn)
            batches = [widen_batch(batch, size) for batch, _ in drawn]
            with autocast(self.device, self.net.precision):
                logits = self.stack.predict(to_device(concatenate_batches(batches), self.device))
            counts = torch.cat([real.sum(dim=1) for _, real in drawn]).tolist()
            for part, own, count in zip(parts, logits.float().cpu().numpy(), counts, strict=True):
                part.append(own[:count])
        return [np.concatenate(part) for part in parts]

    def _end_epoch(self, feed: Feed, loss: float) -> bool:
        """Record a team's epoch; tell whether it goes on. Its hook may look at its nets."""
        if feed.team.hook is not None:
            place = self.feeds.index(feed)
            write_weights(self._weights_by_team()[place], feed.team.modules)
        with ONE_AT_A_TIME:
            return feed.team.end_epoch(loss)

    def _part(self, goes_on: Sequence[bool]) -> None:
        """Let go of the teams that have ended."""
        if all(goes_on):
            return
        pairs = list(zip(self.feeds, goes_on, strict=True))
        stays = torch.tensor([own for feed, own in pairs for _ in feed.team.lanes])
        self.feeds = [feed for feed, own in pairs if own]
        if not self.feeds:
            return
        before = self.stack.trained
        self.stack.take(stays.nonzero()[:, 0].to(self.device))
        states = [self.optimizer.state[value] for value in before.values()]
        self.optimizer = build_optimizer(self.stack.trained, self.net)
        for value, state in zip(self.stack.trained.values(), states, strict=True):
            self.optimizer.state[value] = {
                name: each[stays.to(each.device)] if each.dim() else each
                for name, each in state.items()
            }

    def _weights_by_team(self) -> list[dict[str, Tensor]]:
        """Return every team's part of the weights."""
        sizes = [feed.n_nets for feed in self.feeds]
        parts = {name: value.detach().split(sizes) for name, value in self.stack.weights.items()}
        return [{name: part[place] for name, part in parts.items()} for place in range(len(sizes))]

    def _n_nets(self) -> int:
        """Return the number of nets in training."""
        return sum(feed.n_nets for feed in self.feeds)


def build_optimizer(weights: Mapping[str, Tensor], net: FusionNet) -> torch.optim.Optimizer:
    """Return the optimiser that a net would have, over stacked weights."""
    speeds = dict(net.optimizer__param_groups)
    groups = [{"params": [value], **speeds.get(name, {})} for name, value in weights.items()]
    own = [group for group in groups if len(group) > 1]
    others = [value for group in groups if len(group) == 1 for value in group["params"]]
    return torch.optim.AdamW(
        [{"params": others}, *own],
        lr=net.lr,
        weight_decay=net.optimizer__weight_decay,
        fused=net.optimizer__fused,
    )


def pad_rows(parts: Sequence[np.ndarray], size: int) -> tuple[Tensor, Tensor]:
    """Return rows (K, size) of K nets, some of them repeated, and which of them are real."""
    # Who has none left beside others that have takes part with a row that is not real.
    size = max(1, size)
    rows = np.stack([np.resize(part, size) for part in parts])
    real = np.arange(size) < np.array([[len(part)] for part in parts])
    return torch.from_numpy(rows), torch.from_numpy(real)


def unflatten(value, shape: Sequence[int]):
    """Return a nested batch (K * B, ...) as (K, B, ...)."""
    if isinstance(value, Mapping):
        return {name: unflatten(item, shape) for name, item in value.items()}
    return value.unflatten(0, tuple(shape))


def widen_batch(value, size: int):
    """Repeat the last subject of a nested batch (K, B, ...) until there are ``size``."""
    if isinstance(value, Mapping):
        return {name: widen_batch(item, size) for name, item in value.items()}
    missing = size - value.shape[1]
    return value if missing == 0 else torch.cat([value, *[value[:, -1:]] * missing], dim=1)


def concatenate_batches(batches: Sequence):
    """Return nested batches (K, B, ...) one after the other."""
    if isinstance(batches[0], Mapping):
        return {name: concatenate_batches([each[name] for each in batches]) for name in batches[0]}
    return join(batches)


def join(parts: Sequence[Tensor]) -> Tensor:
    """Return tensors one after the other, a single one as it is."""
    return parts[0] if len(parts) == 1 else torch.cat(list(parts))
