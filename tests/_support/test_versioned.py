"""What is pickled, opened by the version that wrote it and by others."""

import copy
import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from adestim import (
    AnchoredFusionClassifier,
    AnchoredFusionRegressor,
    BlockAverageClassifier,
    ClinicalExtractor,
    ConcatFusionClassifier,
    CrossAttentionFusionClassifier,
    FMRIExtractor,
    GeneticsExtractor,
    LateFusionClassifier,
    LinearFusionClassifier,
    MixtureFusionClassifier,
    ModalityUnion,
    OrdinalClassifier,
    PatternCalibratedClassifier,
    PatternConformalClassifier,
    PoolTokens,
    SelfAttentionFusionClassifier,
    SMRIExtractor,
    UnimodalClassifier,
    __version__,
)
from adestim._support import versioned
from adestim.datasets import ConfoundRegressor, SiteHarmonizer
from adestim.evaluation import (
    CovariateClassifier,
    MaskOnlyClassifier,
    ModalityDropout,
    compare,
    cross_val_fit,
    permutation_test,
    transfer,
)
from adestim.exceptions import VersionWarning
from adestim.inspection import modality_contributions
from adestim.tuning import AdestimSearchCV, nested_cross_validate, tune

RNG = np.random.default_rng(0)
X = pd.DataFrame(RNG.normal(size=(30, 2)), columns=["mri__a", "csf__tau"])
Y = np.array(["AD", "CN"] * 15)
LATE = LateFusionClassifier(random_state=0)
FUSION = AnchoredFusionClassifier(max_epochs=0, n_trees=0, random_state=0)

ESTIMATORS = [
    SMRIExtractor(), FMRIExtractor(), ClinicalExtractor(), GeneticsExtractor(), PoolTokens(),
    ModalityUnion([("a", StandardScaler(), ["mri__a"])]), FUSION, AnchoredFusionRegressor(), LATE,
    OrdinalClassifier(LATE), PatternCalibratedClassifier(LATE), PatternConformalClassifier(LATE),
    BlockAverageClassifier(), ConcatFusionClassifier(), CrossAttentionFusionClassifier(),
    LinearFusionClassifier(), MixtureFusionClassifier(), SelfAttentionFusionClassifier(),
    UnimodalClassifier(), MaskOnlyClassifier(), CovariateClassifier(), ModalityDropout(),
    AdestimSearchCV(LATE), SiteHarmonizer(), ConfoundRegressor([0]),
]  # fmt: skip
RESULTS = {
    "Encoding": lambda: ClinicalExtractor().fit_transform(X).iloc[0, 0],
    "Comparison": lambda: compare({"late": LATE}, X, Y, cv=2, scoring="roc_auc"),
    "Transfer": lambda: transfer(clone(LATE).fit(X, Y), X, Y, n_resamples=2),
    "FoldFits": lambda: cross_val_fit(FUSION, X, Y, cv=2),
    "PermutationTest": lambda: permutation_test(LATE, X, Y, cv=2, n_permutations=1),
    "Contributions": lambda: modality_contributions(clone(LATE).fit(X, Y), X),
    "Tuned": lambda: tune(LATE, X, Y, n_trials=1, inner_cv=2),
    "NestedScores": lambda: nested_cross_validate(LATE, X, Y, None, 2, n_trials=1, inner_cv=2),
}


def name(value):
    """Name of a value's class."""
    return type(value).__name__


def open_by(version, written, monkeypatch):
    """Open a pickle as another version would; return it and what is warned of."""
    monkeypatch.setattr(versioned, "__version__", version)
    with pytest.warns(VersionWarning) as caught:
        opened = pickle.loads(written)
    return opened, [str(warning.message) for warning in caught]


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=name)
def test_every_estimator_tells_who_wrote_it(estimator, monkeypatch):
    written = pickle.dumps(estimator)
    assert repr(pickle.loads(written)) == repr(estimator)
    opened, told = open_by("99.0", written, monkeypatch)
    assert told[-1].startswith(f"{name(estimator)} was written by adestim {__version__} and")
    assert repr(opened) == repr(estimator)
    assert vars(opened).keys() == vars(estimator).keys()


@pytest.mark.parametrize("kind", RESULTS)
def test_results_tell_who_wrote_them(kind, monkeypatch):
    result = RESULTS[kind]()
    assert name(result) == kind
    written = pickle.dumps(result)
    assert vars(pickle.loads(written)).keys() == vars(result).keys()
    _, told = open_by("99.0", written, monkeypatch)
    assert told[-1].startswith(f"{kind} was written by adestim {__version__} and")


def test_a_fitted_pipeline_says_the_same_after_opening_by_another_version(monkeypatch):
    model = make_pipeline(PoolTokens(), LogisticRegression()).fit(X, Y)
    opened, told = open_by("0.0.1", pickle.dumps(model), monkeypatch)
    assert len(told) == 1
    np.testing.assert_array_equal(opened.predict_proba(X), model.predict_proba(X))


def test_what_does_not_say_who_wrote_it_is_warned_of(monkeypatch):
    monkeypatch.setattr(versioned, "__version__", None)
    written = pickle.dumps(LATE)
    monkeypatch.undo()
    with pytest.warns(VersionWarning, match="did not tell its version"):
        pickle.loads(written)


def test_copies_and_clones_are_not_warned_of():
    model = clone(LATE).fit(X, Y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        copies = copy.deepcopy(model), copy.copy(model), clone(model)
    assert versioned.KEY not in {key for each in copies for key in vars(each)}
