import numpy as np
import pytest
from scipy.optimize import check_grad, minimize
from scipy.special import softmax
from sklearn.metrics import log_loss

from adestim.training.phase_one.shares import (
    Members,
    Mixture,
    choose_shares,
    class_loss,
    mix_members,
    number_loss,
    residual_variance,
)


def class_members(n_subjects=300, n_classes=3, noise=(0.5, 0.5, 4.0)):
    """Log-odds that know the class up to noise, and the classes."""
    rng = np.random.default_rng(0)
    y = rng.integers(n_classes, size=n_subjects)
    truth = 1.5 * np.eye(n_classes)[y][:, 1:] - 1.5 * np.eye(n_classes)[y][:, :1]
    drawn = [truth + rng.normal(scale=scale, size=truth.shape) for scale in noise]
    return np.stack(drawn), y


def number_members(noise=(0.3, 0.3, 2.0)):
    rng = np.random.default_rng(0)
    y = rng.normal(size=200)
    return np.stack([(y + rng.normal(scale=scale, size=200))[:, None] for scale in noise]), y


@pytest.fixture
def posed():
    outputs, y = class_members()
    return outputs, class_loss(y, np.ones(len(y))), y


def test_shares_sum_to_one_and_follow_the_evidence(posed):
    outputs, loss, _ = posed
    shares = choose_shares(outputs, loss).shares
    assert shares.sum() == pytest.approx(1)
    assert shares[2] < 0.1 < min(shares[:2])


def test_a_strong_draw_keeps_the_prior(posed):
    outputs, loss, _ = posed
    prior = np.array([0.5, 0.2, 0.3])
    np.testing.assert_allclose(
        choose_shares(outputs, loss, prior, draw=1e6, margin=np.inf).shares, prior, 1e-3
    )


def test_without_evidence_the_prior_stays():
    outputs, y = class_members()
    same = np.stack([outputs[0]] * 3)
    prior = np.array([2.0, 1.0, 1.0])
    found = choose_shares(same, class_loss(y, np.ones(len(y))), prior)
    np.testing.assert_allclose(found.shares, prior / 4, atol=1e-4)


def test_small_shares_become_zero_and_the_others_sum_to_one():
    outputs, y = class_members(noise=(0.5, 50.0))
    loss = class_loss(y, np.ones(len(y)))
    found = choose_shares(outputs, loss, draw=1e-3, margin=np.inf).shares
    np.testing.assert_array_equal(found, [1.0, 0.0])


def test_a_member_that_does_harm_goes_however_strong_the_draw(posed):
    outputs, loss, _ = posed
    kept = choose_shares(outputs, loss, draw=1e3, margin=np.inf).shares
    np.testing.assert_allclose(kept, 1 / 3, atol=0.05)
    np.testing.assert_allclose(
        choose_shares(outputs, loss, draw=1e3).shares, [0.5, 0.5, 0], atol=0.01
    )


def test_no_shares_are_better(posed):
    outputs, loss, _ = posed

    def penalised(logs):
        return loss(np.tensordot(softmax(logs), outputs, axes=1))[0] + logs @ logs

    expected = softmax(minimize(penalised, np.zeros(3), tol=1e-10).x)
    found = choose_shares(outputs, loss, margin=np.inf).shares
    np.testing.assert_allclose(found, expected, atol=2e-3)


def test_weights_count_relative_to_their_mean(posed):
    outputs, loss, y = posed
    heavy = choose_shares(outputs, class_loss(y, np.full(len(y), 7.0))).shares
    np.testing.assert_allclose(heavy, choose_shares(outputs, loss).shares, atol=1e-4)


def test_a_mixture_that_is_too_timid_is_sharpened():
    outputs, y = class_members()
    loss = class_loss(y, np.ones(len(y)))
    timid = choose_shares(outputs / 3, loss, sharpness_draw=0.1)
    assert timid.sharpness > 2
    assert choose_shares(outputs / 3, loss, sharpness_draw=1e6).sharpness == pytest.approx(1, 1e-3)
    assert choose_shares(outputs / 3, loss).sharpness == 1


def test_numbers_are_weighed_by_squared_error():
    outputs, y = number_members()
    weight = np.ones(len(y))
    loss = number_loss(y, weight, residual_variance(outputs, y, weight))
    shares = choose_shares(outputs, loss).shares
    assert shares[2] < 0.15 < min(shares[:2])


def test_the_residual_variance_is_that_of_the_priors_mixture():
    outputs, y = number_members()
    mixed = 0.75 * outputs[0, :, 0] + 0.25 * outputs[1, :, 0]
    found = residual_variance(outputs[:2], y, np.ones(len(y)), np.array([3.0, 1.0]))
    assert found == pytest.approx(((mixed - y) ** 2).mean())


# Members that do not judge everybody


def test_a_member_that_does_not_judge_leaves_its_share_to_its_kind():
    outputs = np.arange(3.0)[:, None, None] + np.zeros((3, 2, 1))
    counts = np.array([[True, True], [True, False], [True, True]])
    mixture = Mixture(np.array([0.2, 0.3, 0.5]))
    found = mix_members(outputs, mixture, counts, np.array(["net", "net", "head"]))
    np.testing.assert_allclose(found[:, 0], [0.3 + 1.0, 0.0 + 1.0])


def test_where_none_of_a_kind_judges_all_do():
    outputs = np.arange(2.0)[:, None, None] + np.zeros((2, 1, 1))
    counts = np.zeros((2, 1), dtype=bool)
    found = mix_members(outputs, Mixture(np.array([0.25, 0.75])), counts, np.zeros(2))
    np.testing.assert_allclose(found, [[0.75]])


def test_where_only_members_without_a_share_judge_they_count_alike():
    outputs = np.array([0.0, 2.0, 4.0])[:, None, None]
    counts = np.array([[False], [True], [True]])
    found = mix_members(outputs, Mixture(np.array([1.0, 0.0, 0.0])), counts, np.zeros(3))
    np.testing.assert_allclose(found, [[3.0]])


def test_slopes_are_those_of_the_loss():
    outputs, y = class_members(60, noise=(0.5, 1.0, 2.0, 1.0))
    counts = np.random.default_rng(1).random((4, 60)) < 0.6
    members = Members.of(outputs, counts, np.array([0, 0, 1, 1]))
    loss = class_loss(y, np.linspace(0.5, 2, 60))

    def total(logs):
        return loss(members.mix(softmax(logs)))[0]

    def slopes(logs):
        shares = softmax(logs)
        return members.slopes(shares, loss(members.mix(shares))[1])

    assert check_grad(total, slopes, np.array([0.3, -0.2, 0.5, 0.0])) < 1e-4


def test_the_class_loss_is_the_log_loss():
    outputs, y = class_members(50)
    total, _ = class_loss(y, np.ones(50))(outputs[0])
    probability = softmax(np.pad(outputs[0], ((0, 0), (1, 0))), axis=1)
    assert total == pytest.approx(log_loss(y, probability, normalize=False))
