"""Regressions of hazards, beside scikit-learn's of rows of subjects and intervals."""

import numpy as np
from sklearn.linear_model import LogisticRegression

from adestim.training.phase_one.hazard_loss import Periods
from adestim.training.phase_one.hazard_newton import fit_hazards


def subjects(n_subjects=400):
    rng = np.random.default_rng(0)
    features = rng.normal(size=(n_subjects, 3))
    lived = np.where(
        rng.random(n_subjects) < 0.6,
        rng.integers(1, 4, n_subjects),
        -rng.uniform(0.1, 3, n_subjects),
    )
    lived = np.where(features[:, 0] > 0.5, np.minimum(lived, 1.0), lived)
    return features, Periods.of(lived, 3), rng.uniform(0.5, 2, n_subjects)


def test_weights_are_those_of_rows_of_subjects_and_intervals():
    features, periods, weight = subjects()
    coef, intercept = fit_hazards(
        features, np.ones((2, 3)), periods, weight, np.array([1e-2, 10.0])
    )
    rows, interval = np.nonzero(periods.observed)
    # A hundred times as large and as little penalised, dummies of intervals are free.
    dummies = 100 * np.eye(3)[interval]
    for place, penalty in enumerate([1e-2, 10.0]):
        model = LogisticRegression(C=penalty, fit_intercept=False, tol=1e-8, max_iter=10_000)
        model.fit(
            np.hstack([features[rows], dummies]),
            periods.seen[rows, interval],
            sample_weight=weight[rows] * periods.observed[rows, interval],
        )
        np.testing.assert_allclose(coef[place], model.coef_[0, :3], atol=0.01)
        np.testing.assert_allclose(intercept[place], 100 * model.coef_[0, 3:], atol=0.02)


def test_factors_multiply_columns():
    features, periods, weight = subjects()
    factors, penalties = np.array([[2.0, 0.5, 1.0]]), np.array([0.1])
    found = fit_hazards(features, factors, periods, weight, penalties)
    same = fit_hazards(features * factors, np.ones((1, 3)), periods, weight, penalties)
    np.testing.assert_allclose(found[0], same[0], rtol=1e-6)


def test_an_interval_without_an_event_stays_finite():
    features = np.zeros((4, 1))
    periods = Periods.of(np.array([1.0, 1.0, -2.0, -2.0]), 2)
    coef, intercept = fit_hazards(features, np.ones((1, 1)), periods, np.ones(4), np.ones(1))
    assert coef.tolist() == [[0.0]]
    assert np.isfinite(intercept).all()
    assert intercept[0, 1] < intercept[0, 0]


def test_columns_may_be_none():
    _, periods, weight = subjects(50)
    coef, intercept = fit_hazards(np.empty((50, 0)), np.ones((1, 0)), periods, weight, np.ones(1))
    assert coef.shape == (1, 0)
    np.testing.assert_allclose(intercept[0], periods.baseline(weight), atol=0.2)
