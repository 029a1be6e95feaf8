"""Where the anchor and the others interact, and through which gate."""

import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.utils._param_validation import InvalidParameterError
from sklearn.utils.estimator_checks import (
    check_dict_unchanged,
    check_estimators_dtypes,
    check_fit_idempotent,
    check_methods_subset_invariance,
    check_n_features_in,
)

from adestim import AnchoredFusionClassifier
from adestim.encoding.tables import read_later_table
from adestim.exceptions import InputError
from tests.frozen_models import table_of
from tests.fusion_tables import encodings_table, numeric_table, quick, with_missing
from tests.kept_nets import fit_kept, paper
from tests.toy_backbone import ToyViT, toy_table

PLACES = (
    {"interaction_depth": 0, "depth": 2},
    {"interaction_depth": 1, "depth": 2},
    {"interaction_depth": "output", "depth": 2},
)
every_place = pytest.mark.parametrize("place", PLACES, ids=str)


class JoinedAtItsInputAlone(ToyViT):
    """A model that names no blocks."""

    block_list = ""

    def encode(self, tokens, log_mask, n_own):
        for block in self.blocks:
            tokens = self.run(block, tokens, log_mask)
        return tokens


@pytest.fixture(scope="module")
def table(weights):
    return toy_table(weights, n=36)


@pytest.fixture(scope="module")
def incomplete():
    X, y = numeric_table(60)
    return with_missing(X), y


def on_toy(**params):
    """A classifier for the table whose anchor is a foundation model of two blocks."""
    small = {"anchor": "img", "batch_size": 6, "learning_rate": 0.02, "device": "cpu"}
    return paper(**(small | params))


def loud(model, X, y):
    """The model, fitted, its heads far from zero, so that what its nets read shows."""
    generator = torch.Generator().manual_seed(0)
    fit_kept(model, X, y)
    with torch.no_grad():
        for module in modules_of(model):
            weight = module.head.weight
            weight.copy_(torch.randn(weight.shape, generator=generator))
    return model


def modules_of(model):
    """The nets of all inner folds."""
    return [module for net in model.nets_.values() for module in net.module_.folds]


# Fitting


@every_place
def test_all_patterns_of_missing_modalities_are_predicted(incomplete, place):
    X, y = incomplete
    model = paper(anchor="all", **place)
    probabilities = fit_kept(model, X, y).predict_proba(X)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)
    encodings = encodings_table(X)
    again = fit_kept(clone(model), encodings, y).predict_proba(encodings)
    np.testing.assert_allclose(again, probabilities, atol=1e-5)


@every_place
def test_a_foundation_model_is_an_anchor_at_every_depth(table, place):
    X, y = table
    model = loud(on_toy(**place), X, y)
    expected = model.predict_proba(X)
    assert np.isfinite(expected).all()
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model)).predict_proba(X), expected)
    again = loud(clone(model), X, y)
    np.testing.assert_array_equal(again.predict_proba(X), expected)


@pytest.mark.parametrize("of", ["reference", "foundation"])
def test_depths_differ(table, incomplete, of):
    X, y = table if of == "foundation" else incomplete
    make = on_toy if of == "foundation" else paper
    found = [loud(make(max_epochs=1, **place), X, y).predict_proba(X) for place in PLACES]
    for one, other in ((0, 1), (0, 2), (1, 2)):
        assert np.abs(found[one] - found[other]).max() > 1e-4


def test_the_input_is_where_auxiliary_tokens_join_by_default(incomplete):
    X, y = incomplete
    default, told = (fit_kept(paper(**place), X, y) for place in ({}, {"interaction_depth": 0}))
    np.testing.assert_array_equal(default.predict_proba(X), told.predict_proba(X))
    assert all(module.backbone.join_at == 0 for module in modules_of(default))
    assert all(module.output_reader is None for module in modules_of(default))


def test_training_learns_the_gate_at_every_depth(table):
    X, y = table
    for place, start in zip(PLACES, (-2.0, -2.0, 0.0), strict=True):
        model = on_toy(max_epochs=3, **place)
        for training in model.fit_nets(X, y):
            [team] = training.teams
            assert all((module.log_gate == start).all() for module in team.modules)
            training.run()
        assert not any((module.log_gate == start).all() for module in modules_of(model))


def test_auxiliary_tokens_are_as_large_as_own_ones_at_their_block(table):
    X, y = table
    at_input, later = (modules_of(fit_kept(on_toy(**place), X, y)) for place in PLACES[:2])
    assert all(module.own.growth.item() == 1 for module in at_input)
    assert all(module.own.growth.item() != 1 for module in later)
    assert all(module.backbone.body.join_at == 1 for module in later)


