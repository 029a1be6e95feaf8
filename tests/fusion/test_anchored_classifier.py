import copy
import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.callback import ScoringMonitor
from sklearn.exceptions import NotFittedError
from sklearn.metrics import log_loss

from adestim.encoding.tables import read_training_table
from adestim.exceptions import DataWarning, InputError, NoModalityError
from adestim.fusion import _base as base
from adestim.training import task as tasks
from adestim.training.net import StopTraining
from adestim.training.phase_one import logistic, members
from tests.fusion_tables import (
    BLOCKS,
    encodings_table,
    free_tokens,
    numeric_table,
    quick,
    with_missing,
)
from tests.kept_nets import fit_even, fit_kept, nets_kept, paper


@pytest.fixture(scope="module")
def incomplete():
    X, y = numeric_table(60)
    return with_missing(X), y


@pytest.fixture(scope="module")
def averaged(incomplete):
    """Nets of all anchors, which are averaged as in the paper."""
    return fit_kept(paper(anchor="all", max_epochs=3), *incomplete)


@pytest.fixture(scope="module", params=["mixture", "nets alone"])
def fitted(request, incomplete):
    """Every modality as anchor in turn."""
    if request.param == "nets alone":
        return request.getfixturevalue("averaged")
    return quick(anchor="all", max_epochs=3).fit(*incomplete)


@pytest.fixture
def kept():
    """Nets are kept whatever they learn."""
    with nets_kept():
        yield


# Tables it reads


def test_string_labels_come_back(fitted, incomplete):
    X, y = incomplete
    assert fitted.classes_.tolist() == ["AD", "CN"]
    assert set(fitted.predict(X)) == {"AD", "CN"}
    assert fitted.score(X, y) > 0.7


def test_labels_may_be_any_integers():
    X, y = numeric_table(40)
    model = quick().fit(X, np.where(y == "AD", 5, 3))
    assert set(model.predict(X)) <= {3, 5}


def test_a_modality_is_a_prefix_of_numeric_columns(fitted):
    assert fitted.modalities_ == list(BLOCKS)
    assert fitted.n_features_in_ == 5


@pytest.mark.usefixtures("kept")
@pytest.mark.parametrize("make", [quick, paper])
def test_encodings_and_numbers_of_the_same_subjects_are_the_same(incomplete, make):
    X, y = incomplete
    numeric = make().fit(X, y).predict_proba(X)
    table = encodings_table(X)
    np.testing.assert_array_equal(make().fit(table, y).predict_proba(table), numeric)


def test_encodings_and_numbers_may_stand_side_by_side(incomplete):
    X, y = incomplete
    mixed = pd.concat([encodings_table(X)[["mri"]], X[BLOCKS["csf"]]], axis=1)
    model = quick().fit(mixed.loc[mixed.notna().any(axis=1)], y[mixed.notna().any(axis=1)])
    assert model.modalities_ == ["mri", "csf"]


def test_tokens_without_places_may_differ_in_number():
    table = free_tokens()
    y = np.array([cell.tokens.mean() > 0 for cell in table["notes"]])
    model = quick(anchor="notes").fit(table, y)
    assert model.predict_proba(table.iloc[:1]).shape == (1, 2)
    np.testing.assert_allclose(
        model.predict_proba(table.iloc[:1]), model.predict_proba(table)[:1], rtol=1e-5
    )


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_plain_array_is_one_anonymous_modality(dtype):
    X, y = numeric_table(40)
    model = quick(anchor="all").fit(X.to_numpy(dtype), y)
    assert model.modalities_ == ["features"]
    assert model.predict_proba(X.to_numpy(dtype)).shape == (40, 2)


def test_nan_never_becomes_a_nan_probability(fitted, incomplete):
    X, _ = incomplete
    holes = X.copy()
    holes.iloc[:, 0] = np.nan
    holes.iloc[::2, 2] = np.nan
    holes["gene__a"] = holes["gene__a"].fillna(0)
    probability = fitted.predict_proba(holes)
    assert np.isfinite(probability).all()
    np.testing.assert_allclose(probability.sum(axis=1), 1)


