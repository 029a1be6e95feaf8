import numpy as np
import pandas as pd
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import get_scorer
from sklearn.model_selection import KFold, cross_val_score

from adestim.evaluation.splitting.folds import average_score, fit_fold, list_splits
from adestim.exceptions import LeakageError


@pytest.fixture
def data():
    X = pd.DataFrame(np.random.default_rng(0).normal(size=(40, 2)), columns=["mri__a", "csf__b"])
    return X, (X["mri__a"] > 0).to_numpy()


class Remembering(DummyClassifier):
    """A classifier that remembers its groups."""

    def fit(self, X, y, groups=None):
        self.groups_ = groups
        return super().fit(X, y)


def test_an_int_gives_stratified_folds_for_classes(data):
    X, _ = data
    y = np.arange(40) % 2
    assert {y[test].mean() for _, test in list_splits(X, y, cv=4, random_state=0)} == {0.5}


def test_an_int_keeps_groups_whole_for_classes_and_for_numbers(data):
    X, y = data
    groups = np.arange(40) // 4
    for target, classifier in ((y, True), (X["mri__a"].to_numpy(), False)):
        splits = list_splits(X, target, groups, 3, classifier=classifier, random_state=0)
        assert all(not set(groups[train]) & set(groups[test]) for train, test in splits)


def test_numbers_are_split_without_groups_too(data):
    X, _ = data
    splits = list_splits(X, X["mri__a"], cv=4, n_repeats=2, classifier=False, random_state=0)
    assert len({tuple(test) for _, test in splits}) == 8


def test_a_splitter_that_scatters_groups_is_refused_by_its_split(data):
    with pytest.raises(LeakageError, match="one side of split 1"):
        list_splits(*data, np.arange(40) // 4, KFold(3, shuffle=True, random_state=0))


def test_splits_that_are_listed_are_taken_as_they_are(data):
    (only,) = list_splits(*data, cv=[(range(30), range(30, 40))])
    assert only[1].tolist() == list(range(30, 40))


def test_a_fold_is_fitted_on_its_training_rows_and_their_groups(data):
    fitted = fit_fold(Remembering(), *data, np.arange(40), np.arange(5, 25))
    assert fitted.groups_.tolist() == list(range(5, 25))


def test_the_mean_score_is_that_of_scikit_learn(data):
    X, y = data
    splits = list_splits(X, y, cv=4, random_state=0)
    expected = cross_val_score(LogisticRegression(), X, y, cv=splits, scoring="roc_auc").mean()
    ours = average_score(LogisticRegression(), X, y, None, splits, get_scorer("roc_auc"))
    assert ours == pytest.approx(expected)


def test_a_fold_without_a_class_is_left_out_of_the_mean(data):
    X, _ = data
    y = np.arange(40) % 2 == 0
    splits = [(np.arange(20), np.array([20, 22])), (np.arange(20), np.arange(20, 40))]
    scorer = get_scorer("roc_auc")
    both = average_score(LogisticRegression(), X, y, None, splits, scorer)
    assert both == average_score(LogisticRegression(), X, y, None, splits[1:], scorer)
    assert np.isnan(average_score(LogisticRegression(), X, y, None, splits[:1], scorer))
