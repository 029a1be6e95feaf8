import pickle

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from adestim.evaluation import (
    BootstrapInterval,
    bootstrap_interval,
    corrected_interval,
    corrected_t_test,
    score_probabilities,
)
from adestim.evaluation.scores.intervals import make_resampler
from adestim.exceptions import InputError
from tests.counting import calls_into


def test_interval_of_a_mean_is_that_of_scipy():
    values = np.random.default_rng(0).exponential(size=60)
    ours = bootstrap_interval(lambda rows: values[rows].mean(), 60, random_state=0)
    theirs = stats.bootstrap(
        (values,), np.mean, method="percentile", n_resamples=5000, rng=np.random.default_rng(1)
    ).confidence_interval
    assert ours == pytest.approx(tuple(theirs), abs=0.03)


def test_interval_of_a_mean_over_groups_is_that_of_the_sums():
    rng = np.random.default_rng(0)
    groups = rng.integers(20, size=200)
    values = rng.normal(size=20)[groups] + 0.1 * rng.normal(size=200)
    low, high = bootstrap_interval(lambda rows: values[rows].mean(), groups, random_state=0)
    by_group = pd.Series(values).groupby(groups)
    residuals = by_group.sum() - values.mean() * by_group.size()
    # Variance of a ratio estimator (Cochran 1977, Sampling Techniques, section 6.4).
    error = np.sqrt((residuals**2).sum()) / 200
    assert high - low == pytest.approx(2 * 1.96 * error, rel=0.15)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 6), min_size=1, max_size=30), st.integers(0, 2**31))
def test_groups_are_drawn_whole_and_as_many_as_there_are(groups, seed):
    groups = np.array(groups)
    rows = make_resampler(groups, None)(np.random.default_rng(seed))
    times = np.bincount(rows, minlength=len(groups))
    drawn = 0
    for group in np.unique(groups):
        (of_group,) = {int(each) for each in times[groups == group]}
        drawn += of_group
    assert drawn == len(np.unique(groups))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 2), min_size=1, max_size=30), st.integers(0, 2**31))
def test_strata_keep_their_sizes(strata, seed):
    rows = make_resampler(len(strata), strata)(np.random.default_rng(seed))
    assert np.array_equal(np.bincount(np.take(strata, rows)), np.bincount(strata))


def test_groups_of_several_strata_are_a_stratum_of_their_own():
    groups, strata = ["a", "a", "b", "b", "c"], ["CN", "AD", "CN", "AD", "CN"]
    draw, rng = make_resampler(groups, strata), np.random.default_rng(0)
    for _ in range(10):
        assert sorted(np.take(strata, draw(rng))) == ["AD", "AD", "CN", "CN", "CN"]


def test_every_row_is_as_likely_as_the_others():
    draw, rng = make_resampler(10, None), np.random.default_rng(0)
    times = np.bincount(np.concatenate([draw(rng) for _ in range(2000)]), minlength=10)
    assert stats.chisquare(times).pvalue > 0.01


def test_interval_holds_the_truth_as_often_as_it_says():
    rng, held = np.random.default_rng(0), 0
    for seed in range(200):
        values = rng.normal(size=50)
        low, high = bootstrap_interval(
            lambda rows, values=values: values[rows].mean(),
            50,
            n_resamples=200,
            level=0.9,
            random_state=seed,
        )
        held += low < 0 < high
    assert 0.83 < held / 200 < 0.96


def test_undefined_resamples_are_dropped_and_counted():
    values = np.array([np.nan, 1.0, 1.0])
    interval = bootstrap_interval(lambda rows: values[rows].mean(), 3, random_state=0)
    assert interval == (1.0, 1.0)
    # A resample is without the first of three with probability (2 / 3) ** 3.
    assert interval.n_undefined / 2000 == pytest.approx(1 - 8 / 27, abs=0.03)


def test_a_statistic_that_is_never_defined_has_no_interval():
    low, high = bootstrap_interval(lambda rows: np.nan, 3, n_resamples=5, random_state=0)
    assert np.isnan([low, high]).all()


def test_several_statistics_share_their_resamples():
    values = np.random.default_rng(0).normal(size=30)

    def both(rows):
        return [values[rows].mean(), np.nan if 0 in rows else values[rows].std()]

    together = bootstrap_interval(both, 30, random_state=0)
    alone = bootstrap_interval(lambda rows: both(rows)[0], 30, random_state=0)
    assert (together.low[0], together.high[0]) == alone
    assert together.n_undefined[0] == 0
    assert together.n_undefined[1] > 0
    assert together.low[1] < together.high[1]


def test_seed_decides_and_the_global_generator_is_left_as_found():
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    intervals = [
        bootstrap_interval(np.mean, 50, n_resamples=20, random_state=seed) for seed in (0, 0, 1)
    ]
    bootstrap_interval(np.mean, 50, n_resamples=20)
    assert intervals[0] == intervals[1] != intervals[2]
    assert np.array_equal(before, np.random.get_state()[1])  # noqa: NPY002


def test_interval_survives_pickling():
    interval = pickle.loads(pickle.dumps(BootstrapInterval(0.1, 0.2, n_undefined=3)))
    assert (interval.low, interval.high, interval.n_undefined) == (0.1, 0.2, 3)


