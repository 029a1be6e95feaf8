import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from adestim.encoding.tables import read_training_table
from adestim.training.phase_one.logistic import LogisticProblem, fit_logistic
from adestim.training.phase_one.penalised import (
    LinearHead,
    cross_validate,
    fit_all,
    rotate,
    standardise,
    subset_folds,
)
from adestim.training.phase_one.ridge import PENALTIES, RidgeProblem, number_folds
from tests.fusion_tables import BLOCKS, numeric_table, with_missing

PROBLEMS = (RidgeProblem, lambda *args: LogisticProblem(*args, 2))


@pytest.fixture(scope="module")
def drawn():
    """Two blocks of columns, targets of 0 and 1, and folds."""
    rng = np.random.default_rng(0)
    blocks = [rng.normal(size=(60, 2)), rng.normal(size=(60, 30))]
    y = (blocks[0][:, 0] + rng.normal(size=60) > 0).astype(int)
    return blocks, y, number_folds(y, np.arange(60), 0, 3)


# Heads


def test_a_head_standardises_and_multiplies():
    head = LinearHead(np.array([1.0, 0.0]), np.array([2.0, np.inf]), np.array([[3.0], [5.0]]))
    np.testing.assert_allclose(head.scores(np.array([[3.0, 7.0], [np.nan, 0.0]])), [[3.0], [0.0]])


def test_standard_scores_of_what_is_unknown_are_zero():
    scores = standardise(np.array([[np.nan, 2.0]]), np.zeros(2), np.ones(2))
    np.testing.assert_array_equal(scores, [[0.0, 2.0]])


@pytest.mark.parametrize("problem", PROBLEMS)
def test_the_joint_score_is_a_sum_over_what_is_there(problem):
    X, y = numeric_table(60)
    X, targets = with_missing(X), (y == "AD").astype(int)
    tables, folds = read_training_table(X).tables, number_folds(targets, np.arange(60), 0, 3)
    fits = fit_all(tables, problem([], targets, np.ones(60)), folds)
    heads, features = fits.heads, [table.pooled() for table in tables.values()]
    scores = heads.scores(features)
    assert scores.values.shape == fits.unseen.shape == (60, len(BLOCKS), 2, 1)
    parts = [head.scores(block) for head, block in zip(heads.joint, features, strict=True)]
    expected = heads.joint_intercept + sum(
        np.where(has[:, None], part, 0) for has, part in zip(fits.present.T, parts, strict=True)
    )
    np.testing.assert_allclose(heads.joint_scores(scores, fits.present), expected)


def test_only_one_modality_may_be_shown():
    X, y = numeric_table(20)
    targets = (y == "AD").astype(int)
    fits = fit_all(
        read_training_table(with_missing(X)).tables, RidgeProblem([], targets, np.ones(20)), []
    )
    shown = fits.heads.only("csf", fits.present)
    np.testing.assert_array_equal(shown[:, 1], fits.present[:, 1])
    assert not shown[:, [0, 2]].any()


def test_a_single_modality_has_one_head_for_both_fits():
    X, y = numeric_table(40)
    targets = (y == "AD").astype(int)
    fits = fit_all(
        read_training_table(X[BLOCKS["mri"]]).tables, RidgeProblem([], targets, np.ones(40)), []
    )
    np.testing.assert_array_equal(fits.heads.separate[0].coef, fits.heads.joint[0].coef)


# Fitting


@pytest.mark.parametrize("problem", PROBLEMS)
def test_the_penalty_is_that_of_least_loss_on_subjects_not_seen(problem, drawn):
    blocks, y, folds = drawn
    posed = problem(blocks, y, np.ones(60))
    penalty, unseen = cross_validate(posed, folds)
    losses = []
    for each in posed.penalties():
        parts = [
            posed.losses(np.hstack([block[test] for block in blocks]) @ coef + intercept, test)
            for train, test in folds
            for coef, intercept in posed.solve(train, [each])
        ]
        losses.append(np.concatenate(parts).mean())
    assert penalty == posed.penalties()[int(np.argmin(losses))]
    assert unseen.shape == (60, 2, 1)


def test_without_folds_a_penalty_in_the_middle_is_taken(drawn):
    blocks, y, _ = drawn
    penalty, unseen = cross_validate(RidgeProblem(blocks, y, np.ones(60)), [])
    assert penalty == PENALTIES[len(PENALTIES) // 2]
    assert not unseen.any()


def test_columns_of_small_blocks_and_of_strong_association_are_cheaper(drawn):
    blocks, y, _ = drawn
    factors = RidgeProblem(blocks, y, np.ones(60))._factors(np.hstack(blocks), np.arange(60))
    assert factors.argmax() == 0
    assert np.mean(factors**2) == pytest.approx(1)


def test_rotation_into_the_row_space_loses_nothing():
    rng = np.random.default_rng(0)
    wide, y = rng.normal(size=(30, 200)), np.arange(30) % 2
    rotated, back = rotate(wide)
    coef, intercept = fit_logistic(rotated, y, np.ones(30), 0.1, 2)
    direct = LogisticRegression(C=0.1, tol=1e-8, max_iter=1000).fit(wide, y)
    np.testing.assert_allclose((back @ coef)[:, 0], direct.coef_[0], atol=1e-3)
    np.testing.assert_allclose(intercept, direct.intercept_, atol=1e-3)


def test_rotation_leaves_narrow_features_alone():
    narrow = np.random.default_rng(0).normal(size=(30, 4))
    rotated, back = rotate(narrow)
    np.testing.assert_array_equal(rotated @ back.T, narrow)


def test_folds_of_a_modality_hold_only_who_has_it():
    has = np.array([True, False, True, True, False, True])
    folds = subset_folds([(np.array([0, 1, 2]), np.array([3, 4, 5]))], has)
    np.testing.assert_array_equal(folds[0][0], [0, 2])
    np.testing.assert_array_equal(folds[0][1], [3, 5])


def test_a_fold_in_which_nobody_has_the_modality_is_left_out():
    folds = [(np.array([0, 1]), np.array([2])), (np.array([1, 2]), np.array([0]))]
    assert len(subset_folds(folds, np.array([True, True, False]))) == 1
