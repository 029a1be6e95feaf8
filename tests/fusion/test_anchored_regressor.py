import copy
import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.callback import ScoringMonitor
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from adestim import AnchoredFusionRegressor, ModalityUnion
from adestim.encoding.tables import read_training_table
from adestim.evaluation import cross_val_fit
from adestim.exceptions import DataWarning, InputError, NoModalityError
from adestim.fusion import _base as base
from adestim.fusion.anchored_regressor import compute_weighted_moments
from adestim.training import task as tasks
from adestim.training.aggregation import Validated, weigh_by_error
from adestim.training.net import NumberLoss
from adestim.training.phase_one.ridge import number_folds
from tests.fusion_tables import BLOCKS, encodings_table, free_tokens, numeric_table, with_missing
from tests.kept_nets import fit_kept

SMALL = {
    "anchor": "mri",
    "width": 8,
    "n_queries": 2,
    "n_trees": 0,
    "max_epochs": 2,
    "random_state": 0,
}


def quick(**params):
    """An estimator of the smallest size, two epochs and a fixed seed unless told otherwise."""
    return AnchoredFusionRegressor(**(SMALL | params))


def paper(**params):
    """A quick estimator of nets alone, from their anchors' heads, averaged."""
    return quick(**({"members": (), "aggregate": "mean", "learning_rate": 0.02} | params))


def ages(n_subjects=60, seed=0):
    """A complete table of three modalities, and ages that 'mri' and 'csf' tell."""
    X, _ = numeric_table(n_subjects, seed=seed)
    noise = np.random.default_rng(seed).normal(scale=2.0, size=n_subjects)
    return X, (72 + 6 * (X["mri__a"] + X["csf__a"]) + noise).to_numpy()


@pytest.fixture(scope="module")
def incomplete():
    X, y = ages()
    return with_missing(X), y


@pytest.fixture(scope="module")
def averaged(incomplete):
    """Nets of all anchors, which are averaged."""
    return fit_kept(paper(anchor="all", max_epochs=3), *incomplete)


@pytest.fixture(scope="module", params=["mixture", "nets alone"])
def fitted(request, incomplete):
    """Every modality as anchor in turn."""
    if request.param == "nets alone":
        return request.getfixturevalue("averaged")
    return quick(anchor="all", max_epochs=3).fit(*incomplete)


# Tables and numbers


def test_predictions_are_in_the_units_of_the_target(fitted, incomplete):
    X, y = incomplete
    predicted = fitted.predict(X)
    assert (predicted.shape, predicted.dtype) == ((60,), np.float64)
    assert abs(predicted.mean() - y.mean()) < 2
    # Anchors that know nothing count in the mean of the nets.
    assert fitted.score(X, y) > (0.5 if fitted.aggregate == "mixture" else 0.3)


@pytest.mark.parametrize("factor", [1e-3, 1e4])
@pytest.mark.parametrize("make", [quick, paper])
def test_the_unit_does_not_matter(incomplete, factor, make):
    X, y = incomplete
    plain, other = fit_kept(make(), X, y), fit_kept(make(), X, factor * y - 5)
    np.testing.assert_allclose(
        other.predict(X), factor * plain.predict(X) - 5, rtol=1e-3, atol=1e-3 * factor
    )


def test_encodings_and_numbers_of_the_same_subjects_are_the_same(incomplete):
    X, y = incomplete
    table = encodings_table(X)
    for make in (quick, paper):
        np.testing.assert_array_equal(
            fit_kept(make(), table, y).predict(table), fit_kept(make(), X, y).predict(X)
        )


def test_a_plain_array_is_one_anonymous_modality():
    X, y = ages(40)
    model = quick(anchor="all").fit(X.to_numpy(), y)
    assert model.modalities_ == ["features"]
    assert model.score(X.to_numpy(), y) > 0.5


