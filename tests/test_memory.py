"""A feature store under a pipeline: every subject is prepared, and encoded, once."""

import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score
from sklearn.pipeline import make_pipeline

from adestim import AnchoredFusionClassifier, ModalityUnion
from adestim.encoding import BackboneSpec, Encoding
from adestim.store import FeatureStore
from tests.toy_backbone import NOTES, ToyExtractor, toy_cells, write_weights

N_SUBJECTS = 20


@pytest.fixture
def weights(tmp_path):
    return write_weights(tmp_path / "toy.pt")


@pytest.fixture
def notes(tmp_path, monkeypatch):
    """A file in which every process notes what it worked on."""
    monkeypatch.setenv(NOTES, str(tmp_path / "notes"))
    (tmp_path / "notes").touch()
    return tmp_path / "notes"


def counted(notes):
    words = notes.read_text().split()
    return words.count("prepared"), words.count("encoded")


def cohort():
    X, y = toy_cells(N_SUBJECTS, missing=(3,))
    X["tau"] = np.where(y == "AD", 1.0, 0.0) + np.random.default_rng(0).normal(size=len(y))
    return X, y


def pipeline(weights, memory, **params):
    union = ModalityUnion(
        [("img", ToyExtractor(weights, **params), "img"), ("csf", "passthrough", ["tau"])],
        memory=memory,
    )
    model = AnchoredFusionClassifier(
        anchor="csf", n_trees=0, max_epochs=1, random_state=0, n_queries=2
    )
    return make_pipeline(union, model)


def test_a_grid_search_runs_the_model_once_a_subject(weights, notes, tmp_path):
    X, y = cohort()
    search = GridSearchCV(
        pipeline(weights, tmp_path / "store"),
        {"anchoredfusionclassifier__n_queries": [0, 2]},
        cv=KFold(3),
    )
    search.fit(X, y).predict_proba(X)
    assert counted(notes) == (N_SUBJECTS - 1, N_SUBJECTS - 1)


def test_worker_processes_share_a_store(weights, notes, tmp_path):
    X, y = cohort()
    pipeline(weights, tmp_path / "store").fit(X, y)
    cross_val_score(pipeline(weights, tmp_path / "store"), X, y, cv=3, n_jobs=2)
    assert counted(notes) == (N_SUBJECTS - 1, N_SUBJECTS - 1)


def test_other_weights_read_no_subject_again(weights, notes, tmp_path):
    X, y = cohort()
    pipeline(weights, tmp_path / "store").fit(X, y)
    pipeline(write_weights(tmp_path / "other.pt", seed=1), tmp_path / "store").fit(X, y)
    assert counted(notes) == (N_SUBJECTS - 1, 2 * (N_SUBJECTS - 1))


@pytest.mark.parametrize("changes", [{"batch_size": 1}, {"n_jobs": 2}, {"device": "auto"}])
def test_how_it_is_computed_is_no_part_of_the_key(weights, notes, tmp_path, changes):
    X, y = cohort()
    pipeline(weights, tmp_path / "store").fit(X, y)
    pipeline(weights, tmp_path / "store", **changes).fit(X, y)
    assert counted(notes) == (N_SUBJECTS - 1, N_SUBJECTS - 1)


def test_interrupted_work_goes_on_where_it_was(weights, notes, tmp_path):
    X, _ = cohort()
    extractor = ToyExtractor(weights, memory=tmp_path / "store", batch_size=2)
    extractor.fit_transform(X[["img"]].iloc[:7])
    extractor.fit_transform(X[["img"]])
    assert counted(notes) == (N_SUBJECTS - 1, N_SUBJECTS - 1)


def test_predictions_are_those_without_a_store(weights, tmp_path):
    X, y = cohort()
    expected = pipeline(weights, None).fit(X, y).predict_proba(X)
    memory = FeatureStore(tmp_path / "store", dtype="float32")
    for _ in range(2):
        found = pipeline(weights, memory).fit(X, y).predict_proba(X)
        np.testing.assert_allclose(found, expected, atol=1e-6)


