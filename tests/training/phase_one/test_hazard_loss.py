"""The likelihood of hazards, beside that of rows of subjects and intervals."""

import numpy as np
import pytest
import torch
from scipy.optimize import check_grad
from scipy.special import expit
from sklearn.metrics import log_loss

from adestim.training.net import hazard_losses
from adestim.training.phase_one.hazard_loss import Periods, hazard_loss

LIVED = np.array([1.0, 3.0, -2.0, -1.5, -3.0])
ODDS = np.random.default_rng(0).normal(size=(5, 3))


def test_what_is_known_of_every_interval():
    periods = Periods.of(LIVED, 3)
    expected = [[1, 0, 0], [1, 1, 1], [1, 1, 0], [1, 0.5, 0], [1, 1, 1]]
    np.testing.assert_array_equal(periods.observed, expected)
    np.testing.assert_array_equal(np.argwhere(periods.seen), [[0, 0], [1, 2]])


def test_losses_are_those_of_rows_of_subjects_and_intervals():
    periods = Periods.of(LIVED, 3)
    rows, interval = np.nonzero(periods.observed)
    expected = log_loss(
        periods.seen[rows, interval],
        expit(ODDS[rows, interval]),
        sample_weight=periods.observed[rows, interval],
        normalize=False,
    )
    assert periods.losses(ODDS).sum() == pytest.approx(expected)


def test_nets_lose_the_same():
    given = torch.from_numpy(ODDS), torch.from_numpy(LIVED).float()
    expected = Periods.of(LIVED, 3).losses(ODDS)
    np.testing.assert_allclose(hazard_losses(*given).numpy(), expected, rtol=1e-6)


def test_gradient_is_that_of_the_loss():
    loss = hazard_loss(LIVED, np.arange(1.0, 6.0), np.array([0.5, 0.0, -1.0]))
    shape = ODDS.shape
    error = check_grad(
        lambda flat: loss(flat.reshape(shape))[0],
        lambda flat: loss(flat.reshape(shape))[1].ravel(),
        ODDS.ravel(),
    )
    assert error < 1e-5
    assert loss(ODDS)[0] == pytest.approx(loss.by_subject(ODDS).sum())


def test_baseline_is_the_share_of_events_among_those_at_risk():
    lived = np.concatenate([np.full(200, 1.0), np.full(300, 2.0), np.full(500, -2.0)])
    found = expit(Periods.of(lived, 2).baseline(np.ones(1000)))
    np.testing.assert_allclose(found, [0.2, 300 / 800], rtol=2e-2)


def test_an_interval_without_an_event_has_a_finite_baseline():
    assert np.isfinite(Periods.of(np.array([1.0, -2.0]), 2).baseline(np.ones(2))).all()
