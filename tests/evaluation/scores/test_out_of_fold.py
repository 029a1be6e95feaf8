"""Scores of rows that a model was not trained on, one by one and drawn anew."""

import numpy as np
import pandas as pd
import pytest

from adestim.evaluation import delong, score_probabilities
from adestim.evaluation.scores.out_of_fold import compare_by_delong, gather_pool, score_table
from tests.evaluation.studies import predictions_of

CLASSES = ("CN", "AD")


@pytest.fixture
def outcome():
    rng = np.random.default_rng(0)
    y = np.where(np.arange(40) % 2, "AD", "CN")
    return y, np.clip((y == "AD") * 0.2 + rng.uniform(0.2, 0.6, 40), 0, 1)


def test_rows_are_scored_as_their_arrays_are(outcome):
    y, p = outcome
    expected = score_probabilities(y, np.c_[1 - p, p], CLASSES, scores=["brier", "roc_auc"])
    assert score_table(predictions_of(y, p), CLASSES, ["brier", "roc_auc"]) == expected


def test_every_row_has_its_own_threshold(outcome):
    y, p = outcome
    threshold = np.where(y == "AD", 0.0, 1.01)
    scores = score_table(predictions_of(y, p, threshold=threshold), CLASSES, ["accuracy"])
    assert scores == {"accuracy": 1.0}


def test_no_rows_have_no_score(outcome):
    table = predictions_of(*outcome).iloc[:0]
    assert np.isnan(score_table(table, CLASSES, ["f1"])["f1"])
    assert np.isnan(score_table(table.assign(prediction=0.0), (), ["mae"])["mae"])


def test_a_pool_averages_repeats(outcome):
    y, p = outcome
    tables = [predictions_of(y, p), predictions_of(y, 1 - p, repeat=1)]
    values = gather_pool(pd.concat(tables), CLASSES).score(["brier"], np.arange(40))
    alone = [score_table(table, CLASSES, ["brier"])["brier"] for table in tables]
    np.testing.assert_allclose(values, [np.mean(alone)])


def test_ranks_are_compared_within_folds_only():
    y = np.array(["AD", "CN", "CN", "AD", "AD", "CN"])
    table = predictions_of(y, [0.9, 0.8, 0.8, 0.2, 0.2, 0.1])
    table["fold"] = [0, 0, 0, 1, 1, 1]
    assert gather_pool(table, CLASSES).score(["roc_auc"], np.arange(6)).tolist() == [1.0]
    assert score_table(table, CLASSES, ["roc_auc"])["roc_auc"] < 0.7


def test_a_fold_in_which_a_class_was_not_drawn_does_not_count():
    y = np.array(["AD", "CN", "AD", "CN"])
    table = predictions_of(y, [0.9, 0.1, 0.2, 0.7])
    table["fold"] = [0, 0, 1, 1]
    pool = gather_pool(table, CLASSES)
    assert pool.score(["roc_auc"], np.array([0, 1, 2])).tolist() == [1.0]
    assert np.isnan(pool.score(["roc_auc"], np.array([0, 2]))).all()


def test_drawn_rows_count_as_often_as_they_are_drawn(outcome):
    y, p = outcome
    rows = np.array([0, 0, 3, 7, 7, 7])
    drawn = gather_pool(predictions_of(y, p).sample(frac=1, random_state=0), CLASSES)
    expected = score_probabilities(y[rows], np.c_[1 - p, p][rows], CLASSES, scores=["brier"])
    np.testing.assert_allclose(drawn.score(["brier"], rows), [expected["brier"]])


def test_rows_of_a_failed_fold_are_left_out_of_their_repeat(outcome):
    y, p = outcome
    whole, part = predictions_of(y, p), predictions_of(y, p, repeat=1).iloc[::2]
    pool = gather_pool(pd.concat([whole, part]), CLASSES)
    accuracy = [score_table(table, CLASSES, ["accuracy"])["accuracy"] for table in (whole, part)]
    np.testing.assert_allclose(pool.score(["accuracy"], np.arange(40)), [np.mean(accuracy)])


def test_a_regression_is_pooled_too():
    table = pd.DataFrame(
        {
            "repeat": 0,
            "fold": 0,
            "row": [0, 1],
            "group": [0, 1],
            "y": [1.0, 2.0],
            "prediction": [1.0, 4.0],
        }
    )
    assert gather_pool(table, ()).score(["mae"], np.arange(2)).tolist() == [1.0]


def test_delong_is_that_of_probabilities_averaged_over_repeats(outcome):
    y, p = outcome
    noise = np.random.default_rng(1).normal(scale=0.05, size=40)
    first = pd.concat([predictions_of(y, p + noise), predictions_of(y, p - noise, repeat=1)])
    second = pd.concat([predictions_of(y, noise + 0.5), predictions_of(y, noise + 0.5, repeat=1)])
    result = compare_by_delong(first, second, CLASSES, 0.95)
    expected = delong(y, p, noise, positive="AD")
    assert result["delong"] == pytest.approx(expected.difference)
    assert result["delong_p"] == pytest.approx(expected.p)


def test_delong_does_not_apply_where_a_group_has_several_rows(outcome):
    table = predictions_of(*outcome, groups=np.arange(40) // 2)
    assert np.isnan(list(compare_by_delong(table, table, CLASSES, 0.95).values())).all()


def test_delong_does_not_apply_to_a_single_positive():
    table = predictions_of(np.array(["AD", "CN", "CN"]), [0.9, 0.1, 0.2])
    assert np.isnan(compare_by_delong(table, table, CLASSES, 0.95)["delong_p"])
