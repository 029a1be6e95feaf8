import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import roc_auc_score

from adestim.evaluation import bootstrap_interval, delong, holm
from adestim.exceptions import InputError


def naive_delong(is_positive, first, second):
    """Areas and variance of their difference, from every pair and the 1988 formulas."""
    by_positive, by_negative, areas = [], [], []
    for scores in (first, second):
        x, y = scores[is_positive], scores[~is_positive]
        psi = np.array([[1.0 if a > b else 0.5 if a == b else 0.0 for b in y] for a in x])
        areas.append(psi.mean())
        by_positive.append(psi.mean(axis=1))
        by_negative.append(psi.mean(axis=0))
    s = np.cov(by_positive) / len(by_positive[0]) + np.cov(by_negative) / len(by_negative[0])
    return areas, s[0, 0] + s[1, 1] - 2 * s[0, 1]


def scored(seed, n=30, levels=8):
    """Labels and two correlated scores with many ties."""
    rng = np.random.default_rng(seed)
    y = np.append([True, True, False, False], rng.integers(2, size=n - 4) == 1)
    common = rng.normal(size=n) + y
    first, second = (np.round(levels * (common + rng.normal(size=n))) for _ in range(2))
    return y, first, second


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**31), st.sampled_from([0.5, 1, 1000]))
def test_areas_and_variance_are_those_of_all_pairs(seed, levels):
    y, first, second = scored(seed, levels=levels)
    areas, variance = naive_delong(y, first, second)
    result = delong(y, first, second)
    assert (result.auc_first, result.auc_second) == pytest.approx(areas)
    assert result.standard_error**2 == pytest.approx(variance, abs=1e-14)
    assert result.difference == pytest.approx(areas[0] - areas[1])


def test_areas_are_those_of_scikit_learn():
    y, first, second = scored(0, n=200)
    result = delong(y, first, second)
    expected = roc_auc_score(y, first), roc_auc_score(y, second)
    assert (result.auc_first, result.auc_second) == pytest.approx(expected)


def test_a_case_worked_by_hand():
    result = delong([0, 0, 1, 1], [1, 3, 2, 4], [1, 2, 3, 4])
    # First model: positives above 1/2 and 1 of the negatives, negatives below 1 and 1/2 of the
    # positives; the second is perfect. Variance: (1/8 / 2) + (1/8 / 2).
    assert (result.auc_first, result.auc_second) == (0.75, 1.0)
    assert result.standard_error == pytest.approx(np.sqrt(1 / 8))
    assert result.z == pytest.approx(-0.25 / np.sqrt(1 / 8))
    assert result.p == pytest.approx(2 * stats.norm.cdf(-0.25 * np.sqrt(8)))


def test_standard_error_is_that_of_the_bootstrap():
    y, first, second = scored(1, n=150)

    def difference(rows):
        return roc_auc_score(y[rows], first[rows]) - roc_auc_score(y[rows], second[rows])

    result = delong(y, first, second)
    low, high = bootstrap_interval(difference, 150, n_resamples=300, strata=y, random_state=0)
    assert high - low == pytest.approx(result.high - result.low, rel=0.15)


def test_p_values_are_uniform_where_models_are_equally_good():
    rng, p = np.random.default_rng(0), []
    for _ in range(400):
        y = rng.integers(2, size=100)
        common = rng.normal(size=100) + y
        p.append(delong(y, *(common + rng.normal(size=(2, 100)))).p)
    assert stats.kstest(p, "uniform").pvalue > 0.01


def test_identical_scores_do_not_differ():
    y, first, _ = scored(2, n=100, levels=3)
    for second in (first, np.exp(first / 10)):
        result = delong(y, first, second)
        assert (result.difference, result.standard_error, result.z, result.p) == (0, 0, 0, 1)


def test_difference_without_variance_is_certain():
    result = delong([0, 0, 1, 1], [4, 3, 2, 1], [1, 2, 3, 4])
    assert (result.z, result.p, result.low, result.high) == (-np.inf, 0, -1, -1)


def test_exchanged_models_turn_the_sign():
    y, first, second = scored(3)
    result, turned = delong(y, first, second), delong(y, second, first)
    assert (turned.z, turned.p, turned.low) == pytest.approx((-result.z, result.p, -result.high))


def test_interval_and_p_value_agree():
    y, first, second = scored(4, n=80)
    p = delong(y, first, second).p
    result = delong(y, first, second, level=1 - p)
    assert min(abs(result.low), abs(result.high)) == pytest.approx(0, abs=1e-9)


def test_positive_class_is_the_patients_unless_said():
    y, first, second = scored(5)
    labels = np.where(y, "AD", "CN")
    assert delong(labels, first, second) == delong(y, first, second)
    turned = delong(labels, first, second, positive="CN")
    assert turned.auc_first == pytest.approx(1 - roc_auc_score(y, first))


def test_many_subjects_are_no_matter():
    y, first, second = scored(6, n=100_000, levels=1e6)
    assert delong(y, first, second).standard_error < 0.01


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (([0, 0, 0, 1], [1, 2, 3, 4], [1, 2, 3, 4]), {}, "Got 3 of 0, 1 of 1"),
        (([0, 0, 1, 1, 2, 2], range(6), range(6)), {}, "of two classes"),
        (([], [], []), {}, "no labels"),
        (([0, 0, 1, np.nan], [1, 2, 3, 4], [1, 2, 3, 4]), {}, "one label a subject"),
        (([[0, 0, 1, 1]], [1, 2, 3, 4], [1, 2, 3, 4]), {}, "one label a subject"),
        (([0, 0, 1, 1], [1, 2, 3], [1, 2, 3, 4]), {}, "one score of the positive class"),
        (([0, 0, 1, 1], [1, 2, 3, 4], [1, 2, 3, np.nan]), {}, "or NaN"),
        (([0, 0, 1, 1], [1, 2, 3, 4], [1, 2, 3, 4]), {"positive": 2}, "Got 2"),
        (([0, 0, 1, 1], [1, 2, 3, 4], [1, 2, 3, 4]), {"level": 95}, "'level'"),
    ],
)
def test_bad_input_is_refused(arguments, options, message):
    with pytest.raises(InputError, match=message):
        delong(*arguments, **options)


def test_holm_of_a_worked_example():
    adjusted = holm([0.01, 0.04, 0.03, 0.005])
    assert adjusted == pytest.approx([0.03, 0.06, 0.06, 0.02])


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0, 1), max_size=8), st.floats(0.01, 0.99))
def test_holm_rejects_step_by_step(p_values, alpha):
    rejected = set()
    for step, place in enumerate(np.argsort(p_values, kind="stable")):
        if p_values[place] * (len(p_values) - step) > alpha:
            break
        rejected.add(int(place))
    assert set(np.flatnonzero(holm(p_values) <= alpha)) == rejected


def test_holm_passes_nan_through_and_does_not_count_it():
    assert holm([0.01, np.nan, 0.04]) == pytest.approx([0.02, np.nan, 0.04], nan_ok=True)
    assert np.isnan(holm([np.nan])).all()


def test_holm_leaves_its_argument_alone():
    p_values = np.array([0.01, 0.02])
    holm(p_values)
    assert p_values.tolist() == [0.01, 0.02]


@pytest.mark.parametrize("p_values", [[-0.1], [1.1], [[0.1]]])
def test_holm_refuses_what_is_no_p_value(p_values):
    with pytest.raises(InputError, match="between 0 and 1"):
        holm(p_values)
