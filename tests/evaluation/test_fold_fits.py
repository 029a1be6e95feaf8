"""Folds fitted together are the folds fitted one by one."""

import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold, StratifiedGroupKFold, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from adestim import AnchoredFusionClassifier
from adestim.backbone import load_backbone
from adestim.evaluation import cross_val_fit, fold_fits
from adestim.evaluation.fold_fits import folds_of
from adestim.exceptions import DataWarning, InputError
from adestim.training.lockstep import lockstep
from tests.frozen_models import RaggedViT, TokensFirst, table_of
from tests.fusion_tables import numeric_table
from tests.toy_backbone import ToyViT, toy_table


@pytest.fixture(scope="module")
def table(weights):
    return toy_table(weights, n=42)


def quick(**params):
    small = {
        "anchor": "img",
        "n_queries": 2,
        "n_trees": 0,
        "max_epochs": 3,
        "batch_size": 6,
        "learning_rate": 0.02,
        "random_state": 0,
        "device": "cpu",
    }
    return AnchoredFusionClassifier(**(small | params))


def one_by_one(estimator, X, y, fits, groups=None, weight=None):
    """What fit makes of every fold's training rows, torch's generator somewhere else."""
    torch.rand(3)
    return [
        clone(estimator)
        .set_params(random_state=seed)
        .fit(
            X.iloc[train],
            y[train],
            groups=None if groups is None else groups[train],
            sample_weight=None if weight is None else weight[train],
        )
        for (train, _), seed in zip(fits.splits, fits.seeds, strict=True)
    ]


def trained_weights(model):
    return {
        (anchor, name): value.detach()
        for anchor, net in model.nets_.items()
        for name, value in net.module_.named_parameters()
        if value.requires_grad
    }


def list_nets(model):
    return [fold for net in model.nets_.values() for fold in net.module_.folds]


def assert_same(fits, separate, X, atol=1e-5):
    for first, second in zip(fits.estimators, separate, strict=True):
        pd.testing.assert_frame_equal(
            pd.DataFrame(first.history_), pd.DataFrame(second.history_), rtol=1e-4
        )
        np.testing.assert_allclose(first.predict_proba(X), second.predict_proba(X), atol=atol)
        torch.testing.assert_close(
            trained_weights(first), trained_weights(second), rtol=1e-2, atol=1e-3
        )


@pytest.mark.parametrize(
    "params",
    [
        {"dropout": 0.0, "modality_dropout": 0.0},
        {"dropout": 0.3, "modality_dropout": 0.3},
        {"lora_params": {"dropout": 0.3}, "gradient_checkpointing": True},
        {"gradient_checkpointing": True},
        {"lora_rank": 0},
        {"n_queries": 0},
        {"interaction_depth": 1, "dropout": 0.3},
        {"interaction_depth": 1, "gradient_checkpointing": True, "lora_params": {"dropout": 0.3}},
        {"interaction_depth": "output"},
        {"gate": "open"},
        {"gate": "closed"},
        {"anchor": "all"},
        {"anchor": "csf"},
        {"precision": "bfloat16"},
        {"max_epochs": 0},
    ],
    ids=str,
)
def test_folds_together_are_folds_one_by_one(table, params):
    X, y = table
    estimator = quick(**params)
    fits = cross_val_fit(estimator, X, y, cv=2)
    assert_same(fits, one_by_one(estimator, X, y, fits), X)


def test_folds_learn(table):
    X, y = table
    estimator = quick(learning_rate=0.05, max_epochs=10, patience=10)
    fits = cross_val_fit(estimator, X, y, cv=2)
    for first, second in zip(fits.estimators, one_by_one(estimator, X, y, fits), strict=True):
        np.testing.assert_allclose(first.predict_proba(X), second.predict_proba(X), atol=1e-3)
    start = cross_val_fit(quick(max_epochs=0), X, y, cv=2)
    changes = np.abs(fits.predict_proba(X) - start.predict_proba(X)).max(axis=1)
    assert changes.max() > 0.01


def test_folds_stop_each_at_its_own_epoch(table):
    X, y = table
    estimator = quick(max_epochs=30, patience=2, random_state=2)
    fits = cross_val_fit(estimator, X, y, cv=4)
    assert len({len(each.history_) for each in fits.estimators}) > 1
    assert_same(fits, one_by_one(estimator, X, y, fits), X)


def test_seeds_multiply_the_folds(table):
    X, y = table
    fits = cross_val_fit(quick(), X, y, cv=2, seeds=[3, 4])
    assert fits.seeds == [3, 4, 3, 4]
    assert fits.splits[0] is fits.splits[1]
    assert_same(fits, one_by_one(quick(), X, y, fits), X)


