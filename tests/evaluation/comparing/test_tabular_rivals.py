import sys
import types
import warnings
from enum import StrEnum

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin, clone

from adestim import AnchoredFusionClassifier
from adestim.evaluation import compare, rivals, tabular_rivals
from adestim.exceptions import AdestimWarning, InputError
from tests.tabicl_file import write_tabicl


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    path = tmp_path_factory.mktemp("tabicl") / "tabicl-classifier.ckpt"
    write_tabicl(path)
    return path


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(40, 3)), columns=["mri__a", "mri__b", "csf__tau"])
    y = np.where(X["mri__a"] + X["csf__tau"] > 0, "AD", "CN")
    X.loc[::5, "csf__tau"] = np.nan
    return X, y


@pytest.fixture
def no_weights(monkeypatch, tmp_path):
    """Nothing was downloaded, and nothing can be."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *args: None)

    def refuse(*args, **params):
        raise ConnectionError("offline mode is enabled")

    monkeypatch.setattr("huggingface_hub.hf_hub_download", refuse)


class TabPFNClassifier(ClassifierMixin, BaseEstimator):
    """Stands in for TabPFN's classifier."""

    def __init__(self, model_path="auto", device="auto", random_state=0):
        self.model_path = model_path
        self.device = device
        self.random_state = random_state


class Version(StrEnum):
    """Stands in for the versions of TabPFN."""

    V3_5 = "v3.5"


@pytest.fixture
def tabpfn(monkeypatch, tmp_path):
    """A package tabpfn, whose weights lie in a folder once they were downloaded."""
    file = tmp_path / "cache" / "tabpfn-v3.5.safetensors"
    package = types.ModuleType("tabpfn")
    package.TabPFNClassifier = TabPFNClassifier
    package.__spec__ = types.SimpleNamespace(name="tabpfn")
    loading = types.ModuleType("tabpfn.model_loading")
    loading.resolve_model_path = lambda path, which, version: ([file], [file.parent], [""], which)

    def download_model(to, *, version, which):
        if not file.parent.joinpath("accepted").exists():
            return [RuntimeError("the licence was not accepted")]
        to.touch()
        return "ok"

    loading.download_model = download_model
    settings = types.ModuleType("tabpfn.settings")
    said = types.SimpleNamespace(model_version=Version.V3_5)
    settings.settings = types.SimpleNamespace(tabpfn=said)
    for module in (package, loading, settings):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    return file


def test_a_file_of_weights_makes_a_rival(weights):
    models = tabular_rivals(3, device="cpu", weights={"TabICL": weights})
    classifier = models["TabICL"][-1]
    assert classifier.model_path == str(weights)
    assert (classifier.random_state, classifier.device) == (3, "cpu")
    assert not classifier.allow_auto_download


def test_it_is_compared_on_the_same_folds(weights, table):
    X, y = table
    models = tabular_rivals(device="cpu", weights={"TabICL": weights})
    comparison = compare(models, X, y, cv=2, scoring="roc_auc", controls=False)
    assert list(comparison.folds["status"]) == ["ok", "ok"]
    assert comparison.estimators == ["TabICL"]


def test_it_is_a_member_of_phase_one(weights, table):
    X, y = table
    member = clone(tabular_rivals(device="cpu", weights={"TabICL": weights})["TabICL"][-1])
    fusion = AnchoredFusionClassifier(
        anchor="mri", members=[("tabicl", member)], max_epochs=1, random_state=0
    )
    probability = fusion.fit(X, y).predict_proba(X)
    np.testing.assert_allclose(probability.sum(axis=1), 1)
    assert "tabicl" in fusion.phase_one_.shares


@pytest.mark.usefixtures("no_weights")
def test_an_installed_model_without_weights_is_told_of():
    with pytest.warns(AdestimWarning, match=r"TabICL is no rival here.*not on this machine.*BSD"):
        models = tabular_rivals()
    assert "TabICL" not in models


@pytest.mark.usefixtures("no_weights")
def test_rivals_tell_of_it_too_unless_it_is_left_out_knowingly():
    with pytest.warns(AdestimWarning, match="pass tabular=False to rivals"):
        assert "TabICL" not in rivals(["mri"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rivals(["mri"], tabular=False)


@pytest.mark.usefixtures("no_weights")
def test_a_download_that_fails_is_told_of():
    with pytest.warns(AdestimWarning, match="ConnectionError: offline mode is enabled"):
        assert "TabICL" not in tabular_rivals(download=True)


def test_weights_that_were_downloaded_are_found(monkeypatch, weights):
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *args: str(weights))
    models = rivals(["mri"], device="cpu")
    assert models["TabICL"][-1].model_path == str(weights)
    assert models["TabICL"][-1].device == "cpu"


def test_tabpfn_is_told_of_with_its_licence(tabpfn, weights):
    with pytest.warns(AdestimWarning, match=r"TabPFN is no rival here.*non-commercial"):
        models = tabular_rivals(weights={"TabICL": weights})
    assert list(models) == ["TabICL"]


def test_tabpfn_whose_licence_is_not_accepted_is_told_of(tabpfn, weights):
    with pytest.warns(AdestimWarning, match="RuntimeError: the licence was not accepted"):
        tabular_rivals(weights={"TabICL": weights}, download=True)


def test_tabpfn_is_downloaded_when_asked(tabpfn, weights):
    tabpfn.parent.mkdir()
    tabpfn.parent.joinpath("accepted").touch()
    models = tabular_rivals(weights={"TabICL": weights}, download=True)
    assert models["TabPFN"][-1].model_path == str(tabpfn)
    assert list(tabular_rivals(weights={"TabICL": weights})) == ["TabICL", "TabPFN"]


def test_other_names_are_refused(weights):
    with pytest.raises(InputError, match=r"Got 'tabicl'. Choose from 'TabICL', 'TabPFN'"):
        tabular_rivals(weights={"tabicl": weights})


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(InputError, match="weights of TabICL must be an existing file"):
        tabular_rivals(weights={"TabICL": tmp_path / "none.ckpt"})


def test_weights_of_a_package_that_is_not_installed_are_refused(monkeypatch, weights):
    monkeypatch.setitem(sys.modules, "tabpfn", None)
    with pytest.raises(InputError, match=r"TabPFN runs in the package tabpfn\. Got none installed"):
        tabular_rivals(weights={"TabPFN": weights})
