"""What all rivals of anchored fusion share."""

import pickle
from functools import cache

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from adestim import PoolTokens
from adestim.exceptions import DataWarning, InputError, NoModalityError
from tests.fusion.rival_models import ALL, WEIGHTED
from tests.fusion_tables import BLOCKS, encodings_table, free_tokens, numeric_table, with_missing


def over(models):
    """Parametrise a test over models."""
    return pytest.mark.parametrize("model", models.values(), ids=models)


def incomplete_table():
    X, y = numeric_table(60)
    return with_missing(X), y


@pytest.fixture(scope="module")
def incomplete():
    return incomplete_table()


@cache
def fitted_once(name):
    """A model of that name on the incomplete table, which tests only read."""
    return clone(ALL[name]).fit(*incomplete_table())


@pytest.fixture(params=ALL)
def fitted(request):
    return fitted_once(request.param)


def test_labels_come_back_and_probabilities_are_some(fitted, incomplete):
    X, y = incomplete
    probability = fitted.predict_proba(X)
    assert fitted.classes_.tolist() == ["AD", "CN"]
    assert fitted.modalities_ == list(BLOCKS)
    assert set(fitted.predict(X)) == {"AD", "CN"}
    assert fitted.score(X, y) > 0.65
    np.testing.assert_allclose(probability.sum(axis=1), 1)


@over(ALL)
def test_three_classes_with_missing_modalities(model):
    X, y = numeric_table(90, n_classes=3)
    fitted = clone(model).fit(with_missing(X), y)
    probability = fitted.predict_proba(with_missing(X))
    assert fitted.classes_.tolist() == ["AD", "CN", "MCI"]
    assert probability.shape == (90, 3)
    np.testing.assert_allclose(probability.sum(axis=1), 1)
    assert log_loss(y, probability) < np.log(3)


def test_encodings_and_numbers_of_the_same_subjects_are_the_same(fitted, incomplete):
    X, y = incomplete
    table = encodings_table(X)
    encoded = clone(fitted).fit(table, y).predict_proba(table)
    np.testing.assert_array_equal(encoded, fitted.predict_proba(X))


@over({name: model for name, model in ALL.items() if name != "unimodal"})
def test_a_plain_array_is_one_anonymous_modality(model):
    X, y = numeric_table(40)
    fitted = clone(model).fit(X.to_numpy(), y)
    assert fitted.modalities_ == ["features"]
    assert fitted.predict_proba(X.to_numpy()).shape == (40, 2)


@over({name: model for name, model in ALL.items() if name != "unimodal"})
def test_tokens_without_places_may_differ_in_number(model):
    table = free_tokens()
    y = np.array([cell.tokens.mean() > 0 for cell in table["notes"]])
    fitted = clone(model).fit(table, y)
    np.testing.assert_allclose(
        fitted.predict_proba(table.iloc[:1]), fitted.predict_proba(table)[:1], rtol=1e-4
    )


@pytest.mark.parametrize("missing", [["mri"], ["csf", "gene"]])
def test_a_modality_may_be_missing_for_everybody_at_prediction(fitted, missing):
    X, _ = numeric_table(10)
    X[[column for name in missing for column in BLOCKS[name]]] = np.nan
    assert np.isfinite(fitted.predict_proba(X)).all()


@over(ALL)
def test_a_modality_absent_in_training_is_left_out_with_a_warning(model):
    X, y = numeric_table(40)
    with pytest.warns(DataWarning, match="No training subject has 'gene'"):
        fitted = clone(model).fit(X.assign(gene__a=np.nan), y)
    assert fitted.modalities_ == ["mri", "csf"]
    np.testing.assert_array_equal(
        fitted.predict_proba(X), fitted.predict_proba(X.assign(gene__a=np.nan))
    )


def test_a_subject_with_nothing_is_refused_by_name(fitted, incomplete):
    X, y = incomplete
    hollow = X.copy()
    hollow.loc["sub-007"] = np.nan
    with pytest.raises(NoModalityError, match="'sub-007'"):
        clone(fitted).fit(hollow, y)
    with pytest.raises(NoModalityError, match="'sub-007'"):
        fitted.predict_proba(hollow)


@over(ALL)
def test_one_class_is_refused(model):
    X, _ = numeric_table(20)
    with pytest.raises(InputError, match=r"at least 2 classes.*Got 1 class"):
        clone(model).fit(X, ["CN"] * 20)


