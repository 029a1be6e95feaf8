import numpy as np
import pandas as pd
import pytest
from sklearn.feature_selection import f_regression
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score

from adestim.training.phase_one import ridge
from adestim.training.phase_one.penalised import Setting
from adestim.training.phase_one.ridge import (
    RidgeProblem,
    fit_ridge_phase_one,
    fit_ridges,
    linear_association,
    number_folds,
    robust_scale,
)
from tests.fusion_tables import BLOCKS, numeric_table, tables_of, with_missing


def numbers(n_subjects=80, seed=0):
    """A complete table and a number near 0 that 'mri' and 'csf' tell."""
    X, _ = numeric_table(n_subjects, seed=seed)
    noise = np.random.default_rng(seed).normal(scale=0.3, size=n_subjects)
    return X, (X["mri__a"] + X["csf__a"]).to_numpy() / 2 + noise


def phase_one_of(X, y, n_folds=4):
    """The heads, unseen scores, scores and presence."""
    tables = tables_of(X)
    folds = number_folds(y, np.arange(len(y)), 0, n_folds)
    fitted, unseen = fit_ridge_phase_one(tables, y, np.ones(len(y)), folds)
    present = np.stack([table.present for table in tables.values()], axis=1)
    return fitted, unseen, fitted.scores([table.pooled() for table in tables.values()]), present


@pytest.fixture(scope="module")
def incomplete():
    X, y = numbers()
    X = with_missing(X)
    return X, y, *phase_one_of(X, y)


@pytest.fixture
def one_penalty(monkeypatch):
    """Heads without a choice, so that scores depend on the training rows alone."""
    monkeypatch.setattr(ridge, "PENALTIES", np.array([1.0]))


# Starting points


def test_average_is_the_mean_of_the_separate_heads_where_something_is_missing(incomplete):
    _, _, fitted, _, scores, present = incomplete
    found = fitted.logits(scores, present, "average")[:, 0]
    for row in np.flatnonzero(~present.all(axis=1))[:10]:
        expected = scores.values[row, present[row], 0, 0].mean()
        np.testing.assert_allclose(found[row], expected, rtol=1e-5)


def test_average_takes_the_joint_head_for_complete_subjects(incomplete):
    _, _, fitted, _, scores, present = incomplete
    complete = present.all(axis=1)
    expected = fitted.joint_scores(scores, present)[complete]
    found = fitted.logits(scores, present, "average")[complete]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize("anchor", BLOCKS)
def test_anchor_start_is_the_anchors_head_alone(incomplete, anchor):
    _, _, fitted, _, scores, present = incomplete
    place = list(BLOCKS).index(anchor)
    found = fitted.logits(scores, present, "anchor", anchor)[:, 0]
    has = present[:, place]
    np.testing.assert_allclose(found[has], scores.values[has, place, 0, 0], rtol=1e-5)
    np.testing.assert_allclose(found[~has], fitted.mean, rtol=1e-5)


def test_stacked_is_the_members_weighed_by_their_shares(incomplete):
    _, _, fitted, _, scores, present = incomplete
    odds = fitted.member_odds(scores, present)
    expected = sum(share * odds[name] for name, share in fitted.shares.items())
    np.testing.assert_allclose(fitted.logits(scores, present, "stacked"), expected, rtol=1e-5)
    assert sum(fitted.shares.values()) == pytest.approx(1)
    assert set(fitted.shares) <= {"joint", "conditional", "late"}


@pytest.mark.parametrize("start", ["stacked", "average", "anchor"])
def test_no_start_reads_what_is_missing(incomplete, start):
    _, _, fitted, _, scores, present = incomplete
    values = np.where(present[:, :, None, None], scores.values, 99.0)
    changed = scores._replace(values=values)
    np.testing.assert_array_equal(
        fitted.logits(changed, present, start, "mri"), fitted.logits(scores, present, start, "mri")
    )


def test_stacked_start_beats_every_single_head_on_subjects_not_seen(incomplete):
    _, y, fitted, unseen, _, present = incomplete
    stacked = r2_score(y, fitted.logits(unseen, present, "stacked"))
    singles = [r2_score(y, fitted.logits(unseen, present, "anchor", name)) for name in BLOCKS]
    assert stacked > 0.4
    assert stacked > max(singles)


def test_predictions_are_one_float32_a_subject(incomplete):
    _, _, fitted, _, scores, present = incomplete
    found = fitted.logits(scores, present, "stacked")
    assert (found.shape, found.dtype) == ((80, 1), np.float32)


# Scores of the training subjects


def test_training_scores_come_from_heads_that_did_not_see_the_number(one_penalty):
    X, y = numbers(60)
    tables, weight = tables_of(X), np.ones(60)
    folds = number_folds(y, np.arange(60), 0, 3)
    tested = folds[0][1]
    changed = y.copy()
    changed[tested] += 5
    before = fit_ridge_phase_one(tables, y, weight, folds)[1].values
    after = fit_ridge_phase_one(tables, changed, weight, folds)[1].values
    np.testing.assert_allclose(after[tested][:, :, 1], before[tested][:, :, 1], atol=1e-8)
    elsewhere = np.setdiff1d(np.arange(60), tested)
    assert not np.allclose(after[elsewhere][:, :, 1], before[elsewhere][:, :, 1], atol=1e-4)