def area_of_chance(n_subjects):
    """The area under the curve of probabilities that know nothing, as a score of rows."""
    rng = np.random.default_rng(0)
    y = rng.integers(2, size=n_subjects)
    p = rng.random(n_subjects)
    p = np.stack([1 - p, p], axis=1)

    def auc(rows):
        return score_probabilities(y[rows], p[rows], [0, 1], scores=["roc_auc"])["roc_auc"]

    return auc


def work_of_an_interval(n_subjects, n_resamples):
    """How many functions of scikit-learn an interval of an area under the curve calls."""
    auc = area_of_chance(n_subjects)

    def interval():
        low, high = bootstrap_interval(auc, n_subjects, n_resamples=n_resamples, random_state=0)
        assert low < auc(np.arange(n_subjects)) < high

    return calls_into("sklearn", interval)


def test_an_area_of_chance_has_a_half_in_its_interval():
    low, high = bootstrap_interval(area_of_chance(1000), 1000, random_state=0)
    assert low < 0.5 < high


def test_a_resample_of_a_thousand_subjects_is_as_many_calls_as_one_of_a_hundred():
    few, many = work_of_an_interval(100, 50), work_of_an_interval(1000, 50)
    assert many <= few
    assert work_of_an_interval(100, 100) <= 2 * few


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((0,), {}, "'n_or_groups' is a whole number from 1. Got 0"),
        (([],), {}, "Every row has a group"),
        (([1.0, np.nan],), {}, "1 of them missing"),
        (([[1, 2]],), {}, "Every row has a group"),
        ((3,), {"strata": [0, 1]}, "Every row has a stratum"),
        ((2,), {"strata": ["a", None]}, "or missing ones"),
        ((3,), {"level": 1.0}, "'level' is a number between 0 and 1"),
        ((3,), {"level": "95 %"}, "'level' is a number between 0 and 1"),
        ((3,), {"n_resamples": 2.5}, "'n_resamples' is a whole number"),
    ],
)
def test_bad_input_of_the_bootstrap_is_refused(arguments, options, message):
    with pytest.raises(InputError, match=message):
        bootstrap_interval(np.mean, *arguments, **options)


def test_correction_is_that_of_nadeau_and_bengio():
    differences = np.random.default_rng(0).normal(0.02, 0.03, size=50)
    test = corrected_t_test(differences, test_share=0.1)
    # Five times ten folds: n_test / n_train is 1 / 9.
    t = differences.mean() / np.sqrt((1 / 50 + 1 / 9) * differences.var(ddof=1))
    assert test.mean == pytest.approx(differences.mean())
    assert test.p == pytest.approx(2 * stats.t(49).cdf(-abs(t)))
    quantile = stats.t(49).ppf(0.975)
    assert test.high - test.mean == pytest.approx(test.mean / t * quantile)


def test_without_shared_rows_it_is_the_usual_t_test():
    differences = np.random.default_rng(0).normal(0.2, size=20)
    test = corrected_t_test(differences, test_share=1e-12)
    usual = stats.ttest_1samp(differences, 0)
    assert test.p == pytest.approx(usual.pvalue)
    assert (test.low, test.high) == pytest.approx(tuple(usual.confidence_interval()))


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(-1, 1), min_size=3, max_size=20), st.floats(0.05, 0.5))
def test_interval_touches_zero_at_the_level_of_the_p_value(differences, test_share):
    p = corrected_t_test(differences, test_share).p
    if 1e-6 < p < 1 - 1e-6:
        low, high = corrected_interval(differences, test_share, level=1 - p)
        assert min(abs(low), abs(high)) == pytest.approx(0, abs=1e-6)


def test_correction_keeps_false_alarms_rare_where_the_usual_test_does_not():
    rng, alarms, usual = np.random.default_rng(0), 0, 0
    for _ in range(300):
        # Fold differences with correlation 1 / 10, as with ten folds of no difference.
        shared, own = rng.normal(scale=np.sqrt([[0.1], [0.9]]), size=(2, 100))
        differences = shared[0] + own
        alarms += corrected_t_test(differences, 0.1).p < 0.05
        usual += stats.ttest_1samp(differences, 0).pvalue < 0.05
    assert alarms / 300 < 0.09
    assert usual / 300 > 0.3


@pytest.mark.parametrize(("value", "p"), [(0.0, 1.0), (0.1, 0.0), (-0.1, 0.0)])
def test_equal_differences_have_no_spread(value, p):
    assert corrected_t_test([value] * 3, 0.2) == pytest.approx((value, value, value, p))


def test_failed_folds_are_left_out():
    differences = [0.1, 0.2, np.nan, 0.4]
    assert corrected_t_test(differences, 0.2) == corrected_t_test([0.1, 0.2, 0.4], 0.2)


def test_one_difference_tells_nothing_of_its_spread():
    test = corrected_t_test([0.1, np.nan], 0.2)
    assert test.mean == 0.1
    assert np.isnan(test[1:]).all()
    assert np.isnan(corrected_t_test([], 0.2)).all()


@pytest.mark.parametrize(
    ("differences", "test_share", "message"),
    [
        ([0.1, np.inf], 0.2, "1 infinite"),
        ([[0.1, 0.2]], 0.2, r"shape \(1, 2\)"),
        ([0.1, 0.2], 1.0, "'test_share' is a number between 0 and 1"),
    ],
)
def test_bad_differences_are_refused(differences, test_share, message):
    with pytest.raises(InputError, match=message):
        corrected_interval(differences, test_share)