@pytest.mark.parametrize("missing", [["mri"], ["csf", "gene"], ["mri", "csf"]])
def test_a_modality_may_be_missing_for_everybody_at_prediction(fitted, missing):
    X, _ = numeric_table(10)
    X[[column for name in missing for column in BLOCKS[name]]] = np.nan
    assert np.isfinite(fitted.predict_proba(X)).all()


def test_a_missing_anchor_leaves_the_others_to_judge():
    X, y = numeric_table(60)
    model = quick().fit(with_missing(X), y)
    X[BLOCKS["mri"]] = np.nan
    assert model.score(X, y) > 0.6


@pytest.mark.parametrize("nothing", [None, np.nan])
def test_an_encodings_column_may_be_wholly_missing_at_prediction(incomplete, nothing):
    X, y = numeric_table(40)
    table = encodings_table(X)
    model = quick().fit(table, y)
    complete = model.predict_proba(table)
    without = model.predict_proba(table.assign(csf=nothing))
    assert np.isfinite(without).all()
    assert not np.allclose(without, complete)


def test_numbers_in_place_of_encodings_are_refused_by_column():
    X, y = numeric_table(40)
    model = quick().fit(encodings_table(X), y)
    with pytest.raises(InputError, match="'csf' were seen in fit"):
        model.predict(encodings_table(X).assign(csf=1.0))


def test_columns_are_known_by_name_at_prediction(fitted, incomplete):
    X, _ = incomplete
    found = fitted.predict_proba(X[X.columns[::-1]].assign(visit=1.0))
    np.testing.assert_array_equal(found, fitted.predict_proba(X))
    with pytest.raises(ValueError, match="feature names should match"):
        fitted.predict(X[X.columns[:-1]])


def test_another_number_of_columns_is_refused():
    X, y = numeric_table(40)
    model = quick(anchor="all").fit(X.to_numpy(), y)
    with pytest.raises(ValueError, match="X has 4 features, but AnchoredFusionClassifier is"):
        model.predict(X.to_numpy()[:, :4])


def test_encodings_of_another_width_are_refused():
    model = quick(anchor="notes").fit(free_tokens(width=3), np.arange(40) % 2)
    with pytest.raises(InputError, match=r"width 3.*Got 'words', width 4"):
        model.predict(free_tokens(width=4))


def test_text_is_refused_by_column():
    X, y = numeric_table(40)
    with pytest.raises(InputError, match=r"'mri__a' must hold encodings or numbers"):
        quick().fit(X.assign(mri__a="a scan"), y)


# Subjects and modalities that are not there


def test_a_subject_with_nothing_is_refused_by_name_in_fit():
    X, y = numeric_table(40)
    X.loc["sub-007"] = np.nan
    with pytest.raises(NoModalityError, match=r"'sub-007'.*Leave these subjects out"):
        quick().fit(X, y)


def test_a_subject_with_nothing_is_refused_by_name_in_predict(fitted):
    X, _ = numeric_table(10)
    X.loc["sub-004"] = np.nan
    with pytest.raises(NoModalityError, match="'sub-004'"):
        fitted.predict_proba(X)


@pytest.mark.parametrize("as_encodings", [True, False])
def test_a_modality_absent_in_training_is_left_out_with_a_warning(as_encodings):
    X, y = numeric_table(40)
    X["gene__a"] = np.nan
    table = encodings_table(X) if as_encodings else X
    with pytest.warns(DataWarning, match="No training subject has 'gene'"):
        model = quick(anchor="all").fit(table, y)
    assert model.modalities_ == ["mri", "csf"]
    assert np.isfinite(model.predict_proba(table)).all()


def test_a_modality_absent_in_training_is_not_read_at_prediction():
    X, y = numeric_table(40)
    with pytest.warns(DataWarning, match="gene"):
        model = quick().fit(X.assign(gene__a=np.nan), y)
    np.testing.assert_array_equal(
        model.predict_proba(X), model.predict_proba(X.assign(gene__a=np.nan))
    )


