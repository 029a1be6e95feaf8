"""Scores of survival, counted by hand where nobody is censored."""

import numpy as np
import pytest
from sklearn.metrics import brier_score_loss, roc_auc_score

from adestim import make_survival
from adestim.evaluation.survival.measures import (
    average_auc,
    compare_to_expected,
    integrate_brier,
    measure_auc,
    measure_brier,
    measure_concordance,
)
from adestim.evaluation.survival.outcomes import Outcomes

TIMES = np.array([1.0, 2.0, 3.0])


@pytest.fixture
def uncensored():
    rng = np.random.default_rng(0)
    time = rng.uniform(0.1, 5, size=50)
    return Outcomes.of(make_survival(np.ones(50), time), None, "scores"), rng.normal(size=50) - time


def test_without_censoring_scores_are_the_usual_ones(uncensored):
    outcomes, risk = uncensored
    survival = np.tile([0.8, 0.6, 0.3], (50, 1))
    auc, brier = measure_auc(outcomes, risk, TIMES), measure_brier(outcomes, survival, TIMES)
    for place, time in enumerate(TIMES):
        had = outcomes.time <= time
        assert auc[place] == pytest.approx(roc_auc_score(had, risk))
        assert brier[place] == pytest.approx(brier_score_loss(had, 1 - survival[:, place]))


def test_risks_may_differ_by_time(uncensored):
    outcomes, risk = uncensored
    by_time = np.column_stack([risk, -risk, risk])
    found = measure_auc(outcomes, by_time, TIMES)
    plain = measure_auc(outcomes, risk, TIMES)
    np.testing.assert_allclose(found, [plain[0], 1 - plain[1], plain[2]])


def test_ties_count_half(uncensored):
    outcomes, _ = uncensored
    np.testing.assert_allclose(measure_auc(outcomes, np.zeros(50), TIMES), 0.5)


def test_before_the_first_event_nothing_can_be_told(uncensored):
    outcomes, risk = uncensored
    auc = measure_auc(outcomes, risk, np.array([0.0, 1.0]))
    assert np.isnan(auc[0])
    assert average_auc(outcomes, auc, np.array([0.0, 1.0])) == pytest.approx(auc[1])


def test_only_events_before_a_time_count():
    outcomes = Outcomes.of(make_survival([1, 1, 1], [1, 2, 3]), None, "scores")
    risk = np.array([3.0, 1.0, 2.0])
    assert measure_concordance(outcomes, risk, None) == pytest.approx(2 / 3)
    assert measure_concordance(outcomes, risk, 2.0) == 1


def test_the_mean_over_time_is_an_area():
    assert integrate_brier(np.array([0.1, 0.3]), np.array([1.0, 2.0])) == pytest.approx(0.2)
    assert np.isnan(integrate_brier(np.array([0.1]), np.array([1.0])))


def test_observed_is_compared_to_expected(uncensored):
    outcomes, _ = uncensored
    observed = (outcomes.time <= 2).mean()
    assert compare_to_expected(outcomes, np.full(50, observed / 2), 2.0) == pytest.approx(2)
    assert np.isnan(compare_to_expected(outcomes, np.zeros(50), 2.0))
