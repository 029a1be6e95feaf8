import pickle

import numpy as np
import pytest
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import StratifiedGroupKFold, cross_val_score, cross_validate

from adestim.exceptions import InputError
from adestim.tuning import AdestimSearchCV
from tests.tuning.studies import Moody, logistic_space, moods, plain_table


def search_of(estimator=None, **params):
    settings = {"n_trials": 2, "cv": 2, "space": logistic_space, "random_state": 0}
    return AdestimSearchCV(estimator or LogisticRegression(), **(settings | params))


@pytest.fixture(scope="module")
def fitted():
    return search_of().fit(*plain_table())


def test_it_predicts_by_the_best_estimator(fitted):
    X, _ = plain_table()
    np.testing.assert_array_equal(fitted.predict(X), fitted.best_estimator_.predict(X))
    np.testing.assert_array_equal(fitted.predict_proba(X), fitted.best_estimator_.predict_proba(X))
    assert fitted.classes_.tolist() == ["AD", "CN"]
    assert fitted.best_params_ == {"C": fitted.best_estimator_.C}
    assert fitted.best_score_ == fitted.tuned_.best_score_


def test_it_is_scored_by_what_was_searched_for(fitted):
    X, y = plain_table()
    own = fitted.predict_proba(X)[np.arange(40), (y == "CN").astype(int)]
    assert fitted.score(X, y) == pytest.approx(np.log(own).mean())


def test_a_search_all_of_whose_trials_fail_is_an_error():
    with pytest.raises(InputError, match=r"2 failed.*in no mood"):
        search_of(Moody(threshold=-1), space=moods).fit(*plain_table())


def test_every_outer_fold_has_a_fresh_study():
    X, y = plain_table()
    found = cross_validate(search_of(), X, y, cv=3, return_estimator=True)["estimator"]
    assert [len(each.tuned_.study.trials) for each in found] == [2, 2, 2]


def test_groups_are_handed_on():
    X, y = plain_table()
    groups = np.arange(40) // 4
    search = search_of(Moody(), space=lambda *_: {}, cv=StratifiedGroupKFold(2))
    found = search.fit(X, y, groups=groups)
    np.testing.assert_array_equal(found.best_estimator_.groups_, groups)


def test_it_is_what_its_estimator_is():
    assert is_classifier(search_of())
    assert is_regressor(search_of(Ridge()))
    assert not hasattr(search_of(Ridge()), "predict_proba")


def test_it_is_not_fitted_before_fit():
    with pytest.raises(NotFittedError):
        search_of().predict(plain_table()[0])


def test_it_clones_and_pickles(fitted):
    X, y = plain_table()
    copy = pickle.loads(pickle.dumps(fitted))
    again = clone(fitted).fit(X, y)
    for other in (copy, again):
        np.testing.assert_array_equal(other.predict_proba(X), fitted.predict_proba(X))


def test_it_is_scored_in_parallel_folds():
    assert np.isfinite(cross_val_score(search_of(), *plain_table(), cv=2)).all()
