"""Scores of survival beside those of scikit-survival 0.28.0, which computed the numbers here."""

import numpy as np
import pytest

from adestim import make_survival
from adestim.evaluation import (
    score_survival,
    survival_auc,
    survival_brier,
    survival_calibration,
    uno_concordance,
)
from adestim.exceptions import InputError
from tests.evaluation.survival.reference import TIMES, reference_outcomes

ROWS = ["uno_c", "mean_auc", "integrated_brier"]


@pytest.fixture(scope="module")
def outcomes():
    """Of the first thirty censoring is learned, the others are scored."""
    y, risk, survival = reference_outcomes()
    return y[:30], y[30:], risk[30:], survival[30:]


def test_concordance_is_that_of_scikit_survival(outcomes):
    train, y, risk, _ = outcomes
    # By its concordance_index_ipcw with tau=2.4, and of all with tau=3.
    assert uno_concordance(y, risk, train=train, until=2.4) == pytest.approx(0.5941864718560911)
    y, risk, _ = reference_outcomes()
    assert uno_concordance(y, risk, until=3.0) == pytest.approx(0.6091464692040868)


def test_brier_is_that_of_scikit_survival(outcomes):
    train, y, _, survival = outcomes
    found = survival_brier(y, survival, train=train)
    # By its brier_score.
    expected = [0.16128866936251332, 0.18243999985918588, 0.2655882334216912]
    np.testing.assert_allclose(found, expected)
    np.testing.assert_array_equal(found.index, TIMES)


def test_auc_is_that_of_scikit_survival(outcomes):
    train, y, risk, _ = outcomes
    found = survival_auc(y, risk, TIMES, train=train)
    # By its cumulative_dynamic_auc.
    expected = [0.608655505434289, 0.6737634482945946, 0.5954775310659111]
    np.testing.assert_allclose(found, expected)


def test_means_are_those_of_scikit_survival(outcomes):
    train, y, risk, survival = outcomes
    table = score_survival(y, survival, train=train, risk=risk, n_resamples=0)
    assert list(table.index) == ROWS
    # By its integrated_brier_score and the mean of its cumulative_dynamic_auc.
    assert table.loc["integrated_brier", "score"] == pytest.approx(0.20119858700249338)
    assert table.loc["mean_auc", "score"] == pytest.approx(0.6259323622525353)
    assert table.loc["uno_c", "score"] == uno_concordance(y, risk, train=train, until=2.4)
    assert table[["low", "high"]].isna().all(axis=None)


def test_scores_at_a_horizon_are_of_its_column(outcomes):
    train, y, _, survival = outcomes
    table = score_survival(y, survival, train=train, horizon=1.5, n_resamples=0)
    assert list(table.index) == [*ROWS, "auc", "brier", "observed_to_expected"]
    expected = survival_brier(y, survival, train=train)[1.5]
    assert table.loc["brier", "score"] == pytest.approx(expected)
    by_risk = survival_auc(y, 1 - survival[1.5], [1.5], train=train)
    assert table.loc["auc", "score"] == by_risk[1.5]


def test_risks_are_by_default_of_the_mean_survival(outcomes):
    train, y, _, survival = outcomes
    table = score_survival(y, survival, train=train, n_resamples=0)
    expected = uno_concordance(y, -survival.mean(axis=1), train=train, until=2.4)
    assert table.loc["uno_c", "score"] == expected


def test_intervals_hold_the_scores(outcomes):
    train, y, risk, survival = outcomes
    given = {"train": train, "risk": risk, "n_resamples": 60, "random_state": 0}
    table = score_survival(y, survival, **given)
    assert (table["low"] < table["score"]).all()
    assert (table["score"] < table["high"]).all()
    narrower = score_survival(y, survival, level=0.5, **given)
    assert (narrower["low"] >= table["low"]).all()


def test_groups_are_drawn_together(outcomes):
    train, y, risk, survival = outcomes
    table = score_survival(
        y, survival, train=train, risk=risk, groups=np.zeros(30), n_resamples=5, random_state=0
    )
    np.testing.assert_allclose(table["low"], table["score"])


def test_a_horizon_that_is_no_time_is_refused(outcomes):
    train, y, _, survival = outcomes
    with pytest.raises(InputError, match="'horizon' of score_survival is one of the times"):
        score_survival(y, survival, train=train, horizon=2.0)


def test_times_behind_follow_up_are_refused(outcomes):
    train, y, risk, survival = outcomes
    later = survival.set_axis([1.0, 2.0, 9.0], axis=1)
    for score in (
        lambda: survival_brier(y, later, train=train),
        lambda: survival_auc(y, risk, [9.0], train=train),
        lambda: score_survival(y, later, train=train),
        lambda: survival_calibration(y, np.full(30, 0.5), 9.0),
    ):
        with pytest.raises(InputError, match="within follow-up"):
            score()


def test_risks_of_another_shape_are_refused(outcomes):
    _, y, *_ = outcomes
    with pytest.raises(InputError, match=r"shape \(30, 2\) for 30 subjects and 1 times"):
        survival_auc(y, np.zeros((30, 2)), [1.0])


# Calibration


def calibrated(n_subjects=2000):
    rng = np.random.default_rng(0)
    risk = rng.uniform(0.1, 0.9, size=n_subjects)
    years = -2 * rng.exponential(size=n_subjects) / np.log1p(-risk)
    followed = rng.uniform(1, 4, size=n_subjects)
    return make_survival(years <= followed, np.minimum(years, followed)), risk


def test_what_is_predicted_is_observed_whoever_is_censored():
    y, risk = calibrated()
    table = survival_calibration(y, risk, 2.0, n_bins=4)
    assert table["n_subjects"].sum() == 2000
    assert (table["predicted"].diff().dropna() > 0).all()
    np.testing.assert_allclose(table["observed"], table["predicted"], atol=0.07)
    assert ((table["low"] < table["observed"]) & (table["observed"] < table["high"])).all()


def test_equal_predictions_are_one_bin():
    y, risk = calibrated(100)
    assert len(survival_calibration(y, np.full(100, 0.5), 2.0)) == 1
    assert len(survival_calibration(y, np.round(risk), 2.0)) == 2


@pytest.mark.parametrize(
    ("risk", "n_bins", "message"),
    [(1.5, 5, "between 0 and 1"), (0.5, 0, "'n_bins'"), (0.5, 101, "'n_bins'")],
)
def test_bins_that_cannot_be_are_refused(risk, n_bins, message):
    y, _ = calibrated(100)
    with pytest.raises(InputError, match=message):
        survival_calibration(y, np.full(100, risk), 2.0, n_bins=n_bins)