def test_an_anchor_absent_in_training_is_refused():
    X, y = numeric_table(40)
    with (
        pytest.warns(DataWarning, match="gene"),
        pytest.raises(InputError, match=r"anchor.*Choose from \['mri', 'csf'\]"),
    ):
        quick(anchor="gene").fit(X.assign(gene__a=np.nan), y)


# Targets


def test_one_class_is_refused():
    X, _ = numeric_table(20)
    with pytest.raises(InputError, match=r"at least 2 classes.*Got 1 class"):
        quick().fit(X, ["CN"] * 20)


def test_three_classes(incomplete):
    X, y = numeric_table(90, n_classes=3)
    model = quick(anchor=["mri", "csf"]).fit(with_missing(X), y)
    probability = model.predict_proba(X)
    assert model.classes_.tolist() == ["AD", "CN", "MCI"]
    assert probability.shape == (90, 3)
    np.testing.assert_allclose(probability.sum(axis=1), 1)
    assert model.score(X, y) > 0.45


def test_a_class_with_a_single_subject_stops_after_phase_one():
    X, _ = numeric_table(40)
    with pytest.warns(DataWarning, match="no inner folds: no net is trained, and"):
        model = quick().fit(X, np.where(np.arange(40) == 3, "rare", "common"))
    assert model.history_ == []
    assert np.isfinite(model.predict_proba(X)).all()


def test_a_width_that_does_not_divide_into_heads_is_refused():
    with pytest.raises(InputError, match=r"'width'.*multiple of 8.*Got 12"):
        quick(width=12).fit(*numeric_table(20))


# Anchors


@pytest.mark.usefixtures("kept")
def test_one_anchor_has_one_net(incomplete):
    model = paper(anchor="csf").fit(*incomplete)
    assert model.anchors_ == ["csf"]
    assert model.nets_ == {"csf": model.net_}


def test_several_anchors_have_a_net_each(averaged):
    assert averaged.anchors_ == list(averaged.nets_) == list(BLOCKS)
    assert not hasattr(averaged, "net_")


def test_a_net_is_the_mean_of_one_an_inner_fold(averaged):
    assert [len(net.module_.folds) for net in averaged.nets_.values()] == [5, 5, 5]
    assert len(fit_kept(paper(n_folds=3), *numeric_table(40)).net_.module_.folds) == 3


def test_nets_that_gain_nothing_on_their_start_are_let_go():
    X, _ = numeric_table(40)
    noise = np.random.default_rng(0).permutation(np.arange(40) % 2)
    model = paper(learning_rate=0.3, max_epochs=1).fit(X, noise)
    assert model.nets_ == {}
    start = paper(max_epochs=0).fit(X, noise)
    np.testing.assert_array_equal(model.predict_proba(X), start.predict_proba(X))


def test_probabilities_are_averaged_over_the_anchors_a_subject_has(averaged, incomplete):
    X, _ = incomplete
    fitted = averaged
    by_anchor = fitted.predict_proba_by_anchor(X)
    has = {name: X[columns].notna().any(axis=1) for name, columns in BLOCKS.items()}
    for row in range(0, 60, 7):
        own = [by_anchor[name][row] for name in BLOCKS if has[name].iloc[row]]
        np.testing.assert_allclose(fitted.predict_proba(X)[row], np.mean(own, axis=0), rtol=1e-6)


def test_who_has_none_of_the_anchors_is_judged_by_all_of_them():
    X, y = numeric_table(40)
    model = fit_kept(paper(anchor=["mri", "csf"]), with_missing(X), y)
    X[BLOCKS["mri"] + BLOCKS["csf"]] = np.nan
    by_anchor = model.predict_proba_by_anchor(X)
    expected = (by_anchor["mri"] + by_anchor["csf"]) / 2
    np.testing.assert_allclose(model.predict_proba(X), expected, rtol=1e-6)


