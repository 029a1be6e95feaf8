import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

from adestim.training.phase_one.logistic import LogisticProblem
from adestim.training.phase_one.pooled import fit_pooled, fit_pooled_on_folds, prepare_estimator
from adestim.training.phase_one.ridge import RidgeProblem

ROWS, ALL_SHOWN = np.arange(60), np.ones((60, 2), dtype=bool)


@pytest.fixture
def drawn():
    rng = np.random.default_rng(0)
    features = [rng.normal(size=(60, size)) for size in (2, 3)]
    y = (features[0][:, 0] > 0).astype(int)
    features[1][::4] = np.nan
    return features, y


def fitted(estimator, features, y, n_classes=2, rows=ROWS, weight=None):
    problem = LogisticProblem([], y, np.ones(60) if weight is None else weight, n_classes)
    return fit_pooled(estimator, features, problem, n_classes, rows, seed=3)


def test_log_odds_are_those_of_the_estimator_where_unknown_values_are_means(drawn):
    features, y = drawn
    member = fitted(LogisticRegression(), features, y)
    values = member.select(features)
    probability = member.model.predict_proba(values)
    expected = np.log(probability[:, 1] / probability[:, 0])
    np.testing.assert_allclose(member.odds(values, ALL_SHOWN)[:, 0], expected)


def test_columns_of_a_hidden_modality_are_not_read(drawn):
    features, y = drawn
    member = fitted(LogisticRegression(), features, y)
    values, shown = member.select(features), np.tile([False, True], (60, 1))
    strange = np.where(member.places == 0, 99.0, values)
    np.testing.assert_array_equal(member.odds(strange, shown), member.odds(values, shown))


def test_the_users_estimator_is_left_as_it_was(drawn):
    estimator = LogisticRegression()
    fitted(estimator, *drawn)
    assert not hasattr(estimator, "coef_")


def test_what_bears_unknown_values_is_given_them():
    assert prepare_estimator(HistGradientBoostingClassifier(), 0)[1] == ""
    assert prepare_estimator(KNeighborsClassifier(), 0)[1] == "kneighborsclassifier__"


def test_a_seed_is_set_where_none_is():
    assert prepare_estimator(RandomForestClassifier(), 3)[0].random_state == 3
    assert prepare_estimator(RandomForestClassifier(random_state=1), 3)[0].random_state == 1


def test_weights_are_heard_where_the_fit_accepts_them(drawn):
    features, y = drawn
    weight = np.where(y == 1, 10.0, 1.0)
    for estimator, hears in ((LogisticRegression(), True), (KNeighborsClassifier(), False)):
        plain, heavy = (fitted(estimator, features, y, weight=own) for own in (None, weight))
        values = plain.select(features)
        same = np.allclose(plain.odds(values, ALL_SHOWN), heavy.odds(values, ALL_SHOWN))
        assert same != hears


def test_a_class_that_is_not_among_the_rows_becomes_improbable(drawn):
    features, y = drawn
    member = fitted(LogisticRegression(), features, y, n_classes=3)
    odds = member.odds(member.select(features), ALL_SHOWN)
    assert odds.shape == (60, 2)
    assert (odds[:, 1] < 0).all()


def test_a_column_that_no_row_knows_is_borne(drawn):
    features, y = drawn
    features[1][:] = np.nan
    member = fitted(LogisticRegression(), features, y)
    assert np.isfinite(member.odds(member.select(features), ALL_SHOWN)).all()


def test_numbers_are_predictions(drawn):
    features, _ = drawn
    target = 2 * features[0][:, 0]
    member = fit_pooled(
        LinearRegression(), features, RidgeProblem([], target, np.ones(60)), None, ROWS, 0
    )
    odds = member.odds(member.select(features), ALL_SHOWN)
    np.testing.assert_allclose(odds[:, 0], target, atol=1e-8)


def test_every_fold_is_judged_by_a_copy_that_has_not_seen_it(drawn):
    features, y = drawn
    folds = [(ROWS[30:], ROWS[:30]), (ROWS[:30], ROWS[30:])]
    problem = LogisticProblem([], y, np.ones(60), 2)
    estimator = KNeighborsClassifier(1)
    parts = fit_pooled_on_folds(estimator, features, problem, 2, folds, 0)
    for (train, test), (member, judged) in zip(folds, parts, strict=True):
        np.testing.assert_array_equal(test, judged)
        assert member.model[-1].n_samples_fit_ == len(train)
