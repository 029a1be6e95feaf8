"""Teams trained through one frozen body are what each net would be if trained alone."""

from functools import partial

import numpy as np
import pytest
import torch
from joblib import parallel_config

from adestim.exceptions import DeviceMemoryError, InputError
from adestim.training.fitting import TrainerSettings
from adestim.training.lockstep import lockstep
from adestim.training.lockstep.lockstep import (
    OneByOne,
    ThroughOneBody,
    choose_stepper,
    kinship,
    run,
    train_teams,
    train_together,
)
from adestim.training.teams import prepare_team
from tests.frozen_models import Neighbourly, fusion_of, spec_of
from tests.toy_backbone import ToyViT, toy_data, toy_spec
from tests.training.lockstep.test_stacked_teams import team_of as reference_team

SETTINGS = {
    "max_epochs": 3,
    "batch_size": 6,
    "learning_rate": 0.01,
    "weight_decay": 0.01,
    "modality_dropout": 0.2,
    "patience": 5,
    "precision": "float32",
    "device": "cpu",
}


def folds_of(n, n_folds):
    order = np.random.default_rng(n).permutation(n)
    parts = np.array_split(order, n_folds)
    return [(np.setdiff1d(order, part), part) for part in parts]


def build(spec, lora):
    """A net whose weights are as the present random numbers say."""
    return fusion_of(spec, int(torch.randint(1000, ())), **lora)


def team_of(weights, seed=0, n=24, hook=None, n_folds=2, model=None, lora=None, **changes):
    """An anchor's nets, as an estimator hands them over."""
    spec = toy_spec(weights) if model is None else spec_of(weights, model)
    settings = TrainerSettings(**SETTINGS | changes)
    data, folds = toy_data(n, seed), folds_of(n, n_folds)
    return prepare_team(partial(build, spec, lora or {}), data, folds, seed, settings, hook)


def train_one_by_one(team):
    """Train a team without a body that its nets share."""
    for lane in team.lanes:
        lane.net.initialize()
    run([team], OneByOne())
    return team


def weights_of(module):
    return {
        name: value.detach().clone()
        for name, value in module.named_parameters()
        if value.requires_grad
    }


def batch_sizes_of(team):
    return [
        [[batch["train_batch_size"] for batch in row["batches"]] for row in lane.net.history]
        for lane in team.lanes
    ]