def test_no_epochs_leave_the_phase_one_prediction(incomplete):
    X, y = incomplete
    model = paper(max_epochs=0, start="average").fit(X, y)
    names = model.phase_one_.modalities
    features = [X[BLOCKS[name]].to_numpy(np.float32) for name in names]
    present = np.stack([~np.isnan(block).all(axis=1) for block in features], axis=1)
    logits = model.phase_one_.logits(model.phase_one_.scores(features), present, "average")
    expected = 1 / (1 + np.exp(-logits[:, 1]))
    np.testing.assert_allclose(model.predict_proba(X)[:, 1], expected, rtol=1e-5)
    assert model.history_ == []


def test_the_starts_differ(incomplete):
    X, y = incomplete
    stacked, average, anchor = (
        quick(max_epochs=0, start=start).fit(X, y).predict_proba_by_anchor(X)["mri"]
        for start in ("stacked", "average", "anchor")
    )
    assert not np.allclose(stacked, average, atol=1e-3)
    assert not np.allclose(average, anchor, atol=1e-3)


def test_training_changes_the_phase_one_prediction():
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(400, 2)), columns=["mri__a", "csf__a"])
    y = np.cos(2 * X["mri__a"]) > 0
    start = quick(max_epochs=0).fit(X, y)
    trained = quick(max_epochs=20, learning_rate=0.02).fit(X, y)
    assert log_loss(y, trained.predict_proba(X)) < log_loss(y, start.predict_proba(X)) - 0.1


def test_history_has_one_record_an_epoch_and_anchor(fitted):
    assert [(row["anchor"], row["epoch"]) for row in fitted.history_] == [
        (anchor, epoch) for anchor in BLOCKS for epoch in (0, 1, 2, 3)
    ]
    fields = {"anchor", "epoch", "train_loss", "valid_loss", "interaction"}
    assert set(fitted.history_[0]) == fields
    assert fitted.history_[0]["train_loss"] is None


def test_history_holds_the_epoch_at_which_patience_ends():
    X, _ = numeric_table(40)
    noise = np.random.default_rng(0).permutation(np.arange(40) % 2)
    model = fit_kept(paper(max_epochs=30, patience=1, learning_rate=0.1), X, noise)
    losses = [row["valid_loss"] for row in model.history_]
    assert 1 < len(losses) < 30
    assert losses[-1] >= losses[-2] == min(losses)
    best = len(losses) - 1
    shorter = fit_kept(paper(max_epochs=30, patience=9, learning_rate=0.1), X, noise)
    assert [row["valid_loss"] for row in shorter.history_][: best + 1] == losses


# Weights and groups


@pytest.mark.usefixtures("kept")
def test_rows_of_weight_zero_change_nothing_at_all(incomplete):
    X, y = incomplete
    weight = np.ones(60)
    weight[::7] = 0
    labels = np.where(weight == 0, "dropped", y)
    with_rows = paper().fit(X, labels, sample_weight=weight)
    without = paper().fit(X[weight > 0], y[weight > 0])
    assert with_rows.classes_.tolist() == ["AD", "CN"]
    np.testing.assert_array_equal(with_rows.predict_proba(X), without.predict_proba(X))


@pytest.mark.usefixtures("kept")
def test_a_row_of_weight_zero_does_not_even_tie_others_into_a_group(incomplete):
    X, y = incomplete
    bridge = X.iloc[[50]].rename(index={"sub-050": "sub-010"})
    longer, labels = pd.concat([bridge, X]), np.append("AD", y)
    weight = np.append(0.0, np.ones(60))
    with_row = paper().fit(longer, labels, sample_weight=weight)
    np.testing.assert_array_equal(with_row.predict_proba(X), paper().fit(X, y).predict_proba(X))


