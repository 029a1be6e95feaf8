"""The method for times to an event."""

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from adestim import AnchoredFusionSurvival, ModalityUnion, load, make_survival, save
from adestim._support.concordance import compute_concordance
from adestim.exceptions import DataWarning, InputError, NoModalityError
from tests.fusion_tables import BLOCKS, conversions, encodings_table, with_missing
from tests.kept_nets import fit_kept

SMALL = {
    "anchor": "mri",
    "width": 8,
    "n_queries": 2,
    "n_trees": 0,
    "max_epochs": 2,
    "n_folds": 3,
    "n_intervals": 4,
    "random_state": 0,
}


def quick(**params):
    """An estimator of the smallest size, two epochs and a fixed seed unless told otherwise."""
    return AnchoredFusionSurvival(**(SMALL | params))


@pytest.fixture(scope="module")
def incomplete():
    X, y = conversions()
    return with_missing(X), y


@pytest.fixture(scope="module", params=["mixture", "nets alone"])
def fitted(request, incomplete):
    """Every modality as anchor in turn."""
    alone = {"members": (), "aggregate": "mean", "learning_rate": 0.02}
    params = alone if request.param == "nets alone" else {"calibrate": "temperature"}
    return quick(anchor="all", **params).fit(*incomplete)


# Survival


def test_survival_starts_at_one_and_never_rises(fitted, incomplete):
    X, _ = incomplete
    times = np.linspace(0, fitted.event_times_[-1], 30)
    survival = fitted.predict_survival_function(X, times)
    assert survival.index.equals(X.index)
    np.testing.assert_array_equal(survival.columns, times)
    values = survival.to_numpy()
    np.testing.assert_array_equal(values[:, 0], 1)
    assert (np.diff(values, axis=1) <= 0).all()
    assert ((values >= 0) & (values <= 1)).all()


def test_times_are_by_default_the_ends_of_the_intervals(fitted, incomplete):
    survival = fitted.predict_survival_function(incomplete[0].head(3))
    np.testing.assert_array_equal(survival.columns, fitted.event_times_)
    assert (np.diff(fitted.event_times_) > 0).all()
    assert fitted.baseline_hazard_.shape == fitted.event_times_.shape


def test_risk_is_what_survival_leaves(fitted, incomplete):
    X, _ = incomplete
    survival = fitted.predict_survival_function(X, [1.0])
    np.testing.assert_allclose(fitted.predict_risk(X, 1.0), 1 - survival[1.0])


def test_score_is_the_concordance_of_the_risk_score(fitted, incomplete):
    X, y = incomplete
    expected = compute_concordance(y["event"], y["time"], fitted.predict(X))
    assert fitted.score(X, y) == expected
    assert expected > 0.6


def test_risk_score_lies_within_follow_up(fitted, incomplete):
    score = fitted.predict(incomplete[0])
    assert ((score > 0) & (score < fitted.event_times_[-1])).all()


def test_probabilities_agree_with_how_often_the_event_comes():
    X, y = conversions(600)
    X_new, _ = conversions(600, seed=7)
    truth = 1 - np.exp(-2 / (3 * np.exp(-(X_new["mri__a"] + X_new["csf__a"]))))
    model = quick(max_epochs=0).fit(X, y)
    assert np.abs(model.predict_risk(X_new, 2.0) - truth).mean() < 0.06


@pytest.mark.parametrize("time", [-0.1, 99.0, np.nan])
def test_nothing_is_said_of_times_outside_follow_up(fitted, incomplete, time):
    X, _ = incomplete
    with pytest.raises(InputError, match="lie within follow-up, from 0 to"):
        fitted.predict_risk(X, time)
    with pytest.raises(InputError, match="lie within follow-up, from 0 to"):
        fitted.predict_survival_function(X, [0.5, time])
    with pytest.raises(InputError, match=r"array of shape \(0,\)"):
        fitted.predict_survival_function(X, [])