CANDIDATES = [
    {"learning_rate": 0.005, "dropout": 0.3},
    {"weight_decay": 0.2, "max_epochs": 2, "batch_size": 9},
    {"patience": 1, "modality_dropout": 0.3},
]


def of_candidates(estimator, candidates, X, y, fits):
    """What fit makes of every candidate by itself."""
    return [
        one_by_one(clone(estimator).set_params(**params), X, y, fits.of(number))
        for number, params in enumerate(candidates)
    ]


def test_candidates_together_are_candidates_one_by_one(table):
    X, y = table
    fits = cross_val_fit(quick(), X, y, cv=2, candidates=CANDIDATES)
    assert fits.candidates == [0, 0, 1, 1, 2, 2]
    for number, separate in enumerate(of_candidates(quick(), CANDIDATES, X, y, fits)):
        assert_same(fits.of(number), separate, X)


def test_candidates_that_only_train_otherwise_go_through_the_body_together(table, monkeypatch):
    X, y = table
    groups = []
    train = lockstep.train_together
    monkeypatch.setattr(lockstep, "train_together", lambda g: (groups.append(len(g)), train(g)))
    cross_val_fit(quick(max_epochs=1), X, y, cv=2, candidates=CANDIDATES)
    assert groups == [6]


def test_candidates_of_other_shapes_train_group_by_group(table, monkeypatch):
    X, y = table
    groups = []
    train = lockstep.train_together
    monkeypatch.setattr(lockstep, "train_together", lambda g: (groups.append(len(g)), train(g)))
    shapes = [{}, {"lora_rank": 2}, {"n_queries": 1}, {"precision": "bfloat16"}]
    fits = cross_val_fit(quick(max_epochs=1), X, y, cv=2, candidates=shapes)
    assert groups == [2, 2, 2, 2]
    separate = of_candidates(quick(max_epochs=1), shapes, X, y, fits)
    assert_same(fits.of(1), separate[1], X)
    assert_same(fits.of(2), separate[2], X)


def test_candidates_are_multiplied_by_seeds(table):
    X, y = table
    fits = cross_val_fit(
        quick(max_epochs=0), X, y, cv=2, seeds=[3, 4], candidates=[{}, {"start": "anchor"}]
    )
    assert fits.candidates == [0] * 4 + [1] * 4
    assert fits.of(1).seeds == [3, 4, 3, 4]
    assert [each.start for each in fits.of(1).estimators] == ["anchor"] * 4


def test_probabilities_are_those_of_one_candidate(table):
    X, y = table
    fits = cross_val_fit(quick(max_epochs=0), X, y, cv=2, candidates=[{}, {"start": "anchor"}])
    with pytest.raises(InputError, match=r"2 candidates.*fits.of\(0\)"):
        fits.predict_proba(X)
    alone = cross_val_fit(quick(max_epochs=0, start="anchor"), X, y, cv=2)
    np.testing.assert_array_equal(fits.of(1).predict_proba(X), alone.predict_proba(X))
    with pytest.raises(InputError, match=r"Got 2. Choose from 0 to 1"):
        fits.of(2)


@pytest.mark.parametrize(
    ("candidates", "message"),
    [
        ([], "list of sets of parameters"),
        ({"dropout": 0.1}, "list of sets of parameters"),
        ([{"dropout": 0.1}, 3], "list of sets of parameters"),
        ([{"dropout": -1}], "'dropout' parameter"),
        ([{"no_such": 1}], "Invalid parameter 'no_such'"),
        ([{"device": "cpu"}, {"device": "meta"}], "device"),
    ],
    ids=str,
)
def test_candidates_are_sets_of_parameters(table, candidates, message):
    with pytest.raises(ValueError, match=message):
        cross_val_fit(quick(), *table, candidates=candidates)


def test_candidates_share_one_device(table, monkeypatch):
    monkeypatch.setattr(fold_fits, "choose_device", lambda name: name)
    with pytest.raises(InputError, match=r"on one device.*Leave 'device' out"):
        cross_val_fit(quick(), *table, candidates=[{"device": "cpu"}, {"device": "cuda"}])


