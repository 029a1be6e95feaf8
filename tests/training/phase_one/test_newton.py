import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from adestim.training.phase_one import newton
from adestim.training.phase_one.newton import solve_together

PENALTIES = np.array([1e-3, 0.1, 1.0])


def drawn(n_classes, n_rows=120, n_features=6):
    rng = np.random.default_rng(0)
    features = rng.normal(size=(n_rows, n_features))
    signal = features[:, 0] + rng.normal(size=n_rows)
    y = np.argsort(np.argsort(signal)) * n_classes // n_rows
    targets = y[:, None] == (np.arange(n_classes) if n_classes > 2 else np.array([1]))
    return features, y, targets, rng.uniform(0.5, 2, size=n_rows)


@pytest.mark.parametrize("n_classes", [2, 3, 4])
def test_every_fit_is_that_of_scikit_learn_on_multiplied_columns(n_classes, monkeypatch):
    monkeypatch.setattr(newton, "TOLERANCE", 1e-9)
    features, y, targets, weight = drawn(n_classes)
    factors = np.random.default_rng(1).uniform(0.2, 2, size=(3, 6))
    coef, intercept = solve_together(features, factors, targets, weight, PENALTIES)
    for own, penalty, found, first in zip(factors, PENALTIES, coef, intercept, strict=True):
        direct = LogisticRegression(C=penalty, tol=1e-10, max_iter=5000)
        direct.fit(features * own, y, sample_weight=weight)
        np.testing.assert_allclose(found, direct.coef_.T, atol=1e-5)
        logits = (features * own) @ found + first
        expected = direct.decision_function(features * own).reshape(logits.shape)
        if n_classes > 2:
            logits, expected = (
                each - each.mean(axis=1, keepdims=True) for each in (logits, expected)
            )
        np.testing.assert_allclose(logits, expected, atol=1e-4)


def test_a_fit_does_not_depend_on_those_beside_it():
    features, _, targets, weight = drawn(2)
    together = solve_together(features, np.ones((3, 6)), targets, weight, PENALTIES)[0]
    alone = solve_together(features, np.ones((1, 6)), targets, weight, PENALTIES[2:])[0]
    np.testing.assert_allclose(together[2:], alone, atol=1e-10)


def test_classes_that_columns_separate_have_finite_weights():
    features, y, targets, weight = drawn(2)
    features[:, 0] = 5.0 * y
    coef, intercept = solve_together(features, np.ones((1, 6)), targets, weight, np.array([1e3]))
    assert np.isfinite(coef).all()
    assert (((features @ coef[0] + intercept[0])[:, 0] > 0) == y).all()


def test_without_columns_the_intercept_is_the_log_odds_of_the_classes():
    _, y, targets, _ = drawn(2)
    y[:30] = 1
    targets = y[:, None] == 1
    _, intercept = solve_together(
        np.zeros((120, 0)), np.ones((1, 0)), targets, np.ones(120), np.ones(1)
    )
    assert intercept[0, 0] == pytest.approx(np.log(y.mean() / (1 - y.mean())), abs=1e-3)