def test_training_scores_do_not_flatter_noise():
    noise = np.random.default_rng(0).normal(size=(60, 201))
    X, y = pd.DataFrame(noise[:, 1:]).add_prefix("noise__"), noise[:, 0]
    _, unseen, *_ = phase_one_of(X, y)
    assert r2_score(y, unseen.values[:, 0, 0, 0]) < 0.1


def test_the_residual_scale_is_that_of_subjects_not_seen(incomplete):
    _, y, fitted, unseen, _, present = incomplete
    residuals = y - fitted.logits(unseen, present, "stacked")[:, 0]
    assert fitted.residual_scale == pytest.approx(robust_scale(residuals, np.ones(80)))
    assert 0.2 < fitted.residual_scale < 0.8


def test_heads_can_be_fitted_without_folds():
    X, y = numbers(20)
    fitted, unseen = fit_ridge_phase_one(tables_of(X), y, np.ones(20), [])
    assert np.isfinite(fitted.logits(unseen, np.ones((20, 3), dtype=bool), "stacked")).all()


def test_a_number_that_does_not_vary_is_predicted():
    X, _ = numbers(40)
    fitted, _, scores, present = phase_one_of(X, np.full(40, 3.0))
    np.testing.assert_allclose(fitted.logits(scores, present, "stacked"), 3.0, atol=1e-4)


# Ridge regression


def test_a_solution_is_that_of_scikit_learn_on_scaled_columns():
    X, y = numbers(60)
    blocks, rows = [X[columns].to_numpy() for columns in BLOCKS.values()], np.arange(60)
    problem = RidgeProblem(blocks, y, np.ones(60))
    [coef], [intercept] = problem.solve(rows, [Setting(0.5, 2.0)])
    values = np.hstack(blocks)
    [factors] = problem.factors(values, rows, np.array([0.5]))
    direct = Ridge(alpha=2.0).fit(values * factors, y)
    np.testing.assert_allclose(
        values @ coef[:, 0] + intercept, direct.predict(values * factors), atol=1e-8
    )


def test_a_weight_of_two_is_the_same_as_a_subject_twice():
    X, y = numbers(40)
    twice = np.arange(40) % 3 == 0
    rows = np.repeat(np.arange(40), 1 + twice)
    values, factors, penalties = X.to_numpy(), np.ones((1, X.shape[1])), np.ones(1)
    found = fit_ridges(values, factors, y, 1.0 + twice, penalties)
    expected = fit_ridges(values[rows], factors, y[rows], np.ones(len(rows)), penalties)
    np.testing.assert_allclose(found[0], expected[0])
    np.testing.assert_allclose(found[1], expected[1])


def test_without_columns_the_weighted_mean_is_predicted():
    y, weight = np.array([1.0, 2.0, 6.0]), np.array([1.0, 1.0, 2.0])
    coef, intercept = fit_ridges(np.zeros((3, 0)), np.zeros((1, 0)), y, weight, np.ones(1))
    assert coef.shape == (1, 0, 1)
    np.testing.assert_allclose(intercept, 3.75)


def test_association_orders_columns_as_their_f_statistic():
    X, y = numbers(60)
    found = linear_association(X.to_numpy(), y, np.ones(60))
    expected = np.sqrt(f_regression(X, y)[0] * 60 / 58)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_association_of_what_does_not_vary_is_small_and_finite():
    found = linear_association(np.ones((10, 1)), np.arange(10.0), np.ones(10))
    assert 0 < found[0] < 0.01


# Scale and folds


def test_the_robust_scale_of_a_gaussian_is_its_standard_deviation():
    residuals = np.random.default_rng(0).normal(scale=2.0, size=20_000)
    assert robust_scale(residuals, np.ones(20_000)) == pytest.approx(2.0, rel=0.03)


def test_the_robust_scale_does_not_heed_a_few_outliers():
    residuals = np.random.default_rng(0).normal(size=500)
    with_outliers = np.where(np.arange(500) % 20 == 0, 1e6, residuals)
    assert robust_scale(with_outliers, np.ones(500)) < 1.2 * robust_scale(residuals, np.ones(500))


def test_the_robust_scale_is_never_zero():
    assert robust_scale(np.zeros(5), np.ones(5)) == ridge.SMALLEST_SCALE


def test_folds_keep_groups_whole_and_test_everybody_once():
    groups = np.repeat(np.arange(20), 2)
    folds = number_folds(np.zeros(40), groups, 0)
    assert len(folds) == 5
    assert all(not set(groups[train]) & set(groups[test]) for train, test in folds)
    tested = np.concatenate([test for _, test in folds])
    np.testing.assert_array_equal(np.sort(tested), np.arange(40))


def test_folds_differ_by_seed():
    first, other = (number_folds(np.zeros(40), np.arange(40), seed)[0][1] for seed in (0, 1))
    assert not np.array_equal(first, other)


def test_few_groups_make_fewer_folds_and_one_makes_none():
    assert len(number_folds(np.zeros(6), np.repeat([0, 1, 2], 2), 0)) == 3
    assert number_folds(np.zeros(6), np.zeros(6), 0) == []
