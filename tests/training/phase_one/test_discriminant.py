import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import logsumexp
from scipy.stats import multivariate_normal, spearmanr
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis, QuadraticDiscriminantAnalysis
from sklearn.metrics import roc_auc_score

from adestim.training.phase_one.discriminant import PatternDiscriminant, choose_discriminant

N_MODALITIES = 3


def gaussian_classes(n_subjects=600, n_classes=2, n_scores=1, own=False, seed=0):
    """Scores of shape (n_subjects, 3, n_scores), correlated within classes."""
    rng = np.random.default_rng(seed)
    y = np.arange(n_subjects) % n_classes
    size = N_MODALITIES * n_scores
    roots = rng.normal(size=(n_classes, size, size)) * 0.3 + np.eye(size)
    root = roots[y] if own else roots[np.zeros_like(y)]
    means = rng.normal(size=(n_classes, size))
    flat = means[y] + np.einsum("nij,nj->ni", root, rng.normal(size=(n_subjects, size)))
    return flat.reshape(n_subjects, N_MODALITIES, n_scores), y


def fit(scores, y, own_share=0.0, present=None, weight=None):
    present = np.ones(scores.shape[:2], dtype=bool) if present is None else present
    weight = np.ones(len(y)) if weight is None else weight
    return PatternDiscriminant.fit(scores, present, y, weight, len(np.unique(y)), own_share)


def everything(scores):
    return np.ones(scores.shape[:2], dtype=bool)


@pytest.mark.parametrize(
    ("own_share", "reference"),
    [(0.0, LinearDiscriminantAnalysis()), (1.0, QuadraticDiscriminantAnalysis())],
)
def test_complete_subjects_are_ordered_as_by_scikit_learn(own_share, reference):
    scores, y = gaussian_classes(own=own_share > 0)
    odds = fit(scores, y, own_share).odds(scores, everything(scores))
    expected = reference.fit(scores[:, :, 0], y).decision_function(scores[:, :, 0])
    assert spearmanr(odds[:, 0], expected).statistic > 0.98


def test_three_classes_are_ordered_as_by_scikit_learn():
    scores, y = gaussian_classes(n_classes=3)
    odds = fit(scores, y).odds(scores, everything(scores))
    expected = (
        LinearDiscriminantAnalysis().fit(scores[:, :, 0], y).decision_function(scores[:, :, 0])
    )
    for label in (1, 2):
        difference = expected[:, label] - expected[:, 0]
        assert spearmanr(odds[:, label - 1], difference).statistic > 0.98


@st.composite
def discriminants(draw):
    """A discriminant with means and covariances of its own for every class, and scores for it."""
    n_classes, n_scores = draw(st.integers(2, 3)), draw(st.integers(1, 2))
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    size = N_MODALITIES * n_scores
    roots = rng.normal(size=(n_classes, size, size))
    covariances = roots @ roots.transpose(0, 2, 1) + np.eye(size)
    prior = rng.dirichlet(np.ones(n_classes) * 5)
    model = PatternDiscriminant(rng.normal(size=(n_classes, size)), covariances, np.log(prior))
    return model, rng.normal(size=(4, N_MODALITIES, n_scores))


@settings(max_examples=30, deadline=None, derandomize=True)
@given(discriminants(), st.lists(st.booleans(), min_size=3, max_size=3).filter(any))
def test_missing_modalities_are_integrated_out_exactly(drawn, pattern):
    model, scores = drawn
    present = np.tile(pattern, (len(scores), 1))
    places = np.flatnonzero(np.repeat(pattern, scores.shape[2]))
    values = scores.reshape(len(scores), -1)[:, places]
    log_joint = np.stack(
        [
            log_prior
            + multivariate_normal(mean[places], covariance[np.ix_(places, places)]).logpdf(values)
            for mean, covariance, log_prior in zip(
                model.means, model.covariances, model.log_prior, strict=True
            )
        ],
        axis=1,
    )
    expected = log_joint[:, 1:] - log_joint[:, :1]
    np.testing.assert_allclose(model.odds(scores, present), expected, rtol=1e-6, atol=1e-8)


