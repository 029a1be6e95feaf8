"""Numbers stay numbers: whatever is finite gives finite predictions, or a word."""

from functools import cache

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sklearn.base import clone, is_regressor
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from adestim import (
    AnchoredFusionClassifier,
    AnchoredFusionRegressor,
    BlockAverageClassifier,
    ClinicalExtractor,
    ConcatFusionClassifier,
    CrossAttentionFusionClassifier,
    LateFusionClassifier,
    LinearFusionClassifier,
    MixtureFusionClassifier,
    ModalityUnion,
    OrdinalClassifier,
    PatternCalibratedClassifier,
    PatternConformalClassifier,
    PoolTokens,
    SelfAttentionFusionClassifier,
    UnimodalClassifier,
)
from adestim._support.numbers import (
    narrow_to_float32,
    require_finite,
    require_finite_predictions,
    widen_far_numbers,
)
from adestim.datasets import ConfoundRegressor, SiteHarmonizer
from adestim.evaluation import CovariateClassifier, MaskOnlyClassifier, compare
from adestim.exceptions import DataWarning, InputError

N = 30
QUICK = {"max_epochs": 1, "random_state": 0}
TINY = {**QUICK, "n_trees": 3, "width": 8}
LATE = LateFusionClassifier(random_state=0)
MODELS = {
    "anchored": AnchoredFusionClassifier(n_trees=3, width=8, **QUICK),
    "without members": AnchoredFusionClassifier(members=(), n_trees=0, width=8, **QUICK),
    "by confidence": AnchoredFusionClassifier(
        n_trees=0, width=8, aggregate="confidence", calibrate="temperature", **QUICK
    ),
    "regressor": AnchoredFusionRegressor(n_trees=3, width=8, **QUICK),
    "squared": AnchoredFusionRegressor(members=(), loss="squared", n_trees=0, width=8, **QUICK),
    "unimodal": UnimodalClassifier(modality="a", width=8, **QUICK),
    "concat": ConcatFusionClassifier(**TINY),
    "cross": CrossAttentionFusionClassifier(start="stacked", **TINY),
    "linear": LinearFusionClassifier(**TINY),
    "mixture": MixtureFusionClassifier(**TINY),
    "self": SelfAttentionFusionClassifier(start="average", **TINY),
    "late": LATE,
    "late, weighted": clone(LATE).set_params(weighting="weighted"),
    "late, stacked": clone(LATE).set_params(weighting="stacked"),
    "blocks": BlockAverageClassifier(random_state=0),
    "blocks, naive": BlockAverageClassifier(GaussianNB()),
    "ordinal": OrdinalClassifier(LATE),
    "calibrated": PatternCalibratedClassifier(LATE, cv=2, random_state=0),
    "calibrated, naive": PatternCalibratedClassifier(GaussianNB(), cv=2, random_state=0),
    "conformal": PatternConformalClassifier(LogisticRegression(), cv=2, random_state=0),
    "mask": MaskOnlyClassifier(),
    "covariates": CovariateClassifier(),
    "pooled": PoolTokens(),
    "union": make_pipeline(
        ModalityUnion([("a", ClinicalExtractor(), ["a__0"]), ("b", StandardScaler(), ["b__1"])]),
        PoolTokens(),
    ),
    "confounds": ConfoundRegressor(["b__1"]),
    "sites": SiteHarmonizer(sites=pd.Series(np.arange(N) % 2)),
}
# Those that are fitted within a moment, which are fitted anew to every example.
FITTED_ANEW = (
    "late", "late, weighted", "late, stacked", "blocks, naive", "ordinal", "calibrated",
    "conformal", "covariates", "mask", "pooled", "union", "confounds", "sites",
)  # fmt: skip
ANY_FLOAT = st.floats(allow_nan=False, allow_infinity=False)
FAR = (-3.4028234663852886e38, 3.4028234663852886e38, 9.969209968386869e36, 1e25, -1e38, 1e300,
       -1.7976931348623157e308, 5e-324, -1e-45)  # fmt: skip
far_from_training = pytest.mark.filterwarnings("ignore::RuntimeWarning")


def table():
    """Numbers of two modalities."""
    values = np.random.default_rng(0).normal(size=(N, 4))
    return pd.DataFrame(values, columns=["a__0", "a__1", "b__0", "b__1"])


def targets(model):
    """What is predicted of them."""
    signal = table()["a__0"] + np.random.default_rng(1).normal(size=N)
    return signal * 3 + 20 if is_regressor(model) else np.where(signal > 0, "AD", "CN")