def test_doubling_all_weights_changes_nothing_in_the_loss_of_phase_two(incomplete, monkeypatch):
    X, y = incomplete
    phase_one = tasks.fit_phase_one

    def unweighted(tables, codes, weight, folds, *others):
        return phase_one(tables, codes, np.ones(len(codes)), folds, *others)

    monkeypatch.setattr(tasks, "fit_phase_one", unweighted)
    once = quick().fit(X, y, sample_weight=np.ones(60))
    twice = quick().fit(X, y, sample_weight=np.full(60, 2.0))
    for key in ("train_loss", "valid_loss"):
        assert [row[key] for row in twice.history_] == pytest.approx(
            [row[key] for row in once.history_]
        )


@pytest.mark.usefixtures("kept")
@pytest.mark.parametrize("max_epochs", [0, 3])
@pytest.mark.parametrize("make", [quick, paper])
def test_a_heavier_class_becomes_more_probable(incomplete, max_epochs, make):
    X, y = incomplete
    plain = make(max_epochs=max_epochs).fit(X, y)
    heavy = make(max_epochs=max_epochs).fit(X, y, sample_weight=np.where(y == "AD", 5.0, 1.0))
    gain = heavy.predict_proba(X)[:, 0].mean() - plain.predict_proba(X)[:, 0].mean()
    assert gain > 0.02


def test_class_weights_are_sample_weights(incomplete):
    X, y = incomplete
    by_class = quick(class_weight={"AD": 3.0, "CN": 1.0}).fit(X, y)
    by_sample = quick().fit(X, y, sample_weight=np.where(y == "AD", 3.0, 1.0))
    np.testing.assert_array_equal(by_class.predict_proba(X), by_sample.predict_proba(X))


def test_balanced_class_weights_help_the_rare_class():
    X, y = numeric_table(80)
    kept = (y == "CN") | (np.arange(80) % 5 == 0)
    plain = quick().fit(X[kept], y[kept])
    balanced = quick(class_weight="balanced").fit(X[kept], y[kept])
    assert balanced.predict_proba(X)[:, 0].mean() > plain.predict_proba(X)[:, 0].mean() + 0.05


@pytest.fixture
def captured_folds(monkeypatch):
    """Row labels of all inner splits that a fit makes, which phases 1 and 2 share."""
    captured, labels = [], []

    def read(frame):
        labels.append(frame.index)
        return read_training_table(frame)

    def capture(*args, **kwargs):
        folds = logistic.inner_folds(*args, **kwargs)
        captured.extend([(labels[-1][train], labels[-1][test]) for train, test in folds])
        return folds

    monkeypatch.setattr(base, "read_training_table", read)
    monkeypatch.setattr(tasks.Classification, "folds", staticmethod(capture))
    return captured


def straddling(folds, groups):
    """Groups, given by row label, that stand on both sides of some split."""
    return {group for a, b in folds for group in set(groups[a]) & set(groups[b])}


def test_groups_are_kept_whole_by_the_inner_splits(captured_folds):
    X, y = numeric_table(60)
    groups = np.array([f"family-{number // 3}" for number in range(60)])
    quick(max_epochs=1).fit(X, y, groups=groups)
    assert len(captured_folds) == 5
    assert straddling(captured_folds, pd.Series(groups, X.index)) == set()


def test_rows_of_one_subject_are_one_group_without_being_told(captured_folds):
    X, y = numeric_table(60)
    visits = X.set_axis([f"sub-{number // 2}" for number in range(60)])
    quick(max_epochs=1).fit(visits, y)
    assert straddling(captured_folds, visits.index.unique().to_series()) == set()


@pytest.mark.parametrize("table_of", [encodings_table, pd.DataFrame])
def test_repeated_rows_are_one_group_without_being_told(captured_folds, table_of):
    X, y = numeric_table(40)
    rows = np.concatenate([np.arange(40), np.arange(0, 40, 2)])
    repeated = table_of(X).iloc[rows].reset_index(drop=True)
    quick(max_epochs=1).fit(repeated, y[rows])
    assert straddling(captured_folds, rows) == set()


# Random numbers