@over(ALL)
def test_who_is_not_fitted_says_so(model):
    X, _ = numeric_table(5)
    with pytest.raises(NotFittedError):
        clone(model).predict_proba(X)
    with pytest.raises(NotFittedError):
        clone(model).predict(X)


def test_a_seed_gives_the_same_model_and_touches_no_global_generator(fitted, incomplete):
    X, y = incomplete
    np.random.seed(3)  # noqa: NPY002 - the global state is what is watched
    torch.manual_seed(3)
    numpy_state, torch_state = np.random.get_state()[1].copy(), torch.get_rng_state()  # noqa: NPY002
    again = clone(fitted).fit(X, y)
    np.testing.assert_array_equal(again.predict_proba(X), fitted.predict_proba(X))
    np.testing.assert_array_equal(np.random.get_state()[1], numpy_state)  # noqa: NPY002
    assert torch.equal(torch.get_rng_state(), torch_state)


def test_a_pickle_predicts_the_same(fitted, incomplete):
    X, _ = incomplete
    copy = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(copy.predict_proba(X), fitted.predict_proba(X))


@over(ALL)
def test_it_works_in_a_pipeline_and_in_a_cross_validation(model, incomplete):
    X, y = incomplete
    pipeline = make_pipeline(FunctionTransformer(), clone(model))
    scores = cross_val_score(pipeline, X, y, cv=2, scoring="roc_auc")
    assert (scores > 0.5).all()


@pytest.mark.parametrize(
    ("name", "grid"),
    [
        ("concat", {"start": ["late", "stacked"]}),
        ("cross-attention", {"depth": [1, 2]}),
        ("mixture", {"top_k": [1, 2]}),
        ("unimodal", {"modality": ["mri", "gene"]}),
        ("late", {"weighting": ["mean", "stacked"]}),
    ],
)
def test_a_search_tunes_it(name, grid, incomplete):
    search = GridSearchCV(clone(ALL[name]), grid, cv=2, error_score="raise").fit(*incomplete)
    [(parameter, values)] = grid.items()
    assert search.best_params_[parameter] in values


@over(ALL)
def test_groups_are_taken(model, incomplete):
    X, y = incomplete
    pairs = pd.concat([X, X + 1e-3])
    fitted = clone(model).fit(pairs, np.tile(y, 2), groups=np.tile(np.arange(60), 2))
    assert fitted.predict_proba(X).shape == (60, 2)


@pytest.mark.parametrize("name", WEIGHTED)
def test_rows_of_weight_zero_change_nothing_at_all(name, incomplete):
    X, y = incomplete
    more = pd.concat([X, numeric_table(10, seed=5)[0].set_axis(range(10)) * 9])
    weight = np.repeat([1.0, 0.0], [60, 10])
    padded = clone(ALL[name]).fit(more, np.append(y, ["AD"] * 10), sample_weight=weight)
    np.testing.assert_array_equal(padded.predict_proba(X), fitted_once(name).predict_proba(X))


@pytest.mark.parametrize("name", WEIGHTED)
def test_a_heavier_class_becomes_more_probable(name, incomplete):
    X, y = incomplete
    plain = fitted_once(name).predict_proba(X)[:, 0].mean()
    by_row = clone(ALL[name]).fit(X, y, sample_weight=np.where(y == "AD", 5.0, 1.0))
    by_class = clone(ALL[name]).set_params(class_weight={"AD": 5.0, "CN": 1.0}).fit(X, y)
    for heavier in (by_row, by_class):
        assert heavier.predict_proba(X)[:, 0].mean() > plain + 0.05


@over(ALL)
def test_pooled_numbers_can_be_read_too(model, incomplete):
    X, y = incomplete
    if "modality" in model.get_params():
        model = clone(model).set_params(modality="mri")
    pipeline = make_pipeline(PoolTokens(), clone(model)).fit(encodings_table(X), y)
    assert pipeline.predict_proba(encodings_table(X)).shape == (60, 2)


def test_columns_are_known_by_name_at_prediction(fitted, incomplete):
    X, _ = incomplete
    found = fitted.predict_proba(X[X.columns[::-1]].assign(visit=1.0))
    np.testing.assert_array_equal(found, fitted.predict_proba(X))
    with pytest.raises(ValueError, match="feature names should match"):
        fitted.predict(X[X.columns[:-1]])
