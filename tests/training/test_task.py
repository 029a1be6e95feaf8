import numpy as np
import pytest
import torch

from adestim.encoding.tables import read_training_table
from adestim.training.intervals import TimeIntervals
from adestim.training.net import NumberLoss, class_losses, hazard_losses
from adestim.training.phase_one.forest import Grower
from adestim.training.phase_one.hazard import HazardPhaseOne, hazard_folds
from adestim.training.phase_one.logistic import PhaseOne, inner_folds
from adestim.training.phase_one.ridge import RidgePhaseOne, number_folds
from adestim.training.task import Classification, Hazards, Regression
from tests.fusion_tables import numeric_table


@pytest.fixture(scope="module")
def tables():
    return read_training_table(numeric_table(30)[0]).tables


def test_classes_are_predicted_by_one_output_each(tables):
    task = Classification(np.array(["AD", "CN", "MCI"]))
    targets = np.arange(30) % 3
    folds = task.folds(targets, np.arange(30), 0)
    np.testing.assert_array_equal(folds[0][0], inner_folds(targets, np.arange(30), 0)[0][0])
    phase_one, scores = task.fit_phase_one(tables, targets, np.ones(30), folds)
    assert isinstance(phase_one, PhaseOne)
    assert (task.n_outputs, scores.values.shape) == (3, (30, 3, 2, 2))
    assert task.losses(phase_one) is class_losses
    assert task.labels(np.array([2, 0])).tolist() == ["MCI", "AD"]


def test_a_number_is_predicted_by_one_output(tables):
    task = Regression(mean=70.0, scale=2.0, loss="huber")
    targets = np.linspace(-1, 1, 30)
    folds = task.folds(targets, np.arange(30), 0)
    np.testing.assert_array_equal(folds[0][0], number_folds(targets, np.arange(30), 0)[0][0])
    phase_one, scores = task.fit_phase_one(tables, targets, np.ones(30), folds)
    assert isinstance(phase_one, RidgePhaseOne)
    assert (task.n_outputs, scores.values.shape) == (1, (30, 3, 2, 1))
    assert task.labels(np.array([-1.0, 0.5])).tolist() == [68.0, 71.0]


def test_times_are_predicted_by_one_output_an_interval(tables):
    task = Hazards(TimeIntervals(np.array([1.0, 2.5])), np.array([-1.0, -0.5]))
    targets = np.tile([1.0, -1.5, 2.0, -2.0, -0.5], 6)
    folds = task.folds(targets, np.arange(30), 0)
    np.testing.assert_array_equal(folds[0][0], hazard_folds(targets, np.arange(30), 0)[0][0])
    phase_one, scores = task.fit_phase_one(tables, targets, np.ones(30), folds, Grower(5, 0))
    assert isinstance(phase_one, HazardPhaseOne)
    assert (task.n_outputs, scores.values.shape) == (2, (30, 3, 2, 2))
    assert task.losses(phase_one) is hazard_losses
    labels = task.labels(targets[:2])
    assert (labels["event"].tolist(), labels["time"].tolist()) == ([True, False], [1.0, 1.75])
    outputs = np.array([[0.0, 1.0]])
    np.testing.assert_array_equal(task.odds_of_outputs(outputs), [[1.0, 1.5]])
    np.testing.assert_array_equal(task.odds_of_values(outputs), [[1.0, 1.5]])


def test_the_shares_loss_of_times_is_relative_to_the_baseline():
    task = Hazards(TimeIntervals(np.array([1.0, 2.5])), np.array([-1.0, -0.5]))
    loss = task.share_loss(np.zeros((2, 2)), np.array([1.0, -2.0]), np.ones(2))
    expected = np.log1p(np.exp(-1.0)) * 2 + 1.0 + np.log1p(np.exp(-0.5))
    assert loss(np.zeros((2, 2)))[0] == pytest.approx(expected)


@pytest.mark.parametrize(
    "task", [Classification(np.array(["AD", "CN"])), Regression(0.0, 1.0, "huber")]
)
def test_a_forest_joins_where_one_is_to_be_grown(tables, task):
    targets = np.arange(30) % 2 if task.n_outputs == 2 else np.linspace(-1, 1, 30)
    folds = task.folds(targets, np.arange(30), 0)
    given = tables, targets, np.ones(30), folds
    assert "forest" in task.fit_phase_one(*given, Grower(5, 0))[1].judges
    assert "forest" not in task.fit_phase_one(*given)[1].judges
    assert "forest" not in task.fit_phase_one(*given, Grower(5, 0), members=("joint",))[1].judges


@pytest.mark.parametrize(("loss", "scale"), [("huber", 0.4), ("squared", 1.0)])
def test_hubers_loss_alone_takes_the_scale_of_the_residuals(loss, scale):
    class Heads:
        residual_scale = 0.4

    losses = Regression(0.0, 1.0, loss).losses(Heads())
    assert losses == NumberLoss(loss, scale)
    assert losses(torch.zeros(2, 1), torch.zeros(2)).shape == (2,)
