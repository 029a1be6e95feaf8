"""Fitted estimators whose weights moved: opened without them, and right once they are found."""

import os
import pickle
import shutil
from copy import deepcopy

import huggingface_hub.constants as hub
import numpy as np
import pandas as pd
import pytest
from joblib import Parallel, delayed
from sklearn.base import clone
from sklearn.pipeline import make_pipeline

from adestim import AnchoredFusionClassifier, ClinicalExtractor, ModalityUnion
from adestim.backbone import loading
from adestim.exceptions import CheckpointError
from tests.modalities.clinical.language_folders import small_folder, small_model
from tests.toy_backbone import ToyExtractor, toy_cells, write_weights

FUSION = {"anchor": "img", "n_queries": 2, "max_epochs": 2, "n_trees": 0, "device": "cpu"}
PHASE_ONE = {"max_epochs": 2, "n_folds": 2, "learning_rate": 0.02}
RECORDS = pd.DataFrame({"age": [70.0, 64.0, 81.0], "sex": ["F", "M", "F"]})


@pytest.fixture(autouse=True)
def no_model_in_memory(monkeypatch):
    """Load every model anew, as another process does, and let nothing be found by chance."""
    monkeypatch.delenv("ADESTIM_WEIGHTS", raising=False)
    monkeypatch.setattr(hub, "HF_HUB_CACHE", "/nowhere")
    monkeypatch.setattr(loading, "_LOADED", {})


@pytest.fixture
def restarted(monkeypatch):
    """Return what an estimator is after it was pickled, and opened in another process."""

    def restart(estimator):
        monkeypatch.setattr(loading, "_LOADED", {})
        return pickle.loads(pickle.dumps(estimator))

    return restart


@pytest.fixture
def path(tmp_path):
    (tmp_path / "a").mkdir()
    return write_weights(tmp_path / "a" / "toy.pt", seed=7)


def table():
    X, y = toy_cells(24, missing=(3,))
    return X.assign(age=np.linspace(60, 80, 24)), y


def fitted(path, fusion=None, **extractor):
    """A union and a fusion whose anchor is the model of a file."""
    X, y = table()
    union = ModalityUnion(
        [("img", ToyExtractor(path, **extractor), ["img"]), ("age", ClinicalExtractor(), ["age"])]
    )
    anchored = AnchoredFusionClassifier(random_state=0, **{**FUSION, **(fusion or {})})
    return make_pipeline(union, anchored).fit(X, y)


KINDS = {
    "lora": {"fusion": {"lora_rank": 2}},
    "frozen": {"fusion": {"lora_rank": 0}},
    "adapted before": {"adapt": "lora", "adapt_params": PHASE_ONE},
    "all weights adapted before": {"adapt": "full", "adapt_params": PHASE_ONE},
    "every anchor": {"fusion": {"anchor": "all"}},
}


@pytest.fixture
def use(monkeypatch):
    """Return what says in one of the ways that there are where weights are now."""

    def say(how, pipeline, now):
        if how == "set_params":
            return pipeline.set_params(modalityunion__img__weights=now)
        if how == "set_params, their folder":
            return pipeline.set_params(modalityunion__img__weights=now.parent)
        monkeypatch.setenv("ADESTIM_WEIGHTS", f"/nowhere{os.pathsep}{now.parents[1]}")
        return pipeline

    return say