def test_half_precision_moves_predictions_little(weights, tmp_path):
    X, y = cohort()
    expected = pipeline(weights, None).fit(X, y).predict_proba(X)
    found = pipeline(weights, tmp_path / "store").fit(X, y).predict_proba(X)
    np.testing.assert_allclose(found, expected, atol=0.01)


def test_adapted_models_are_kept_apart(weights, tmp_path):
    X, y = cohort()
    settings = {"max_epochs": 3, "learning_rate": 0.02, "body_learning_rate": 5e-3}
    tokens = []
    for adapt in (None, "lora"):
        extractor = ToyExtractor(
            weights, adapt=adapt, adapt_params=settings, memory=tmp_path / "store"
        )
        tokens.append(extractor.fit_transform(X[["img"]], y)["img"].iloc[0].tokens)
    assert not np.allclose(*tokens, atol=1e-3)


# Memory

N_TOKENS, TABLE_WIDTH, N_BEFORE = 1500, 256, 24
MIB_OF_TOKENS = N_TOKENS * TABLE_WIDTH * 4 / 2**20


def stored_table(n_subjects, folder):
    """Encodings whose tokens lie in a store, a missing modality and numbers beside them."""
    store, rng = FeatureStore(folder), np.random.default_rng(0)
    spec = BackboneSpec("vit", "toy", (("architecture", ()),))
    cells = np.empty(n_subjects, dtype=object)
    for row in range(n_subjects):
        tokens = rng.normal(size=(N_TOKENS, TABLE_WIDTH)).astype(np.float16)
        arrays = {"tokens": tokens, "pooled": tokens.mean(axis=0, dtype=np.float32)}
        found = store.put("tokens", f"{row:08d}", arrays).arrays
        cells[row] = Encoding(found["pooled"], found["tokens"], None, spec, found["pooled"])
    return pd.DataFrame({"mri": cells, "csf__tau": rng.normal(size=n_subjects)})


def peak_mib():
    """The largest memory of this process so far."""
    lines = Path("/proc/self/status").read_text().splitlines()
    [line] = [line for line in lines if line.startswith("VmHWM")]
    return int(line.split()[1]) / 2**10


def write_peak_of_a_fit(n_subjects, folder):
    """Write by how many MiB a fit on a table raises the largest memory of this process."""
    table, y = stored_table(n_subjects, Path(folder, "store")), np.arange(n_subjects) % 2
    model = AnchoredFusionClassifier(
        anchor="csf", n_trees=0, max_epochs=1, batch_size=4, random_state=0
    )
    # A few tens of subjects fill the blocks in which tables are gone through.
    model.fit(table.iloc[:N_BEFORE], y[:N_BEFORE])
    before = peak_mib()
    model.fit(table, y).predict_proba(table)
    Path(folder, "peak").write_text(str(peak_mib() - before))


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
def test_memory_of_a_fit_does_not_grow_with_the_subjects(tmp_path):
    n_subjects = 160
    call = f"import tests.test_memory as m; m.write_peak_of_a_fit({n_subjects}, {str(tmp_path)!r})"
    root = Path(__file__).parents[1]
    subprocess.run([sys.executable, "-c", call], cwd=root, check=True)
    of_more_subjects = MIB_OF_TOKENS * (n_subjects - N_BEFORE)
    assert float((tmp_path / "peak").read_text()) < of_more_subjects / 3


def test_a_table_of_a_thousand_subjects_pickles_to_less_than_two_megabytes(tmp_path):
    table = stored_table(1, tmp_path / "store")
    array = table["mri"][0].unread("tokens")
    cells = np.empty(1000, dtype=object)
    for row in range(1000):
        own = [replace(array, path=f"{array.path[:-10]}{row:010d}") for _ in range(3)]
        cells[row] = Encoding(own[0], own[1], None, table["mri"][0].backbone, own[2])
    assert len(pickle.dumps(pd.DataFrame({"mri": cells}))) < 2e6
