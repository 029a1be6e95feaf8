"""Which members join the mixture, built-in ones and those of the user."""

import pickle

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from sklearn.utils._param_validation import InvalidParameterError

from adestim import AnchoredFusionClassifier, AnchoredFusionRegressor
from adestim.exceptions import DataWarning, InputError
from tests.coin import Coin
from tests.fusion_tables import numeric_table, quick, with_missing

FOUR = ("joint", "discriminant", "forest", "late")
OWN = {
    "takes nan": HistGradientBoostingClassifier(max_iter=5, min_samples_leaf=5),
    "takes no nan": LogisticRegression(),
    "pipeline": make_pipeline(StandardScaler(), GaussianNB()),
    "no weights": KNeighborsClassifier(),
}


class Oracle(ClassifierMixin, BaseEstimator):
    """A classifier that reads the answer, which the first column holds."""

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X):
        told = np.where(X[:, :1] > 0, 0.99, 0.01)
        return np.hstack([1 - told, told])


def members_only(*members, **params):
    """A quick estimator without nets."""
    return quick(**({"members": list(members), "max_epochs": 0, "n_trees": 20} | params))


@pytest.fixture(scope="module")
def incomplete():
    X, y = numeric_table(80)
    return with_missing(X), y


# Built-in members


@pytest.mark.parametrize("name", FOUR)
def test_every_built_in_member_may_stand_alone(name, incomplete):
    X, y = incomplete
    model = members_only(name).fit(X, y)
    assert model.shares_ == {name: 1.0}
    assert model.nets_ == {}
    assert model.score(X, y) > 0.65
    np.testing.assert_allclose(model.predict_proba(X).sum(axis=1), 1)


@pytest.mark.parametrize("name", ["joint", "conditional", "forest", "late"])
def test_every_built_in_member_may_predict_numbers_alone(name):
    X, _ = numeric_table(80)
    model = AnchoredFusionRegressor(members=[name], max_epochs=0, n_trees=20, random_state=0)
    model.fit(with_missing(X), 70 + 5 * X["mri__a"])
    assert model.shares_ == {name: 1.0}
    assert model.score(X, 70 + 5 * X["mri__a"]) > 0.3


def test_all_stands_for_every_built_in_member(incomplete):
    X, y = incomplete
    by_word, by_name = members_only(members="all"), members_only(*FOUR)
    np.testing.assert_array_equal(
        by_word.fit(X, y).predict_proba(X), by_name.fit(X, y).predict_proba(X)
    )
    assert set(by_word.shares_) <= set(FOUR)


def test_a_name_alone_and_a_name_twice_are_that_member(incomplete):
    for members in ("joint", ["joint", "joint"], ("joint",)):
        assert members_only(members=members).fit(*incomplete).shares_ == {"joint": 1.0}


def test_no_members_and_no_epochs_leave_the_anchors_own_heads(incomplete):
    X, y = incomplete
    model = quick(members=(), max_epochs=0).fit(X, y)
    assert model.shares_ == {"anchored mri": 1.0}
    np.testing.assert_allclose(
        model.predict_proba(X), model.predict_proba_by_anchor(X)["mri"], rtol=1e-6
    )


# Members of the user


@pytest.mark.parametrize("name", OWN)
def test_a_users_classifier_may_be_a_member(name, incomplete):
    X, y = incomplete
    own = OWN[name]
    model = members_only((name, own)).fit(X, y, sample_weight=np.where(y == "AD", 2.0, 1.0))
    assert model.shares_ == {name: 1.0}
    assert not hasattr(own, "classes_")
    probability = model.predict_proba(X)
    np.testing.assert_allclose(probability.sum(axis=1), 1)
    assert model.score(X, y) > 0.65


def test_a_users_classifier_sees_pooled_columns_of_all_modalities():
    X, y = numeric_table(60)
    X["gene__a"] = np.where(y == "AD", -1.0, 1.0)
    model = members_only(("own", LogisticRegression())).fit(X, y)
    assert model.score(X, y) == 1


def test_members_of_the_user_judge_three_classes():
    X, y = numeric_table(90, n_classes=3)
    model = members_only("all", ("own", GaussianNB())).fit(with_missing(X), y)
    assert model.predict_proba(with_missing(X)).shape == (90, 3)


def test_a_users_regressor_may_be_a_member():
    X, _ = numeric_table(60)
    target = 70 + 5 * X["mri__a"].to_numpy()
    model = AnchoredFusionRegressor(
        members=[("own", Ridge())], max_epochs=0, n_trees=0, random_state=0
    )
    model.fit(X, target)
    assert model.shares_ == {"own": 1.0}
    assert model.score(X, target) > 0.95


def test_a_seedless_member_is_seeded_by_the_fusion(incomplete):
    X, y = incomplete
    own = HistGradientBoostingClassifier(max_iter=5, min_samples_leaf=5, max_features=0.4)
    first, same, other = (
        members_only(("own", own), random_state=seed).fit(X, y).predict_proba(X)
        for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, same)
    assert not np.array_equal(first, other)


# Shares


def test_a_member_that_tosses_coins_has_a_small_share_and_is_not_asked():
    X, y = numeric_table(300)
    model = members_only("joint", ("coin", Coin())).fit(X, y)
    assert "coin" not in model.shares_
    calls = Coin.calls
    model.predict_proba(X)
    assert Coin.calls == calls


