import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from joblib import parallel_config
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.tree import DecisionTreeClassifier

from adestim.evaluation import PermutationTest, permutation_test, permute_labels
from adestim.exceptions import InputError, LeakageError


def run(X, y, model=None, **params):
    defaults = {"cv": 3, "n_permutations": 19}
    return permutation_test(model or LogisticRegression(), X, y, **(defaults | params))


@pytest.fixture
def data():
    X = np.random.default_rng(0).normal(size=(60, 2))
    return X, (X[:, 0] > 0).astype(int)


# The p-value


@pytest.mark.parametrize(("score", "p"), [(0.9, 0.2), (0.5, 0.6), (0.1, 1.0)])
def test_the_true_labels_count_as_one_permutation(score, p):
    assert PermutationTest(score, np.array([0.3, 0.4, 0.5, 0.6])).p == p


def test_an_undefined_permuted_score_counts_as_large():
    assert PermutationTest(0.9, np.array([0.5, np.nan, 0.5])).p == 0.5


# Permuting


@given(sizes=st.lists(st.integers(1, 4), min_size=1, max_size=8), seed=st.integers(0, 99))
def test_labels_of_a_group_stay_together(sizes, seed):
    groups = np.repeat(np.arange(len(sizes)), sizes)
    labels = np.arange(len(sizes)) % 3
    permuted = permute_labels(labels[groups], groups, np.random.default_rng(seed))
    by_group = pd.Series(permuted).groupby(groups)
    assert (by_group.nunique() == 1).all()
    assert sorted(by_group.first()) == sorted(labels)


def test_sequences_are_exchanged_between_groups_of_equal_size():
    y = np.array([0, 1, 1, 1, 0, 0, 0])
    groups = np.array(list("aabbccc"))
    seen = {
        tuple(permute_labels(y, groups, np.random.default_rng(seed)).tolist()) for seed in range(20)
    }
    assert seen == {(0, 1, 1, 1, 0, 0, 0), (1, 1, 0, 1, 0, 0, 0)}


def test_labels_that_cannot_be_exchanged_are_refused():
    with pytest.raises(InputError, match=r"groups of equal size.*all differ in size"):
        permute_labels([0, 1, 0, 0, 1], list("aabbb"), np.random.default_rng(0))


def test_rows_are_permuted_without_groups():
    y = np.arange(20)
    permuted = permute_labels(y, None, np.random.default_rng(0))
    assert sorted(permuted) == y.tolist()
    assert permuted.tolist() != y.tolist()


# The test


def test_a_signal_is_found(data):
    test = run(*data)
    assert test.p == 0.05
    assert test.score > 0.9
    assert test.scoring == "roc_auc"
    assert len(test.permuted) == 19


def test_noise_is_not_found():
    X = np.random.default_rng(3).normal(size=(60, 2))
    assert run(X, np.arange(60) % 2, n_permutations=39).p > 0.1


def test_what_tells_subjects_apart_is_no_signal_where_labels_move_with_subjects():
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(24), 4)
    X = rng.normal(size=(24, 2))[groups] + rng.normal(scale=0.01, size=(96, 2))
    y = (np.arange(24) % 2)[groups]
    model = DecisionTreeClassifier(random_state=0)
    assert run(X, y, model, groups=groups).p > 0.1


class Difference(ClassifierMixin, BaseEstimator):
    """The difference of the classes' means, quickly fitted."""

    def fit(self, X, y):
        self.difference_ = X[y == 1].mean() - X[y == 0].mean()
        return self


def agreement_of_differences(model, X, y):
    return model.difference_ * Difference().fit(X, y).difference_


def test_the_p_value_is_uniform_under_chance():
    rng = np.random.default_rng(0)
    y = np.arange(24) % 2
    p = [
        run(
            rng.normal(size=(24, 1)), y, Difference(), scoring=agreement_of_differences,
            cv=2, random_state=seed,
        ).p
        for seed in range(40)
    ]  # fmt: skip
    assert 0.4 < np.mean(p) < 0.6
    assert np.mean(np.array(p) <= 0.2) < 0.35


def test_groups_are_needed_where_a_subject_has_several_rows(data):
    X, y = data
    visits = pd.DataFrame(X, index=np.arange(60) // 2)
    with pytest.raises(LeakageError, match=r"groups=X\.index"):
        run(visits, y)


@pytest.mark.parametrize("cv", [StratifiedKFold(3), "listed"])
def test_splitters_and_lists_of_splits_are_taken(data, cv):
    X, y = data
    cv = StratifiedKFold(3).split(X, y) if cv == "listed" else cv
    assert run(X, y, cv=cv).p == 0.05


def test_numbers_can_be_permuted(data):
    X, _ = data
    assert run(X, X[:, 0] * 2, LinearRegression(), scoring="r2").p == 0.05


def test_a_function_may_score(data):
    def agreement(model, X, y):
        return (model.predict(X) == y).mean()

    test = run(*data, scoring=agreement)
    assert (test.p, test.scoring) == (0.05, "agreement")


def test_jobs_change_nothing(data):
    with parallel_config("threading"):
        one, two = (run(*data, n_jobs=n_jobs, n_permutations=4).permuted for n_jobs in (None, 2))
    np.testing.assert_array_equal(one, two)


def test_the_global_generator_is_left_as_found(data):
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    run(*data, n_permutations=2, random_state=None)
    np.testing.assert_array_equal(before, np.random.get_state()[1])  # noqa: NPY002


def test_an_undefined_score_is_refused(data):
    X, y = data
    splits = [(np.arange(60), np.flatnonzero(y == 1))]
    with pytest.raises(LeakageError):
        run(X, y, cv=splits)
    train, test = np.arange(40), 40 + np.flatnonzero(y[40:] == 1)
    with pytest.raises(InputError, match=r"must be defined in one fold"):
        run(X, y, DummyClassifier(), cv=[(train, test)])


def test_the_plot_shows_both(data):
    ax = PermutationTest(0.8, np.linspace(0.4, 0.6, 40), "roc_auc").plot()
    assert ax.get_xlabel() == "roc_auc"
    assert sum(patch.get_height() for patch in ax.patches) == 40
    assert ax.get_lines()[0].get_xdata()[0] == 0.8
    plt.close(ax.figure)
