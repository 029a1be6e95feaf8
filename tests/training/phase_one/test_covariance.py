import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from adestim.training.phase_one.covariance import (
    average_known,
    flatten,
    pairwise_covariance,
    positive_definite,
    shrink_covariance,
)


def drawn(n_subjects=200, n_scores=4, seed=0):
    """Correlated scores, and which of them are known."""
    rng = np.random.default_rng(seed)
    flat = rng.normal(size=(n_subjects, n_scores)) @ rng.normal(size=(n_scores, n_scores))
    return flat, rng.random((n_subjects, n_scores)) > 0.3


def test_scores_stand_side_by_side_and_what_is_missing_is_zero():
    scores = np.arange(12.0).reshape(2, 3, 2)
    flat, known = flatten(scores, np.array([[True, False, True], [True, True, True]]))
    np.testing.assert_array_equal(flat[0], [0, 1, 0, 0, 4, 5])
    np.testing.assert_array_equal(known[0], [True, True, False, False, True, True])


def test_means_are_over_what_is_known():
    flat, known = drawn()
    weight = np.arange(1.0, 201.0)
    found = average_known(np.where(known, flat, 0), known, weight)
    for place in range(4):
        rows = known[:, place]
        expected = np.average(flat[rows, place], weights=weight[rows])
        np.testing.assert_allclose(found[place], expected)


def test_the_mean_of_what_nobody_has_is_zero():
    assert average_known(np.zeros((3, 1)), np.zeros((3, 1), dtype=bool), np.ones(3)) == 0


def test_the_covariance_of_a_pair_is_over_those_who_have_both():
    flat, known = drawn()
    residual = np.where(known, flat, 0)
    found = pairwise_covariance(residual, known, np.ones(200))
    both = known[:, 0] & known[:, 1]
    np.testing.assert_allclose(found[0, 1], np.mean(flat[both, 0] * flat[both, 1]))


def test_a_prior_counts_as_one_subject_a_score():
    flat, known = drawn()
    residual, prior = np.where(known, flat, 0), 9 * np.eye(4)
    plain = pairwise_covariance(residual, known, np.ones(200))
    found = pairwise_covariance(residual, known, np.ones(200), prior)
    n = known[:, 0].sum()
    np.testing.assert_allclose(found[0, 0], (n * plain[0, 0] + 4 * 9) / (n + 4))


def test_shrinking_keeps_variances_and_takes_a_share_of_correlations():
    flat, _ = drawn()
    covariance = np.cov(flat.T)
    found = shrink_covariance(covariance, 0.2)
    np.testing.assert_allclose(np.diag(found), np.diag(covariance), rtol=1e-6)
    np.testing.assert_allclose(found[0, 1], 0.8 * covariance[0, 1], rtol=1e-6)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([0.02, 0.1, 0.4]))
def test_pairwise_estimates_become_positive_definite(seed, shrinkage):
    flat, known = drawn(n_subjects=8, seed=seed)
    found = shrink_covariance(
        pairwise_covariance(np.where(known, flat, 0), known, np.ones(8)), shrinkage
    )
    assert np.linalg.eigvalsh(found).min() > 0


def test_small_eigenvalues_are_lifted_and_large_ones_kept():
    values = np.linalg.eigvalsh(positive_definite(np.diag([-1.0, 0.0, 4.0]), 0.2))
    np.testing.assert_allclose(values, [0.1, 0.1, 4.0])
