"""A frozen model through the whole path: extractor, phase 1, anchor, pickle, cross-validation."""

import copy
import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline

from adestim import AnchoredFusionClassifier, ModalityUnion
from adestim.backbone import load_backbone, loading
from adestim.exceptions import InputError
from tests.kept_nets import fit_even, fit_kept
from tests.toy_backbone import ToyExtractor, toy_cells, toy_table

PHASE_ONE = {"max_epochs": 3, "n_folds": 2, "learning_rate": 0.02, "body_learning_rate": 5e-3}


@pytest.fixture(scope="module")
def table(weights):
    return toy_table(weights, n=60)


def quick(**params):
    small = {"anchor": "img", "n_queries": 2, "max_epochs": 3, "random_state": 0, "device": "cpu"}
    return AnchoredFusionClassifier(**(small | {"n_trees": 0} | params))


def alone(**params):
    """Nets alone, from their anchors' own heads, averaged."""
    return quick(**({"members": (), "aggregate": "mean"} | params))


def bodies_of(model):
    """The adapted models of all nets."""
    return [net.backbone.body for each in model.nets_.values() for net in each.module_.folds]


def tokens_of(frame):
    return [None if cell is None else cell.tokens for cell in frame["img"]]


# The extractor


@pytest.mark.parametrize("batch_size", [1, 3])
def test_tokens_are_the_frozen_models_output(weights, batch_size):
    X, _ = toy_cells(5, missing=(2,))
    encodings = ToyExtractor(weights, batch_size=batch_size).fit_transform(X)
    model = load_backbone(encodings["img"].iloc[0].backbone)
    assert encodings["img"].iloc[2] is None
    for cell, encoding in zip(X["img"], encodings["img"], strict=True):
        if encoding is not None:
            inputs = model.collate([cell.astype(np.float32)])
            expected = model.encode(model.embed(inputs), None, 5)[0].numpy()
            np.testing.assert_allclose(encoding.tokens, expected, atol=1e-5)


def test_head_adaptation_leaves_the_tokens_and_tells_the_head(weights):
    X, y = toy_cells()
    plain = ToyExtractor(weights).fit_transform(X, y)
    extractor = ToyExtractor(weights, adapt="head", adapt_params=PHASE_ONE)
    encodings = extractor.fit_transform(X, y)
    np.testing.assert_array_equal(tokens_of(encodings), tokens_of(plain))
    assert extractor.adaptation_.coef.shape == (2, 16)


@pytest.mark.parametrize("kind", ["lora", "full"])
def test_adapted_tokens_are_the_same_in_transform_and_fit_transform(weights, kind):
    X, y = toy_cells(missing=(1,))
    extractor = ToyExtractor(weights, adapt=kind, adapt_params=PHASE_ONE)
    at_once = extractor.fit_transform(X, y)
    after = clone(extractor).fit(X, y).transform(X)
    plain = ToyExtractor(weights).fit_transform(X)
    assert at_once["img"].iloc[0].backbone == after["img"].iloc[0].backbone
    np.testing.assert_allclose(at_once["img"].iloc[0].tokens, after["img"].iloc[0].tokens)
    assert not np.allclose(at_once["img"].iloc[0].tokens, plain["img"].iloc[0].tokens, atol=1e-4)


def test_cross_fitted_tokens_come_from_models_that_did_not_see_the_subject(weights):
    X, y = toy_cells(missing=(1,))
    extractor = ToyExtractor(weights, adapt="lora", adapt_params=PHASE_ONE, cross_fit=True)
    unseen = extractor.fit_transform(X, y)
    seen = extractor.transform(X)
    pairs = [(a, b) for a, b in zip(unseen["img"], seen["img"], strict=True) if a is not None]
    assert len(pairs) == 39
    assert all(a.backbone == b.backbone for a, b in pairs)
    assert not any(np.allclose(a.tokens, b.tokens, atol=1e-5) for a, b in pairs)


def test_a_union_encodes_training_rows_as_the_extractor_does(weights):
    X, y = toy_cells(missing=(1,))
    extractor = ToyExtractor(weights, adapt="lora", adapt_params=PHASE_ONE, cross_fit=True)
    expected = clone(extractor).fit_transform(X, y)
    found = ModalityUnion([("img", extractor, "img")]).fit_transform(X, y)
    for a, b in zip(found["img"], expected["img"], strict=True):
        assert (a is None) == (b is None)
        if a is not None:
            np.testing.assert_allclose(a.tokens, b.tokens, atol=1e-5)


def test_an_adapted_extractor_survives_pickling(weights):
    X, y = toy_cells()
    extractor = ToyExtractor(weights, adapt="lora", adapt_params=PHASE_ONE).fit(X, y)
    copied = pickle.loads(pickle.dumps(extractor))
    np.testing.assert_array_equal(tokens_of(copied.transform(X)), tokens_of(extractor.transform(X)))


def test_adaptation_of_a_built_in_backbone_is_refused(weights):
    X, y = toy_cells()
    with pytest.raises(InputError, match=r"'adapt'.*built-in backbone 'plain'"):
        ToyExtractor(weights, backbone="plain", adapt="lora").fit(X, y)


# The anchor


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"lora_rank": 0},
        {"lora_params": {"dropout": 0.2, "targets": ["qkv"]}},
        {"gradient_checkpointing": True},
        {"precision": "bfloat16"},
        {"n_queries": 0},
        {"qformer_width": 8, "cross_modal": False},
        {"anchor": "all"},
        {"anchor": "csf"},
    ],
    ids=str,
)
def test_a_frozen_model_is_anchor_or_auxiliary(table, params):
    X, y = table
    model = fit_kept(quick(**params), X, y)
    assert model.score(X, y) > 0.75
    assert len(model.history_) >= 1
    by_anchor = model.predict_proba_by_anchor(X)
    assert all(np.isfinite(own).all() for own in by_anchor.values())


