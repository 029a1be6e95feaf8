import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import check_grad
from scipy.special import softmax

from adestim.training.scaling import (
    PatternScaling,
    Scaling,
    compute_penalised_loss,
    pattern_keys,
    shrinkage_share,
)


def drawn(n=4000, n_classes=3, temperature=1.0, bias=0.0, seed=0):
    """Probabilities, and classes drawn from them at another temperature and with a bias."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(scale=1.5, size=(n, n_classes))
    truth = softmax(logits / temperature + bias * np.arange(n_classes), axis=1)
    targets = (rng.random((n, 1)) > truth.cumsum(axis=1)).sum(axis=1)
    return softmax(logits, axis=1), np.minimum(targets, n_classes - 1)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
@pytest.mark.parametrize("n_classes", [2, 4])
def test_the_temperature_that_made_the_classes_is_found(temperature, n_classes):
    probabilities, targets = drawn(n_classes=n_classes, temperature=temperature)
    found = Scaling.fit(probabilities, targets, np.ones(len(targets)), with_bias=False)
    assert np.exp(found.log_temperature) == pytest.approx(temperature, rel=0.15)


def test_the_bias_that_made_the_classes_is_found():
    probabilities, targets = drawn(temperature=2.0, bias=0.7)
    found = Scaling.fit(probabilities, targets, np.ones(len(targets)), with_bias=True)
    np.testing.assert_allclose(found.bias, [0, 0.7, 1.4], atol=0.2)
    assert np.exp(found.log_temperature) == pytest.approx(2.0, rel=0.15)


def test_without_a_bias_the_order_of_the_classes_stays():
    probabilities, targets = drawn(50, bias=1.0)
    scaling = Scaling.fit(probabilities, targets, np.ones(50), with_bias=False)
    assert scaling.bias.tolist() == [0, 0, 0]
    scaled = scaling.apply(probabilities)
    np.testing.assert_array_equal(scaled.argsort(axis=1), probabilities.argsort(axis=1))


@given(
    sharpness=st.floats(0.05, 5),
    bias=st.floats(-3, 3),
    seed=st.integers(0, 100),
    n=st.integers(1, 9),
)
def test_the_gradient_is_that_of_the_loss(sharpness, bias, seed, n):
    probabilities, targets = drawn(n, seed=seed)
    problem = (np.log(probabilities), targets, np.arange(1.0, n + 1))

    def loss(parameters):
        return compute_penalised_loss(parameters, *problem)[0]

    def gradient(parameters):
        return compute_penalised_loss(parameters, *problem)[1]

    parameters = np.array([sharpness, bias, -bias])
    scale = 1 + np.abs(gradient(parameters)).max()
    assert check_grad(loss, gradient, parameters) / scale < 1e-4


def test_a_subject_of_weight_two_counts_as_two():
    probabilities, targets = drawn(30)
    weight = np.where(np.arange(30) < 10, 2.0, 1.0)
    twice = np.concatenate([np.arange(30), np.arange(10)])
    weighted = Scaling.fit(probabilities, targets, weight, with_bias=True)
    repeated = Scaling.fit(probabilities[twice], targets[twice], np.ones(40), with_bias=True)
    np.testing.assert_allclose(weighted.bias, repeated.bias, atol=1e-4)
    assert weighted.log_temperature == pytest.approx(repeated.log_temperature, abs=1e-4)


@pytest.mark.parametrize("with_bias", [True, False])
def test_subjects_of_one_class_have_a_finite_answer(with_bias):
    probabilities, _ = drawn(20)
    scaling = Scaling.fit(probabilities, np.zeros(20, dtype=int), np.ones(20), with_bias)
    assert np.isfinite([scaling.log_temperature, *scaling.bias]).all()
    assert abs(scaling.log_temperature) <= np.log(20)


def test_certain_probabilities_stay_finite():
    probabilities, targets = np.eye(2)[[0, 1, 0]], np.array([0, 1, 1])
    scaling = Scaling.fit(probabilities, targets, np.ones(3), with_bias=True)
    assert np.isfinite(scaling.apply(probabilities)).all()


def test_a_temperature_of_one_changes_nothing():
    probabilities, _ = drawn(20)
    np.testing.assert_allclose(Scaling(0.0, np.zeros(3)).apply(probabilities), probabilities)


def test_a_high_temperature_makes_probabilities_even():
    found = Scaling(np.log(1e6), np.zeros(2)).apply(np.array([[0.9, 0.1]]))
    np.testing.assert_allclose(found, [[0.5, 0.5]], atol=1e-5)


# Patterns


def two_patterns(n_rare=400):
    """Subjects with both modalities at temperature 1, and some with one at temperature 4."""
    parts = [drawn(800, 2, 1.0), drawn(n_rare, 2, 4.0, seed=1)]
    probabilities, targets = (np.concatenate(each) for each in zip(*parts, strict=True))
    present = np.ones((800 + n_rare, 2), dtype=bool)
    present[800:, 1] = False
    return probabilities, targets, np.ones(len(targets)), present


def test_every_pattern_has_its_own_temperature():
    scaling = PatternScaling.fit(*two_patterns(), with_bias=False, shrinkage=0.0)
    found = {each: np.exp(own.log_temperature) for each, own in scaling.by_pattern.items()}
    assert found[True, True] == pytest.approx(1.0, rel=0.2)
    assert found[True, False] == pytest.approx(4.0, rel=0.3)
    assert 1.0 < np.exp(scaling.common.log_temperature) < 4.0


@pytest.mark.parametrize("with_bias", [True, False])
def test_a_pattern_is_drawn_to_the_common_scaling_by_its_number_of_subjects(with_bias):
    data = two_patterns(30)
    own = PatternScaling.fit(*data, with_bias, shrinkage=0.0).by_pattern[True, False]
    scaling = PatternScaling.fit(*data, with_bias, shrinkage=20.0)
    found, common = scaling.by_pattern[True, False], scaling.common
    share = 30 / 50
    expected = share * own.log_temperature + (1 - share) * common.log_temperature
    assert found.log_temperature == pytest.approx(expected)
    np.testing.assert_allclose(found.bias, share * own.bias + (1 - share) * common.bias)


def test_an_unseen_pattern_gets_the_common_scaling():
    probabilities, targets, weight, present = two_patterns()
    scaling = PatternScaling.fit(probabilities, targets, weight, present, True, 20.0)
    unseen = np.zeros_like(present)
    np.testing.assert_array_equal(
        scaling.apply(probabilities, unseen), scaling.common.apply(probabilities)
    )


def test_patterns_are_scaled_row_by_row():
    probabilities, targets, weight, present = two_patterns()
    scaling = PatternScaling.fit(probabilities, targets, weight, present, True, 20.0)
    order = np.random.default_rng(0).permutation(len(targets))
    np.testing.assert_array_equal(
        scaling.apply(probabilities[order], present[order]),
        scaling.apply(probabilities, present)[order],
    )


def test_rows_are_found_by_pattern():
    present = np.array([[True, False], [True, True], [True, False]])
    found = {pattern: rows.tolist() for pattern, rows in pattern_keys(present).items()}
    assert found == {(True, False): [0, 2], (True, True): [1]}


def test_nobody_has_no_say_even_without_shrinkage():
    assert shrinkage_share(np.array([]), 0.0) == 0
    assert shrinkage_share(np.ones(20), 20.0) == 0.5
