"""Nets that are trained through one stack are what each would be if trained alone."""

import gc
import weakref
from dataclasses import replace

import numpy as np
import pytest
import torch

from adestim.exceptions import DeviceMemoryError, InputError
from adestim.training.batches import FusionData
from adestim.training.fitting import GATE_SPEED, TrainerSettings
from adestim.training.lockstep import stacked_teams
from adestim.training.lockstep.stacked_teams import (
    Feed,
    StackedTraining,
    batch_sizes,
    list_stacks,
    train_stacked,
)
from adestim.training.net import NumberLoss, WarmupCosine
from adestim.training.nets import FoldMean
from adestim.training.nets.stacked import StackedFusion
from adestim.training.teams import prepare_team
from tests.reference_nets import build_net, draw_batch

N_SUBJECTS = 43
SETTINGS = TrainerSettings(
    max_epochs=3,
    batch_size=12,
    learning_rate=0.01,
    weight_decay=0.05,
    modality_dropout=0.2,
    patience=5,
    precision="float32",
    device="cpu",
)


def subjects(net, seed=0, number=False):
    """Subjects whose phase-1 logits depend on the anchor alone."""
    batch = draw_batch(net, (N_SUBJECTS,), seed)
    place = net.modalities.index(net.anchor)
    y = (batch["scores"][:, place, 0] > 0).long()

    class Base:
        reads_alone = net.anchor

        def __call__(self, rows, present):
            base = batch["base"].numpy()[rows]
            return np.where(present[:, [place]], base, np.float32(0.1)).astype(np.float32)

    return FusionData(
        batch["tokens"],
        batch["masks"],
        batch["scores"],
        batch["present"],
        Base(),
        y.float() if number else y,
        torch.rand(N_SUBJECTS) + 0.5,
    )


def folds_of(n_folds=3):
    order = np.random.default_rng(0).permutation(N_SUBJECTS)
    parts = np.array_split(order, n_folds)
    return [(np.setdiff1d(order, part), part) for part in parts]


def team_of(seed=0, hook=None, n_folds=3, options=None, data_seed=0, **changes):
    settings = replace(SETTINGS, **changes)
    options = {"dropout": 0.1} | (options or {})

    def build():
        return build_net(seed=int(torch.randint(1000, ())), **options)

    number = options.get("n_outputs") == 1
    data = subjects(build_net(**options), data_seed, number)
    return prepare_team(build, data, folds_of(n_folds), seed, settings, hook)


def weights_of(team):
    return [net.state_dict() for net in team.modules]


def train_alone(net, lane, batches, n_steps):
    """Train one net by the plainest loop there is, on given rows."""
    gate = [value for name, value in net.named_parameters() if name == "log_gate"]
    others = [value for name, value in net.named_parameters() if name != "log_gate"]
    rate = SETTINGS.learning_rate
    groups = [{"params": others}, {"params": gate, "lr": GATE_SPEED * rate}]
    optimizer = torch.optim.AdamW(groups, lr=rate, weight_decay=SETTINGS.weight_decay)
    rates, schedule = [rate, GATE_SPEED * rate], WarmupCosine(n_steps, max(1, int(0.1 * n_steps)))
    for step, rows in enumerate(batches):
        batch, y = lane.train.batch(rows)
        losses = lane.net.losses(net.train()(batch), y)
        optimizer.zero_grad()
        (losses * batch["weight"]).sum().div(batch["weight"].sum()).backward()
        for group, own in zip(optimizer.param_groups, rates, strict=True):
            group["lr"] = own * schedule(step)
        optimizer.step()