@pytest.mark.parametrize("start", ["auto", "stacked", "average"])
def test_nets_start_from_phase_one(table, start):
    X, y = table
    begun = fit_even(quick(start=start, max_epochs=0), X, y).predict_proba_by_anchor(X)["img"]
    lost = fit_even(quick(start=start, max_epochs=1, learning_rate=1e-12), X, y)
    assert list(lost.nets_) == ["img"]
    np.testing.assert_allclose(lost.predict_proba_by_anchor(X)["img"], begun, atol=1e-6)


def test_nets_of_a_foundation_model_start_from_its_own_head(table):
    X, y = table
    model = quick(anchor="all", max_epochs=0).fit(X, y)
    starts = {name: start.combination for name, start in model.inputs_.starts.items()}
    assert starts == {"img": "anchor", "csf": "stacked"}


def test_a_fitted_fusion_pickles_without_frozen_weights(table):
    X, y = table
    model = fit_kept(alone(), X, y)
    frozen = load_backbone(X["img"].dropna().iloc[0].backbone)
    content = pickle.dumps(model)
    assert frozen.patch.weight.detach().numpy().tobytes() not in content
    np.testing.assert_array_equal(pickle.loads(content).predict_proba(X), model.predict_proba(X))


def test_a_copied_fusion_shares_the_frozen_weights(table):
    X, y = table
    model = fit_kept(alone(), X, y)
    copied = copy.deepcopy(model)
    first, *others = bodies_of(model) + bodies_of(copied)
    assert len(others) == 9
    assert all(body.patch.weight is first.patch.weight for body in others)
    np.testing.assert_array_equal(copied.predict_proba(X), model.predict_proba(X))


def test_frozen_weights_are_the_same_after_a_fit(table):
    X, y = table
    frozen = load_backbone(X["img"].dropna().iloc[0].backbone)
    before = {name: value.clone() for name, value in frozen.state_dict().items()}
    quick(learning_rate=0.05).fit(X, y)
    assert all((frozen.state_dict()[name] == value).all() for name, value in before.items())


def test_equal_seeds_give_equal_predictions(table):
    X, y = table
    first, second = (fit_kept(alone(), X, y).predict_proba(X) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_subjects_without_the_anchor_are_predicted(table):
    X, y = table
    model = fit_kept(alone(), X, y)
    nobody = X.assign(img=pd.Series([None] * len(X), dtype=object))
    assert np.isfinite(model.predict_proba(nobody)).all()


def test_the_adapted_model_is_what_the_anchor_starts_from(weights):
    X, y = toy_cells()
    extractor = ToyExtractor(weights, adapt="lora", adapt_params=PHASE_ONE)
    encodings = extractor.fit_transform(X, y).assign(csf__tau=np.arange(len(X)) % 7.0)
    model = fit_kept(alone(), encodings, y)
    adapted = load_backbone(extractor.backbone_)
    for body in bodies_of(model):
        weight = body.blocks[0].qkv.base_layer.weight
        assert weight.data_ptr() == adapted.blocks[0].qkv.weight.data_ptr()
    assert model.score(encodings, y) > 0.75


@pytest.mark.parametrize("adapt", [None, "lora"])
def test_a_pipeline_cross_validates(weights, adapt):
    X, y = toy_cells(missing=(3, 8))
    X["tau"] = np.where(y == "AD", 1.0, 0.0) + np.random.default_rng(0).normal(size=len(y))
    pipeline = make_pipeline(
        ModalityUnion(
            [
                ("img", ToyExtractor(weights, adapt=adapt, adapt_params=PHASE_ONE), "img"),
                ("csf", "passthrough", ["tau"]),
            ]
        ),
        quick(max_epochs=1),
    )
    n_jobs = 2 if adapt else 1  # that processes share a frozen model's store: test_memory.py
    scores = cross_val_score(pipeline, X, y, cv=2, n_jobs=n_jobs, error_score="raise")
    assert scores.mean() > 0.6


def frozen_storages(body):
    """Where a body's frozen weights lie, by the name that they have without adapters."""
    return {
        name.replace(".base_layer", ""): value.untyped_storage().data_ptr()
        for name, value in body.named_parameters()
        if ".lora_" not in name
    }


def test_extractor_anchors_folds_clones_and_copies_use_one_copy_of_the_weights(
    weights, monkeypatch
):
    monkeypatch.setattr(loading, "_LOADED", {})
    X, y = toy_cells(24)
    table = ToyExtractor(weights).fit_transform(X)
    table = table.assign(pet=list(clone(ToyExtractor(weights)).fit_transform(X)["img"]))
    spec = table["img"].iloc[0].backbone
    models = [fit_kept(alone(anchor="all", max_epochs=1, n_folds=2), table, y)]
    models += [fit_kept(clone(models[0]).set_params(lora_rank=2), table, y)]
    models += [pickle.loads(pickle.dumps(models[0])), copy.deepcopy(models[1])]
    expected = frozen_storages(load_backbone(spec))
    bodies = [body for model in models for body in bodies_of(model)]
    assert len(bodies) == 16
    assert all(frozen_storages(body) == expected for body in bodies)
    assert sum(key[: len(spec.identity())] == spec.identity() for key in loading._LOADED) == 1