def test_tokens_without_places_may_differ_in_number():
    table = free_tokens()
    y = np.array([cell.tokens.mean() for cell in table["notes"]])
    model = quick(anchor="notes").fit(table, y)
    np.testing.assert_allclose(
        model.predict(table.iloc[:1]), model.predict(table)[:1], rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("missing", [["mri"], ["csf", "gene"], ["mri", "csf"]])
def test_a_modality_may_be_missing_for_everybody_at_prediction(fitted, missing):
    X, _ = ages(10)
    X[[column for name in missing for column in BLOCKS[name]]] = np.nan
    assert np.isfinite(fitted.predict(X)).all()


def test_a_missing_anchor_leaves_the_others_to_judge():
    X, y = ages()
    model = quick().fit(with_missing(X), y)
    X[BLOCKS["mri"]] = np.nan
    assert model.score(X, y) > 0.3


def test_a_subject_with_nothing_is_refused_by_name(fitted, incomplete):
    X, y = incomplete
    X = X.copy()
    X.loc["sub-007"] = np.nan
    for refused in (lambda: quick().fit(X, y), lambda: fitted.predict(X)):
        with pytest.raises(NoModalityError, match="'sub-007'"):
            refused()


def test_a_number_that_does_not_vary_is_predicted():
    X, _ = ages(40)
    model = quick().fit(X, np.full(40, 29.0))
    np.testing.assert_allclose(model.predict(X), 29.0, atol=1e-3)


def test_words_are_refused_and_not_repeated():
    X, _ = ages(20)
    with pytest.raises(InputError, match=r"y must hold numbers.*AnchoredFusionClassifier") as error:
        quick().fit(X, ["CN"] * 20)
    assert "CN" not in str(error.value)


# Starts and anchors


def test_no_epochs_leave_the_phase_one_prediction(incomplete):
    X, y = incomplete
    model = quick(max_epochs=0).fit(X, y)
    assert sum(model.phase_one_.shares.values()) == pytest.approx(1)
    names = model.phase_one_.modalities
    features = [X[BLOCKS[name]].to_numpy(np.float32) for name in names]
    present = np.stack([~np.isnan(block).all(axis=1) for block in features], axis=1)
    odds = model.phase_one_.member_odds(model.phase_one_.scores(features), present)
    start = sum(model.shares_[name] * odds[name][:, 0] for name in model.shares_)
    expected = start * model.target_scale_ + model.target_mean_
    np.testing.assert_allclose(model.predict(X), expected, rtol=1e-5)
    assert model.history_ == []


def test_the_starts_differ(incomplete):
    X, y = incomplete
    stacked, average, anchor = (
        quick(max_epochs=0, start=start).fit(X, y).predict_by_anchor(X)["mri"]
        for start in ("stacked", "average", "anchor")
    )
    assert not np.allclose(stacked, average, atol=1e-2)
    assert not np.allclose(average, anchor, atol=1e-2)


@pytest.mark.parametrize("seed", range(3))
def test_the_stacked_start_is_better_than_ridge_on_imputed_columns(seed):
    X, _ = numeric_table(400, seed=seed)
    age = np.random.default_rng(seed).normal(72, 6, size=400)
    X = with_missing(X + (age[:, None] - 72) / 6)
    train, test, filled = X[:200], X[200:], X.fillna(X[:200].mean())
    ridge = make_pipeline(StandardScaler(), RidgeCV(np.logspace(-2, 4, 10)))
    ridge.fit(filled[:200], age[:200])
    model = quick(max_epochs=0).fit(train, age[:200])
    assert model.score(test, age[200:]) > ridge.score(filled[200:], age[200:]) + 0.01


@pytest.mark.parametrize("loss", ["huber", "squared"])
def test_training_finds_what_ridge_cannot(loss):
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(300, 1)), columns=["mri__a"])
    y = 10 * np.cos(2 * X["mri__a"]).to_numpy()
    trained = quick(max_epochs=20, learning_rate=0.02, loss=loss).fit(X, y)
    assert trained.interaction_["mri"] > 0.5
    assert trained.score(X, y) > quick(max_epochs=0).fit(X, y).score(X, y) + 0.3


def test_every_anchor_has_its_prediction_and_they_are_averaged(averaged, incomplete):
    X, _ = incomplete
    fitted = averaged
    by_anchor = fitted.predict_by_anchor(X)
    assert list(by_anchor) == fitted.anchors_ == list(BLOCKS)
    has = {name: X[columns].notna().any(axis=1) for name, columns in BLOCKS.items()}
    for row in range(0, 60, 7):
        own = [by_anchor[name][row] for name in BLOCKS if has[name].iloc[row]]
        np.testing.assert_allclose(fitted.predict(X)[row], np.mean(own), rtol=1e-6)


@pytest.mark.parametrize("depth", ["output", 1])
def test_auxiliary_tokens_may_join_later(incomplete, depth):
    X, y = incomplete
    model = fit_kept(paper(depth=2, interaction_depth=depth, gate="open"), X, y)
    assert np.isfinite(model.predict(X)).all()