def test_a_table_of_mixed_patterns_is_read_row_by_row():
    scores, y = gaussian_classes(60, n_classes=3)
    present = np.random.default_rng(1).random((60, N_MODALITIES)) > 0.4
    model = fit(scores, y, 0.5, present)
    together = model.odds(scores, present)
    one_by_one = [model.odds(scores[[row]], present[[row]])[0] for row in range(60)]
    np.testing.assert_allclose(together, one_by_one, atol=1e-10)


def test_what_is_missing_is_not_read():
    scores, y = gaussian_classes(60)
    present = np.random.default_rng(1).random((60, N_MODALITIES)) > 0.4
    hidden = np.where(present[:, :, None], scores, np.nan)
    odds = fit(hidden, y, 0.5, present).odds(hidden, present)
    np.testing.assert_array_equal(odds, fit(scores, y, 0.5, present).odds(scores, present))
    assert np.isfinite(odds).all()


def test_a_subject_with_nothing_gets_the_class_frequencies():
    scores, _ = gaussian_classes(90)
    y = np.repeat([0, 1], [60, 30])
    odds = fit(scores, y).odds(scores[:1], np.zeros((1, N_MODALITIES), dtype=bool))
    np.testing.assert_allclose(odds, np.log(30 / 60))


def test_two_modalities_that_no_subject_shares_can_be_combined():
    scores, y = gaussian_classes(80)
    present = np.ones((80, N_MODALITIES), dtype=bool)
    present[::4, 0], present[1::4, 0] = False, False
    present[2::4, 1], present[3::4, 1] = False, False
    odds = fit(scores, y, 0.5, present).odds(scores, everything(scores))
    assert roc_auc_score(y, odds[:, 0]) > 0.7


def test_a_class_in_which_nobody_has_a_modality_leaves_numbers_finite():
    scores, y = gaussian_classes(60)
    present = np.ones((60, N_MODALITIES), dtype=bool)
    present[y == 1, 2] = False
    odds = fit(scores, y, 0.75, present).odds(scores, everything(scores))
    assert np.isfinite(odds).all()


def test_a_weight_of_two_is_the_same_as_a_subject_twice():
    scores, y = gaussian_classes(60)
    rows = np.repeat(np.arange(60), 1 + (np.arange(60) % 3 == 0))
    weighted = fit(scores, y, 0.5, weight=1.0 + (np.arange(60) % 3 == 0))
    repeated = fit(scores[rows], y[rows], 0.5)
    np.testing.assert_allclose(
        weighted.odds(scores, everything(scores)), repeated.odds(scores, everything(scores))
    )


def test_modalities_that_mean_something_together_alone_are_combined():
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(300, 2, 1))
    y = (scores[:, 0, 0] * scores[:, 1, 0] > 0).astype(int)
    rows = np.arange(300)
    folds = [(rows[rows % 3 != fold], rows[rows % 3 == fold]) for fold in range(3)]
    present, weight = np.ones((300, 2), dtype=bool), np.ones(300)
    chosen = choose_discriminant(scores, present, y, weight, folds, 2)
    linear = fit(scores, y)
    assert roc_auc_score(y, linear.odds(scores, present)[:, 0]) < 0.65
    assert roc_auc_score(y, chosen.odds(scores, present)[:, 0]) > 0.9


def test_without_folds_the_discriminant_is_linear():
    scores, y = gaussian_classes(60, own=True)
    chosen = choose_discriminant(scores, everything(scores), y, np.ones(60), [], 2)
    np.testing.assert_array_equal(chosen.covariances[0], chosen.covariances[1])


def test_log_odds_give_probabilities_of_all_classes():
    scores, y = gaussian_classes(90, n_classes=3)
    odds = fit(scores, y).odds(scores, everything(scores))
    logits = np.pad(odds, ((0, 0), (1, 0)))
    probabilities = np.exp(logits - logsumexp(logits, axis=1, keepdims=True))
    assert (probabilities.argmax(axis=1) == y).mean() > 0.5
