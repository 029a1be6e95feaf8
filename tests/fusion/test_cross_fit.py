from typing import ClassVar

import numpy as np
import pandas as pd
import pytest
from joblib import parallel_config
from scipy.sparse import csr_array
from sklearn import config_context
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, KFold, PredefinedSplit, RepeatedStratifiedKFold
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from adestim.exceptions import InputError, LeakageError
from adestim.fusion._cross_fit import CROSS_FIT_CONSTRAINTS, CrossFittedClassifier


class Keeping(CrossFittedClassifier):
    """Keeps what it is to learn from."""

    _parameter_constraints: ClassVar[dict] = CROSS_FIT_CONSTRAINTS

    def __init__(self, estimator, *, cv=5, n_jobs=None, random_state=0):
        self.estimator = estimator
        self.cv = cv
        self.n_jobs = n_jobs
        self.random_state = random_state

    def _learn(self, unseen):
        self.unseen_ = unseen


class Recalling(ClassifierMixin, BaseEstimator):
    """Gives a subject that it was trained on a probability of 1, and keeps what fit was given."""

    def fit(self, X, y, groups=None, sample_weight=None):
        self.classes_ = np.unique(y)
        self.known_ = set(np.asarray(X)[:, 0])
        self.given_ = {"groups": groups, "sample_weight": sample_weight}
        return self

    def predict_proba(self, X):
        known = np.array([value in self.known_ for value in np.asarray(X)[:, 0]])
        return np.stack([known, ~known], axis=1).astype(float)


def table(n=40, seed=0):
    rng = np.random.default_rng(seed)
    X = pd.DataFrame(rng.normal(size=(n, 2)), columns=["mri__a", "csf__tau"])
    return X, np.where(X["mri__a"] + X["csf__tau"] > 0, "AD", "CN")


def test_probabilities_are_of_subjects_that_were_held_out():
    X, y = table()
    model = Keeping(Recalling()).fit(X, y)
    assert len(model.unseen_.targets) == 40
    assert (model.unseen_.probabilities[:, 0] == 0).all()
    assert (model.predict_proba(X)[:, 0] == 1).all()


