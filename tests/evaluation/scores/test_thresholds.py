import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from adestim.evaluation import choose_threshold, inner_threshold
from adestim.exceptions import InputError

GRID = np.append(np.arange(0, 1, 0.025), 1.01)
SCORES = {
    "youden": balanced_accuracy_score,
    "balanced_accuracy": balanced_accuracy_score,
    "accuracy": accuracy_score,
    "f1": lambda y, predicted: f1_score(y, predicted, zero_division=0),
}


def judged(seed, n=25):
    """Labels and probabilities on a grid of tenths, so that there are ties."""
    rng = np.random.default_rng(seed)
    y = np.append([0, 1], rng.integers(2, size=n - 2))
    return y, np.round(rng.beta(1 + y, 2 - y), 1)


def rates(y, probability, threshold):
    """Sensitivity and specificity."""
    predicted = probability >= threshold
    return predicted[y == 1].mean(), 1 - predicted[y == 0].mean()


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**31), st.sampled_from(sorted(SCORES)))
def test_no_threshold_is_better(seed, rule):
    y, probability = judged(seed)
    chosen = SCORES[rule](y, probability >= choose_threshold(y, probability, rule))
    best = max(SCORES[rule](y, probability >= threshold) for threshold in GRID)
    assert chosen == pytest.approx(best)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**31), st.sampled_from([0.0, 0.5, 0.9, 1.0]))
def test_least_sensitivity_is_kept_at_the_greatest_specificity(seed, least):
    y, probability = judged(seed)
    threshold = choose_threshold(y, probability, f"sensitivity>={least}")
    found = rates(y, probability, threshold)
    possible = [rates(y, probability, each) for each in GRID]
    assert found[0] >= least
    assert found[1] == max(spec for sens, spec in possible if sens >= least)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**31), st.sampled_from([0.0, 0.5, 0.9, 1.0]))
def test_least_specificity_is_kept_at_the_greatest_sensitivity(seed, least):
    y, probability = judged(seed)
    threshold = choose_threshold(y, probability, f"specificity >= {least}")
    found = rates(y, probability, threshold)
    possible = [rates(y, probability, each) for each in GRID]
    assert found[1] >= least
    assert found[0] == max(sens for sens, spec in possible if spec >= least)


def test_a_share_that_is_met_exactly_is_enough():
    y = [1] * 10 + [0]
    probability = [0.5] * 9 + [0.2] + [0.3]
    assert choose_threshold(y, probability, "sensitivity>=0.9") == pytest.approx(0.4)


def test_threshold_lies_halfway_between_neighbours():
    assert choose_threshold([0, 0, 1, 1], [0.1, 0.2, 0.6, 0.9]) == pytest.approx(0.4)


def test_of_equally_good_thresholds_the_lowest_is_taken():
    y, probability = [0, 1, 0, 1], [0.1, 0.2, 0.3, 0.4]
    assert choose_threshold(y, probability) == pytest.approx(0.15)


@pytest.mark.parametrize("probability", [0.3, 0.0, 1.0, np.nextafter(1, 0), 5e-324])
def test_everyone_or_no_one_can_be_predicted(probability):
    everyone = choose_threshold([0, 1], [probability] * 2, "sensitivity>=1")
    no_one = choose_threshold([0, 1], [probability] * 2, "specificity>=1")
    assert everyone <= probability < no_one


def test_neighbouring_numbers_are_parted():
    low = 0.5
    high = np.nextafter(low, 1)
    assert low < choose_threshold([0, 1], [low, high]) <= high


def test_positive_class_is_the_patients_unless_said():
    y, probability = ["AD", "AD", "CN"], [0.8, 0.9, 0.2]
    assert choose_threshold(y, probability) == pytest.approx(0.5)
    assert choose_threshold(y, probability, positive="CN") != pytest.approx(0.5)


@pytest.mark.parametrize(
    ("y", "probability", "rule", "message"),
    [
        ([0, 1], [0.1, 0.2], "best", "'youden', .* Got 'best'"),
        ([0, 1], [0.1, 0.2], 0.5, "A rule is one of"),
        ([0, 1], [0.1, 0.2], "sensitivity>=90", "s from 0 to 1. Got 'sensitivity>=90'"),
        ([0, 1], [0.1, 0.2], "sensitivity>=1e", "A rule is one of"),
        ([1, 1], [0.1, 0.2], "youden", "two classes"),
        ([0, 1], [0.1, np.nan], "youden", "or NaN"),
        ([0, 1], [-2.0, 2.0], "youden", "from -2 to 2"),
    ],
)
def test_bad_input_is_refused(y, probability, rule, message):
    with pytest.raises(InputError, match=message):
        choose_threshold(y, probability, rule)


def cohort(n=60):
    """A frame of subjects and their labels."""
    rng = np.random.default_rng(0)
    y = np.where(rng.random(n) < 0.3, "AD", "CN")
    X = pd.DataFrame(rng.normal(size=(n, 2)) + (y == "AD")[:, None], columns=["a", "b"])
    return X.set_index(X.index.map("s{:02}".format)), y