@cache
def fitted(name):
    """A model that has seen ordinary numbers."""
    model = clone(MODELS[name])
    return model.fit(table(), targets(model))


def answers(model, X):
    """Everything that a fitted model says, as arrays."""
    names = ("predict_proba", "transform", "predict_expected") + ("predict",) * is_regressor(model)
    found = [getattr(model, name)(X) for name in names if hasattr(model, name)]
    for name in ("predict_by_anchor", "predict_proba_by_anchor"):
        found += list(getattr(model, name)(X).values()) if hasattr(model, name) else []
    return [np.asarray(each, dtype=float) for each in found]


def assert_finite_or_refused(ask):
    """What is said is finite, or an error of ours says why not."""
    try:
        found = ask()
    except InputError:
        return
    assert all(np.isfinite(each).all() for each in found)


@far_from_training
@pytest.mark.parametrize("name", MODELS)
@settings(max_examples=12)
@given(value=ANY_FLOAT, other=ANY_FLOAT)
@example(value=FAR[0], other=0.0)
@example(value=FAR[1], other=FAR[0])
@example(value=FAR[2], other=FAR[2])
@example(value=FAR[3], other=-FAR[3])
def test_any_finite_number_at_prediction_is_answered_by_numbers(name, value, other):
    X = table().iloc[:3].copy()
    X.iloc[0] = [value, 0.0, 0.0, other]
    assert_finite_or_refused(lambda: answers(fitted(name), X))


@far_from_training
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("name", FITTED_ANEW)
@settings(max_examples=6)
@given(value=ANY_FLOAT)
@example(value=FAR[0])
@example(value=FAR[2])
@example(value=FAR[5])
def test_any_finite_number_in_training_is_answered_by_numbers(name, value):
    X, model = table(), clone(MODELS[name])
    X.loc[::7, "a__0"] = value
    X.loc[0, "b__1"] = value
    assert_finite_or_refused(lambda: answers(model.fit(X, targets(model)), table()))


@far_from_training
@pytest.mark.parametrize("value", FAR)
@pytest.mark.parametrize("name", ["anchored", "regressor", "cross"])
def test_far_numbers_in_training_of_nets_are_answered_by_numbers(name, value):
    X, model = table(), clone(MODELS[name])
    X.loc[::7, "a__0"] = value
    assert_finite_or_refused(lambda: answers(model.fit(X, targets(model)), table()))


@far_from_training
def test_a_rival_that_says_nothing_of_a_far_number_is_a_failure_and_no_diagnosis():
    X = table()
    X.loc[0, "a__0"] = 1e300
    models = {"naive": GaussianNB(), "prior": DummyClassifier(strategy="prior")}
    with pytest.warns(DataWarning, match="Folds failed: 2 of 'naive'"):
        compared = compare(models, X, targets(LATE), cv=2, scoring="roc_auc", controls=False)
    errors = compared.folds.loc[compared.folds["status"] == "failed", "error"]
    assert errors.str.contains("Predictions of GaussianNB must be finite").all()


@pytest.mark.parametrize("value", [1e39, -1e39, np.inf, -np.inf])
def test_numbers_that_float32_cannot_hold_are_refused_with_their_column(value):
    with pytest.raises(InputError, match=r"Column 'tau' must hold finite numbers"):
        require_finite(np.array([[0.0, np.nan], [np.nan, value]]), pd.Index(["age", "tau"]))


def test_numbers_become_float32_at_its_ends():
    narrow = narrow_to_float32(np.array([1e300, -1e300, 1.5]))
    assert narrow.dtype == np.float32
    assert np.isfinite(narrow).all()
    assert narrow[2] == 1.5


def test_predictions_that_are_none_name_the_first_subject():
    found = np.array([[0.5, 0.5], [np.nan, 0.5]])
    with pytest.raises(InputError, match=r"Predictions of X must be finite.*1 row.*first 's2'"):
        require_finite_predictions(found, "X", pd.Index(["s1", "s2"]))
    assert require_finite_predictions(found[:1], "X").shape == (1, 2)


def test_numbers_too_far_to_be_standardised_as_float32_are_widened():
    assert widen_far_numbers(np.array([1e20, np.nan], dtype=np.float32)).dtype == np.float64
    for near in (np.array([1.0, np.nan], dtype=np.float32), np.empty((0, 2), dtype=np.float32)):
        assert widen_far_numbers(near) is near
