import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, softmax
from scipy.stats import spearmanr
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, roc_auc_score

from adestim.training.phase_one import logistic
from adestim.training.phase_one.forest import Grower
from adestim.training.phase_one.logistic import (
    fit_logistic,
    fit_phase_one,
    inner_folds,
)
from adestim.training.phase_one.penalised import subset_folds
from tests.fusion_tables import BLOCKS, numeric_table, tables_of, with_missing


def phase_one_of(X, y, n_folds=3, weight=None, grower=None):
    """Phase 1 on a numeric table: the heads, unseen scores, codes, presence and folds."""
    codes = np.unique(y, return_inverse=True)[1]
    tables = tables_of(X)
    folds = inner_folds(codes, np.arange(len(codes)), 0, n_folds)
    weight = np.ones(len(codes)) if weight is None else weight
    fitted, unseen = fit_phase_one(tables, codes, weight, folds, len(np.unique(codes)), grower)
    present = np.stack([table.present for table in tables.values()], axis=1)
    scores = fitted.scores([table.pooled() for table in tables.values()])
    return fitted, unseen, scores, codes, present, folds


@pytest.fixture(scope="module")
def incomplete():
    X, y = numeric_table(80)
    X = with_missing(X)
    return X, *phase_one_of(X, y)


@pytest.fixture
def one_penalty(monkeypatch):
    """Heads without a choice, so that scores depend on the training rows alone."""
    monkeypatch.setattr(logistic, "PENALTIES", np.array([0.5]))


def standard_scores(values):
    return (values - values.mean(axis=0)) / values.std(axis=0)


def tuned_logistic(values, y, folds):
    """L2 logistic regression, its penalty chosen by log-loss over the folds, by scikit-learn."""
    losses = []
    for penalty in logistic.PENALTIES:
        model = LogisticRegression(C=penalty, tol=1e-8, max_iter=1000)
        unseen = [model.fit(values[a], y[a]).predict_proba(values[b]) for a, b in folds]
        tested = np.concatenate([b for _, b in folds])
        losses.append(log_loss(y[tested], np.concatenate(unseen)))
    best = logistic.PENALTIES[int(np.argmin(losses))]
    return LogisticRegression(C=best, tol=1e-8, max_iter=1000).fit(values, y)


# Starting points


def test_average_is_as_one_tuned_logistic_regression_per_observed_block(incomplete):
    X, fitted, _, scores, y, present, folds = incomplete
    probability = np.full(present.shape, np.nan)
    for place, columns in enumerate(BLOCKS.values()):
        has = np.flatnonzero(present[:, place])
        position = {row: number for number, row in enumerate(has)}
        own_folds = [
            tuple(np.array([position[row] for row in rows]) for rows in fold)
            for fold in subset_folds(folds, present[:, place])
        ]
        values = standard_scores(X[columns].to_numpy()[has])
        model = tuned_logistic(values, y[has], own_folds)
        probability[has, place] = model.predict_proba(values)[:, 1]
    partial = ~present.all(axis=1)
    got = expit(fitted.logits(scores, present, "average")[partial, 1])
    expected = np.nanmean(probability, axis=1)[partial]
    assert spearmanr(got, expected).statistic > 0.95
    np.testing.assert_allclose(got, expected, atol=0.1)


def test_average_takes_the_mean_of_the_separate_heads_probabilities(incomplete):
    X, fitted, _, scores, _, present, _ = incomplete
    alone = [
        expit(head.scores(X[columns].to_numpy())[:, 0] + intercept[0])
        for head, columns, intercept in zip(
            fitted.separate, BLOCKS.values(), fitted.intercepts, strict=True
        )
    ]
    by_hand = np.nanmean(np.where(present, np.stack(alone, axis=1), np.nan), axis=1)
    partial = ~present.all(axis=1)
    got = softmax(fitted.logits(scores, present, "average"), axis=1)[partial, 1]
    np.testing.assert_allclose(got, by_hand[partial], rtol=1e-5)


