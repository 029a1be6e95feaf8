"""Several processes on one feature store: each subject is prepared and encoded by one of them."""

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from adestim.extraction.prepared import Prepared
from adestim.store import FeatureStore
from tests.toy_backbone import NOTES, ToyExtractor, ToyViT, note, toy_cells, write_weights

ROOT = Path(__file__).parents[2]
N_SUBJECTS = 60
HANGS = 600


def prepare_slowly(cells):
    """A preparation that takes long enough for others to come upon it."""
    note("prepared", 1)
    time.sleep(0.005)
    return Prepared(ToyViT.prepare(cells[0]))


class SlowViT(ToyExtractor):
    """The extractor of the toy model, slow enough for others to come upon it."""

    def _preparation(self):
        return prepare_slowly

    def _encode(self, prepared, spec):
        time.sleep(0.005)
        return super()._encode(prepared, spec)


def extract_together(folder, name, n_processes, batch_size, n_subjects=N_SUBJECTS):
    """Extract as soon as the other processes are ready too; write tokens to a file."""
    extractor = SlowViT(Path(folder, "toy.pt"), memory=Path(folder, "store"), batch_size=batch_size)
    extractor.fit_transform(toy_cells(1, seed=99)[0])
    Path(folder, f"{name} is ready").touch()
    while len(list(Path(folder).glob("* is ready"))) < n_processes:
        time.sleep(0.001)
    table = extractor.fit_transform(toy_cells(n_subjects)[0])
    np.save(Path(folder, f"{name}.npy"), np.stack([cell.tokens for cell in table["img"]]))


def start(folder, *arguments):
    call = (
        "from tests.extraction.test_sharing import extract_together as f; "
        f"f({str(folder)!r}, *{arguments!r})"
    )
    return subprocess.Popen([sys.executable, "-c", call], cwd=ROOT)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    write_weights(tmp_path / "toy.pt")
    monkeypatch.setenv(NOTES, str(tmp_path / "notes"))
    (tmp_path / "notes").touch()
    return tmp_path


def counted(folder, what):
    return (folder / "notes").read_text().split().count(what)


@pytest.mark.parametrize(("n_processes", "batch_size"), [(2, 4), (4, 2)])
def test_processes_share_the_work(folder, n_processes, batch_size):
    names = [f"process {number}" for number in range(n_processes)]
    started = [start(folder, name, n_processes, batch_size) for name in names]
    assert [process.wait(HANGS) for process in started] == [0] * n_processes
    # Each of them has made the one of the warming up as well, if no other had.
    most = 1.1 * N_SUBJECTS + n_processes
    assert N_SUBJECTS < counted(folder, "encoded") <= most
    assert N_SUBJECTS < counted(folder, "prepared") <= most
    first, *others = (np.load(folder / f"{name}.npy") for name in names)
    for other in others:
        np.testing.assert_array_equal(first, other)
    assert not list((folder / "store").glob("**/.*"))
    assert FeatureStore(folder / "store").verify() == []


def test_what_a_killed_process_had_claimed_is_made_by_others(folder):
    process = start(folder, "killed", 2, 4)
    while counted(folder, "encoded") < 1:
        time.sleep(0.01)
    store = FeatureStore(folder / "store")
    process.kill()
    process.wait()
    left = folder / "store" / "inputs" / "ab" / ".abcd.claim"
    left.parent.mkdir(exist_ok=True)
    left.write_text(f"{claim_of(store)} {process.pid}")
    extract_together(folder, "other", 1, 4, n_subjects=8)
    FeatureStore(folder / "store").prune()
    assert not left.exists()


def claim_of(store):
    """The name of this machine, as a claim of a store has it."""
    with store.claim("tokens", ["ab"]):
        [claim] = Path(store.folder).glob("tokens/ab/.ab.claim")
        machine, process = claim.read_text().split()
    assert int(process) == os.getpid()
    return machine