class Recorder(ClassifierMixin, BaseEstimator):
    """Keeps what every clone was fitted on and asked about, in a list shared by all."""

    calls: list = []  # noqa: RUF012

    def fit(self, X, y, groups=None):
        self.classes_ = np.unique(y)
        self.train_ = list(X.index)
        self.calls.append(("fit", self.train_, groups, y))
        return self

    def predict_proba(self, X):
        self.calls.append(("predict", self.train_, list(X.index)))
        return np.tile([0.5, 0.5], (len(X), 1))


@pytest.fixture
def recorder(monkeypatch):
    monkeypatch.setattr(Recorder, "calls", [])
    return Recorder()


def test_no_one_is_judged_by_a_model_that_saw_them(recorder):
    X, y = cohort()
    inner_threshold(recorder, X, y, random_state=0)
    judged = [(call[1], call[2]) for call in recorder.calls if call[0] == "predict"]
    assert len(judged) == 5
    assert all(set(train).isdisjoint(test) for train, test in judged)
    assert sorted(row for _, test in judged for row in test) == sorted(X.index)


@pytest.mark.parametrize("is_last_step", [False, True])
def test_groups_are_kept_whole_and_passed_on(recorder, is_last_step):
    X, y = cohort()
    groups = pd.Series(np.arange(60) // 4, index=X.index)
    model = make_pipeline(FunctionTransformer(), recorder) if is_last_step else recorder
    inner_threshold(model, X, y, groups=groups, random_state=0)
    for call in recorder.calls:
        if call[0] == "predict":
            assert set(groups[call[1]]).isdisjoint(groups[call[2]])
        else:
            assert list(call[2]) == list(groups[call[1]])


def test_visits_of_one_subject_belong_together_without_groups(recorder):
    X, y = cohort()
    visits = X.set_axis([f"s{row // 3}" for row in range(60)])
    inner_threshold(recorder, visits, y, random_state=0)
    judged = [(call[1], call[2]) for call in recorder.calls if call[0] == "predict"]
    assert all(set(train).isdisjoint(test) for train, test in judged)


def test_models_are_fitted_to_the_labels_themselves(recorder):
    X, y = cohort()
    inner_threshold(recorder, X, pd.Series(y, index=X.index), random_state=0)
    labels = [call[3] for call in recorder.calls if call[0] == "fit"]
    assert all(set(each) == {"AD", "CN"} for each in labels)


def test_the_patients_are_the_positive_class_unless_said():
    X, y = cohort(200)
    found = [
        inner_threshold(LogisticRegression(), X, y, positive=each, random_state=0)
        for each in (None, "AD", "CN")
    ]
    assert found[0] == found[1] != found[2]


def test_threshold_is_that_of_the_probabilities_out_of_fold():
    X, y = cohort(200)
    model = LogisticRegression()
    threshold = inner_threshold(model, X, y, positive="AD", random_state=0)
    fitted = model.fit(X, y)
    direct = choose_threshold(y, fitted.predict_proba(X)[:, 0], positive="AD")
    # A model of two coefficients hardly over-fits: both are near the prevalence.
    assert threshold == pytest.approx(direct, abs=0.15)


def test_a_model_that_remembers_does_not_choose_from_memory():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(100, 2)), np.repeat([0, 1], [70, 30])
    memory = KNeighborsClassifier(1, weights="distance")
    # Out of fold the neighbour's label is worth little; in memory any threshold is perfect.
    found = inner_threshold(memory, X, y, rule="specificity>=0.95", random_state=0)
    assert found > 1
    assert choose_threshold(y, memory.fit(X, y).predict_proba(X)[:, 1], "specificity>=0.95") < 1


def test_arrays_and_their_seed():
    X, y = cohort()
    found = [
        inner_threshold(LogisticRegression(), X.to_numpy(), y, random_state=seed)
        for seed in (0, 0, 1)
    ]
    assert found[0] == found[1] != found[2]


def test_small_classes_have_fewer_folds(recorder):
    X, _ = cohort(12)
    inner_threshold(recorder, X, np.repeat([0, 1], [9, 3]), random_state=0)
    assert sum(call[0] == "fit" for call in recorder.calls) == 3


def test_folds_without_a_class_to_train_on_are_left_out(recorder):
    X, _ = cohort(40)
    y = np.repeat([0, 1], [20, 20])
    groups = np.r_[np.zeros(19), 1, np.full(19, 2), 3]
    inner_threshold(recorder, X, y, groups=groups, random_state=0)
    assert all(len(set(call[3])) == 2 for call in recorder.calls if call[0] == "fit")


@pytest.mark.parametrize(
    ("y", "options", "message"),
    [
        ([0, 0, 0, 1], {}, r"a class with 1 group\(s\)"),
        ([0, 0, 1, 1], {"groups": [0, 1, 2, 2]}, r"a class with 1 group\(s\)"),
        ([0, 0, 1, 1], {"cv": 1}, r"cv=1 and a class with 2 group\(s\)"),
        ([0, 0, 1, 1], {"cv": "5"}, "'cv' is a whole number from 1. Got '5'"),
        ([0, 0, 1, 1], {"rule": "none"}, "A rule is one of"),
        ([1, 1, 1, 1], {}, "two classes"),
    ],
)
def test_what_has_no_inner_folds_is_refused(y, options, message):
    with pytest.raises(InputError, match=message):
        inner_threshold(LogisticRegression(), np.arange(4.0)[:, None], y, **options)
