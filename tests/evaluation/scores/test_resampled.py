"""Many resamples at once are scored as one by one."""

import numpy as np
import pytest

from adestim._support.predictions import Predictions
from adestim._support.scores import score_rows
from adestim.evaluation import REGRESSION_SCORES, bootstrap_interval, score_probabilities
from adestim.evaluation.scores.intervals import count_draws, take_percentiles
from adestim.evaluation.scores.out_of_fold import gather_pool
from adestim.evaluation.scores.resampled import OF_CLASSES, score_draws
from tests.counting import calls_into
from tests.evaluation.studies import predictions_of

CLASSES = ("CN", "AD")


def said_of(n_subjects, seed=0, digits=2):
    """Labels and probabilities that know a little, some of them equal."""
    rng = np.random.default_rng(seed)
    y = np.where(rng.random(n_subjects) < 0.4, "AD", "CN")
    p = np.clip((y == "AD") * 0.2 + rng.uniform(0.1, 0.7, n_subjects), 0, 1).round(digits)
    return y, p


def drawn_rows(weight):
    """The rows of every resample, each as often as it is drawn."""
    return [np.repeat(np.arange(len(each)), each.astype(int)) for each in weight]


@pytest.mark.parametrize("n_subjects", [8, 60])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_scores_of_classes_are_those_of_the_drawn_rows(n_subjects, n_classes):
    rng = np.random.default_rng(1)
    probabilities = rng.dirichlet(np.ones(n_classes), size=n_subjects).round(1)
    probabilities[:, -1] = 1 - probabilities[:, :-1].sum(axis=1)
    probabilities = np.clip(probabilities, 0, 1)
    classes = tuple("abc"[:n_classes])
    found = Predictions(rng.choice(classes, n_subjects), probabilities, classes)
    weight = count_draws(np.arange(n_subjects), 40, 0).astype(float)
    names = list(OF_CLASSES)
    expected = [list(score_rows(found, names, rows).values()) for rows in drawn_rows(weight)]
    values = score_draws(found, names, np.arange(n_subjects), weight)
    np.testing.assert_allclose(values, expected, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("n_values", [2, 30])
def test_scores_of_numbers_are_those_of_the_drawn_rows(n_values):
    rng = np.random.default_rng(0)
    y, said = rng.integers(n_values, size=(2, 12)).astype(float)
    found = Predictions(y + 100, said + 100, ())
    weight = count_draws(np.arange(12), 60, 0).astype(float)
    expected = [
        list(score_rows(found, REGRESSION_SCORES, rows).values()) for rows in drawn_rows(weight)
    ]
    values = score_draws(found, REGRESSION_SCORES, np.arange(12), weight)
    np.testing.assert_allclose(values, expected, rtol=1e-7, atol=1e-9)


def test_a_calibration_that_newton_cannot_start_from_is_found():
    # Chances that are far too sure: the slope is next to nothing.
    rng = np.random.default_rng(0)
    y = rng.choice(CLASSES, 80)
    p = np.where(rng.random(80) < 0.5, 1e-9, 1 - 1e-9)
    found = Predictions(y, np.c_[1 - p, p], CLASSES)
    weight = count_draws(np.arange(80), 10, 0).astype(float)
    names = ["calibration_slope", "calibration_intercept"]
    expected = [list(score_rows(found, names, rows).values()) for rows in drawn_rows(weight)]
    values = score_draws(found, names, np.arange(80), weight)
    np.testing.assert_allclose(values, expected, rtol=1e-5, atol=1e-8)


def test_intervals_are_those_of_the_bootstrap_of_the_same_seed():
    y, p = said_of(40)
    pool = gather_pool(predictions_of(y, p, fold=0), CLASSES)

    def area(rows):
        scores = score_probabilities(y[rows], np.c_[1 - p, p][rows], CLASSES, scores=["roc_auc"])
        return scores["roc_auc"]

    expected = bootstrap_interval(area, 40, n_resamples=100, random_state=3)
    low, high = pool.find_interval(
        ["roc_auc"], pool.rows, n_resamples=100, level=0.95, random_state=3
    )
    np.testing.assert_allclose([low[0], high[0]], expected)


def test_areas_of_resamples_compare_subjects_of_one_fold():
    y, p = said_of(60)
    shifted = p + np.arange(60) % 2
    tables = [predictions_of(y, values / 2) for values in (p, shifted)]
    ends = [
        gather_pool(table, CLASSES).find_interval(
            ["roc_auc", "pr_auc"], np.arange(60), n_resamples=50, level=0.9, random_state=0
        )
        for table in tables
    ]
    np.testing.assert_allclose(ends[0], ends[1])


def test_groups_are_drawn_whole():
    y, p = said_of(60)
    groups = np.arange(60) // 3
    pool = gather_pool(predictions_of(y, p, groups=groups), CLASSES)
    low, high = pool.find_interval(
        ["brier"], pool.rows, n_resamples=200, level=0.95, random_state=0
    )
    losses = ((y == "AD") - p) ** 2
    expected = bootstrap_interval(
        lambda rows: losses[rows].mean(), groups, n_resamples=200, random_state=0
    )
    np.testing.assert_allclose([low[0], high[0]], expected)


def test_resamples_without_a_class_are_left_out():
    values = np.array([[0.5], [np.nan], [0.7]])
    assert take_percentiles(values, 0.95).n_undefined == [1]


def work_of_resamples(n_resamples):
    """How many calls the intervals of all scores take."""
    y, p = said_of(200)
    pool = gather_pool(predictions_of(y, p), CLASSES)

    def find():
        pool.find_interval(
            list(OF_CLASSES), pool.rows, n_resamples=n_resamples, level=0.95, random_state=0
        )

    return calls_into("adestim", find)


def test_resamples_are_scored_together():
    # One by one, each would call every score.
    assert work_of_resamples(1000) - work_of_resamples(100) < 900 * 3