def test_history_has_one_record_an_epoch_and_anchor(fitted):
    assert [(row["anchor"], row["epoch"]) for row in fitted.history_] == [
        (anchor, epoch) for anchor in BLOCKS for epoch in (0, 1, 2, 3)
    ]


# The loss


def test_hubers_loss_is_on_the_scale_of_what_phase_one_errs_by(incomplete):
    model = fit_kept(paper(), *incomplete)
    assert model.net_.losses == NumberLoss("huber", model.phase_one_.residual_scale)
    squared = fit_kept(paper(loss="squared"), *incomplete)
    assert squared.net_.losses == NumberLoss("squared", 1.0)


def test_hubers_loss_heeds_a_wild_number_less():
    X, y = ages(150)
    wild = y.copy()
    wild[::25] += 400
    errors = {}
    for loss in ("huber", "squared"):
        model = fit_kept(paper(loss=loss, max_epochs=10), X, wild)
        errors[loss] = np.median(np.abs(model.predict(X) - y))
    assert errors["huber"] < errors["squared"]


# Aggregation


def test_validation_weighs_anchors_by_skill(incomplete):
    X, y = incomplete
    model = paper(anchor="all", max_epochs=0, aggregate="validation").fit(X, y)
    gene = model.anchors_.index("gene")
    assert model.aggregation_.skill.argmin() == gene
    mean = clone(model).set_params(aggregate="mean").fit(X, y)
    assert model.score(X, y) > mean.score(X, y)


def test_the_skill_is_what_an_anchor_errs_less_than_the_mean():
    outputs = np.array([[[1.0], [0.0]], [[-1.0], [0.0]]])
    targets, weight = np.array([1.0, -1.0]), np.array([1.0, 3.0])
    unseen = Validated(outputs, np.ones((2, 2), dtype=bool), targets, weight)
    np.testing.assert_allclose(weigh_by_error(unseen, NumberLoss("squared", 1.0)).skill, [1, 0])


def test_without_inner_folds_anchors_count_alike(incomplete):
    X, y = incomplete
    model = paper(anchor=["mri", "csf"], aggregate="validation")
    with pytest.warns(DataWarning, match="no inner folds"):
        model.fit(X, y, groups=np.zeros(60))
    assert not hasattr(model.aggregation_, "skill")


# Weights and groups


def test_rows_of_weight_zero_change_nothing_at_all(incomplete):
    X, y = incomplete
    weight = np.ones(60)
    weight[::7] = 0
    with_rows = fit_kept(paper(), X, np.where(weight == 0, 1e6, y), sample_weight=weight)
    without = fit_kept(paper(), X[weight > 0], y[weight > 0])
    np.testing.assert_array_equal(with_rows.predict(X), without.predict(X))


def test_doubling_all_weights_changes_nothing_in_the_loss_of_phase_two(incomplete, monkeypatch):
    X, y = incomplete
    phase_one = tasks.fit_ridge_phase_one

    def unweighted(tables, targets, weight, folds, *others):
        return phase_one(tables, targets, np.ones(len(targets)), folds, *others)

    monkeypatch.setattr(tasks, "fit_ridge_phase_one", unweighted)
    once = quick().fit(X, y, sample_weight=np.ones(60))
    twice = quick().fit(X, y, sample_weight=np.full(60, 2.0))
    for key in ("train_loss", "valid_loss"):
        assert [row[key] for row in twice.history_] == pytest.approx(
            [row[key] for row in once.history_]
        )


@pytest.mark.parametrize("max_epochs", [0, 3])
def test_heavier_subjects_draw_predictions_to_themselves(max_epochs):
    X, _ = ages()
    y = np.where(np.arange(60) % 2, 80.0, 60.0)
    heavy = quick(max_epochs=max_epochs).fit(X, y, sample_weight=np.where(y == 80, 5.0, 1.0))
    gain = heavy.predict(X).mean() - quick(max_epochs=max_epochs).fit(X, y).predict(X).mean()
    assert gain > 3


@pytest.fixture
def captured_folds(monkeypatch):
    """Row labels of all inner splits that a fit makes, which phases 1 and 2 share."""
    captured, labels = [], []

    def read(frame):
        labels.append(frame.index)
        return read_training_table(frame)

    def capture(*args, **kwargs):
        folds = number_folds(*args, **kwargs)
        captured.extend([(labels[-1][train], labels[-1][test]) for train, test in folds])
        return folds

    monkeypatch.setattr(base, "read_training_table", read)
    monkeypatch.setattr(tasks.Regression, "folds", staticmethod(capture))
    return captured


