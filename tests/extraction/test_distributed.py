"""Extraction on the workers of a Dask cluster, into a store that they share."""

import logging
import os
import re
from pathlib import Path

import joblib
import numpy as np
import pytest
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline

from adestim import AnchoredFusionClassifier, ModalityUnion
from adestim.exceptions import DataWarning, InputError
from adestim.extraction.subjects import for_each_subject
from adestim.store import FeatureStore
from tests.noting import DEADLY, UNREADABLE, NotingPreparation
from tests.toy_backbone import ToyExtractor, toy_cells, write_weights

distributed = pytest.importorskip("distributed")
dask = pytest.importorskip("dask")

N_SUBJECTS = 12


class NotingExtractor(ToyExtractor):
    """The extractor of the toy model, with a preparation of its own."""

    def __init__(self, weights, *, preparation, memory=None, errors="raise", n_jobs=None):
        super().__init__(weights, memory=memory, errors=errors, n_jobs=n_jobs)
        self.preparation = preparation

    def _preparation(self):
        return self.preparation


def breaks_on_arrival():
    raise ImportError("The package is not here")


class NotInstalled:
    """A preparation that no worker can load."""

    def __reduce__(self):
        return breaks_on_arrival, ()


@pytest.fixture(scope="module")
def cluster():
    """A cluster of two processes that gives a task up when two of them died of it."""
    settings = {
        "distributed.scheduler.allowed-failures": 1,
        # Else a worker that dies twice within 15 s may never be started again.
        "distributed.deploy.lost-worker-timeout": "10 minutes",
    }
    with (
        dask.config.set(settings),
        distributed.LocalCluster(
            n_workers=2,
            processes=True,
            threads_per_worker=1,
            dashboard_address=":0",
            silence_logs=logging.CRITICAL,
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


@pytest.fixture
def on_dask(cluster):
    cluster.wait_for_workers(2)
    with joblib.parallel_config("dask"):
        yield cluster


@pytest.fixture
def preparation(tmp_path):
    for name in ("notes", "deaths"):
        (tmp_path / name).touch()
    return NotingPreparation(str(tmp_path))


@pytest.fixture
def store(tmp_path):
    return FeatureStore(tmp_path / "store", dtype="float32")


@pytest.fixture
def extractor(tmp_path, preparation, store):
    weights = write_weights(tmp_path / "toy.pt")
    return NotingExtractor(weights, preparation=preparation, memory=store, n_jobs=-1)


def cohort(first=None):
    """Subjects of whom the one in row 4 may begin with a number of its own."""
    X, y = toy_cells(N_SUBJECTS)
    if first is not None:
        X["img"].iloc[4][0, 0] = first
    return X, y


def tokens(table):
    return np.stack([encoding.tokens for encoding in table["img"]])


def test_workers_fill_the_store_and_give_what_one_process_gives(
    extractor, store, preparation, on_dask
):
    X, _ = cohort()
    found = extractor.fit_transform(X)
    processes = {process for process, _ in preparation.notes()}
    assert processes <= set(on_dask.run(os.getpid).values())
    assert len(preparation.notes()) == N_SUBJECTS
    assert store.info()["records"].tolist() == [N_SUBJECTS, N_SUBJECTS]
    with joblib.parallel_config("sequential"):
        expected = ToyExtractor(extractor.weights).fit_transform(X)
    np.testing.assert_allclose(tokens(found), tokens(expected), atol=1e-6)


def test_a_second_run_prepares_nothing(extractor, preparation, on_dask):
    X, _ = cohort()
    first = extractor.fit_transform(X)
    second = extractor.fit_transform(X)
    assert len(preparation.notes()) == N_SUBJECTS
    np.testing.assert_array_equal(tokens(first), tokens(second))


def test_an_error_in_a_worker_reaches_the_user_with_its_words(extractor, on_dask):
    X, _ = cohort(UNREADABLE)
    with pytest.raises(InputError, match=r"Subject 'sub-04': A cell must be readable\. Got this"):
        extractor.fit_transform(X)


def test_a_worker_that_dies_once_costs_no_other_subject_anything(extractor, preparation, on_dask):
    Path(preparation.folder, "deaths").write_text("x")
    X, _ = cohort(DEADLY)
    assert extractor.fit_transform(X)["img"].notna().all()
    assert len(preparation.notes()) == N_SUBJECTS + 1


def test_a_subject_that_kills_every_worker_is_named_and_costs_no_other_anything(
    extractor, preparation, on_dask
):
    deaths = Path(preparation.folder, "deaths")
    deaths.write_text("x" * 99)
    X, _ = cohort(DEADLY)
    union = ModalityUnion([("img", extractor.set_params(errors="missing"), "img")])
    with pytest.warns(DataWarning, match=r"Subject 'sub-04'.*worker process.*memory.*missing"):
        found = union.fit_transform(X)
    assert found["img"].isna().tolist() == [row == 4 for row in range(N_SUBJECTS)]
    before = preparation.notes()
    # A union encodes here what workers prepare.
    assert os.getpid() not in {process for process, _ in before}
    deaths.write_text("")
    assert extractor.fit_transform(X)["img"].notna().all()
    assert [first for _, first in preparation.notes()[len(before) :]] == [DEADLY]


def test_a_preparation_that_workers_cannot_load_is_an_error(on_dask):
    X, _ = cohort()
    with pytest.raises((RuntimeError, ImportError), match=r"deserialization|not here"):
        list(for_each_subject(NotInstalled(), X, -1, False, "img"))


@pytest.mark.usefixtures("all_penalties")  # as the workers, whom no fixture reaches
def test_a_cross_validation_runs_on_the_cluster(extractor, preparation, store, on_dask):
    X, y = cohort()
    X["tau"] = np.random.default_rng(0).normal(size=N_SUBJECTS)
    extractor.set_params(memory=None)
    union = ModalityUnion(
        [("img", extractor, "img"), ("csf", "passthrough", ["tau"])], memory=store
    )
    model = AnchoredFusionClassifier(
        anchor="csf", n_trees=0, max_epochs=1, random_state=0, n_queries=0
    )
    pipeline = make_pipeline(union, model)
    union.fit_transform(X)
    scores = cross_val_score(pipeline, X, y, cv=2, n_jobs=-1, error_score="raise")
    assert len(preparation.notes()) == N_SUBJECTS
    with joblib.parallel_config("sequential"):
        np.testing.assert_array_equal(scores, cross_val_score(pipeline, X, y, cv=2))


@pytest.mark.slow
def test_program_of_the_page_on_scale_runs_on_fewer_subjects(tmp_path, monkeypatch, capsys):
    page = Path(__file__).parents[2] / "docs" / "scale.md"
    programs = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    [program] = [program for program in programs if "LocalCluster" in program]
    smaller = program.replace("make_cohort(40", "make_cohort(4")
    smaller = smaller.replace("worker=1)", "worker=1, dashboard_address=':0')")
    assert len(smaller) > len(program)
    monkeypatch.chdir(tmp_path)
    exec(compile(smaller, str(page), "exec"), {"__name__": "__main__"})
    assert re.findall(r"(smri|fmri) +\d", capsys.readouterr().out) == ["smri", "fmri"]
    assert FeatureStore(tmp_path / "store").info()["records"].sum() > 0
