"""Nothing that is predicted depends on the order of rows, columns or modalities."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone, is_classifier

from adestim import (
    AnchoredFusionClassifier,
    AnchoredFusionRegressor,
    BlockAverageClassifier,
    LateFusionClassifier,
    MixtureFusionClassifier,
    SelfAttentionFusionClassifier,
    UnimodalClassifier,
)
from adestim.inspection import token_attribution
from tests.fusion_tables import BLOCKS, COLUMNS, encodings_table, numeric_table, with_missing

SMALL = {"width": 8, "max_epochs": 2, "random_state": 0}
ESTIMATORS = {
    "anchored": AnchoredFusionClassifier(n_queries=2, n_trees=5, **SMALL),
    "regressor": AnchoredFusionRegressor(n_queries=2, **SMALL),
    "late, weighted": LateFusionClassifier(weighting="weighted", random_state=0),
    "late, stacked": LateFusionClassifier(weighting="stacked", random_state=0),
    "self-attention": SelfAttentionFusionClassifier(depth=1, n_trees=5, **SMALL),
    "mixture": MixtureFusionClassifier(n_experts=3, n_trees=5, **SMALL),
    "unimodal": UnimodalClassifier(modality="mri", depth=1, **SMALL),
    "block average": BlockAverageClassifier(random_state=0),
}
COLUMN_ORDER = ["gene__a", "mri__b", "csf__b", "csf__a", "mri__a"]


@pytest.fixture(params=ESTIMATORS)
def estimator(request):
    return clone(ESTIMATORS[request.param])


@pytest.fixture(scope="module")
def incomplete():
    X, y = numeric_table(60)
    return with_missing(X), y


def predict(estimator, X, y, later=None, **params):
    """What an estimator that is fitted on a table says of it, or of another."""
    y = y if is_classifier(estimator) else (y == "AD").astype(float)
    model = clone(estimator).fit(X, y, **params)
    ask = model.predict_proba if is_classifier(model) else model.predict
    return ask(X if later is None else later)


def shuffle(n_subjects=60):
    return np.random.default_rng(1).permutation(n_subjects)


@pytest.mark.parametrize("make", [pd.DataFrame, encodings_table], ids=["numbers", "encodings"])
def test_rows_may_come_in_any_order(estimator, make, incomplete):
    X, y = make(incomplete[0]), incomplete[1]
    rows = shuffle()
    found = predict(estimator, X.iloc[rows], y[rows], later=X)
    np.testing.assert_allclose(found, predict(estimator, X, y), rtol=1e-6)


def test_columns_may_come_in_any_order(estimator, incomplete):
    X, y = incomplete
    found = predict(estimator, X[COLUMN_ORDER], y)
    np.testing.assert_allclose(found, predict(estimator, X, y), rtol=1e-5)


def test_modalities_may_come_in_any_order(estimator, incomplete):
    X, y = encodings_table(incomplete[0]), incomplete[1]
    found = predict(estimator, X[["gene", "mri", "csf"]], y)
    np.testing.assert_allclose(found, predict(estimator, X, y), rtol=1e-5)


def test_groups_may_be_named_and_ordered_in_any_way(estimator, incomplete):
    X, y = incomplete
    groups, rows = np.arange(60) // 3, shuffle()
    renamed = np.array([f"family {(7 * group) % 20}" for group in groups])
    found = predict(estimator, X.iloc[rows], y[rows], later=X, groups=renamed[rows])
    np.testing.assert_allclose(found, predict(estimator, X, y, groups=groups), rtol=1e-6)


def test_rows_that_are_alike_in_all_but_their_groups_may_come_in_any_order():
    """Of each pair of twins one has a brother in the table, and the other has none."""
    X, y = numeric_table(30)
    double = pd.concat([X, X], ignore_index=True)
    labels = np.concatenate([y, y])
    groups = np.concatenate([np.arange(30) // 2, 15 + np.arange(30)])
    rows = shuffle()
    model = ESTIMATORS["late, stacked"]
    found = predict(model, double.iloc[rows], labels[rows], later=X, groups=groups[rows])
    expected = predict(model, double, labels, later=X, groups=groups)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize("name", ["anchored", "regressor", "late, weighted", "unimodal"])
def test_weights_go_with_their_rows(name, incomplete):
    X, y = incomplete
    weight, rows = np.random.default_rng(2).integers(0, 3, 60).astype(float), shuffle()
    model = ESTIMATORS[name]
    found = predict(model, X.iloc[rows], y[rows], later=X, sample_weight=weight[rows])
    expected = predict(model, X, y, sample_weight=weight)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize("name", ["anchored", "regressor", "self-attention", "block average"])
def test_columns_without_names_may_come_in_any_order(name):
    X, y = numeric_table(60)
    values, order = X.to_numpy(), [3, 0, 4, 1, 2]
    found = predict(ESTIMATORS[name], values[:, order], y)
    np.testing.assert_allclose(found, predict(ESTIMATORS[name], values, y), rtol=1e-5)


@pytest.mark.parametrize("name", ["anchored", "regressor"])
def test_what_is_learned_of_anchors_goes_with_their_names(name, incomplete):
    X, y = incomplete
    model = clone(ESTIMATORS[name]).set_params(aggregate="validation")
    found = predict(model, X[COLUMN_ORDER], y)
    np.testing.assert_allclose(found, predict(model, X, y), rtol=1e-5)


def test_modalities_and_anchors_are_listed_as_in_the_table(incomplete):
    X, y = incomplete
    model = clone(ESTIMATORS["anchored"]).fit(X[COLUMN_ORDER], y)
    assert model.modalities_ == model.anchors_ == ["gene", "mri", "csf"]
    assert model.feature_names_in_.tolist() == COLUMN_ORDER


def test_skills_and_patterns_are_listed_as_modalities_are(incomplete):
    X, y = incomplete
    skills = []
    for order in (COLUMNS, COLUMN_ORDER):
        late = clone(ESTIMATORS["late, weighted"]).fit(X[order], y)
        skills.append(dict(zip(late.modalities_, late.skill_, strict=True)))
    assert skills[0] == skills[1]
    model = clone(ESTIMATORS["mixture"]).fit(X[COLUMN_ORDER], y)
    known = np.stack([X[BLOCKS[name]].notna().any(axis=1) for name in model.modalities_], axis=1)
    assert set(map(tuple, model.patterns_.tolist())) == set(map(tuple, known.tolist()))


def test_attributions_go_with_the_names_of_columns(incomplete):
    X, y = incomplete
    tables = []
    for order in (COLUMNS, COLUMN_ORDER):
        model = clone(ESTIMATORS["anchored"]).fit(X[order], y)
        found = token_attribution(model, X[order], anchor="mri", n_steps=4)
        named = [
            pd.DataFrame(values, columns=[f"{name}__{token}" for token in found.tokens[name]])
            for name, values in found.values.items()
        ]
        tables.append(pd.concat(named, axis=1))
    pd.testing.assert_frame_equal(tables[0][COLUMNS], tables[1][COLUMNS], rtol=1e-4)
    known = X.notna().to_numpy()
    assert (tables[0][COLUMNS].to_numpy()[known] != 0).mean() > 0.9