@pytest.mark.parametrize("given", [True, False])
def test_rows_of_a_subject_are_held_out_together(given):
    X, y = table()
    X["mri__a"] = X["mri__a"].to_numpy()[np.arange(40) // 2]
    y = y[np.arange(40) // 2]
    subjects = np.arange(40) // 2
    X.index = np.arange(40) if given else subjects
    model = Keeping(Recalling()).fit(X, y, groups=subjects if given else None)
    assert (model.unseen_.probabilities[:, 0] == 0).all()


def test_patterns_are_read_from_numbers():
    X, y = table()
    X.loc[::4, "csf__tau"] = np.nan
    model = Keeping(HistGradientBoostingClassifier(max_iter=2)).fit(X, y)
    np.testing.assert_array_equal(model.unseen_.present, X.notna().to_numpy())


def test_patterns_are_read_from_raw_cells():
    X, y = table()
    paths = pd.Series([f"sub-{row}.nii" for row in range(40)], dtype=object)
    raw = X.assign(t1w=paths.where(np.arange(40) % 3 > 0, None))
    numbers = FunctionTransformer(lambda frame: frame[["mri__a", "csf__tau"]])
    model = Keeping(make_pipeline(numbers, LogisticRegression())).fit(raw, y)
    expected = np.stack([np.ones(40), np.ones(40), np.arange(40) % 3 > 0], axis=1)
    np.testing.assert_array_equal(model.unseen_.present, expected)
    nobody = raw.assign(t1w=None)
    assert not model._judge(nobody)[1][:, 2].any()


def test_weights_and_groups_reach_a_classifier_that_takes_them():
    X, y = table()
    weight, groups = np.arange(1.0, 41), np.arange(40)
    given = Keeping(Recalling()).fit(X, y, groups, weight).estimator_.given_
    np.testing.assert_array_equal(given["sample_weight"], weight)
    np.testing.assert_array_equal(given["groups"], groups)


def test_what_the_user_does_not_give_is_not_handed_on():
    assert Keeping(Recalling()).fit(*table()).estimator_.given_ == {
        "groups": None,
        "sample_weight": None,
    }


@pytest.mark.parametrize("routing", [True, False])
def test_weights_and_groups_reach_the_last_step_of_a_pipeline(routing):
    X, y = table()
    with config_context(enable_metadata_routing=routing):
        step = Recalling()
        if routing:
            step.set_fit_request(groups=True, sample_weight=True)
        model = Keeping(make_pipeline(FunctionTransformer(), step))
        given = model.fit(X, y, np.arange(40), np.ones(40)).estimator_[-1].given_
    np.testing.assert_array_equal(given["groups"], np.arange(40))
    np.testing.assert_array_equal(given["sample_weight"], np.ones(40))


def test_groups_are_kept_from_a_classifier_that_takes_none():
    X, y = table()
    model = Keeping(make_pipeline(StandardScaler(), LogisticRegression()))
    assert model.fit(X, y, groups=np.arange(40)).score(X, y) > 0.8


def test_weights_for_a_classifier_that_takes_none_are_refused():
    X, y = table()
    with pytest.raises(InputError, match="KNeighborsClassifier does not"):
        Keeping(KNeighborsClassifier()).fit(X, y, sample_weight=np.ones(40))


@pytest.mark.parametrize("cv", [4, "splits"])
def test_rows_of_weight_zero_change_nothing(cv):
    X, y = table()
    weight = np.where(np.arange(40) % 7 == 0, 0.0, 1.0)
    kept = weight > 0
    halves = PredefinedSplit(np.arange(40) % 2), PredefinedSplit((np.arange(40) % 2)[kept])
    cvs = halves if cv == "splits" else (4, 4)
    with_rows = Keeping(LogisticRegression(), cv=cvs[0]).fit(X, y, sample_weight=weight)
    without = Keeping(LogisticRegression(), cv=cvs[1]).fit(
        X[kept], y[kept], sample_weight=weight[kept]
    )
    for one, other in zip(with_rows.unseen_, without.unseen_, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_class_that_a_fold_does_not_know_is_given_nothing():
    X, y = table()
    y = np.where(np.arange(40) < 10, "MCI", y)
    model = Keeping(LogisticRegression(), cv=KFold(4)).fit(X, y)
    middle = model.classes_.tolist().index("MCI")
    assert (model.unseen_.probabilities[:10, middle] == 0).all()
    np.testing.assert_allclose(model.unseen_.probabilities.sum(axis=1), 1)


def test_rows_that_are_tested_more_than_once_are_averaged():
    X, y = table()
    splits = list(RepeatedStratifiedKFold(n_splits=2, n_repeats=2, random_state=0).split(X, y))
    both = Keeping(LogisticRegression(), cv=splits).fit(X, y).unseen_.probabilities
    one, other = (
        Keeping(LogisticRegression(), cv=part).fit(X, y).unseen_.probabilities
        for part in (splits[:2], splits[2:])
    )
    np.testing.assert_allclose(both, (one + other) / 2)


def test_rows_that_are_never_tested_teach_nothing():
    X, y = table()
    split = [(np.arange(30), np.arange(30, 40))]
    assert len(Keeping(LogisticRegression(), cv=split).fit(X, y).unseen_.targets) == 10


def test_folds_that_split_a_group_are_refused():
    X, y = table()
    splits = list(KFold(4).split(X))
    with pytest.raises(LeakageError, match=r"one side of fold 0.*Pass an int as cv"):
        Keeping(LogisticRegression(), cv=splits).fit(X, y, groups=np.arange(40) % 5)


def test_a_splitter_gets_the_groups():
    X, y = table()
    model = Keeping(LogisticRegression(), cv=GroupKFold(4)).fit(X, y, groups=np.arange(40) % 5)
    assert len(model.unseen_.targets) == 40


def test_a_class_of_a_single_subject_is_refused():
    X, y = table()
    y[:] = "CN"
    y[3] = "AD"
    with pytest.raises(InputError, match=r"at least 2 groups.*Leave out classes"):
        Keeping(LogisticRegression()).fit(X, y)


def test_one_class_is_refused():
    X, y = table()
    with pytest.raises(InputError, match="Keeping needs at least 2 classes"):
        Keeping(LogisticRegression()).fit(X, np.full_like(y, "CN"))


def test_a_sparse_table_is_refused():
    X, y = table()
    with pytest.raises(InputError, match="reads dense tables"):
        Keeping(LogisticRegression()).fit(csr_array(X.to_numpy()), y)


def test_folds_may_be_fitted_at_the_same_time():
    X, y = table()
    with parallel_config("threading"):
        one, two = (Keeping(LogisticRegression(), n_jobs=jobs).fit(X, y) for jobs in (None, 2))
    np.testing.assert_array_equal(one.unseen_.probabilities, two.unseen_.probabilities)


def test_another_seed_draws_other_folds():
    X, y = table()
    first, again, other = (
        Keeping(LogisticRegression(), random_state=seed).fit(X, y).unseen_.probabilities
        for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, other)
