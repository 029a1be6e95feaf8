"""Processes that are killed, meet, or are interrupted, disks that are full or read-only.

Nothing is lost but what was in flight, or what there was no room to keep.
"""

import os
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import joblib
import numpy as np
import pytest
from sklearn.callback import FitCallback
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from adestim.exceptions import DataWarning
from adestim.extraction.prepared import Prepared
from adestim.store import FeatureStore
from adestim.store import feature_store as store_module
from tests.full_disks import read_only, small_disk
from tests.fusion_tables import numeric_table, quick
from tests.toy_backbone import NOTES, ToyExtractor, ToyViT, note, toy_cells, write_weights

ROOT = Path(__file__).parents[1]
N_SUBJECTS = 20
# Seconds after which a process is given up; no test is about how long one takes.
HANGS = 600


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
        Path(folder, "interrupted").touch()
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


def interrupt(process, noticed, attempts=10):
    """Interrupt a process, as often as Python loses it: one that falls into a finaliser is."""
    for _ in range(attempts):
        process.send_signal(signal.SIGINT)
        end = time.monotonic() + HANGS / 10
        while not noticed() and time.monotonic() < end:
            time.sleep(0.05)
        if noticed():
            return
    raise AssertionError("never interrupted")


def wait_for(condition, process):
    """Wait until something is so; a process that ends before makes it an error."""
    end = time.monotonic() + HANGS
    while not condition():
        assert process.poll() is None, f"ended with {process.returncode}"
        assert time.monotonic() < end, "hangs"
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
    assert [process.wait(HANGS) for process in both.values()] == [0, 0]
    one, other = (np.load(folder / f"{name}.npy") for name in names)
    np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(one, tokens(extract(folder)))
    assert records(folder, "inputs") == records(folder, "tokens") == N_SUBJECTS
    assert FeatureStore(folder / "store").verify() == []
    assert not leftovers(folder)


def test_an_interrupted_fit_leaves_an_estimator_that_can_be_fitted(folder):
    process = run_here("fit_and_be_interrupted", str(folder))
    wait_for((folder / "training").exists, process)
    interrupt(process, (folder / "interrupted").exists)
    assert process.wait(HANGS) == 0
    assert (folder / "seen").read_text() == "KeyboardInterrupt, not fitted, True"


# Disks that are full or read-only


@pytest.fixture
def full_disk(tmp_path, monkeypatch):
    """A folder on a real disk of 64 KiB."""
    monkeypatch.setattr(store_module, "_WARNED", set())
    with small_disk(tmp_path / "disk", "64k") as disk:
        yield disk


@pytest.fixture
def kept(folder, monkeypatch):
    """A store that holds the first five subjects."""
    monkeypatch.setattr(store_module, "_WARNED", set())
    extractor_of(folder, folder / "store").fit_transform(toy_cells(N_SUBJECTS)[0].iloc[:5])
    return folder / "store"


def extractor_of(folder, memory, **params):
    return ToyExtractor(folder / "toy.pt", memory=memory, batch_size=2, **params)


def files_below(folder):
    """Contents of all files below a folder."""
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_store_on_a_disk_that_fills_up_keeps_what_had_room(full_disk):
    store = FeatureStore(full_disk / "store")

    def is_kept(number):
        values = np.full(2000, number, np.float32)
        return store.put("tokens", f"{number:04d}", {"x": values}) is not None

    with pytest.warns(DataWarning, match="disk is full.*nothing is lost") as caught:
        written = list(map(is_kept, range(20)))
    assert len(caught) == 1
    assert 0 < sum(written) < 20
    for number in np.flatnonzero(written):
        found = store.get("tokens", f"{number:04d}").arrays["x"].read()
        assert (found == number).all()
    assert not leftovers(full_disk)
    assert store.verify() == []


def test_room_that_is_made_is_used_again(full_disk):
    store, values = FeatureStore(full_disk / "store"), {"x": np.zeros(4000, np.float32)}
    with pytest.warns(DataWarning, match="disk is full"):
        written = [store.put("tokens", f"{number:04d}", values) for number in range(6)]
    assert written[-1] is None
    assert store.prune(max_size=0) > 0
    assert store.put("tokens", "0005", values) is not None


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_extraction_onto_a_full_disk_warns_once_and_loses_nothing(folder, full_disk, n_jobs):
    X, _ = toy_cells(60)
    extractor = extractor_of(folder, FeatureStore(full_disk / "store", "float32"))
    with joblib.parallel_config("threading"):
        extractor.set_params(n_jobs=n_jobs)
        with pytest.warns(DataWarning, match="disk is full.*nothing is lost") as caught:
            found = extractor.fit_transform(X)
    assert len(caught) == 1
    expected = extractor_of(folder, None).fit_transform(X)
    np.testing.assert_allclose(tokens(found), tokens(expected), atol=1e-6)
    assert FeatureStore(full_disk / "store").info()["records"].sum() > 0
    assert FeatureStore(full_disk / "store").verify() == []
    assert not list(full_disk.glob("**/.*.tmp"))


def test_extraction_into_a_read_only_store_uses_what_is_there_and_warns_once(folder, kept):
    X, _ = toy_cells(N_SUBJECTS)
    before, encoded = files_below(kept), counted(folder, "encoded")
    with read_only(kept), pytest.warns(DataWarning, match="could not write.*nothing is") as caught:
        found = extractor_of(folder, kept).fit_transform(X)
    assert len(caught) == 1
    assert counted(folder, "encoded") - encoded == N_SUBJECTS - 5
    assert files_below(kept) == before
    expected = extractor_of(folder, None).fit_transform(X)
    np.testing.assert_allclose(tokens(found), tokens(expected), atol=5e-3)


def test_a_read_only_store_that_holds_all_is_as_good_as_any(folder, kept):
    X, _ = toy_cells(N_SUBJECTS)
    encoded = counted(folder, "encoded")
    with read_only(kept), warnings.catch_warnings():
        warnings.simplefilter("error")
        extractor_of(folder, kept).fit_transform(X.iloc[:5])
        store = FeatureStore(kept)
        assert store.info()["records"].tolist() == [5, 5]
        assert store.verify() == []
        assert store.prune(max_size=0) == 0
    assert counted(folder, "encoded") == encoded


def test_a_damaged_record_of_a_read_only_store_is_not_trusted(folder, kept):
    X, _ = toy_cells(N_SUBJECTS)
    damaged = next((kept / "tokens").glob("*/*.safetensors"))
    content = bytearray(damaged.read_bytes())
    content[-1] ^= 1
    damaged.write_bytes(content)
    with read_only(kept), pytest.warns(DataWarning) as caught:
        found = extractor_of(folder, kept).fit_transform(X.iloc[:5])
    assert sorted(str(item.message).split(" ")[0] for item in caught) == ["A", "The"]
    expected = extractor_of(folder, None).fit_transform(X.iloc[:5])
    np.testing.assert_allclose(tokens(found), tokens(expected), atol=5e-3)
