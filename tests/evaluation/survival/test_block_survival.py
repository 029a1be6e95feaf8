"""Survival models on tables of modalities."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import cross_val_score

from adestim import make_survival
from adestim.evaluation.survival.block_survival import BlockSurvival
from adestim.exceptions import DataWarning, InputError
from tests.evaluation.survival.exponential import Exponential
from tests.fusion_tables import BLOCKS, conversions, encodings_table, with_missing


@pytest.fixture(scope="module")
def incomplete():
    X, y = conversions()
    return with_missing(X), y


@pytest.fixture(scope="module", params=[False, True])
def fitted(request, incomplete):
    return BlockSurvival(Exponential(), by_modality=request.param).fit(*incomplete)


def test_survival_starts_at_one_and_never_rises(fitted, incomplete):
    X, _ = incomplete
    survival = fitted.predict_survival_function(X, np.linspace(0, fitted.last_time_, 9))
    assert survival.index.equals(X.index)
    assert (survival[0.0] == 1).all()
    assert (np.diff(survival, axis=1) <= 0).all()


def test_risk_and_score_are_of_survival(fitted, incomplete):
    X, y = incomplete
    risk = fitted.predict_risk(X, 1.0)
    np.testing.assert_allclose(1 - risk, fitted.predict_survival_function(X, [1.0])[1.0])
    assert fitted.score(X, y) > 0.6
    assert fitted.predict_survival_function(X).columns[-1] == fitted.last_time_


def test_who_has_a_single_modality_is_judged_by_its_model(incomplete):
    X, y = incomplete
    model = BlockSurvival(Exponential(), by_modality=True).fit(X, y)
    alone = X.head(3).copy()
    alone[BLOCKS["csf"] + BLOCKS["gene"]] = np.nan
    alone[BLOCKS["mri"]] = 0.5
    rate = model.models_["mri"].predict(np.full((1, 2), 0.5))[0]
    times = model.models_["mri"].times_
    found = model.predict_survival_function(alone, [times[5]])
    np.testing.assert_allclose(found, np.exp(-rate * times[5]))


def test_encodings_and_numbers_are_the_same(fitted, incomplete):
    X, y = incomplete
    table = encodings_table(X)
    again = clone(fitted).fit(table, y)
    np.testing.assert_allclose(again.predict(table), fitted.predict(X), rtol=1e-5)


def test_parameters_are_chosen_by_inner_folds(incomplete):
    model = BlockSurvival(Exponential(), grid={"alpha": [3.0, 0.5]}).fit(*incomplete)
    assert model.models_["all modalities"].alpha == 0.5


def test_a_modality_with_few_events_is_left_out(incomplete):
    X, y = incomplete
    X = X.copy()
    X.loc[X.index[6:], BLOCKS["gene"]] = np.nan
    X["mri__a"] = X["mri__a"].fillna(0.0)
    model = BlockSurvival(Exponential(), by_modality=True)
    with pytest.warns(DataWarning, match="have 'gene' had . events, fewer than 5"):
        model.fit(X, y)
    assert set(model.models_) == {"mri", "csf"}
    alone = X.head(1).copy()
    alone[BLOCKS["mri"] + BLOCKS["csf"]] = np.nan
    alone[BLOCKS["gene"]] = 1.0
    expected = model.baseline_.at(np.array([1.0]))
    np.testing.assert_allclose(model.predict_survival_function(alone, [1.0])[1.0], expected)


def test_it_is_cloned_pickled_and_cross_validated(fitted, incomplete):
    X, y = incomplete
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(again.predict(X), fitted.predict(X))
    assert (cross_val_score(clone(fitted), X, y, cv=2) > 0.5).all()


def test_what_cannot_be_read_is_refused(fitted, incomplete):
    X, y = incomplete
    with pytest.raises(NotFittedError):
        BlockSurvival(Exponential()).predict(X)
    with pytest.raises(InputError, match="BlockSurvival lie within follow-up"):
        fitted.predict_risk(X, 99.0)
    with pytest.raises(InputError, match="BlockSurvival reads times"):
        BlockSurvival(Exponential()).fit(X, y["time"])
    with pytest.raises(InputError, match="the event was seen"):
        BlockSurvival(Exponential()).fit(X, make_survival(np.zeros(len(y)), y["time"]))