@every_place
@pytest.mark.parametrize("n_features", [1, 3])
def test_a_single_modality_needs_no_place_to_interact(place, n_features):
    X = np.random.default_rng(0).normal(size=(40, n_features))
    model = AnchoredFusionClassifier(width=8, n_trees=0, max_epochs=2, random_state=0, **place)
    assert model.fit(X, np.arange(40) % 2).predict_proba(X).shape == (40, 2)


@every_place
def test_no_queries_mean_late_fusion_wherever(incomplete, place):
    X, y = incomplete
    model = fit_kept(paper(n_queries=0, **place), X, y)
    assert all(module.n_joining == 0 for module in modules_of(model))
    assert all(module.output_reader is None for module in modules_of(model))


@pytest.mark.parametrize(
    "check",
    [
        check_fit_idempotent,
        check_methods_subset_invariance,
        check_n_features_in,
        check_dict_unchanged,
        check_estimators_dtypes,
    ],
)
@pytest.mark.filterwarnings("ignore:A class has a single group:adestim.exceptions.DataWarning")
def test_scikit_learns_checks_pass_with_interaction_at_the_output(check):
    check("AnchoredFusionClassifier", quick(anchor="all", interaction_depth="output", gate="open"))


def test_a_search_chooses_among_places_and_gates(incomplete):
    grid = {"interaction_depth": [0, "output"], "gate": ["learned", "closed"]}
    search = GridSearchCV(paper(max_epochs=1), grid, cv=2, scoring="neg_log_loss")
    search.fit(*incomplete)
    assert len(search.cv_results_["params"]) == 4
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


# Gates


@pytest.mark.parametrize("gate", ["learned", "open", "closed"])
@every_place
def test_a_closed_gate_alone_shuts_the_others_out(table, gate, place):
    X, y = table
    model = loud(on_toy(gate=gate, **place), X, y)
    module = model.net_.module_.eval()
    batches = [model_batch(model, frame) for frame in (X, X.assign(csf__tau=X["csf__tau"] + 3))]
    for name in ("base", "scores"):
        batches[1][name] = batches[0][name]
    if gate == "closed":
        batches[1]["scores"] = batches[0]["scores"].clone() + 1
        batches[1]["scores"][:, 0] = batches[0]["scores"][:, 0]
    with torch.no_grad():
        first, second = (module(batch) for batch in batches)
    assert torch.allclose(first, second, atol=1e-5) == (gate == "closed")


def model_batch(model, X):
    """The subjects as the model's only net reads them."""
    subjects = read_later_table(X, model.inputs_.likes)
    scores = model.phase_one_.scores(subjects.pool_tokens())
    [(_, data)] = model.inputs_.read_by_net(subjects, scores, "cpu", "float32")
    return data.batch(np.arange(len(X)))[0]


# What is refused


@pytest.mark.parametrize(
    "params",
    [
        {"interaction_depth": -1},
        {"interaction_depth": "input"},
        {"interaction_depth": 0.5},
        {"gate": "shut"},
        {"gate": 1.0},
    ],
    ids=str,
)
def test_values_that_there_are_not_are_refused(incomplete, params):
    [name] = params
    with pytest.raises(InvalidParameterError, match=f"'{name}' parameter of AnchoredFusion"):
        quick(**params).fit(*incomplete)


def test_a_depth_beyond_a_reference_transformer_is_refused(incomplete):
    message = (
        r"'interaction_depth' parameter .* below the number of blocks .*"
        r"Got 3 for 'csf', whose model has 3 blocks\. Choose from 0 to 2, or 'output'"
    )
    with pytest.raises(InputError, match=message):
        quick(anchor="csf", depth=3, interaction_depth=3).fit(*incomplete)


def test_a_depth_beyond_a_foundation_model_is_refused_before_anything_is_trained(
    table, monkeypatch
):
    X, y = table
    monkeypatch.setattr(AnchoredFusionClassifier, "_module", None)
    with pytest.raises(InputError, match="Got 2 for 'img', whose model has 2 blocks"):
        on_toy(anchor=["csf", "img"], depth=4, interaction_depth=2).fit(X, y)


def test_a_model_that_names_no_blocks_is_joined_at_its_input_or_its_output(weights):
    X, y = table_of(weights, JoinedAtItsInputAlone, lengths=(5, 6))
    message = "Got 1 for 'img', whose model can be joined at its input alone.*Choose from 0 to 0"
    with pytest.raises(InputError, match=message):
        on_toy(interaction_depth=1).fit(X, y)
    for depth in (0, "output"):
        assert on_toy(interaction_depth=depth, max_epochs=1).fit(X, y).predict(X).shape == (40,)