@pytest.mark.usefixtures("kept")
@pytest.mark.parametrize("make", [quick, paper])
def test_the_same_seed_gives_the_same_predictions(incomplete, make):
    X, y = incomplete
    first, second = (make().fit(X, y).predict_proba(X) for _ in range(2))
    np.testing.assert_array_equal(first, second)


@pytest.mark.usefixtures("kept")
@pytest.mark.parametrize("make", [quick, paper])
def test_another_seed_gives_other_predictions(incomplete, make):
    X, y = incomplete
    first, second = (
        make(random_state=seed, max_epochs=3).fit(X, y).predict_proba(X) for seed in (0, 1)
    )
    assert not np.array_equal(first, second)


def test_a_random_state_instance_is_drawn_from():
    X, y = numeric_table(40)
    state = np.random.RandomState(0)
    first, second = (quick(random_state=state).fit(X, y).predict_proba(X) for _ in range(2))
    assert not np.array_equal(first, second)


@pytest.mark.parametrize("random_state", [0, None])
def test_the_global_generators_are_left_as_found(random_state):
    X, y = numeric_table(40)
    numpy_state, torch_state = np.random.get_state(), torch.get_rng_state()  # noqa: NPY002
    quick(random_state=random_state).fit(X, y).predict(X)
    for before, after in zip(numpy_state, np.random.get_state(), strict=True):  # noqa: NPY002
        np.testing.assert_array_equal(before, after)
    assert torch.equal(torch_state, torch.get_rng_state())


def test_no_seed_draws_fresh_ones():
    X, y = numeric_table(40)
    np.random.seed(0)  # noqa: NPY002 - a fixed global state must not make two fits alike
    first = quick(random_state=None).fit(X, y).history_
    np.random.seed(0)  # noqa: NPY002
    second = quick(random_state=None).fit(X, y).history_
    # Predictions may be alike, where phase 1 is of one member and no net is kept.
    assert [row["train_loss"] for row in first] != [row["train_loss"] for row in second]


def test_torch_is_left_as_found():
    X, y = numeric_table(40)
    threads, gradients = torch.get_num_threads(), torch.is_grad_enabled()
    quick().fit(X, y).predict(X)
    assert (torch.get_num_threads(), torch.is_grad_enabled()) == (threads, gradients)


# The forest of phase 1


@pytest.fixture(scope="module")
def crossed():
    """A table whose class is the sign of a product, of which no linear head can tell."""
    X, _ = numeric_table(120, seed=1)
    return with_missing(X), np.where(X["mri__a"] * X["csf__a"] > 0, "AD", "CN")


def test_the_forest_is_of_the_size_asked_for(crossed):
    model = quick(n_trees=100, max_epochs=0).fit(*crossed)
    assert model.phase_one_.forest.n_trees == 100
    assert quick(max_epochs=0).fit(*crossed).phase_one_.forest is None


def test_the_forest_is_as_random_as_the_estimator(crossed):
    X, y = crossed
    first, same, other = (
        quick(n_trees=100, max_epochs=0, random_state=seed).fit(X, y).predict_proba(X)
        for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, same)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("start", ["auto", "stacked", "average", "anchor"])
def test_a_forest_is_a_member_whatever_nets_start_from(crossed, start):
    model = quick(n_trees=20, max_epochs=0, start=start).fit(*crossed)
    assert model.phase_one_.forest.n_trees == 20
    assert "forest" in model.shares_


@pytest.mark.parametrize("names", [("joint", "late"), ()])
def test_no_forest_grows_where_none_is_a_member(crossed, names, monkeypatch):
    monkeypatch.setattr(members, "grow_forest", None)
    model = quick(n_trees=100, max_epochs=0, members=names).fit(*crossed)
    assert model.phase_one_.forest is None


def test_training_starts_from_the_forest_too(crossed):
    X, y = crossed
    hardly = {"modality_dropout": 0.5, "max_epochs": 1, "learning_rate": 1e-12}
    model = fit_even(quick(n_trees=100, **hardly), X, y)
    start = quick(n_trees=100, max_epochs=0).fit(X, y)
    assert list(model.nets_) == ["mri"]
    np.testing.assert_allclose(
        model.predict_proba_by_anchor(X)["mri"], start.predict_proba(X), atol=1e-6
    )


