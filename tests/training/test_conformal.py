import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import softmax

from adestim.training.conformal import PatternThresholds, conformal_quantile, nonconformity


@given(n=st.integers(1, 60), alpha=st.floats(0.01, 0.99), seed=st.integers(0, 1000))
def test_the_quantile_is_the_rank_of_conformal_prediction(n, alpha, seed):
    scores = np.random.default_rng(seed).random(n)
    rank = int(np.ceil((n + 1) * (1 - alpha) - 1e-9))
    expected = 1.0 if rank > n else np.sort(scores)[max(rank, 1) - 1]
    assert conformal_quantile(scores, np.ones(n), alpha) == expected


def test_a_rank_that_is_whole_is_not_lost_to_rounding():
    scores = np.arange(1, 20) / 20
    assert conformal_quantile(scores, np.ones(19), 0.1) == 18 / 20


def test_a_subject_of_weight_two_counts_as_two_in_the_quantile():
    scores = np.random.default_rng(0).random(20)
    weight = np.where(np.arange(20) < 7, 2.0, 1.0)
    repeated = np.concatenate([scores, scores[:7]])
    assert conformal_quantile(scores, weight, 0.2) == conformal_quantile(repeated, np.ones(27), 0.2)


def test_too_few_subjects_let_every_class_in():
    assert conformal_quantile(np.array([0.1, 0.2]), np.ones(2), 0.1) == 1
    assert conformal_quantile(np.array([]), np.array([]), 0.1) == 1


def test_lac_is_one_minus_the_probability():
    scores = nonconformity(np.array([[0.7, 0.2, 0.1]]), "lac")
    np.testing.assert_allclose(scores, [[0.3, 0.8, 0.9]])


def test_aps_sums_the_probabilities_at_least_as_large():
    scores = nonconformity(np.array([[0.1, 0.7, 0.2], [0.4, 0.2, 0.4]]), "aps")
    np.testing.assert_allclose(scores, [[1.0, 0.7, 0.9], [0.8, 1.0, 0.8]])


@pytest.mark.parametrize("kind", ["lac", "aps"])
@given(seed=st.integers(0, 1000))
def test_scores_lie_between_0_and_1_and_fall_with_the_probability(kind, seed):
    probabilities = softmax(np.random.default_rng(seed).normal(scale=4, size=(3, 4)), axis=1)
    scores = nonconformity(probabilities, kind)
    assert ((scores >= 0) & (scores <= 1)).all()
    by_probability = np.take_along_axis(scores, probabilities.argsort(axis=1), axis=1)
    assert (np.diff(by_probability, axis=1) <= 1e-12).all()


def cohort(n=1000, seed=0):
    """Scores of two classes, the second harder, and patterns, the second harder and rare."""
    rng = np.random.default_rng(seed)
    targets, rare = rng.integers(2, size=n), rng.random(n) < 0.1
    scores = rng.random((n, 2)) * (0.3 + 0.4 * targets + 0.3 * rare)[:, None]
    return scores, targets, np.ones(n), np.stack([np.ones(n, bool), ~rare], axis=1)


def test_the_common_threshold_is_one_for_all_classes_unless_asked():
    together = PatternThresholds.fit(*cohort(), alpha=0.1, shrinkage=20, by_class=False)
    apart = PatternThresholds.fit(*cohort(), alpha=0.1, shrinkage=20, by_class=True)
    assert together.common[0] == together.common[1]
    assert apart.common[0] < together.common[0] < apart.common[1]


def test_thresholds_of_a_pattern_are_drawn_to_the_common_one():
    data = cohort()
    own = PatternThresholds.fit(*data, alpha=0.1, shrinkage=0, by_class=False)
    shrunk = PatternThresholds.fit(*data, alpha=0.1, shrinkage=20, by_class=False)
    rare = (True, False)
    n_rare = (~data[3][:, 1]).sum()
    share = n_rare / (n_rare + 20)
    expected = share * own.by_pattern[rare] + (1 - share) * own.common
    np.testing.assert_allclose(shrunk.by_pattern[rare], expected)
    assert (own.by_pattern[rare] > own.common).all()


def test_a_pattern_without_a_class_takes_the_common_threshold_of_that_class():
    scores, targets, weight, present = cohort()
    kept = present[:, 1] | (targets == 0)
    data = [each[kept] for each in (scores, targets, weight, present)]
    thresholds = PatternThresholds.fit(*data, alpha=0.1, shrinkage=0, by_class=True)
    assert thresholds.by_pattern[True, False][1] == thresholds.common[1]


def test_an_unseen_pattern_gets_the_common_threshold():
    thresholds = PatternThresholds.fit(*cohort(), alpha=0.1, shrinkage=20, by_class=True)
    found = thresholds.of(np.array([[False, True], [True, True]]))
    np.testing.assert_array_equal(found[0], thresholds.common)
    np.testing.assert_array_equal(found[1], thresholds.by_pattern[True, True])


def test_where_every_class_is_let_in_blending_keeps_it_so():
    data = [each[:3] for each in cohort()]
    thresholds = PatternThresholds.fit(*data, alpha=0.1, shrinkage=0.7, by_class=False)
    assert all((each == 1).all() for each in thresholds.by_pattern.values())