def test_average_takes_the_joint_head_for_complete_subjects(incomplete):
    _, fitted, _, scores, _, present, _ = incomplete
    complete = present.all(axis=1)
    got = fitted.logits(scores, present, "average")[complete, 1]
    by_hand = scores.values[complete, :, 1, 0].sum(axis=1) + fitted.joint_intercept[0]
    np.testing.assert_allclose(got, by_hand, rtol=1e-5, atol=1e-6)


def test_joint_head_is_as_a_tuned_logistic_regression_over_all_columns():
    X, y = numeric_table(80)
    fitted, _, scores, codes, _, folds = phase_one_of(X, y)
    values = standard_scores(X.to_numpy())
    expected = tuned_logistic(values, codes, folds).predict_proba(values)[:, 1]
    got = expit(scores.values[:, :, 1, 0].sum(axis=1) + fitted.joint_intercept[0])
    assert spearmanr(got, expected).statistic > 0.95
    np.testing.assert_allclose(got, expected, atol=0.15)


def test_late_start_averages_the_separate_heads_for_complete_subjects_too(incomplete):
    _, fitted, _, scores, _, present, _ = incomplete
    separate = expit(scores.values[:, :, 0, 0])
    expected = (separate * present).sum(axis=1) / present.sum(axis=1)
    assert present.all(axis=1).any()
    got = softmax(fitted.logits(scores, present, "late"), axis=1)[:, 1]
    np.testing.assert_allclose(got, expected, rtol=1e-5)


@pytest.mark.parametrize("anchor", list(BLOCKS))
def test_anchor_start_is_the_anchors_head_alone(incomplete, anchor):
    X, fitted, _, scores, _, present, _ = incomplete
    place = list(BLOCKS).index(anchor)
    has = present[:, place]
    alone = fitted.separate[place].scores(X[BLOCKS[anchor]].to_numpy()) + fitted.intercepts[place]
    got = fitted.logits(scores, present, "anchor", anchor)
    np.testing.assert_allclose(got[has, 1], alone[has, 0], rtol=1e-4, atol=1e-5)


def test_anchor_start_falls_back_on_the_class_frequencies(incomplete):
    _, fitted, _, scores, y, present, _ = incomplete
    without = fitted.logits(scores, present, "anchor", "csf")[~present[:, 1]]
    frequencies = np.tile(np.bincount(y) / len(y), (len(without), 1))
    np.testing.assert_allclose(softmax(without, axis=1), frequencies, rtol=1e-5)


@pytest.mark.parametrize("start", ["stacked", "average", "late", "anchor"])
def test_no_start_reads_what_is_missing(incomplete, start):
    _, fitted, _, scores, _, present, _ = incomplete
    values = np.where(present[:, :, None, None], scores.values, 100.0)
    strange = scores._replace(values=values)
    np.testing.assert_array_equal(
        fitted.logits(strange, present, start, "mri"), fitted.logits(scores, present, start, "mri")
    )


@pytest.mark.parametrize("start", ["stacked", "average", "late", "anchor"])
def test_every_start_gives_logits_of_three_classes(start):
    X, y = numeric_table(90, n_classes=3)
    fitted, _, scores, codes, present, _ = phase_one_of(with_missing(X), y)
    logits = fitted.logits(scores, present, start, "mri")
    assert logits.shape == (90, 3)
    assert (logits.argmax(axis=1) == codes).mean() > 0.45


def test_stacked_start_beats_every_single_head(incomplete):
    _, fitted, _, scores, y, present, _ = incomplete
    stacked = roc_auc_score(y, fitted.logits(scores, present, "stacked")[:, 1])
    singles = [
        roc_auc_score(y, fitted.logits(scores, present, "anchor", name)[:, 1]) for name in BLOCKS
    ]
    assert stacked > max(singles)


# The forest


def product_table(n_subjects=200, seed=1):
    """A table whose class is the sign of a product, of which no linear head can tell."""
    X, _ = numeric_table(n_subjects, seed=seed)
    return X, np.where(X["mri__a"] * X["csf__a"] > 0, "AD", "CN")


def incomplete_product():
    X, y = product_table()
    return with_missing(X), y


@pytest.fixture(scope="module")
def with_forest():
    return phase_one_of(*incomplete_product(), grower=Grower(20, 0))


