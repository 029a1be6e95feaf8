"""An anchor's nets: one an inner fold, prepared for training and joined after it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from adestim._support.torch import choose_device, seeded
from adestim.training.batches import FusionData
from adestim.training.fitting import TrainerSettings, build_net, calibrate
from adestim.training.lockstep.lockstep import train_teams
from adestim.training.lockstep.random_streams import RandomStream
from adestim.training.lockstep.team import Lane, Team
from adestim.training.net import FusionNet
from adestim.training.nets import AnchoredFusion, FoldMean
from adestim.training.task import Folds


@dataclass(frozen=True, eq=False)
class TeamTraining:
    """Teams that are ready to be trained."""

    teams: Sequence[Team]
    n_jobs: int | None = 1  # number of threads

    def run(self) -> None:
        """Train them."""
        train_teams(self.teams, self.n_jobs)


def prepare_team(
    build: Callable[[], AnchoredFusion],
    data: FusionData,
    folds: Folds,
    seed: int,
    settings: TrainerSettings,
    hook: Callable[[dict], bool] | None,
) -> Team:
    """Return an anchor's nets with fresh weights, each ready to be trained without one fold."""
    seeds = np.random.SeedSequence(seed).generate_state(len(folds))
    lanes = [
        prepare_lane(build, data, fold, int(own), settings)
        for fold, own in zip(folds, seeds, strict=True)
    ]
    return Team(lanes, settings.patience, hook)


def prepare_lane(build, data: FusionData, fold, seed: int, settings: TrainerSettings) -> Lane:
    """Return one net that is to be trained on one side of a fold and judged on the other."""
    device = choose_device(settings.device)
    train, validation = (data.view(rows) for rows in fold)
    with seeded(seed, device):
        module = build()
        calibrate(module, train, settings)
        net = build_net(module, len(train), None, None, settings)
        return Lane(net, train, validation, RandomStream(device))


def join_nets(modules: Sequence[AnchoredFusion], settings: TrainerSettings) -> FusionNet:
    """Return the net that predicts the mean of some nets."""
    net = build_net(FoldMean(modules), 1, None, None, settings).initialize()
    # Nobody trains it, so that it keeps no optimiser.
    return net.end_training(None)