@pytest.mark.parametrize("how", ["set_params", "set_params, their folder", "search path"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_pipeline_predicts_alike_where_its_weights_moved(path, restarted, use, how, kind):
    pipeline = fitted(path, **KINDS[kind])
    X, _ = table()
    expected = pipeline.predict_proba(X)
    now = path.parent.parent / "b" / "c" / "renamed.pth"
    now.parent.mkdir(parents=True)
    path.rename(now)
    write_weights(now.with_name("another.pt"), seed=8)
    pipeline = use(how, restarted(pipeline), now)
    np.testing.assert_array_equal(pipeline.predict_proba(X), expected)


@pytest.mark.parametrize("kind", ["lora", "frozen", "adapted before", "all weights adapted before"])
def test_a_pickle_opens_without_weights_and_says_what_predicting_needs(path, restarted, kind):
    pipeline = fitted(path, **KINDS[kind])
    path.unlink()
    again = deepcopy(restarted(restarted(pipeline)))
    assert clone(again).get_params()["modalityunion__img__weights"] == path
    said = r"no such file.*SHA-256 is \w{64}.*set_params\(weights=\.\.\.\).*ADESTIM_WEIGHTS"
    with pytest.raises(CheckpointError, match=said):
        again.predict(table()[0])


def test_a_fusion_alone_opens_without_weights(path, restarted):
    pipeline = fitted(path)
    X = pipeline[0].transform(table()[0])
    expected = pipeline[1].predict_proba(X)
    path.rename(path.with_name("away.pt"))
    fusion = restarted(pipeline[1])
    with pytest.raises(CheckpointError, match="nor are they in ADESTIM_WEIGHTS"):
        fusion.predict_proba(X)
    path.with_name("away.pt").rename(path)
    # What failed once is tried again.
    np.testing.assert_array_equal(fusion.predict_proba(X), expected)


@pytest.mark.parametrize("how", ["behind the path", "by set_params", "by set_params, a folder"])
def test_other_weights_are_refused(path, restarted, how):
    pipeline = restarted(fitted(path))
    other = path if how == "behind the path" else path.parent.parent / "o" / "other.pt"
    other.parent.mkdir(exist_ok=True)
    write_weights(other, seed=9)
    if how != "behind the path":
        now = other if how == "by set_params" else other.parent
        pipeline.set_params(modalityunion__img__weights=now)
    with pytest.raises(CheckpointError, match=r"must be those that fit saw.*another content"):
        pipeline.predict(table()[0])


def test_a_clone_is_fitted_with_the_weights_where_they_are_now(path, restarted):
    pipeline = fitted(path)
    X, y = table()
    expected = pipeline.predict_proba(X)
    now = path.rename(path.with_name("now.pt"))
    again = clone(restarted(pipeline)).set_params(modalityunion__img__weights=now).fit(X, y)
    np.testing.assert_array_equal(again.predict_proba(X), expected)


@pytest.mark.parametrize("how", ["set_params", "search path"])
def test_worker_processes_find_weights_too(path, restarted, use, how):
    pipeline = fitted(path)
    X, _ = table()
    expected = pipeline.predict_proba(X)
    now = path.parent.parent / "b" / "c" / "renamed.pth"
    now.parent.mkdir(parents=True)
    path.rename(now)
    pipeline = use(how, restarted(pipeline), now).set_params(modalityunion__n_jobs=2)
    parts = Parallel(n_jobs=2)(
        delayed(pipeline.predict_proba)(part) for part in (X.iloc[:12], X.iloc[12:])
    )
    np.testing.assert_allclose(np.concatenate(parts), expected, atol=1e-6)
    np.testing.assert_array_equal(pipeline.predict_proba(X), expected)


@pytest.mark.parametrize("home", ["another folder", "a moved project"])
def test_weights_named_by_a_relative_path_are_found(restarted, tmp_path, monkeypatch, home):
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    small_folder("model", "bert")
    extractor = ClinicalExtractor(backbone="model", device="cpu").fit(RECORDS)
    expected = extractor.transform(RECORDS).iloc[0, 0].tokens
    if home == "another folder":
        monkeypatch.chdir(tmp_path)
    else:
        shutil.copytree(tmp_path / "project", tmp_path / "moved")
        monkeypatch.chdir(tmp_path / "moved")
        shutil.rmtree(tmp_path / "project")
    tokens = restarted(extractor).transform(RECORDS).iloc[0, 0].tokens
    np.testing.assert_array_equal(tokens, expected)


def folder_of(tmp_path, kind):
    """A tiny language model's folder, in one file or in several."""
    folder = small_folder(tmp_path / "fit" / "model", "bert")
    if kind == "shards":
        (folder / "model.safetensors").unlink()
        small_model("bert").save_pretrained(folder, max_shard_size="10KB")
        assert len(list(folder.glob("*.safetensors"))) > 1
    return folder


@pytest.mark.parametrize("named", ["weights", "backbone", "search path", "cache of the hub"])
@pytest.mark.parametrize("kind", ["whole", "shards"])
def test_a_language_model_finds_its_tokenizer_too(tmp_path, restarted, monkeypatch, named, kind):
    folder = folder_of(tmp_path, kind)
    if named == "cache of the hub":
        snapshot = tmp_path / "fit" / "models--lab--bert" / "snapshots" / "abc"
        folder = folder.rename(snapshot.parent.mkdir(parents=True) or snapshot)
    extractor = ClinicalExtractor(backbone=str(folder), device="cpu").fit(RECORDS)
    expected = extractor.transform(RECORDS).iloc[0, 0].tokens
    (tmp_path / "fit").rename(tmp_path / "now")
    now = tmp_path / "now" / folder.relative_to(tmp_path / "fit")
    extractor = restarted(extractor)
    if named == "search path":
        monkeypatch.setenv("ADESTIM_WEIGHTS", str(tmp_path / "now"))
    elif named == "cache of the hub":
        monkeypatch.setattr(hub, "HF_HUB_CACHE", str(tmp_path / "now"))
    else:
        extractor.set_params(**{named: str(now)})
    encoding = extractor.transform(RECORDS).iloc[0, 0]
    np.testing.assert_array_equal(encoding.tokens, expected)
    assert encoding.backbone == extractor.backbone_


def test_a_language_model_is_the_same_in_whatever_folder_it_is_fitted(tmp_path):
    folder = small_folder(tmp_path / "one", "bert")
    shutil.copytree(folder, tmp_path / "two")
    first, second = (
        ClinicalExtractor(backbone=str(tmp_path / name), device="cpu").fit(RECORDS)
        for name in ("one", "two")
    )
    assert first.backbone_ == second.backbone_


def test_stored_inputs_of_one_tokenizer_are_not_those_of_another(tmp_path):
    for name, size in (("one", {}), ("two", {"vocab_size": 300})):
        folder = small_folder(tmp_path / name, "bert", **size)
        plain, stored = (
            ClinicalExtractor(backbone=str(folder), device="cpu", memory=memory)
            for memory in (None, tmp_path / "store")
        )
        expected = plain.fit_transform(RECORDS).iloc[0, 0]
        encoding = stored.fit_transform(RECORDS).iloc[0, 0]
        np.testing.assert_allclose(encoding.tokens, expected.tokens, atol=1e-2)


def test_what_the_store_has_needs_no_weights(path, restarted, tmp_path):
    X, _ = toy_cells(4)
    extractor = ToyExtractor(path, memory=tmp_path / "store").fit(X)
    expected = extractor.transform(X)["img"].iloc[0].tokens
    path.unlink()
    tokens = restarted(extractor).transform(X)["img"].iloc[0].tokens
    np.testing.assert_array_equal(tokens, expected)