def test_the_forest_lowers_the_log_loss_of_what_is_not_linear(with_forest):
    fitted, unseen, _, codes, present, _ = with_forest
    losses = [
        log_loss(codes, softmax(each.logits(unseen, present, "stacked"), axis=1))
        for each in (fitted, phase_one_of(*incomplete_product())[0])
    ]
    assert losses[0] < losses[1]


def test_stacked_odds_are_the_members_weighed_by_their_shares(with_forest):
    fitted, _, scores, _, present, _ = with_forest
    odds = fitted.member_odds(scores, present)
    found = fitted.logits(scores, present, "stacked")
    assert "forest" in odds
    expected = sum(share * odds[name] for name, share in fitted.shares.items())
    np.testing.assert_allclose(found[:, 1:], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("start", ["average", "late", "anchor"])
def test_no_other_start_hears_the_forest(with_forest, start):
    fitted, _, scores, _, present, _ = with_forest
    np.testing.assert_array_equal(
        fitted.logits(scores, present, start, "mri"),
        fitted.logits(scores._replace(judges={}), present, start, "mri"),
    )


def test_scores_of_some_subjects_keep_their_odds_by_the_forest(with_forest):
    fitted, _, scores, _, present, _ = with_forest
    everybody = fitted.logits(scores, present, "stacked")
    rows = np.array([150, 3, 77])
    twice = scores.take(np.arange(100, 200)).take(np.array([50, 7]))
    np.testing.assert_allclose(
        fitted.logits(scores.take(rows), present[rows], "stacked"), everybody[rows]
    )
    np.testing.assert_allclose(
        fitted.logits(twice, present[[150, 107]], "stacked"), everybody[[150, 107]]
    )


def test_without_folds_no_forest_is_grown():
    X, y = product_table(40)
    codes = (y == "AD").astype(int)
    fitted, unseen = fit_phase_one(tables_of(X), codes, np.ones(40), [], 2, Grower(20, 0))
    assert fitted.forest is None
    assert "forest" not in unseen.judges


# Scores of the training subjects


def test_training_scores_come_from_heads_that_did_not_see_the_label(one_penalty):
    X, y = numeric_table(60)
    codes = (y == "CN").astype(int)
    tables, weight = tables_of(X), np.ones(60)
    folds = inner_folds(codes, np.arange(60), 0, 3)
    tested = folds[0][1]
    flipped = codes.copy()
    flipped[tested[0]] = 1 - flipped[tested[0]]
    before = fit_phase_one(tables, codes, weight, folds, 2)[1].values
    after = fit_phase_one(tables, flipped, weight, folds, 2)[1].values
    np.testing.assert_allclose(after[tested][:, :, 1], before[tested][:, :, 1], atol=1e-8)
    elsewhere = np.setdiff1d(np.arange(60), tested)
    assert not np.allclose(after[elsewhere][:, :, 1], before[elsewhere][:, :, 1], atol=1e-4)


def test_training_scores_come_from_heads_that_did_not_see_the_features(one_penalty):
    X, y = numeric_table(60)
    codes = (y == "CN").astype(int)
    folds = inner_folds(codes, np.arange(60), 0, 3)
    first, second, *others = folds[0][1]
    order = np.arange(60)
    order[[first, second]] = second, first
    swapped = X.iloc[order].set_axis(X.index)
    before = fit_phase_one(tables_of(X), codes, np.ones(60), folds, 2)[1].values[:, :, 1]
    after = fit_phase_one(tables_of(swapped), codes, np.ones(60), folds, 2)[1].values[:, :, 1]
    np.testing.assert_allclose(after[others], before[others], atol=1e-6)
    np.testing.assert_allclose(after[first], before[second], atol=1e-6)


def test_training_scores_do_not_flatter_noise():
    noise = np.random.default_rng(0).normal(size=(60, 200))
    X = pd.DataFrame(noise, columns=[f"noise__{number}" for number in range(200)])
    _, unseen, scores, codes, _, _ = phase_one_of(X, np.arange(60) % 2)
    assert roc_auc_score(codes, scores.values[:, 0, 0, 0]) > 0.95
    assert roc_auc_score(codes, unseen.values[:, 0, 0, 0]) < 0.7


def test_an_unknown_feature_counts_as_its_mean(incomplete):
    X, fitted, *_ = incomplete
    block = X[BLOCKS["mri"]].to_numpy()[:1]
    at_mean, unknown = block.copy(), block.copy()
    at_mean[0, 1], unknown[0, 1] = fitted.separate[0].mean[1], np.nan
    head = fitted.separate[0]
    np.testing.assert_allclose(head.scores(unknown), head.scores(at_mean))


def test_a_feature_that_does_not_vary_has_no_weight():
    X, y = numeric_table(40)
    X["gene__a"] = 2.0
    _, _, scores, *_ = phase_one_of(X, y)
    assert np.ptp(scores.values[:, 2]) == 0


# The logistic regression


def test_three_classes_are_fitted_by_multinomial_regression():
    X, y = numeric_table(60, n_classes=3)
    codes = np.unique(y, return_inverse=True)[1]
    values = X.to_numpy()
    coef, intercept = fit_logistic(values, codes, np.ones(60), 1.0, 3)
    direct = LogisticRegression(tol=1e-8, max_iter=1000).fit(values, codes)
    logits = np.pad(values @ coef + intercept, ((0, 0), (1, 0)))
    np.testing.assert_allclose(softmax(logits, axis=1), direct.predict_proba(values), atol=1e-2)


def test_a_weight_of_two_is_the_same_as_a_subject_twice():
    X, y = numeric_table(40)
    codes, values = (y == "AD").astype(int), X.to_numpy()
    twice = np.arange(40) % 3 == 0
    rows = np.repeat(np.arange(40), 1 + twice)
    weighted = fit_logistic(values, codes, 1.0 + twice, 1.0, 2)
    repeated = fit_logistic(values[rows], codes[rows], np.ones(len(rows)), 1.0, 2)
    np.testing.assert_allclose(weighted[0], repeated[0], atol=1e-2)


def test_a_class_that_is_not_among_the_rows_becomes_improbable():
    X, y = numeric_table(60, n_classes=3)
    codes = np.unique(y, return_inverse=True)[1]
    rows = np.flatnonzero(codes != 2)
    coef, intercept = fit_logistic(X.to_numpy()[rows], codes[rows], np.ones(len(rows)), 1.0, 3)
    logits = np.pad(X.to_numpy() @ coef + intercept, ((0, 0), (1, 0)))
    assert softmax(logits, axis=1)[:, 2].max() < 0.05


# The folds


def test_folds_keep_groups_whole():
    y, groups = np.tile([0, 0, 1, 1], 10), np.repeat(np.arange(20), 2)
    for train, test in inner_folds(y, groups, 0):
        assert not set(groups[train]) & set(groups[test])


def test_folds_test_everybody_once():
    y = np.arange(30) % 2
    tested = np.concatenate([test for _, test in inner_folds(y, np.arange(30), 0)])
    np.testing.assert_array_equal(np.sort(tested), np.arange(30))


@pytest.mark.parametrize("n_of_the_tiny_class", [2, 3])
def test_a_tiny_class_makes_fewer_folds_and_is_in_every_training_part(n_of_the_tiny_class):
    y = np.repeat([0, 1], [20, n_of_the_tiny_class])
    folds = inner_folds(y, np.arange(len(y)), 0)
    assert len(folds) == n_of_the_tiny_class
    assert all(set(y[train]) == {0, 1} for train, _ in folds)


def test_a_class_of_one_group_gives_no_folds():
    y = np.repeat([0, 1], [20, 3])
    groups = np.append(np.arange(20), [20, 20, 20])
    assert inner_folds(y, groups, 0) == []


def test_heads_can_be_fitted_without_folds():
    X, y = numeric_table(20)
    codes = (y == "AD").astype(int)
    fitted, unseen = fit_phase_one(tables_of(X), codes, np.ones(20), [], 2)
    present = np.ones((20, 3), dtype=bool)
    assert np.isfinite(fitted.logits(unseen, present, "stacked")).all()
