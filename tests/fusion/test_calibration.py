import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from adestim import (
    AnchoredFusionClassifier,
    ModalityUnion,
    PatternCalibratedClassifier,
    PatternConformalClassifier,
)
from tests.fusion_tables import encodings_table, numeric_table, quick, with_missing


class Oracle(ClassifierMixin, BaseEstimator):
    """Knows how simulated subjects were drawn, but is far too sure of those without 'csf'."""

    def fit(self, X, y, sample_weight=None):
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X):
        known = X["csf__b"].notna().to_numpy()
        log_odds = 2 * (X["mri__a"] + X["csf__b"].fillna(0)).to_numpy()
        p = 1 / (1 + np.exp(-np.where(known, 1, 4) * log_odds))
        return np.stack([1 - p, p], axis=1)


def cohort(n=2000, seed=0):
    """Subjects of whom a third lack 'csf', which then does not matter for their class."""
    rng = np.random.default_rng(seed)
    X = pd.DataFrame(rng.normal(size=(n, 2)), columns=["mri__a", "csf__b"])
    X.loc[rng.random(n) < 1 / 3, "csf__b"] = np.nan
    log_odds = 2 * (X["mri__a"] + X["csf__b"].fillna(0))
    return X, np.where(rng.random(n) < 1 / (1 + np.exp(-log_odds)), "CN", "AD")


def three_classes(n, seed):
    """Subjects of three classes of unlike frequency, some of whom lack 'csf'."""
    rng = np.random.default_rng(seed)
    y = rng.choice(3, size=n, p=[0.5, 0.35, 0.15])
    X = pd.DataFrame(rng.normal(size=(n, 2)), columns=["mri__a", "csf__b"])
    X["mri__a"] += 1.2 * y
    X["csf__b"] += 1.2 * (y == 1)
    X.loc[rng.random(n) < 0.3, "csf__b"] = np.nan
    return X, np.array(["CN", "MCI", "AD"])[y]


def filled(X):
    """A classifier's table: a modality that is missing counts as 0, and says so."""
    return np.column_stack([X.fillna(0), X.isna()["csf__b"]])


def logistic():
    return make_pipeline(FunctionTransformer(filled), LogisticRegression())


# Calibration


@pytest.mark.parametrize("method", ["temperature", "platt"])
def test_the_pattern_that_is_judged_too_surely_is_flattened_and_no_other(method):
    model = PatternCalibratedClassifier(Oracle(), method=method, random_state=0).fit(*cohort())
    found = {key: np.exp(own.log_temperature) for key, own in model.scaling_.by_pattern.items()}
    assert found[True, False] == pytest.approx(4, rel=0.2)
    assert found[True, True] == pytest.approx(1, rel=0.2)


def test_calibration_by_pattern_lowers_the_log_loss_of_new_subjects():
    X, y = cohort(seed=1)
    model = PatternCalibratedClassifier(Oracle(), random_state=0).fit(*cohort())
    common = model.scaling_.common.apply(model.estimator_.predict_proba(X))
    plain = model.estimator_.predict_proba(X)
    by_pattern, common, plain = (log_loss(y, p) for p in (model.predict_proba(X), common, plain))
    assert by_pattern < common - 0.02
    assert common < plain - 0.02


def test_platt_moves_a_bias_that_a_temperature_cannot():
    X, y = cohort()
    X["mri__a"] += 0.5
    losses = [
        log_loss(y, PatternCalibratedClassifier(Oracle(), method=method).fit(X, y).predict_proba(X))
        for method in ("temperature", "platt")
    ]
    assert losses[1] < losses[0] - 0.02


def test_an_unseen_pattern_is_calibrated_as_all_are():
    X, y = cohort(300)
    complete = X["csf__b"].notna()
    model = PatternCalibratedClassifier(Oracle(), random_state=0).fit(X[complete], y[complete])
    new = X[~complete]
    expected = model.scaling_.common.apply(Oracle().fit(X, y).predict_proba(new))
    np.testing.assert_array_equal(model.predict_proba(new), expected)


