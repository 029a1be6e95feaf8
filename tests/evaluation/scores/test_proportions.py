import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from adestim.evaluation import wilson_interval
from adestim.evaluation.scores.out_of_fold import gather_pool
from adestim.exceptions import InputError
from tests.evaluation.studies import predictions_of

CLASSES = ("CN", "AD")


def interval_of(tables, *names, level=0.95, classes=CLASSES):
    """Intervals of scores of tables of predictions."""
    pool = gather_pool(pd.concat(tables), classes)
    low, high = pool.find_interval(names, pool.rows, n_resamples=50, level=level, random_state=0)
    return np.stack([low, high], axis=1)


def sick_and_well(n_sick, n_well, n_found, n_cleared):
    """Labels and probabilities of whom so many are recognised."""
    y = np.repeat(["AD", "CN"], [n_sick, n_well])
    p = np.full(len(y), 0.2)
    p[:n_found] = 0.8
    p[n_sick : n_sick + n_well - n_cleared] = 0.8
    return y, p


@given(st.integers(1, 60), st.floats(0, 1))
def test_wilson_is_that_of_scipy(n_subjects, share):
    n_events = round(share * n_subjects)
    theirs = stats.binomtest(n_events, n_subjects).proportion_ci(method="wilson")
    assert wilson_interval(n_events, n_subjects) == pytest.approx(tuple(theirs), abs=1e-12)


def test_nobody_has_no_interval():
    assert np.isnan(wilson_interval(0, 0)).all()


@pytest.mark.parametrize(("events", "subjects"), [(3, 2), (-1, 2)])
def test_events_that_cannot_be_are_refused(events, subjects):
    with pytest.raises(InputError, match="counted among the subjects"):
        wilson_interval(events, subjects)


def test_a_level_that_is_none_is_refused():
    with pytest.raises(InputError, match="'level' is a number between 0 and 1"):
        wilson_interval(1, 2, level=95)


def test_shares_of_unrelated_subjects_have_the_interval_of_wilson():
    y, p = sick_and_well(12, 20, 12, 15)
    names = ["sensitivity", "specificity", "accuracy", "ppv", "npv"]
    counts = [(12, 12), (15, 20), (27, 32), (12, 17), (15, 15)]
    found = interval_of([predictions_of(y, p)], *names)
    np.testing.assert_allclose(found, [wilson_interval(*pair) for pair in counts])


def test_f1_has_the_interval_of_its_share_of_true_positives():
    y, p = sick_and_well(12, 20, 10, 15)
    low, high = wilson_interval(10, 10 + 5 + 2)
    expected = [[2 * low / (1 + low), 2 * high / (1 + high)]]
    np.testing.assert_allclose(interval_of([predictions_of(y, p)], "f1"), expected)


def test_balanced_accuracy_joins_the_intervals_of_its_parts():
    y, p = sick_and_well(12, 20, 12, 15)
    (low, high) = interval_of([predictions_of(y, p)], "balanced_accuracy")[0]
    sensitivity, specificity = wilson_interval(12, 12), wilson_interval(15, 20)
    assert low == pytest.approx(
        0.875 - np.hypot(1 - sensitivity[0], 0.75 - specificity[0]) / 2, abs=1e-12
    )
    assert high == pytest.approx(0.875 + (specificity[1] - 0.75) / 2, abs=1e-12)


@pytest.mark.parametrize("name", ["sensitivity", "balanced_accuracy", "f1", "roc_auc"])
def test_perfect_scores_of_few_have_a_width(name):
    y, p = sick_and_well(6, 6, 6, 6)
    low, high = interval_of([predictions_of(y, p + np.arange(12) / 100)], name)[0]
    assert high == pytest.approx(1)
    assert 0.4 < low < 0.9


def test_the_least_that_can_be_has_a_width_too():
    y, p = sick_and_well(6, 6, 6, 6)
    found = interval_of([predictions_of(y, 1 - p)], "sensitivity", "roc_auc")
    np.testing.assert_allclose(found[:, 0], 0, atol=1e-12)
    assert (found[:, 1] > 0.1).all()


def test_a_perfect_average_precision_has_no_interval():
    y, p = sick_and_well(6, 6, 6, 6)
    assert np.isnan(interval_of([predictions_of(y, p)], "pr_auc")).all()


def test_copies_of_subjects_make_nothing_surer():
    y, p = sick_and_well(12, 20, 9, 15)
    alone = interval_of([predictions_of(y, p)], "sensitivity", "balanced_accuracy", "f1")
    groups = np.repeat(np.arange(len(y)), 3)
    copies = predictions_of(np.repeat(y, 3), np.repeat(p, 3), groups=groups)
    np.testing.assert_allclose(
        interval_of([copies], "sensitivity", "balanced_accuracy", "f1"), alone
    )


def test_copies_of_subjects_who_all_agree_make_nothing_surer():
    y, p = sick_and_well(6, 6, 6, 6)
    groups = np.repeat(np.arange(12), 4)
    found = interval_of([predictions_of(np.repeat(y, 4), np.repeat(p, 4), groups=groups)], "npv")
    np.testing.assert_allclose(found, [wilson_interval(6, 6)])


def test_repeats_make_no_new_subjects():
    y, p = sick_and_well(12, 20, 9, 15)
    tables = [predictions_of(y, p, repeat=repeat) for repeat in range(5)]
    np.testing.assert_allclose(interval_of(tables, "sensitivity"), [wilson_interval(9, 12)])


def test_a_share_of_nobody_has_no_interval():
    y, p = sick_and_well(6, 6, 0, 6)
    assert np.isnan(interval_of([predictions_of(y, p)], "ppv")).all()


def test_shares_of_three_classes_are_joined():
    rng = np.random.default_rng(0)
    y = np.array(["AD", "CN", "MCI"])[np.arange(60) % 3]
    p = rng.dirichlet([1, 1, 1], size=60)
    table = predictions_of(y, p[:, 0]).drop(columns=["p_CN", "p_AD", "threshold"])
    table[["p_CN", "p_MCI", "p_AD"]] = p
    found = interval_of([table], "specificity", "accuracy", classes=("CN", "MCI", "AD"))
    # Specificities share subjects, so that their mean is little surer than each.
    assert 0.1 < found[0, 1] - found[0, 0] < 0.25
    assert found[1, 1] - found[1, 0] == pytest.approx(0.23, abs=0.03)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 12), st.integers(0, 20), st.floats(0.5, 0.99))
def test_intervals_hold_their_score_and_stay_within_bounds(n_found, n_cleared, level):
    y, p = sick_and_well(12, 20, n_found, n_cleared)
    low, high = interval_of([predictions_of(y, p)], "balanced_accuracy", level=level)[0]
    value = (n_found / 12 + n_cleared / 20) / 2
    assert 0 <= low < high <= 1
    assert low - 1e-12 <= value <= high + 1e-12


def test_intervals_of_groups_hold_the_truth_about_as_often_as_they_say():
    rng, held = np.random.default_rng(0), 0
    for _ in range(200):
        groups = np.repeat(np.arange(20), 3)
        chance = rng.beta(0.8 / 2, 0.2 / 2, size=20)[groups]
        said = rng.random(60) < chance
        table = predictions_of(np.repeat("AD", 60), np.where(said, 0.8, 0.2), groups=groups)
        low, high = interval_of([table], "sensitivity")[0]
        held += low < 0.8 < high
    assert 0.9 < held / 200 < 0.99