def assert_same(team, other):
    assert (team.n_epochs, team.best_epoch) == (other.n_epochs, other.best_epoch)
    assert batch_sizes_of(team) == batch_sizes_of(other)
    for record, expected in zip(team.history, other.history, strict=True):
        assert record == pytest.approx(expected, rel=1e-4)
    for name in ("train_loss", "train_batch_count"):
        for lane, own in zip(team.lanes, other.lanes, strict=True):
            assert lane.net.history[:, name] == pytest.approx(own.net.history[:, name], rel=1e-4)
    for outputs, expected in zip(team.outputs, other.outputs, strict=True):
        np.testing.assert_allclose(outputs, expected, rtol=1e-3, atol=1e-3)
    for module, own in zip(team.modules, other.modules, strict=True):
        torch.testing.assert_close(weights_of(module), weights_of(own), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("lora", [{}, {"dropout": 0.4}, {"rank": 0}], ids=str)
@pytest.mark.parametrize("n_folds", [2, 3])
def test_a_team_through_one_body_is_the_team_net_by_net(weights, lora, n_folds):
    team, other = (team_of(weights, n=25, n_folds=n_folds, lora=lora) for _ in range(2))
    train_together([team])
    assert_same(team, train_one_by_one(other))


def test_a_net_by_net_team_is_its_nets_alone(weights):
    last = []
    team = team_of(weights, hook=lambda _: last.append(list(map(weights_of, team.modules))))
    train_one_by_one(team)
    for place, lane in enumerate(team_of(weights).lanes):
        with lane.stream.taken_up():
            lane.net.fit(lane.train)
        found = team.lanes[place].net.history[:, "train_loss"]
        assert found == pytest.approx(lane.net.history[:, "train_loss"], rel=1e-5)
        torch.testing.assert_close(last[-1][place], weights_of(lane.module), rtol=1e-4, atol=1e-5)


def test_teams_in_step_are_teams_alone(weights):
    sizes = [24, 31, 22]
    together, alone = (
        [team_of(weights, seed, n) for seed, n in enumerate(sizes)] for _ in range(2)
    )
    train_together(together)
    for team, other in zip(together, alone, strict=True):
        assert_same(team, train_one_by_one(other))


def test_teams_may_be_trained_in_different_ways(weights):
    ways = [
        {"learning_rate": 0.003, "max_epochs": 2},
        {"batch_size": 9, "weight_decay": 0.1, "n_folds": 3},
        {"modality_dropout": 0.4, "max_epochs": 4},
    ]
    together, alone = (
        [team_of(weights, seed, **way) for seed, way in enumerate(ways)] for _ in range(2)
    )
    assert len({kinship(team) for team in together}) == 1
    train_together(together)
    for team, other in zip(together, alone, strict=True):
        assert_same(team, train_one_by_one(other))
    assert [team.n_epochs for team in together] == [2, 3, 4]


def test_teams_of_another_precision_are_trained_apart(weights):
    assert kinship(team_of(weights)) != kinship(team_of(weights, precision="bfloat16"))


def test_a_team_that_stops_leaves_the_others(weights):
    def stopping(epoch):
        return lambda record: record["epoch"] == epoch

    hooks = [stopping(1), stopping(9), stopping(2)]
    together, alone = (
        [team_of(weights, seed, hook=hook) for seed, hook in enumerate(hooks)] for _ in range(2)
    )
    train_together(together)
    assert [team.n_epochs for team in together] == [1, 3, 2]
    for team, other in zip(together, alone, strict=True):
        assert_same(team, train_one_by_one(other))


def test_nets_of_a_team_are_at_the_end_of_their_patience_together(weights):
    team = team_of(weights, n_folds=3, max_epochs=30, patience=2, learning_rate=0.3)
    other = team_of(weights, 1, max_epochs=9, patience=9)
    train_together([team, other])
    assert team.n_epochs == team.best_epoch + 2 < 9 == other.n_epochs
    assert {len(lane.net.history) for lane in team.lanes} == {team.n_epochs}


def test_the_epoch_of_least_pooled_loss_is_kept(weights):
    team = team_of(weights, max_epochs=5)
    train_together([team])
    assert team.losses[team.best_epoch] == min(team.losses)
    for lane, outputs in zip(team.lanes, team.outputs, strict=True):
        assert not lane.module.training
        found = lane.net.predict_logits(lane.validation)
        np.testing.assert_allclose(found, outputs, rtol=1e-4, atol=1e-4)


def test_training_lets_go_of_what_only_it_needs(weights):
    together = [team_of(weights, seed) for seed in range(2)]
    train_together(together)
    for team in together:
        assert team.states == []
        for lane in team.lanes:
            assert not lane.net.optimizer_.state
            assert not lane.net.optimizer_.param_groups


@pytest.mark.parametrize("lora", [{}, {"dropout": 0.4}], ids=str)
def test_the_global_generator_is_left_as_found(weights, lora):
    teams = [team_of(weights, seed, lora=lora, max_epochs=1) for seed in range(2)]
    before = torch.get_rng_state()
    train_together(teams)
    assert torch.equal(torch.get_rng_state(), before)


def test_only_teams_of_one_frozen_model_are_trained_together(weights, monkeypatch):
    teams = [team_of(weights, seed) for seed in range(3)]
    for module in teams[1].modules:
        module.backbone.recipe = (*module.backbone.recipe[:-2], True, 0)
    assert kinship(teams[0]) == kinship(teams[2]) != kinship(teams[1])
    groups = []
    monkeypatch.setattr(lockstep, "train_together", groups.append)
    train_teams(teams)
    assert groups == [[teams[0], teams[2]], [teams[1]]]


def test_teams_of_reference_anchors_are_stacked_beside_them(weights):
    frozen, *stacked = team_of(weights), reference_team(), reference_team(seed=1)
    train_teams([stacked[0], frozen, stacked[1]])
    assert_same(frozen, train_one_by_one(team_of(weights)))
    assert [team.n_epochs for team in stacked] == [3, 3]


def test_teams_themselves_are_trained_whatever_backend_the_user_has_chosen():
    teams = [reference_team(options={"n_queries": n}) for n in (1, 2)]
    with parallel_config("loky", n_jobs=2):
        train_teams(teams, None)
    assert [team.n_epochs for team in teams] == [3, 3]


def test_nets_of_one_model_pass_its_body_at_once(weights, monkeypatch):
    team, sizes = team_of(weights, max_epochs=1, modality_dropout=0.0), []
    encode = ToyViT.encode

    def counted(self, tokens, *args):
        if torch.is_grad_enabled():
            sizes.append(len(tokens))
        return encode(self, tokens, *args)

    monkeypatch.setattr(ToyViT, "encode", counted)
    train_together([team])
    assert sizes == [12, 12]


def test_a_model_that_mixes_subjects_is_trained_net_by_net(weights):
    team, other = (team_of(weights, model=Neighbourly) for _ in range(2))
    assert isinstance(choose_stepper([team], team.lanes), OneByOne)
    train_together([team])
    assert_same(team, train_one_by_one(other))


def test_teams_of_a_model_that_mixes_subjects_are_refused(weights):
    teams = [team_of(weights, seed, model=Neighbourly) for seed in range(2)]
    with pytest.raises(InputError, match=r"one by one, in order.*n_together=1"):
        train_together(teams)


def test_a_net_without_company_needs_no_shared_body(weights):
    alone, pair = team_of(weights), team_of(weights)
    del alone.lanes[1:]
    assert isinstance(choose_stepper([alone], alone.lanes), OneByOne)
    for lane in pair.lanes:
        lane.net.initialize()
    assert isinstance(choose_stepper([pair], pair.lanes), ThroughOneBody)


def test_weights_without_a_gradient_are_an_error(weights):
    team = team_of(weights)
    team.modules[1].idle = torch.nn.Linear(2, 2)
    with pytest.raises(InputError, match="must get a gradient"):
        train_together([team])


def test_memory_that_runs_out_is_said_with_a_remedy(weights, monkeypatch):
    teams = [team_of(weights, seed) for seed in range(2)]

    def full(*args):
        raise torch.OutOfMemoryError("full")

    monkeypatch.setattr(ToyViT, "encode", full)
    with pytest.raises(DeviceMemoryError, match=r"4 nets together.*smaller.*n_together"):
        train_together(teams)


def test_a_net_that_is_trained_itself_has_no_kin(weights):
    team = team_of(weights)
    team.modules[0].backbone = ToyViT()
    assert kinship(team) is None
