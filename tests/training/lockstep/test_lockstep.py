"""Nets trained in step are what each would be if trained alone."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from adestim.exceptions import DeviceMemoryError, InputError
from adestim.training.fitting import TrainerSettings, prepare_net
from adestim.training.lockstep import lockstep
from adestim.training.lockstep.lockstep import Lane, kinship, train_lanes, train_together
from adestim.training.lockstep.random_streams import RandomStream
from tests.toy_backbone import ToyViT, toy_data, toy_module

CPU = torch.device("cpu")
SETTINGS = TrainerSettings(
    max_epochs=3,
    batch_size=6,
    learning_rate=0.01,
    weight_decay=0.01,
    modality_dropout=0.2,
    patience=5,
    precision="float32",
    device="cpu",
)


def lane(weights, seed, n=24, hook=None, **changes):
    """A net, its subjects and its random numbers, as an estimator hands them over."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        data = toy_data(n, seed)
        split = np.arange(n - 8), np.arange(n - 8, n)
        settings = replace(SETTINGS, **changes)
        net, train = prepare_net(toy_module(weights, seed), data, split, hook, settings)
        return Lane(net, train, RandomStream(CPU))


def train_alone(each):
    with each.stream.taken_up():
        each.net.fit(each.train)
    return each


def weights_of(each):
    return {
        name: value.detach()
        for name, value in each.net.module_.named_parameters()
        if value.requires_grad
    }


def records(each):
    keys = ("epoch", "train_loss", "valid_loss", "train_batch_count")
    batches = [[batch["train_batch_size"] for batch in row["batches"]] for row in each.net.history]
    return [{key: row[key] for key in keys} for row in each.net.history], batches


def assert_same(first, second):
    rows, batches = records(first)
    own_rows, own_batches = records(second)
    assert batches == own_batches
    for row, own in zip(rows, own_rows, strict=True):
        assert row == pytest.approx(own, rel=1e-5)
    torch.testing.assert_close(weights_of(first), weights_of(second), rtol=1e-3, atol=1e-4)


def test_nets_in_step_are_nets_alone(weights):
    sizes = [24, 31, 22]
    together = [lane(weights, seed, n) for seed, n in enumerate(sizes)]
    alone = [train_alone(lane(weights, seed, n)) for seed, n in enumerate(sizes)]
    train_together(together)
    for first, second in zip(together, alone, strict=True):
        assert_same(first, second)


def test_nets_may_be_trained_in_different_ways(weights):
    ways = [
        {"learning_rate": 0.003, "max_epochs": 2},
        {"batch_size": 9, "weight_decay": 0.1, "patience": 1},
        {"modality_dropout": 0.4, "max_epochs": 4},
    ]
    together = [lane(weights, seed, **way) for seed, way in enumerate(ways)]
    assert len({kinship(each) for each in together}) == 1
    alone = [train_alone(lane(weights, seed, **way)) for seed, way in enumerate(ways)]
    train_together(together)
    for first, second in zip(together, alone, strict=True):
        assert_same(first, second)
    assert len(together[2].net.history) > len(together[0].net.history) == 2


def test_nets_of_another_precision_are_trained_apart(weights):
    assert kinship(lane(weights, 0)) != kinship(lane(weights, 0, precision="bfloat16"))


def test_a_net_that_stops_leaves_the_others(weights):
    def stopping(epoch):
        return lambda record: record["epoch"] == epoch

    hooks = [stopping(1), stopping(9), stopping(2)]
    together = [lane(weights, seed, hook=hook) for seed, hook in enumerate(hooks)]
    alone = [train_alone(lane(weights, seed, hook=hook)) for seed, hook in enumerate(hooks)]
    train_together(together)
    assert [len(each.net.history) for each in together] == [1, 3, 2]
    assert [bool(each.net.history[-1].get("stopped")) for each in together] == [True, False, True]
    for first, second in zip(together, alone, strict=True):
        assert_same(first, second)


def test_training_lets_go_of_what_only_it_needs(weights):
    together = [lane(weights, seed) for seed in range(2)]
    train_together(together)
    for each in together:
        assert not each.net.optimizer_.state
        assert dict(each.net.callbacks_)["early_stop"].validation is None


def test_only_nets_of_one_frozen_model_are_trained_together(weights, monkeypatch):
    lanes = [lane(weights, 0), lane(weights, 1), lane(weights, 2)]
    other = lanes[2].net.module
    other.backbone.recipe = (*other.backbone.recipe[:-2], True, 0)
    assert kinship(lanes[0]) == kinship(lanes[1]) != kinship(lanes[2])
    groups = []
    monkeypatch.setattr(lockstep, "train_together", groups.append)
    train_lanes(lanes)
    assert groups == [lanes[:2]]
    assert len(lanes[2].net.history) == 3


def test_weights_without_a_gradient_are_an_error(weights):
    lanes = [lane(weights, seed) for seed in range(2)]
    lanes[1].net.module.idle = torch.nn.Linear(2, 2)
    with pytest.raises(InputError, match="must get a gradient"):
        train_together(lanes)


def test_memory_that_runs_out_is_said_with_a_remedy(weights, monkeypatch):
    lanes = [lane(weights, seed) for seed in range(2)]

    def full(*args):
        raise torch.OutOfMemoryError("full")

    monkeypatch.setattr(ToyViT, "encode", full)
    with pytest.raises(DeviceMemoryError, match=r"2 folds together.*smaller n_together"):
        train_together(lanes)


def test_a_net_that_is_trained_itself_has_no_kin(weights):
    each = lane(weights, 0)
    each.net.module.backbone = ToyViT()
    assert kinship(each) is None