def test_strong_shrinkage_leaves_one_temperature():
    model = PatternCalibratedClassifier(Oracle(), shrinkage=1e12).fit(*cohort(300))
    common = model.scaling_.common.log_temperature
    assert [each.log_temperature for each in model.scaling_.by_pattern.values()] == pytest.approx(
        [common, common]
    )


def test_the_fusion_can_be_calibrated():
    X, y = numeric_table(60, n_classes=3)
    table = encodings_table(with_missing(X))
    model = PatternCalibratedClassifier(quick(max_epochs=0), cv=2, random_state=0).fit(table, y)
    probability = model.predict_proba(table)
    np.testing.assert_allclose(probability.sum(axis=1), 1)
    assert len(model.scaling_.by_pattern) > 3
    assert model.score(table, y) > 0.5


def test_a_pipeline_from_raw_columns_can_be_calibrated():
    X, y = numeric_table(40)
    union = ModalityUnion(
        [("mri", StandardScaler(), ["mri__a", "mri__b"]), ("csf", StandardScaler(), ["csf__a"])]
    )
    fusion = AnchoredFusionClassifier(anchor="mri", n_trees=0, max_epochs=0, random_state=0)
    model = PatternCalibratedClassifier(make_pipeline(union, fusion), cv=2).fit(
        X, y, groups=np.arange(40)
    )
    assert model.score(X, y) > 0.7


# Conformal sets


def within_binomial_error(hits, asked, n_sigma=3.5):
    """Whether a share is as asked for, calibration and test subjects being as many."""
    return abs(hits.mean() - asked) < n_sigma * np.sqrt(2 * asked * (1 - asked) / len(hits))


def covered(model, X, y):
    return model.predict_set(X)[np.arange(len(y)), np.searchsorted(model.classes_, y)]


@pytest.mark.parametrize("conformity", ["lac", "aps"])
@pytest.mark.parametrize("alpha", [0.1, 0.3])
def test_sets_hold_the_true_class_as_often_as_asked_for_in_every_pattern(conformity, alpha):
    model = PatternConformalClassifier(
        logistic(), alpha=alpha, conformity=conformity, shrinkage=0.0, random_state=0
    ).fit(*three_classes(3000, 0))
    X, y = three_classes(3000, 1)
    hits = covered(model, X, y)
    for rows in (X["csf__b"].isna(), X["csf__b"].notna()):
        assert within_binomial_error(hits[rows], 1 - alpha)


def test_by_class_the_share_holds_within_each_class():
    X, y = three_classes(3000, 1)
    apart, together = (
        PatternConformalClassifier(logistic(), alpha=0.2, by_class=by_class, random_state=0).fit(
            *three_classes(3000, 0)
        )
        for by_class in (True, False)
    )
    hits = covered(apart, X, y)
    assert all(within_binomial_error(hits[y == label], 0.8) for label in apart.classes_)
    rare = covered(together, X, y)[y == "AD"]
    assert not within_binomial_error(rare, 0.8)


def test_coverage_where_the_classifier_is_too_sure_needs_a_threshold_of_its_own():
    X, y = cohort(4000, seed=1)
    lacking = X["csf__b"].isna()
    own, common = (
        PatternConformalClassifier(Oracle(), shrinkage=shrinkage).fit(*cohort(4000))
        for shrinkage in (0.0, 1e9)
    )
    assert within_binomial_error(covered(own, X, y)[lacking], 0.9)
    assert covered(common, X, y)[lacking].mean() < 0.87


def test_a_calibration_set_of_its_own_may_be_used():
    X, y = three_classes(1500, 0)
    fitted = FrozenEstimator(logistic().fit(X[:500], y[:500]))
    split = [(np.arange(500), np.arange(500, 1500))]
    model = PatternConformalClassifier(fitted, cv=split, shrinkage=0.0).fit(X, y)
    X, y = three_classes(1000, 1)
    np.testing.assert_array_equal(model.predict_proba(X), fitted.predict_proba(X))
    assert within_binomial_error(covered(model, X, y), 0.9)