def test_a_member_that_knows_the_answer_has_most():
    X, y = numeric_table(80)
    X.insert(0, "aaa__answer", np.where(y == "CN", 1.0, -1.0))
    hidden = X.assign(aaa__answer=X["aaa__answer"] * 1e-3)
    model = members_only("forest", ("oracle", Oracle()), n_trees=5).fit(hidden, y)
    assert model.shares_["oracle"] > 0.5
    assert model.score(hidden, y) == 1


def test_a_member_that_memorises_has_no_share():
    X, y = numeric_table(200)
    noise = np.random.default_rng(0).permutation(y)
    model = members_only("joint", ("nearest", KNeighborsClassifier(1))).fit(X, noise)
    assert model.shares_ == {"joint": 1.0}


def test_members_without_a_share_are_let_go():
    X, y = numeric_table(300)
    model = members_only("joint", "late", ("coin", Coin())).fit(X, y)
    assert "coin" not in model.phase_one_.readers
    assert set(model.phase_one_.shares) == set(model.shares_)


def test_a_users_member_survives_pickling(incomplete):
    X, y = incomplete
    model = members_only(("own", LogisticRegression())).fit(X, y)
    restored = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(restored.predict_proba(X), model.predict_proba(X))


# Tools of scikit-learn


def test_clones_keep_members_and_leave_them_unfitted(incomplete):
    own = LogisticRegression()
    model = members_only("all", ("own", own)).fit(*incomplete)
    copy = clone(model)
    assert copy.get_params()["members"][0] == "all"
    assert copy.members[1][0] == "own"
    assert not hasattr(own, "coef_")
    X, y = incomplete
    np.testing.assert_array_equal(copy.fit(X, y).predict_proba(X), model.predict_proba(X))


def test_a_search_chooses_among_members(incomplete):
    grid = {"members": ["joint", ["forest"], ["all", ("own", LogisticRegression())], ()]}
    search = GridSearchCV(members_only("all"), grid, cv=2, error_score="raise")
    search.fit(*incomplete)
    assert len(search.cv_results_["params"]) == 4
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


# What is refused


@pytest.mark.parametrize(
    ("members", "got"),
    [
        ("foo", "'foo'"),
        (["joint", "foo"], "'foo'"),
        ([3], "3"),
        ([("own", 3)], r"\('own', 3\)"),
        ([("own", LogisticRegression)], "LogisticRegression"),
        ([(LogisticRegression(), "own")], "LogisticRegression"),
        ([("own", Ridge())], "Ridge"),
        ([("own", LinearSVC())], "LinearSVC"),
        ([LogisticRegression()], "LogisticRegression"),
        (["conditional"], "'conditional'"),
    ],
    ids=str,
)
def test_what_is_no_member_is_refused_with_the_choices(members, got, incomplete):
    message = (
        rf"'members' parameter of AnchoredFusionClassifier.*classifier with predict_proba.*"
        rf"Got .*{got}.*Choose from \['all', 'joint', 'discriminant', 'forest', 'late'\], or write"
    )
    with pytest.raises(InputError, match=message):
        members_only(members=members).fit(*incomplete)


def test_a_classifier_is_no_member_of_a_regressor():
    X, _ = numeric_table(20)
    model = AnchoredFusionRegressor(members=[("own", KNeighborsClassifier())], n_trees=0)
    with pytest.raises(
        InputError, match=r"'members' parameter of AnchoredFusionRegressor.*a regressor.*Got"
    ):
        model.fit(X, X["mri__a"])


@pytest.mark.parametrize("first", ["joint", ("joint", GaussianNB())])
def test_two_members_of_one_name_are_refused(first, incomplete):
    message = r"member of AnchoredFusionClassifier needs a name.*'joint' more than once.*Rename"
    with pytest.raises(InputError, match=message):
        members_only(first, ("joint", LogisticRegression())).fit(*incomplete)


@pytest.mark.parametrize("members", [None, 3, LogisticRegression()], ids=str)
def test_what_is_no_list_is_refused(members, incomplete):
    with pytest.raises(InvalidParameterError, match="'members' parameter of AnchoredFusion"):
        members_only(members=members).fit(*incomplete)


@pytest.mark.parametrize("members", [(), []])
@pytest.mark.parametrize("kind", [AnchoredFusionClassifier, AnchoredFusionRegressor])
def test_nets_cannot_start_from_no_members(kind, members):
    X, _ = numeric_table(20)
    message = rf"'start' parameter of {kind.__name__}.*Got start='stacked' with members=.*'anchor'"
    with pytest.raises(InputError, match=message):
        kind(members=members, start="stacked").fit(X, np.arange(20) % 2)


# Where no member can be fitted


@pytest.mark.parametrize("members", [["forest"], [("own", LogisticRegression())]], ids=str)
def test_without_inner_folds_anchors_stand_in_for_members_that_need_them(members):
    X, _ = numeric_table(20)
    y = np.where(np.arange(20) == 3, "rare", "common")
    with pytest.warns(DataWarning, match="no inner folds"):
        model = quick(members=members, n_trees=5).fit(X, y)
    with pytest.warns(DataWarning, match="no inner folds"):
        heads = quick(members=(), max_epochs=0).fit(X, y)
    np.testing.assert_array_equal(model.predict_proba(X), heads.predict_proba(X))


def test_a_forest_of_no_trees_leaves_the_anchors_own_heads(incomplete):
    X, y = incomplete
    model = members_only("forest", n_trees=0).fit(X, y)
    heads = members_only(members=()).fit(X, y)
    np.testing.assert_array_equal(model.predict_proba(X), heads.predict_proba(X))
