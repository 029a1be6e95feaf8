import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LinearRegression

from adestim.training.phase_one import joint_gaussian
from adestim.training.phase_one.joint_gaussian import ConditionalGaussian, choose_conditional


def predictions(n_subjects=500, noise=(0.5, 1.0, 2.0), missing=0.0, seed=0):
    """A target and noisy predictions of it, one a modality; none is missing for nobody."""
    rng = np.random.default_rng(seed)
    targets = rng.normal(size=n_subjects)
    errors = rng.normal(size=(n_subjects, len(noise))) * noise
    present = rng.random(errors.shape) >= missing
    return (targets[:, None] + errors)[:, :, None], present, targets, np.ones(n_subjects)


@st.composite
def gaussians(draw):
    """Any joint Gaussian of a target and four scores."""
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    root = rng.normal(size=(5, 7))
    return ConditionalGaussian(rng.normal(size=5), root @ root.T + 0.1 * np.eye(5))


@settings(max_examples=40, deadline=None)
@given(gaussians(), st.lists(st.booleans(), min_size=4, max_size=4), st.integers(0, 100))
def test_missing_scores_are_integrated_out_exactly(model, pattern, seed):
    scores = np.random.default_rng(seed).normal(size=(1, 4, 1))
    places = 1 + np.flatnonzero(pattern)
    # The precision of the marginal gives the same expectation by another way.
    kept = np.append(0, places)
    precision = np.linalg.inv(model.covariance[np.ix_(kept, kept)])
    centred = scores[0, places - 1, 0] - model.mean[places]
    expected = model.mean[0] - precision[0, 1:] @ centred / precision[0, 0]
    found = model.expectation(scores, np.array([pattern]))
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-8)


def test_with_hardly_any_shrinkage_it_is_linear_regression():
    scores, present, targets, weight = predictions()
    model = ConditionalGaussian.fit(scores, present, targets, weight, shrinkage=1e-9)
    direct = LinearRegression().fit(scores[:, :, 0], targets)
    np.testing.assert_allclose(
        model.expectation(scores, present), direct.predict(scores[:, :, 0]), atol=1e-5
    )


def test_better_predictions_count_more():
    scores, present, targets, weight = predictions()
    model = ConditionalGaussian.fit(scores, present, targets, weight)
    steps = np.eye(3)[:, :, None]
    zero = model.expectation(np.zeros((3, 3, 1)), np.ones((3, 3), dtype=bool))
    slopes = model.expectation(steps, np.ones((3, 3), dtype=bool)) - zero
    assert slopes[0] > slopes[1] > slopes[2] > 0


@pytest.mark.parametrize("seed", range(3))
def test_it_beats_the_mean_of_the_predictions_where_some_are_missing(seed):
    scores, present, targets, weight = predictions(missing=0.3, seed=seed)
    train, test = np.arange(250), np.arange(250, 500)
    model = ConditionalGaussian.fit(scores[train], present[train], targets[train], weight[train])
    has = present[test].any(axis=1)
    known = np.where(present[test], scores[test, :, 0], np.nan)[has]
    expected = model.expectation(scores[test], present[test])[has]
    error = np.mean((expected - targets[test][has]) ** 2)
    assert error < 0.8 * np.mean((np.nanmean(known, axis=1) - targets[test][has]) ** 2)


def test_a_table_of_mixed_patterns_is_read_row_by_row():
    scores, present, targets, weight = predictions(missing=0.4)
    model = ConditionalGaussian.fit(scores, present, targets, weight)
    together = model.expectation(scores[:20], present[:20])
    alone = [model.expectation(scores[[row]], present[[row]])[0] for row in range(20)]
    np.testing.assert_allclose(together, alone)


def test_what_is_missing_is_not_read():
    scores, present, targets, weight = predictions(missing=0.4)
    changed = np.where(present[:, :, None], scores, 1e6)
    found, other = (
        ConditionalGaussian.fit(each, present, targets, weight).expectation(each, present)
        for each in (scores, changed)
    )
    np.testing.assert_array_equal(found, other)


def test_a_subject_with_nothing_gets_the_weighted_mean():
    scores, present, targets, _ = predictions(noise=(1.0,))
    weight = np.arange(1.0, 501.0)
    model = ConditionalGaussian.fit(scores, present, targets, weight)
    found = model.expectation(scores[:1], np.array([[False]]))
    np.testing.assert_allclose(found, np.average(targets, weights=weight))


def test_a_weight_of_two_is_the_same_as_a_subject_twice():
    scores, present, targets, _ = predictions(n_subjects=60, missing=0.2)
    twice = np.arange(60) % 3 == 0
    rows = np.repeat(np.arange(60), 1 + twice)
    weighted = ConditionalGaussian.fit(scores, present, targets, 1.0 + twice)
    repeated = ConditionalGaussian.fit(
        scores[rows], present[rows], targets[rows], np.ones(len(rows))
    )
    np.testing.assert_allclose(weighted.covariance, repeated.covariance)


def test_two_modalities_that_no_subject_shares_can_be_combined():
    scores, _, targets, weight = predictions(noise=(0.5, 0.5))
    first = np.arange(500) % 2 == 0
    model = ConditionalGaussian.fit(scores, np.stack([first, ~first], axis=1), targets, weight)
    found = model.expectation(scores, np.ones((500, 2), dtype=bool))
    assert np.corrcoef(found, targets)[0, 1] > 0.9


def test_a_modality_that_nobody_has_leaves_numbers_finite():
    scores, present, targets, weight = predictions(n_subjects=30)
    present[:, 1] = False
    model = ConditionalGaussian.fit(scores, present, targets, weight)
    assert np.isfinite(model.expectation(scores, np.ones_like(present))).all()


# The shrinkage


def chosen(scores, present, targets, weight, folds):
    """The shrinkage that was chosen, seen from the correlation of the two first variables."""
    found = choose_conditional(scores, present, targets, weight, folds).covariance
    losses = [
        np.abs(
            ConditionalGaussian.fit(scores, present, targets, weight, s).covariance - found
        ).sum()
        for s in joint_gaussian.SHRINKAGES
    ]
    return joint_gaussian.SHRINKAGES[int(np.argmin(losses))]


def halves(n_subjects):
    rows = np.arange(n_subjects)
    return [(rows[::2], rows[1::2]), (rows[1::2], rows[::2])]


def test_clear_data_are_shrunk_little_and_noise_much():
    clear = predictions(n_subjects=400, noise=(0.3, 0.3))
    assert chosen(*clear, halves(400)) == joint_gaussian.SHRINKAGES[0]
    scores, present, targets, weight = predictions(n_subjects=24, noise=(1.0,) * 8)
    noise = np.random.default_rng(0).permutation(targets)
    assert chosen(scores, present, noise, weight, halves(24)) == joint_gaussian.SHRINKAGES[-1]


def test_without_folds_a_common_shrinkage_is_taken():
    drawn = predictions(n_subjects=40)
    np.testing.assert_array_equal(
        choose_conditional(*drawn, []).covariance, ConditionalGaussian.fit(*drawn).covariance
    )