def test_a_prediction_does_not_depend_on_the_other_rows_of_its_table(crossed):
    X, y = crossed
    model = quick(n_trees=100, max_epochs=0).fit(X, y)
    np.testing.assert_allclose(
        model.predict_proba(X.iloc[5:9]), model.predict_proba(X)[5:9], atol=1e-6
    )


def test_a_forest_survives_pickling(crossed):
    X, y = crossed
    model = quick(n_trees=100, max_epochs=1).fit(X, y)
    restored = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(restored.predict_proba(X), model.predict_proba(X))


# Copies


def test_a_fitted_estimator_pickles_small_and_whole(incomplete):
    X, y = incomplete
    model = fit_kept(paper(anchor="all", width=32, n_queries=8, max_epochs=1), X, y)
    stored = pickle.dumps(model)
    n_bytes = len(stored)
    # Fifteen nets, five an anchor.
    assert n_bytes < 4_000_000
    np.testing.assert_array_equal(pickle.loads(stored).predict_proba(X), model.predict_proba(X))


@pytest.mark.parametrize("make", [quick, paper])
def test_a_pickle_holds_no_patients_data(make):
    noise = np.random.default_rng(0).normal(size=(60, 400))
    wide, y = pd.DataFrame(noise).add_prefix("mri__"), np.arange(60) % 2
    sizes = [len(pickle.dumps(fit_kept(make(max_epochs=1), wide[:n], y[:n]))) for n in (30, 60)]
    assert abs(sizes[1] - sizes[0]) < 30 * 400 * 4


def test_a_deep_copy_predicts_the_same(fitted, incomplete):
    X, _ = incomplete
    np.testing.assert_array_equal(copy.deepcopy(fitted).predict_proba(X), fitted.predict_proba(X))


def test_a_clone_is_not_fitted(fitted, incomplete):
    unfitted = clone(fitted)
    assert unfitted.get_params() == fitted.get_params()
    with pytest.raises(NotFittedError):
        unfitted.predict_proba(incomplete[0])


@pytest.mark.usefixtures("kept")
def test_a_second_fit_forgets_the_first(incomplete):
    X, y = incomplete
    model = paper().fit(X[["mri__a", "mri__b"]].dropna(), y[X["mri__a"].notna()])
    assert hasattr(model, "net_")
    model.set_params(anchor=["mri", "csf"]).fit(X, y)
    assert model.modalities_ == list(BLOCKS)
    assert list(model.nets_) == ["mri", "csf"]
    assert not hasattr(model, "net_")


# The end of training


def test_an_interrupt_of_the_user_reaches_the_user():
    def interrupt(*args, **kwargs):
        raise KeyboardInterrupt

    X, y = numeric_table(40)
    with pytest.raises(KeyboardInterrupt) as raised:
        quick().set_callbacks(Watching(interrupt)).fit(X, y)
    assert not isinstance(raised.value, StopTraining)


class Watching:
    """A callback of scikit-learn that hands every finished task to a function."""

    def __init__(self, function):
        self.function = function

    def setup(self, estimator, context):
        """Have nothing to set up."""

    def teardown(self, estimator, context):
        """Have nothing to take down."""

    def on_fit_task_begin(self, estimator, context):
        """Wait for the end."""

    def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
        return self.function(estimator, context, fitted_estimator)


def test_a_callback_sees_every_epoch(incomplete):
    seen = []

    def remember(estimator, context, fitted_estimator):
        seen.append((context.task_name, len(estimator.history_)))

    quick(anchor=["mri", "csf"]).set_callbacks(Watching(remember)).fit(*incomplete)
    assert seen == [
        ("mri epoch", 1),
        ("mri epoch", 2),
        # The start of an anchor is written down once its training has come to its end.
        ("csf epoch", 4),
        ("csf epoch", 5),
        ("fit", 6),
    ]