def test_an_unfitted_model_says_so(incomplete):
    for method in ("predict", "predict_survival_function"):
        with pytest.raises(NotFittedError):
            getattr(quick(), method)(incomplete[0])


# Intervals


def test_the_last_interval_ends_at_the_last_event_or_the_horizon(incomplete):
    X, y = incomplete
    last = y["time"][y["event"]].max()
    assert quick(max_epochs=0).fit(X, y).event_times_[-1] == last
    model = quick(max_epochs=0, horizon=2.0, n_intervals=3).fit(X, y)
    assert model.event_times_[-1] == 2
    assert len(model.event_times_) == 3


@pytest.mark.parametrize("horizon", [1e-6, 50.0])
def test_a_horizon_outside_follow_up_is_refused(incomplete, horizon):
    with pytest.raises(InputError, match=r"'horizon' parameter.*first event"):
        quick(horizon=horizon).fit(*incomplete)


def test_what_happens_behind_the_horizon_does_not_matter(incomplete):
    X, y = incomplete
    later = y.copy()
    later["time"] = np.where(y["time"] > 2, y["time"] + 1, y["time"])
    later["event"] |= y["time"] > 2
    both = [quick(horizon=2.0).fit(X, each).predict(X) for each in (y, later)]
    np.testing.assert_array_equal(*both)


# Targets


def test_fields_may_have_any_names(incomplete):
    X, y = incomplete
    renamed = y.astype([("converted", bool), ("years", float)])
    model = quick(max_epochs=0)
    np.testing.assert_array_equal(model.fit(X, renamed).predict(X), model.fit(X, y).predict(X))


def test_other_targets_are_refused(incomplete):
    X, y = incomplete
    for other in (y["time"], y["event"]):
        with pytest.raises(InputError, match=r"AnchoredFusionSurvival reads times.*make_survival"):
            quick().fit(X, other)
    with pytest.raises(ValueError, match="the target y is None"):
        quick().fit(X, None)
    censored = make_survival(np.zeros(len(y)), y["time"])
    with pytest.raises(InputError, match="the event was seen"):
        quick().fit(X, censored)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        quick().fit(X, y[:-1])


def test_other_estimators_are_no_members(incomplete):
    with pytest.raises(InputError, match=r"hold names of members\. Got .*'joint', 'forest'"):
        quick(members=[("scaler", StandardScaler())]).fit(*incomplete)


def test_events_of_one_group_train_no_net(incomplete):
    X, y = incomplete
    groups = np.where(y["event"], 0, 1 + np.arange(len(y)))
    with pytest.warns(DataWarning, match="that had the event has a single group"):
        model = quick().fit(X, y, groups=groups)
    assert not model.nets_
    assert model.score(X, y) > 0.5


def test_everybody_may_have_the_event(incomplete):
    X, y = incomplete
    model = quick(max_epochs=0).fit(X, make_survival(np.ones(len(y)), y["time"]))
    survival = model.predict_survival_function(X).to_numpy()
    assert (survival[:, -1] < survival[:, 0]).all()


# Tables


def test_encodings_and_numbers_of_the_same_subjects_are_the_same(incomplete):
    X, y = (each[:60] for each in incomplete)
    table = encodings_table(X)
    np.testing.assert_array_equal(
        quick().fit(table, y).predict(table), quick().fit(X, y).predict(X)
    )


@pytest.mark.parametrize("missing", [["mri"], ["csf", "gene"]])
def test_a_modality_may_be_missing_for_everybody_at_prediction(fitted, missing):
    X, _ = conversions(10)
    X[[column for name in missing for column in BLOCKS[name]]] = np.nan
    assert np.isfinite(fitted.predict(X)).all()


def test_a_subject_with_nothing_is_refused_by_name(fitted, incomplete):
    X, y = incomplete
    X = X.copy()
    X.loc["sub-007"] = np.nan
    for refused in (lambda: quick().fit(X, y), lambda: fitted.predict(X)):
        with pytest.raises(NoModalityError, match="'sub-007'"):
            refused()


