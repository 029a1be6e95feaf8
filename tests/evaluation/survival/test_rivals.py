"""Rivals by name."""

import sys

import numpy as np
import pytest

from adestim.evaluation import survival_rivals
from adestim.evaluation.survival.rivals import make_cox
from adestim.exceptions import MissingDependencyError
from tests.evaluation.survival.exponential import Exponential
from tests.fusion_tables import conversions, with_missing

NAMES = ["Cox, all columns", "Cox by modality", "survival forest"]


def test_without_the_package_it_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "sksurv", None)
    monkeypatch.setitem(sys.modules, "sksurv.ensemble", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'adestim\[survival\]'"):
        survival_rivals()


def test_unknown_values_of_cox_regressions_are_means():
    X, y = conversions(40)
    X.iloc[::3, 0] = np.nan
    filled = X.fillna(X.mean())
    found = make_cox(Exponential()).fit(X, y).predict(X)
    np.testing.assert_allclose(found[::3], make_cox(Exponential()).fit(X, y).predict(filled)[::3])


@pytest.mark.parametrize("name", NAMES)
def test_rivals_tell_who_has_the_event_first(name):
    pytest.importorskip("sksurv", reason="scikit-survival is no part of the extra 'test'")
    X, y = conversions(120)
    X = with_missing(X)
    models = survival_rivals()
    assert list(models) == NAMES
    model = models[name].fit(X[:80], y[:80])
    assert model.score(X[80:], y[80:]) > 0.5
    survival = model.predict_survival_function(X[80:], [0.0, 0.5, 1.0])
    assert (np.diff(survival, axis=1) <= 0).all()