def test_a_callback_gets_an_estimator_that_can_predict(incomplete):
    X, y = incomplete
    predicted = []

    def predict(estimator, context, fitted_estimator):
        if fitted_estimator is not None:
            predicted.append(fitted_estimator.predict_proba(X))

    plain = paper(learning_rate=0.05).fit(X, y)
    watched = paper(learning_rate=0.05).set_callbacks(Watching(predict)).fit(X, y)
    assert len(predicted) == 2
    assert not np.array_equal(predicted[0], predicted[1])
    np.testing.assert_array_equal(watched.predict_proba(X), plain.predict_proba(X))


def test_a_callback_stops_the_training_of_an_anchor(incomplete):
    def stop(estimator, context, fitted_estimator):
        return len(estimator.history_) == 2

    model = quick(anchor=["mri", "csf"], max_epochs=4).set_callbacks(Watching(stop))
    model.fit(*incomplete)
    epochs = [(row["anchor"], row["epoch"]) for row in model.history_]
    assert epochs == [("mri", epoch) for epoch in range(3)] + [("csf", epoch) for epoch in range(5)]


def test_a_scoring_monitor_scores_every_epoch(incomplete):
    monitor = ScoringMonitor(scoring="roc_auc")
    model = quick(max_epochs=3).set_callbacks(monitor).fit(*incomplete)
    log = monitor.get_logs().data_as_pandas
    epochs = log[log["task_name"] == "mri epoch"]
    assert len(epochs) == len(model.history_) - 1 == 3
    assert epochs["roc_auc"].between(0.5, 1).all()


# Device, precision, words


@pytest.mark.usefixtures("kept")
def test_bfloat16_predicts_nearly_the_same(incomplete):
    X, y = incomplete
    full, half = (
        paper(anchor="all", precision=precision).fit(X, y).predict_proba(X)
        for precision in ("float32", "bfloat16")
    )
    assert np.isfinite(half).all()
    np.testing.assert_allclose(half, full, atol=0.1)


def test_a_device_that_torch_does_not_know_is_refused():
    with pytest.raises(InputError, match=r"'device'.*'gpu'.*device='cpu'"):
        quick(device="gpu").fit(*numeric_table(20))


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_gpu_that_is_not_there_is_refused():
    with pytest.raises(InputError, match=r"needs a CUDA GPU.*device='auto'"):
        quick(device="cuda").fit(*numeric_table(20))


def test_verbose_shows_a_bar_of_the_epochs(terminal):
    quick(verbose=1).fit(*numeric_table(20))
    assert "mri: 100%" in terminal.getvalue()
    assert "2/2" in terminal.getvalue()
    assert "valid=" in terminal.getvalue()


def test_verbose_writes_nothing_into_a_log(capsys):
    quick(verbose=1).fit(*numeric_table(20))
    assert capsys.readouterr() == ("", "")


def test_silence_is_the_default(capsys):
    quick().fit(*numeric_table(20))
    assert capsys.readouterr() == ("", "")


def test_displaying_a_fitted_estimator_computes_nothing(fitted):
    assert "AnchoredFusionClassifier" in fitted._repr_html_()


def test_a_fitted_fusion_shows_its_shares():
    X, y = numeric_table(40)
    fusion = quick(max_epochs=0)
    said = repr(fusion)
    # Lines are wrapped as scikit-learn wraps them.
    assert said.splitlines() == [
        "AnchoredFusionClassifier(anchor='mri', max_epochs=0, n_queries=2, n_trees=0,",
        "                         random_state=0, width=8)",
    ]
    fusion.fit(X, y)
    shares = ", ".join(f"{name} {share:.2f}" for name, share in fusion.shares_.items())
    shown = f"{said} with shares {shares.replace(' 0.', ' .')}; phase 2 counts for nothing"
    assert repr(fusion) == shown
    kept = fit_even(quick(), X, y)
    assert "phase 2 counts" not in repr(kept)