@pytest.mark.parametrize("named", [True, False])
def test_groups_are_kept_whole_by_the_inner_splits(captured_folds, named):
    X, y = ages()
    families = np.array([f"family-{number // 3}" for number in range(60)])
    X = X if named else X.set_axis(families)
    quick(max_epochs=1).fit(X, y, groups=families if named else None)
    assert len(captured_folds) == 5
    family_of = pd.Series(families, X.index)
    shared = [set(family_of[a]) & set(family_of[b]) for a, b in captured_folds]
    assert not any(shared)


def test_a_single_group_stops_after_phase_one():
    X, y = ages(20)
    with pytest.warns(DataWarning, match="The training set has a single group.*no net is trained"):
        model = quick().fit(X, y, groups=np.zeros(20))
    assert model.history_ == []
    assert np.isfinite(model.predict(X)).all()


# Random numbers, copies, tools


def test_seeds_decide(incomplete):
    X, y = incomplete
    first, again, other = (
        fit_kept(paper(random_state=seed, max_epochs=3), X, y).predict(X) for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_the_global_generators_are_left_as_found():
    X, y = ages(40)
    numpy_state, torch_state = np.random.get_state(), torch.get_rng_state()  # noqa: NPY002
    quick(random_state=None).fit(X, y).predict(X)
    np.testing.assert_array_equal(numpy_state[1], np.random.get_state()[1])  # noqa: NPY002
    assert torch.equal(torch_state, torch.get_rng_state())


def test_copies_predict_the_same(fitted, incomplete):
    X, _ = incomplete
    for each in (pickle.loads(pickle.dumps(fitted)), copy.deepcopy(fitted)):
        np.testing.assert_array_equal(each.predict(X), fitted.predict(X))


def test_a_pickle_holds_no_patients_data():
    noise = np.random.default_rng(0).normal(size=(60, 400))
    wide, y = pd.DataFrame(noise).add_prefix("mri__"), np.arange(60.0)
    sizes = [len(pickle.dumps(fit_kept(paper(max_epochs=1), wide[:n], y[:n]))) for n in (30, 60)]
    assert abs(sizes[1] - sizes[0]) < 30 * 400 * 4


def test_a_clone_is_not_fitted(fitted, incomplete):
    unfitted = clone(fitted)
    for method in (unfitted.predict, unfitted.predict_by_anchor):
        with pytest.raises(NotFittedError):
            method(incomplete[0])


def test_it_works_in_pipelines_searches_and_cross_validation(incomplete):
    X, y = incomplete
    union = ModalityUnion(
        [("mri", StandardScaler(), BLOCKS["mri"]), ("csf", StandardScaler(), BLOCKS["csf"])]
    )
    kept = X[BLOCKS["mri"] + BLOCKS["csf"]].notna().any(axis=1)
    pipeline = make_pipeline(union, quick(max_epochs=1))
    grid = {"anchoredfusionregressor__members": ["all", ()]}
    search = GridSearchCV(pipeline, grid, cv=GroupKFold(2), scoring="neg_mean_absolute_error")
    search.fit(X[kept], y[kept], groups=np.arange(kept.sum()) // 2)
    assert search.best_params_["anchoredfusionregressor__members"] == "all"
    assert cross_val_score(quick(max_epochs=1), X, y, cv=3).mean() > 0.3


def test_scikit_learns_callbacks_follow_the_epochs(incomplete):
    X, y = incomplete
    monitor = ScoringMonitor(scoring="r2")
    model = quick().set_callbacks(monitor).fit(X, y)
    log = monitor.get_logs().data_as_pandas
    epochs = log[log["task_name"] == "mri epoch"]
    assert len(epochs) == len(model.history_) - 1 == 2
    assert epochs["r2"].between(0.5, 1).all()


def test_cross_val_fit_says_that_it_takes_the_classifier(incomplete):
    with pytest.raises(InputError, match="Got AnchoredFusionRegressor"):
        cross_val_fit(quick(), *incomplete)


# Standardising the target


def test_moments_are_weighted():
    mean, scale = compute_weighted_moments(np.array([1.0, 3.0]), np.array([1.0, 3.0]))
    assert (mean, scale) == (2.5, pytest.approx(np.sqrt(0.75)))


def test_numbers_that_do_not_vary_are_not_divided():
    assert compute_weighted_moments(np.full(3, 0.1), np.ones(3)) == (pytest.approx(0.1), 1.0)
