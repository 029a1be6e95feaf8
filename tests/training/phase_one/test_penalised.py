import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from adestim.training.phase_one.logistic import LogisticProblem, fit_logistic
from adestim.training.phase_one.penalised import (
    LinearHead,
    Setting,
    cross_validate,
    fit_all,
    rotate,
    standardise,
    subset_folds,
)
from adestim.training.phase_one.ridge import PENALTIES, RidgeProblem, number_folds
from tests.fusion_tables import BLOCKS, numeric_table, tables_of, with_missing

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
    tables, folds = tables_of(X), number_folds(targets, np.arange(60), 0, 3)
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
    fits = fit_all(tables_of(with_missing(X)), RidgeProblem([], targets, np.ones(20)), [])
    shown = fits.heads.only("csf", fits.present)
    np.testing.assert_array_equal(shown[:, 1], fits.present[:, 1])
    assert not shown[:, [0, 2]].any()


def test_a_single_modality_has_one_head_for_both_fits():
    X, y = numeric_table(40)
    targets = (y == "AD").astype(int)
    fits = fit_all(tables_of(X[BLOCKS["mri"]]), RidgeProblem([], targets, np.ones(40)), [])
    np.testing.assert_array_equal(fits.heads.separate[0].coef, fits.heads.joint[0].coef)


# Fitting


@pytest.mark.parametrize("problem", PROBLEMS)
def test_the_penalty_is_that_of_least_loss_on_subjects_not_seen(problem, drawn):
    blocks, y, folds = drawn
    posed = problem(blocks, y, np.ones(60))
    settings, unseen = cross_validate(posed, folds)
    for exponent, penalty in settings:
        losses = []
        for each in posed.penalties():
            parts = []
            for train, test in folds:
                [coef], [intercept] = posed.solve(train, [Setting(exponent, each)])
                values = np.hstack([block[test] for block in blocks])
                parts.append(posed.losses(values @ coef + intercept, test))
            losses.append(np.concatenate(parts).mean())
        assert penalty == posed.penalties()[int(np.argmin(losses))]
    assert [exponent for exponent, _ in settings] == [0.0, 0.5]
    assert unseen.shape == (60, 2, 1)


def test_a_fit_is_the_mean_over_exponents(drawn):
    blocks, y, folds = drawn
    posed, everybody = RidgeProblem(blocks, y, np.ones(60)), np.ones(60, dtype=bool)
    coef, intercept = posed.solve(np.arange(60), cross_validate(posed, folds)[0])
    fit = posed.fit(folds, everybody)
    np.testing.assert_allclose(np.vstack(fit.coefs), coef.mean(axis=0))
    np.testing.assert_allclose(fit.intercept, intercept.mean(axis=0))


@pytest.mark.parametrize("n_rows", [60, 20])
@pytest.mark.parametrize("problem", PROBLEMS)
def test_fits_solved_together_are_as_those_solved_alone(problem, drawn, n_rows):
    blocks, y, _ = drawn
    posed, rows = problem(blocks, y, np.ones(60)), np.arange(n_rows)
    settings = [Setting(exponent, penalty) for exponent in (0.0, 0.5) for penalty in (0.1, 1.0)]
    coefs, intercepts = posed.solve(rows, settings)
    for setting, coef, intercept in zip(settings, coefs, intercepts, strict=True):
        [alone], [own] = posed.solve(rows, [setting])
        np.testing.assert_allclose(coef, alone, atol=1e-6)
        np.testing.assert_allclose(intercept, own, atol=1e-6)


def test_without_folds_a_penalty_in_the_middle_is_taken(drawn):
    blocks, y, _ = drawn
    settings, unseen = cross_validate(RidgeProblem(blocks, y, np.ones(60)), [])
    assert {penalty for _, penalty in settings} == {PENALTIES[len(PENALTIES) // 2]}
    assert not unseen.any()


def test_columns_of_small_blocks_and_of_strong_association_are_cheaper(drawn):
    blocks, y, _ = drawn
    posed = RidgeProblem(blocks, y, np.ones(60))
    plain, adapted = posed.factors(np.hstack(blocks), np.arange(60), np.array([0.0, 0.5]))
    assert adapted.argmax() == 0
    assert plain[0] == plain[1] > plain[2] == plain[-1]
    np.testing.assert_allclose([np.mean(plain**2), np.mean(adapted**2)], 1)


def test_rotation_into_the_row_space_loses_nothing():
    rng = np.random.default_rng(0)
    wide, y = rng.normal(size=(30, 200)), np.arange(30) % 2
    rotated, back = rotate(wide)
    coef, intercept = fit_logistic(rotated, y, np.ones(30), 0.1, 2)
    direct = LogisticRegression(C=0.1, tol=1e-8, max_iter=1000).fit(wide, y)
    np.testing.assert_allclose((back @ coef)[:, 0], direct.coef_[0], atol=1e-3)
    np.testing.assert_allclose(intercept, direct.intercept_, atol=1e-3)


def test_folds_of_a_modality_hold_only_who_has_it():
    has = np.array([True, False, True, True, False, True])
    folds = subset_folds([(np.array([0, 1, 2]), np.array([3, 4, 5]))], has)
    np.testing.assert_array_equal(folds[0][0], [0, 2])
    np.testing.assert_array_equal(folds[0][1], [3, 5])


def test_a_fold_in_which_nobody_has_the_modality_is_left_out():
    folds = [(np.array([0, 1]), np.array([2])), (np.array([1, 2]), np.array([0]))]
    assert len(subset_folds(folds, np.array([True, True, False]))) == 1


# Columns held twice


@pytest.mark.parametrize("problem", PROBLEMS)
def test_a_block_held_twice_is_fitted_as_once(problem):
    X, y = numeric_table(60)
    targets = (y == "AD").astype(int)
    folds = number_folds(targets, np.arange(60), 0, 3)
    again = X[BLOCKS["mri"]].rename(columns=lambda name: name.replace("__", "__x_again_"))
    doubled = X.join(again).assign(mri__y_constant=1.0)
    once, twice = (
        fit_all(tables_of(table), problem([], targets, np.ones(60)), folds)
        for table in (X, doubled[sorted(doubled, key=lambda name: name[:3] != "mri")])
    )
    np.testing.assert_allclose(twice.unseen, once.unseen, atol=1e-6)
    n_columns = len(BLOCKS["mri"])
    for kind in ("separate", "joint"):
        [own], [copied] = ([getattr(fits.heads, kind)[0].coef] for fits in (once, twice))
        np.testing.assert_allclose(copied[:n_columns], own / 2, atol=1e-6)
        np.testing.assert_allclose(copied[n_columns:-1], own / 2, atol=1e-6)
        assert not copied[-1].any()


def test_a_column_held_twice_is_cheaper_by_the_root_of_two():
    values, rows = np.random.default_rng(0).normal(size=(60, 2)), np.arange(60)
    problem = RidgeProblem([values], np.arange(60.0), np.ones(60), copies=[np.array([2.0, 1.0])])
    [[twice, once]] = problem.factors(values, rows, np.array([0.0]))
    assert twice / once == pytest.approx(np.sqrt(2))
