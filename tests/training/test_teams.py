import numpy as np
import torch

from adestim.training.nets import FoldMean
from adestim.training.teams import TeamTraining, join_nets
from tests.training.lockstep.test_stacked_teams import SETTINGS, team_of

WAYS = [{"options": {"anchor": name}} for name in ("markers", "regions", "visits")]


def test_nets_of_a_team_start_apart():
    first, second = (net.head.weight for net in team_of().modules[:2])
    assert (first - second).abs().max() > 1e-3


def test_one_seed_builds_the_same_nets():
    nets = [team_of(seed=3).modules[1] for _ in range(2)]
    torch.testing.assert_close(nets[0].state_dict(), nets[1].state_dict(), rtol=0, atol=0)


def test_teams_that_are_trained_at_the_same_time_are_as_in_turn():
    found = []
    for n_jobs in (1, 3):
        teams = [team_of(**way) for way in WAYS]
        TeamTraining(teams, n_jobs).run()
        found.append(
            ([team.losses for team in teams], [team.modules[0].state_dict() for team in teams])
        )
    assert found[0][0] == found[1][0]
    torch.testing.assert_close(found[0][1], found[1][1], rtol=0, atol=0)


def test_joined_nets_predict_their_mean():
    team = team_of()
    net = join_nets(team.modules, SETTINGS)
    assert isinstance(net.module_, FoldMean)
    data = team.lanes[0].train
    batch, _ = data.batch(data.rows)
    with torch.no_grad():
        expected = torch.stack([each(batch) for each in team.modules]).mean(0)
    np.testing.assert_allclose(net.predict_logits(data), expected, rtol=1e-4, atol=1e-4)