@pytest.mark.parametrize("n_outputs", [1, 2, 3])
def test_nets_of_a_stack_are_nets_alone(n_outputs):
    changes = {"modality_dropout": 0.0, "losses": NumberLoss("huber", 2.0)}
    changes = changes if n_outputs == 1 else {"modality_dropout": 0.0}
    options = {"dropout": 0.0, "n_outputs": n_outputs}
    team, other = (team_of(options=options, patience=9, **changes) for _ in range(2))
    feed = Feed(other)
    steps = [step for _ in range(SETTINGS.max_epochs) for step in feed.shuffle()]
    for number, lane in enumerate(other.lanes):
        batches = [rows[number][real[number]].numpy() for rows, real in steps]
        train_alone(lane.module, lane, batches, len(steps))
    training = StackedTraining([team])
    for _ in range(SETTINGS.max_epochs):
        training.run_epoch()
    training.stack.write_back(team.modules)
    for found, expected in zip(weights_of(team), weights_of(other), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_the_best_epoch_is_kept():
    team = team_of(learning_rate=0.1, max_epochs=6)
    train_stacked([team])
    assert team.losses[team.best_epoch] == min(team.losses)
    assert [row["epoch"] for row in team.history] == list(range(1, team.n_epochs + 1))
    assert [row["valid_loss"] for row in team.history] == team.losses[1:]
    for lane, outputs in zip(team.lanes, team.outputs, strict=True):
        batch, _ = lane.validation.batch(lane.validation.rows)
        with torch.no_grad():
            found = lane.module.eval()(batch).numpy()
        np.testing.assert_allclose(found, outputs, rtol=1e-4, atol=1e-4)


def test_subjects_are_judged_part_by_part_whatever_the_others_of_a_stack_have(monkeypatch):
    found = []
    for size in (256, 5):
        monkeypatch.setattr(stacked_teams, "N_JUDGED", size)
        teams = [team_of(max_epochs=1), team_of(n_folds=5, max_epochs=1)]
        train_stacked(teams)
        found.append([losses for team in teams for losses in team.losses])
    np.testing.assert_allclose(found[0], found[1], rtol=1e-5)


def test_training_learns():
    team = team_of(max_epochs=8, patience=9)
    train_stacked([team])
    assert team.history[-1]["train_loss"] < team.history[0]["train_loss"] - 0.05


def test_one_seed_gives_the_same_bits_and_leaves_no_trace():
    state = torch.get_rng_state()
    found = []
    for _ in range(2):
        team = team_of()
        torch.manual_seed(len(found))
        before = torch.get_rng_state()
        train_stacked([team])
        assert torch.equal(torch.get_rng_state(), before)
        found.append(weights_of(team))
    torch.testing.assert_close(found[0], found[1], rtol=0, atol=0)
    torch.set_rng_state(state)


def test_who_is_trained_beside_others_is_as_if_alone():
    ways = [{"seed": 0}, {"seed": 1, "hook": lambda record: record["epoch"] == 2}, {"n_folds": 4}]
    ways = [way | {"learning_rate": 0.05, "max_epochs": 5} for way in ways]
    together, alone = ([team_of(**way) for way in ways] for _ in range(2))
    train_stacked(together)
    for team, other in zip(together, alone, strict=True):
        train_stacked([other])
        assert team.n_epochs == other.n_epochs
        np.testing.assert_allclose(team.losses, other.losses, rtol=1e-3)
    assert len({team.n_epochs for team in together}) > 1


def test_folds_of_other_sizes_have_as_many_steps():
    team = team_of(batch_size=10)
    assert sorted({len(lane.train) for lane in team.lanes}) == [28, 29]
    assert batch_sizes(team) == (3, 10)
    steps = list(Feed(team).shuffle())
    assert len(steps) == 3
    for number, lane in enumerate(team.lanes):
        rows = np.concatenate([rows[number][real[number]] for rows, real in steps])
        assert sorted(rows) == sorted(lane.train.rows)


def test_the_hook_sees_every_epoch_and_the_weights_of_now():
    seen = []
    team = team_of(max_epochs=5)

    def hook(record):
        seen.append((record["epoch"], team.modules[0].head.weight.clone()))
        return record["epoch"] == 2

    team.hook = hook
    train_stacked([team])
    assert [epoch for epoch, _ in seen] == [1, 2]
    assert (seen[0][1] - seen[1][1]).abs().max() > 1e-4


def test_training_lets_go_of_the_stack():
    team = team_of()
    training = StackedTraining([team])
    stack = weakref.ref(training.stack)
    training.run()
    del training
    gc.collect()
    assert stack() is None
    for net in team.modules:
        for value in net.parameters():
            assert value.untyped_storage().nbytes() == value.nbytes
            assert value.grad is None


def test_kin_teams_are_stacked_until_there_are_many(monkeypatch):
    monkeypatch.setattr(stacked_teams, "LARGEST_STACK", {"cpu": 6})
    kin = [team_of(seed) for seed in range(3)]
    other = team_of(options={"n_queries": 1})
    slow = team_of(learning_rate=0.001)
    groups = list_stacks([kin[0], other, *kin[1:], slow])
    assert groups == [kin[:2], kin[2:], [other], [slow]]


def test_the_mean_of_trained_nets_says_what_they_say():
    team = team_of()
    train_stacked([team])
    batch, _ = team.lanes[0].train.batch(np.arange(5))
    with torch.no_grad():
        found = FoldMean(team.modules).eval()(batch)
        expected = torch.stack([net(batch) for net in team.modules]).mean(0)
    torch.testing.assert_close(found, expected)


def test_weights_without_a_gradient_are_an_error(monkeypatch):
    forward = StackedFusion.forward
    monkeypatch.setattr(
        StackedFusion, "forward", lambda self, *args: forward(self, *args).detach().requires_grad_()
    )
    with pytest.raises(InputError, match="must get a gradient"):
        train_stacked([team_of()])


def test_memory_that_runs_out_is_said_with_a_remedy(monkeypatch):
    def full(*args):
        raise torch.OutOfMemoryError("full")

    monkeypatch.setattr(StackedFusion, "compute", full)
    with pytest.raises(DeviceMemoryError, match=r"3 nets together.*smaller batch_size"):
        train_stacked([team_of()])


def test_bfloat16_trains():
    team = team_of(precision="bfloat16", max_epochs=2)
    train_stacked([team])
    assert np.isfinite(team.losses).all()
