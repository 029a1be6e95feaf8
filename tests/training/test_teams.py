"""An anchor's nets of the inner folds: prepared, trained together, joined."""

from functools import partial

import numpy as np
import pytest
import torch

from adestim.training.anchored_nets import AnchoredSettings, build_anchored_net
from adestim.training.fitting import TrainerSettings
from adestim.training.phase_one.logistic import inner_folds
from adestim.training.teams import TeamTraining, join_nets, prepare_team
from tests.fusion_tables import prepared_inputs, quick, read_for, settings_of
from tests.kept_nets import nets_kept
from tests.training.lockstep.test_stacked_teams import team_of as reference_team


@pytest.fixture(scope="module")
def prepared():
    """What reading tables into nets needs, subjects, their unseen scores and their classes."""
    return prepared_inputs()


@pytest.fixture(scope="module")
def folds(prepared):
    return inner_folds(prepared[3], np.arange(40), 0, 4)


def data_of(prepared):
    inputs, subjects, scores, codes = prepared
    return read_for("mri", inputs, subjects, scores, codes)


def team_of(prepared, folds, seed=0, hook=None, **params):
    """Nets of the anchor 'mri', one a fold, ready to be trained, and how they are."""
    estimator = quick(**{"max_epochs": 3, "patience": 9, "learning_rate": 0.02} | params)
    settings = settings_of(TrainerSettings, estimator)
    build = partial(
        build_anchored_net, "mri", prepared[0], settings_of(AnchoredSettings, estimator)
    )
    return prepare_team(build, data_of(prepared), folds, seed, settings, hook), settings


def trained(*args, **params):
    team, settings = team_of(*args, **params)
    TeamTraining([team]).run()
    return team, settings


def weights(team):
    return [[value.clone() for value in module.parameters()] for module in team.modules]


def test_every_net_is_trained_without_its_fold_and_judged_on_it(prepared, folds):
    team, _ = team_of(prepared, folds)
    for lane, (train, test) in zip(team.lanes, folds, strict=True):
        assert lane.train.rows.tolist() == train.tolist()
        assert lane.validation.rows.tolist() == test.tolist()


def test_nets_of_folds_are_as_different_as_their_seeds(prepared, folds):
    first, *others = weights(team_of(prepared, folds)[0])
    for other in others:
        assert any(not torch.equal(*pair) for pair in zip(first, other, strict=True))


def test_a_seed_gives_the_same_nets_and_leaves_the_global_generator(prepared, folds):
    state = torch.get_rng_state()
    first, again, other = (trained(prepared, folds, seed)[0] for seed in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), state)
    for one, two in zip(weights(first), weights(again), strict=True):
        assert all(torch.equal(*pair) for pair in zip(one, two, strict=True))
    for one, two in zip(weights(first), weights(other), strict=True):
        assert not all(torch.equal(*pair) for pair in zip(one, two, strict=True))


def test_what_is_said_of_a_subject_is_said_by_the_net_that_did_not_see_it(prepared, folds):
    with nets_kept():
        team, settings = trained(prepared, folds)
    unseen = team.unseen_outputs(40)
    assert unseen.shape == (40, 2)
    for module, (_, test) in zip(team.modules, folds, strict=True):
        alone = join_nets([module], settings)
        expected = alone.predict_logits(data_of(prepared).view(test))
        np.testing.assert_allclose(unseen[test], expected, atol=1e-5)


def test_the_epoch_of_least_pooled_loss_is_kept(prepared, folds):
    records = []
    team, _ = trained(prepared, folds, hook=records.append, max_epochs=8, learning_rate=0.05)
    losses = [record["valid_loss"] for record in records]
    assert [record["epoch"] for record in records] == list(range(1, 9))
    assert team.best_epoch == 0 or losses[team.best_epoch - 1] == min(losses)
    logits = torch.from_numpy(team.unseen_outputs(40))
    kept = torch.nn.functional.cross_entropy(logits, torch.from_numpy(prepared[3])).item()
    start = torch.nn.functional.cross_entropy(
        data_of(prepared).base_logits.double(), torch.from_numpy(prepared[3])
    ).item()
    assert kept == pytest.approx(min(losses) if team.best_epoch else start, rel=1e-5)


def test_patience_ends_all_nets_at_the_same_epoch(prepared, folds):
    records = []
    team, _ = trained(
        prepared, folds, hook=records.append, max_epochs=30, patience=2, learning_rate=0.3
    )
    assert len(records) == team.best_epoch + 2 < 30


def test_a_hook_ends_training_by_true(prepared, folds):
    records = []

    def stop(record):
        records.append(record)
        return len(records) == 2

    trained(prepared, folds, hook=stop, max_epochs=5)
    assert len(records) == 2


def test_joined_nets_predict_the_mean_of_their_logits(prepared, folds):
    with nets_kept():
        team, settings = trained(prepared, folds)
    joined = join_nets(team.modules, settings)
    each = [
        join_nets([module], settings).predict_logits(data_of(prepared)) for module in team.modules
    ]
    np.testing.assert_allclose(
        joined.predict_logits(data_of(prepared)), np.mean(each, axis=0), atol=1e-5
    )
    assert joined.module_.anchor == "mri"


def test_teams_that_are_trained_at_the_same_time_are_as_in_turn():
    found = []
    for n_jobs in (1, 3):
        teams = [
            reference_team(options={"anchor": name}) for name in ("markers", "regions", "visits")
        ]
        TeamTraining(teams, n_jobs).run()
        found.append(
            ([team.losses for team in teams], [team.modules[0].state_dict() for team in teams])
        )
    assert found[0][0] == found[1][0]
    torch.testing.assert_close(found[0][1], found[1][1], rtol=0, atol=0)