def test_a_batch_of_trials_is_told_what_each_would_have_been(table):
    optuna = pytest.importorskip("optuna")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    X, y = table
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.RandomSampler(seed=0))
    trials = [study.ask() for _ in range(2)]
    candidates = [
        {"learning_rate": trial.suggest_float("learning_rate", 1e-3, 0.1, log=True)}
        for trial in trials
    ]
    fits = cross_val_fit(quick(max_epochs=1), X, y, cv=2, candidates=candidates)
    for number, trial in enumerate(trials):
        study.tell(trial, roc_auc_score(y, fits.of(number).predict_proba(X)[:, 1]))
    separate = cross_val_fit(quick(max_epochs=1, **candidates[1]), X, y, cv=2)
    expected = roc_auc_score(y, separate.predict_proba(X)[:, 1])
    assert study.trials[1].value == pytest.approx(expected)


def test_groups_and_weights_are_those_of_the_rows(table):
    X, y = table
    groups = np.arange(len(y)) // 2
    weight = np.linspace(0.0, 2.0, len(y))
    fits = cross_val_fit(quick(), X, pd.Series(y), groups=groups, cv=2, sample_weight=weight)
    for train, test in fits.splits:
        assert not set(groups[train]) & set(groups[test])
    assert_same(fits, one_by_one(quick(), X, y, fits, groups, weight), X)


def test_a_splitter_is_taken_as_it_is(table):
    X, y = table
    groups = np.arange(len(y)) % 3
    fits = cross_val_fit(quick(max_epochs=0), X, y, groups=groups, cv=GroupKFold(3))
    assert [set(groups[test]) for _, test in fits.splits] == [{2}, {1}, {0}]


