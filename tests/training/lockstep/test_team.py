import numpy as np
import pytest
import torch

from adestim.training.lockstep.team import Lane, Team
from tests.training.lockstep.test_stacked_teams import team_of


@pytest.fixture
def team():
    return team_of(max_epochs=4, patience=2)


def say(team, shift):
    """Outputs that are the worse the larger the shift is."""
    outputs = []
    for lane in team.lanes:
        y = lane.validation.y[lane.validation.rows].numpy()
        right = np.eye(2, dtype=np.float32)[y]
        outputs.append(right - np.float32(shift))
        outputs[-1][np.arange(len(y)), y] = 1 - shift
        outputs[-1][np.arange(len(y)), 1 - y] = shift
    return outputs


def test_the_start_is_the_first_candidate(team):
    assert team.consider(say(team, 0.5))
    assert (team.n_epochs, team.best_epoch) == (0, 0)


def test_an_epoch_is_best_where_its_loss_is_least(team):
    found = [team.consider(say(team, shift)) for shift in (0.5, 0.6, 0.3, 0.4)]
    assert found == [True, False, True, False]
    assert team.best_epoch == 2


def test_patience_ends_training(team):
    team.consider(say(team, 0.5))
    goes_on = []
    for shift in (0.4, 0.6, 0.7):
        team.consider(say(team, shift))
        goes_on.append(team.end_epoch(1.0))
    assert goes_on == [True, True, False]
    assert [record["epoch"] for record in team.history] == [1, 2, 3]


def test_unseen_outputs_are_of_the_best_epoch(team):
    team.consider(say(team, 0.3))
    team.consider(say(team, 0.6))
    found = team.unseen_outputs(len(team.lanes[0].train.y))
    for lane, outputs in zip(team.lanes, say(team, 0.3), strict=True):
        np.testing.assert_allclose(found[lane.validation.rows], outputs, rtol=1e-6)


def test_weights_that_were_kept_come_back(team):
    net = team.modules[0]
    before = net.head.weight.detach().clone()
    team.keep()
    with torch.no_grad():
        net.head.weight += 1
    team.restore()
    assert torch.equal(net.head.weight, before)
    assert team.states == []


def test_a_lane_draws_its_own_numbers(team):
    lane = team.lanes[0]
    state = torch.get_rng_state()
    assert lane.draw(iter([])) is None
    assert lane.draw(torch.rand(1) for _ in range(1)).shape == (1,)
    assert torch.equal(torch.get_rng_state(), state)
    assert isinstance(lane, Lane)
    assert isinstance(team, Team)