def test_a_plain_array_is_one_anonymous_modality():
    X, y = conversions(40)
    model = quick(anchor="all", max_epochs=0).fit(X.to_numpy(), y)
    assert model.modalities_ == ["features"]
    assert isinstance(model.predict_survival_function(X.to_numpy()), pd.DataFrame)


def test_the_order_of_rows_does_not_matter(incomplete):
    X, y = incomplete
    order = np.random.default_rng(0).permutation(len(X))
    plain, shuffled = quick().fit(X, y), quick().fit(X.iloc[order], y[order])
    np.testing.assert_allclose(plain.predict(X), shuffled.predict(X), rtol=1e-5)


# Weights and groups


def test_rows_of_weight_zero_change_nothing_at_all(incomplete):
    X, y = incomplete
    weight = (np.arange(len(X)) % 4 > 0).astype(float)
    kept = weight > 0
    weighted = quick().fit(X, y, sample_weight=weight)
    np.testing.assert_array_equal(weighted.predict(X), quick().fit(X[kept], y[kept]).predict(X))


def test_heavier_events_raise_the_risk(incomplete):
    X, y = incomplete
    heavy = quick().fit(X, y, sample_weight=np.where(y["event"], 3.0, 1.0))
    assert heavy.predict(X).mean() > quick().fit(X, y).predict(X).mean()


def test_groups_stay_on_one_side(incomplete):
    X, y = incomplete
    groups = np.repeat(np.arange(len(X) // 2), 2)
    assert quick().fit(X, y, groups=groups).score(X, y) > 0.6


def test_doubling_all_weights_changes_nothing_in_the_baseline(incomplete):
    X, y = incomplete
    one, two = (
        quick(max_epochs=0).fit(X, y, sample_weight=np.full(len(X), weight)) for weight in (1, 2)
    )
    np.testing.assert_allclose(one.baseline_hazard_, two.baseline_hazard_)


# scikit-learn


def test_members_nets_and_forest_have_shares(incomplete):
    model = quick(n_trees=10, anchor="all").fit(*incomplete)
    assert sum(model.shares_.values()) == pytest.approx(1)
    assert "shares" in repr(model)
    assert {record["anchor"] for record in model.history_} == set(BLOCKS)


def test_temperature_is_one_unless_asked_for(incomplete, fitted):
    assert quick(max_epochs=0).fit(*incomplete).temperature_ == 1
    assert (fitted.temperature_ == 1) == (fitted.calibrate is None)


def test_a_pickle_predicts_the_same(fitted, incomplete):
    X, _ = incomplete
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(again.predict(X), fitted.predict(X))


def test_a_saved_model_predicts_the_same(incomplete, tmp_path):
    X, y = incomplete
    model = fit_kept(quick(members=(), aggregate="mean", learning_rate=0.02), X, y)
    assert model.nets_
    again = load(save(model, tmp_path / "model"))
    np.testing.assert_array_equal(again.predict(X), model.predict(X))


def test_a_clone_has_the_same_parameters(fitted):
    assert clone(fitted).get_params() == fitted.get_params()


def test_a_pipeline_of_modalities_is_fitted_scored_and_searched(incomplete):
    X, y = incomplete
    union = ModalityUnion([(name, StandardScaler(), columns) for name, columns in BLOCKS.items()])
    pipeline = make_pipeline(union, quick(max_epochs=0))
    groups = np.arange(len(X)) // 2
    scores = cross_val_score(pipeline, X, y, groups=groups, cv=GroupKFold(2))
    assert (scores > 0.6).all()
    grid = {"anchoredfusionsurvival__n_intervals": [2, 4]}
    search = GridSearchCV(pipeline, grid, cv=GroupKFold(2)).fit(X, y, groups=groups)
    best = search.best_estimator_
    survival = best[-1].predict_survival_function(best[:-1].transform(X))
    assert survival.index.equals(X.index)