@pytest.mark.parametrize(
    ("cv", "groups", "expected"),
    [
        (None, None, StratifiedKFold(5)),
        (3, None, StratifiedKFold(3)),
        (3, np.arange(42) // 2, StratifiedGroupKFold(3)),
    ],
)
def test_folds_are_stratified_and_keep_groups_whole(table, cv, groups, expected):
    X, y = table
    folds = list(folds_of(cv, y, groups).split(X, y, groups))
    for (_, test), (_, other) in zip(folds, expected.split(X, y, groups), strict=True):
        np.testing.assert_array_equal(test, other)


def test_folds_may_differ_in_their_modalities(table):
    X, y = table
    X = X.assign(pet__suvr=np.where(np.arange(len(X)) < 14, np.arange(len(X)) % 3.0, np.nan))
    folds = [(np.arange(14, 42), np.arange(14)), (np.arange(28), np.arange(28, 42))]
    with pytest.warns(DataWarning, match="No training subject has 'pet'"):
        fits = cross_val_fit(quick(), X, y, cv=folds)
    with pytest.warns(DataWarning, match="No training subject has 'pet'"):
        separate = one_by_one(quick(), X, y, fits)
    assert_same(fits, separate, X)


@pytest.mark.usefixtures("all_penalties")
def test_texts_of_different_lengths_train_together(weights):
    X, y = table_of(weights, RaggedViT, lengths=(2, 9))
    estimator = quick(batch_size=4)
    fits = cross_val_fit(estimator, X, y, cv=3)
    assert_same(fits, one_by_one(estimator, X, y, fits), X, atol=1e-4)


def test_some_at_a_time_are_as_all_at_once(table):
    X, y = table
    fits = cross_val_fit(quick(), X, y, cv=3, n_together=2)
    assert_same(fits, one_by_one(quick(), X, y, fits), X)


def test_a_model_that_mixes_subjects_is_refused_unless_alone(weights):
    X, y = table_of(weights, TokensFirst)
    estimator = quick(lora_params={"targets": "proj"}, n_queries=0, max_epochs=1)
    with pytest.raises(InputError, match=r"one by one, in order.*n_together=1"):
        cross_val_fit(estimator, X, y, cv=2)
    assert len(cross_val_fit(estimator, X, y, cv=2, n_together=1).estimators) == 2


def test_the_body_runs_once_a_joint_step(table, monkeypatch):
    X, y = table
    sizes = []
    encode = ToyViT.encode

    def counted(self, tokens, log_mask, n_own):
        if torch.is_grad_enabled():
            sizes.append(len(tokens))
        return encode(self, tokens, log_mask, n_own)

    monkeypatch.setattr(ToyViT, "encode", counted)
    fits = cross_val_fit(quick(max_epochs=2), X, y, cv=3)
    # Every fold has a net for each of five inner folds, trained on the others.
    n_inner = max(len(train) - len(train) // 5 for train, _ in fits.splits)
    assert len(sizes) == 2 * -(-n_inner // 6)
    assert sizes[0] == 3 * 5 * 6


def test_reference_anchors_of_all_folds_and_seeds_train_in_one_stack(monkeypatch):
    X, y = numeric_table(45)
    estimator = quick(anchor=["mri", "csf"], width=8, n_folds=2, batch_size=64)
    sizes, train = [], lockstep.train_stacked

    def counted(teams):
        sizes.append(len(teams))
        train(teams)

    monkeypatch.setattr(lockstep, "train_stacked", counted)
    fits = cross_val_fit(estimator, X, y, cv=3, seeds=[0, 1])
    # One stack an anchor, of three folds by two seeds.
    assert sizes == [6, 6]
    assert_same(fits, one_by_one(estimator, X, y, fits), X, atol=1e-6)


def test_every_classifier_predicts_alone_after_pickling(table):
    X, y = table
    fits = cross_val_fit(quick(members=(), max_epochs=8, patience=8), X, y, cv=2)
    assert any(map(list_nets, fits.estimators))
    frozen = load_backbone(X["img"].dropna().iloc[0].backbone)
    for each in fits.estimators:
        content = pickle.dumps(each)
        assert frozen.patch.weight.detach().numpy().tobytes() not in content
        expected = each.predict_proba(X)
        np.testing.assert_array_equal(pickle.loads(content).predict_proba(X), expected)
        for net in list_nets(each):
            assert net.backbone.body.patch.weight is frozen.patch.weight


def test_a_classifier_is_as_light_as_one_fitted_alone(table):
    X, y = table
    fits = cross_val_fit(quick(), X, y, cv=2)
    separate = one_by_one(quick(), X, y, fits)
    sizes = [len(pickle.dumps(each)) for each in (*fits.estimators, *separate)]
    assert max(sizes[:2]) < 1.02 * max(sizes[2:])
    assert set(vars(fits.estimators[0])) == set(vars(separate[0]))


def test_out_of_fold_probabilities_are_those_of_who_did_not_see_the_subject(table):
    X, y = table
    fits = cross_val_fit(quick(), X, y, cv=2, seeds=[0, 1])
    probabilities = fits.predict_proba(X)
    test = fits.splits[0][1]
    expected = np.mean([each.predict_proba(X.iloc[test]) for each in fits.estimators[:2]], axis=0)
    np.testing.assert_allclose(probabilities[test], expected)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)


def test_who_is_never_tested_has_no_probabilities():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(40, 2)), np.arange(40) % 3
    folds = [(np.flatnonzero(y < 2)[5:], np.arange(8)), (np.arange(12, 40), np.arange(12))]
    fits = cross_val_fit(quick(anchor="all", width=8, max_epochs=0), X, y, cv=folds)
    probabilities = fits.predict_proba(X)
    assert fits.classes.tolist() == [0, 1, 2]
    assert np.isnan(probabilities[12:]).all()
    np.testing.assert_allclose(probabilities[:12].sum(axis=1), 1)


def test_the_global_generator_and_the_estimator_are_left_as_found(table):
    X, y = table
    before, estimator = torch.get_rng_state(), quick()
    cross_val_fit(estimator, X, y, cv=2)
    assert torch.equal(torch.get_rng_state(), before)
    assert not hasattr(estimator, "nets_")


def test_an_error_in_a_fold_leaves_the_global_generator_as_found(table, monkeypatch):
    X, y = table
    before = torch.get_rng_state()

    def broken(*args):
        raise ZeroDivisionError

    monkeypatch.setattr(ToyViT, "pool", broken)
    with pytest.raises(ZeroDivisionError):
        cross_val_fit(quick(), X, y, cv=2)
    assert torch.equal(torch.get_rng_state(), before)


class Watcher:
    def setup(self, estimator, context):
        pass

    teardown = on_fit_task_begin = on_fit_task_end = setup


@pytest.mark.parametrize(
    ("estimator", "message"),
    [
        (make_pipeline(FunctionTransformer(), quick()), "a Pipeline.*cross_validate"),
        (StandardScaler(), "trains an AnchoredFusionClassifier"),
        (quick().set_callbacks(Watcher()), "Callbacks follow one fit.*cross_validate"),
    ],
    ids=["pipeline", "another estimator", "callbacks"],
)
def test_what_cannot_be_trained_in_step_is_refused(table, estimator, message):
    with pytest.raises(InputError, match=message):
        cross_val_fit(estimator, *table)


@pytest.mark.parametrize("number", [0, 1.5, True])
def test_n_together_is_a_number_from_one(table, number):
    with pytest.raises(InputError, match="'n_together'"):
        cross_val_fit(quick(), *table, n_together=number)


def test_parameters_are_checked_before_anything_is_fitted(table):
    with pytest.raises(ValueError, match="'batch_size'"):
        cross_val_fit(quick(batch_size=0), *table)
