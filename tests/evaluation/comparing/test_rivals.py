import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from adestim.evaluation import plain_rivals, rivals
from adestim.exceptions import InputError

MODALITIES = ["mri", "csf"]


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(60, 3)), columns=["mri__a", "mri__b", "csf__tau"])
    y = np.where(X["mri__a"] + X["csf__tau"] > 0, "AD", "CN")
    X.loc[::5, "csf__tau"] = np.nan
    return X, y


def test_every_rival_has_a_name_of_its_own():
    assert list(rivals(MODALITIES, tabular=False)) == [
        *plain_rivals(),
        "late fusion",
        "late fusion, weighted",
        "late fusion, stacked",
        "linear fusion",
        "concatenation",
        "self-attention",
        "cross-attention",
        "mixture of experts",
        "mri alone",
        "csf alone",
    ]


@pytest.mark.parametrize("name", rivals(MODALITIES, tabular=False))
def test_every_rival_reads_missing_modalities(name, table):
    X, y = table
    model = clone(rivals(MODALITIES, tabular=False, max_epochs=1, width=8)[name])
    if name == "random forest":
        model.set_params(randomforestclassifier__n_estimators=10)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        probability = model.fit(X, y).predict_proba(X)
    np.testing.assert_allclose(probability.sum(axis=1), 1)
    assert model.predict(X).dtype == y.dtype


def test_parameters_go_to_those_who_have_them():
    models = rivals(MODALITIES, tabular=False, depth=1, class_weight="balanced", random_state=7)
    assert models["self-attention"].depth == models["mri alone"].depth == 1
    assert models["late fusion"].class_weight == "balanced"
    assert models["concatenation"].random_state == 7
    assert models["random forest"][-1].random_state == 7


def test_the_seed_is_the_same_for_all():
    models = rivals(MODALITIES, tabular=False)
    seeds = {model.get_params().get("random_state", 0) for model in models.values()}
    assert seeds == {0}


def test_a_parameter_that_nobody_has_is_refused():
    with pytest.raises(InputError, match=r"parameters of at least one fusion. Got 'epochs'"):
        rivals(MODALITIES, tabular=False, epochs=3)