def test_the_fewer_may_be_wrong_the_larger_the_sets():
    X, y = three_classes(600, 0)
    sizes = [
        PatternConformalClassifier(logistic(), alpha=alpha, random_state=0)
        .fit(X, y)
        .predict_set(X)
        .sum(axis=1)
        .mean()
        for alpha in (0.3, 0.1, 0.01)
    ]
    assert sizes[0] < sizes[1] < sizes[2]


def test_a_class_is_told_where_it_is_the_only_one():
    X, y = three_classes(600, 0)
    model = PatternConformalClassifier(logistic(), random_state=0).fit(X, y)
    sets, told = model.predict_set(X), model.predict_or_abstain(X)
    assert sets.shape == (600, 3)
    for row, label in zip(sets, told, strict=True):
        expected = model.classes_[row][0] if row.sum() == 1 else None
        assert label == expected
    assert 0 < sum(label is None for label in told) < 600


def test_the_word_for_abstaining_is_the_users():
    X, y = three_classes(200, 0)
    model = PatternConformalClassifier(logistic(), alpha=0.01, random_state=0).fit(X, y)
    told = model.predict_or_abstain(X, abstain="unsure")
    assert set(told) <= {"AD", "CN", "MCI", "unsure"}
    assert "unsure" in told


def test_predictions_of_single_classes_are_those_of_the_classifier():
    X, y = three_classes(200, 0)
    model = PatternConformalClassifier(logistic(), random_state=0).fit(X, y)
    alone = logistic().fit(X, y)
    np.testing.assert_array_equal(model.predict(X), alone.predict(X))
    np.testing.assert_array_equal(model.predict_proba(X), alone.predict_proba(X))


def test_the_fusion_can_give_sets():
    X, y = numeric_table(60)
    table = with_missing(X)
    model = PatternConformalClassifier(quick(max_epochs=0), cv=2, random_state=0).fit(table, y)
    assert covered(model, table, y).mean() > 0.8


# Both


@pytest.mark.parametrize("method", ["predict_set", "predict_or_abstain"])
def test_sets_need_a_fit(method):
    with pytest.raises(NotFittedError):
        getattr(PatternConformalClassifier(Oracle()), method)(cohort(10)[0])


@pytest.mark.parametrize("wrapper", [PatternCalibratedClassifier, PatternConformalClassifier])
def test_clones_pickles_and_searches(wrapper):
    X, y = three_classes(120, 0)
    model = wrapper(logistic(), cv=2, random_state=0).fit(X, y)
    for other in (clone(model).fit(X, y), pickle.loads(pickle.dumps(model))):
        np.testing.assert_array_equal(other.predict_proba(X), model.predict_proba(X))
    assert cross_val_score(model, X, y, cv=2).mean() > 0.5
    search = GridSearchCV(model, {"shrinkage": [1.0, 50.0]}, cv=2, scoring="neg_log_loss")
    assert search.fit(X, y).best_params_["shrinkage"] in (1.0, 50.0)


@pytest.mark.parametrize(
    "wrong",
    [
        PatternCalibratedClassifier(Oracle(), method="isotonic"),
        PatternCalibratedClassifier(Oracle(), shrinkage=-1),
        PatternCalibratedClassifier(Oracle(), cv=1),
        PatternConformalClassifier(Oracle(), alpha=0),
        PatternConformalClassifier(Oracle(), conformity="raps"),
        PatternConformalClassifier(Oracle(), by_class="yes"),
        PatternConformalClassifier("classifier"),
    ],
)
def test_parameters_out_of_range_are_refused(wrong):
    with pytest.raises(ValueError, match="parameter of Pattern"):
        wrong.fit(*cohort(40))
