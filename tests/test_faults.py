"""Processes that are killed, meet, or are interrupted: nothing is lost but what was in flight."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from sklearn.callback import FitCallback
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from adestim.recall import Prepared
from adestim.store import FeatureStore
from tests.fusion_tables import numeric_table, quick
from tests.toy_backbone import NOTES, ToyExtractor, ToyViT, note, toy_cells, write_weights

ROOT = Path(__file__).parents[1]
N_SUBJECTS = 20


def prepare_slowly(cells):
    """A preparation that a kill can hit."""
    note("prepared", 1)
    time.sleep(0.1)
    return Prepared(ToyViT.prepare(cells[0]))


class SlowExtractor(ToyExtractor):
    """The extractor of the toy model, slow enough to be killed at work."""

    def _preparation(self):
        return prepare_slowly


def extract(folder, n_jobs=1):
    """Extract all subjects, one a batch, into the store of a folder."""
    weights = Path(folder, "toy.pt")
    extractor = SlowExtractor(weights, memory=Path(folder, "store"), batch_size=1, n_jobs=n_jobs)
    return extractor.fit_transform(toy_cells(N_SUBJECTS)[0])


def extract_together(folder, name):
    """Extract as soon as the other process is ready too; write tokens to a file."""
    Path(folder, f"{name} is ready").touch()
    while len(list(Path(folder).glob("* is ready"))) < 2:
        time.sleep(0.001)
    np.save(Path(folder, f"{name}.npy"), tokens(extract(folder)))


class SayWhen(FitCallback):
    """Tells by a file that training has come to an epoch."""

    def __init__(self, path):
        self.path = path

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context):
        if context.max_subtasks == 0:
            Path(self.path).touch()


def fit_and_be_interrupted(folder):
    """Fit until a signal comes; write what the interruption left behind."""
    X, y = numeric_table(40)
    model = quick(max_epochs=2).fit(X, y)
    long = {"max_epochs": 10**6, "patience": 10**6}
    model.set_params(**long).set_callbacks(SayWhen(Path(folder, "training")))
    seen = []
    try:
        model.fit(X, y)
    except KeyboardInterrupt as error:
        seen.append(type(error).__name__)
    try:
        check_is_fitted(model, "nets_")
        model.predict(X)
    except NotFittedError:
        seen.append("not fitted")
    model.set_callbacks().set_params(max_epochs=2)
    expected = quick(max_epochs=2).set_params(patience=10**6).fit(X, y).predict_proba(X)
    seen.append(str(np.array_equal(model.fit(X, y).predict_proba(X), expected)))
    Path(folder, "seen").write_text(", ".join(seen))


def run_here(function, *arguments):
    """Start a function of this file in a process, and group of processes, of its own."""
    call = f"from tests.test_faults import {function} as f; f(*{arguments!r})"
    return subprocess.Popen([sys.executable, "-c", call], cwd=ROOT, start_new_session=True)


def wait_for(condition, process, seconds=60):
    """Wait until something is so; a process that ends before makes it an error."""
    end = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, f"ended with {process.returncode}"
        assert time.monotonic() < end, "took too long"
        time.sleep(0.005)


def tokens(table):
    return np.stack([encoding.tokens for encoding in table["img"]])


@pytest.fixture
def folder(tmp_path, monkeypatch):
    write_weights(tmp_path / "toy.pt")
    monkeypatch.setenv(NOTES, str(tmp_path / "notes"))
    (tmp_path / "notes").touch()
    return tmp_path


def counted(folder, what):
    return (folder / "notes").read_text().split().count(what)


def records(folder, stage):
    return len(list((folder / "store" / stage).glob("*/[!.]*.safetensors")))


def leftovers(folder):
    return list((folder / "store").glob("**/.*.tmp"))


@pytest.mark.parametrize(("n_jobs", "in_flight"), [(1, 1), (2, 2)])
def test_after_kill_9_only_what_was_in_flight_is_done_again(folder, n_jobs, in_flight):
    process = run_here("extract", str(folder), n_jobs)
    wait_for(lambda: records(folder, "inputs") >= 10, process)
    os.killpg(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    prepared, encoded = records(folder, "inputs"), records(folder, "tokens")
    assert encoded <= prepared < N_SUBJECTS
    before = {what: counted(folder, what) for what in ("prepared", "encoded")}
    assert before["prepared"] - prepared <= in_flight
    assert before["encoded"] - encoded <= 1
    table = extract(folder)
    assert counted(folder, "prepared") - before["prepared"] == N_SUBJECTS - prepared
    assert counted(folder, "encoded") - before["encoded"] == N_SUBJECTS - encoded
    store = FeatureStore(folder / "store")
    assert store.verify() == []
    store.prune()
    assert not leftovers(folder)
    expected = ToyExtractor(folder / "toy.pt").fit_transform(toy_cells(N_SUBJECTS)[0])
    np.testing.assert_allclose(tokens(table), tokens(expected), atol=5e-3)


def test_two_processes_at_the_same_subjects_agree(folder):
    names = ("one", "other")
    both = {name: run_here("extract_together", str(folder), name) for name in names}
    assert [process.wait(60) for process in both.values()] == [0, 0]
    one, other = (np.load(folder / f"{name}.npy") for name in names)
    np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(one, tokens(extract(folder)))
    assert records(folder, "inputs") == records(folder, "tokens") == N_SUBJECTS
    assert FeatureStore(folder / "store").verify() == []
    assert not leftovers(folder)


def test_an_interrupted_fit_leaves_an_estimator_that_can_be_fitted(folder):
    process = run_here("fit_and_be_interrupted", str(folder))
    wait_for((folder / "training").exists, process)
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 0
    assert (folder / "seen").read_text() == "KeyboardInterrupt, not fitted, True"
