import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from adestim.training.phase_one.logistic import LogisticProblem, inner_folds
from adestim.training.phase_one.ridge import RidgeProblem, number_folds
from adestim.training.phase_one.stack import CentredStack, lay_side_by_side


@pytest.fixture
def scores():
    """Scores of two modalities, of which the first tells the class, and who has what."""
    rng = np.random.default_rng(0)
    values = rng.normal(size=(100, 2, 1))
    present = rng.random((100, 2)) < 0.8
    return values, present, values[:, 0, 0] + 0.3 * rng.normal(size=100)


def test_scores_that_tell_the_class_weigh_most(scores):
    values, present, target = scores
    y = (target > 0).astype(int)
    folds = inner_folds(y, np.arange(100), 0)
    problem = LogisticProblem([], y, np.ones(100), 2)
    stack = CentredStack.learn(values, present, problem, folds)
    assert stack.head.coef[0, 0] > 5 * abs(stack.head.coef[1, 0])
    odds = stack.odds(values, present)
    assert odds.shape == (100, 1)
    assert roc_auc_score(y[present[:, 0]], odds[present[:, 0], 0]) > 0.95


def test_a_missing_score_counts_as_the_mean(scores):
    values, present, target = scores
    problem = RidgeProblem([], target, np.ones(100))
    stack = CentredStack.learn(values, present, problem, number_folds(target, np.arange(100), 0))
    nothing = stack.odds(values[:1], np.zeros((1, 2), dtype=bool))
    np.testing.assert_allclose(nothing[0], stack.intercept)


def test_scores_lie_side_by_side_unknown_where_missing():
    found = lay_side_by_side(np.ones((2, 2, 2)), np.array([[True, False], [True, True]]))
    np.testing.assert_array_equal(found, [[1, 1, np.nan, np.nan], [1, 1, 1, 1]])
