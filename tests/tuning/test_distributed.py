"""One Optuna study by several processes, on a journal file or a PostgreSQL server."""

import getpass
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import optuna
import pytest
from sklearn.base import clone
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline

from adestim import AnchoredFusionClassifier, ModalityUnion
from adestim.tuning import TrialPruning
from tests.toy_backbone import NOTES, ToyExtractor, toy_cells, write_weights

optuna.logging.set_verbosity(optuna.logging.ERROR)

ROOT = Path(__file__).parents[2]
SERVERS = Path("/usr/lib/postgresql")
N_SUBJECTS = 24
FOLDS = 2
N_TRIALS = 2
# Seconds after which a process is given up; no test is about how long one takes.
HANGS = 600


def storage_of(where):
    """A journal file, or what a URL names."""
    if "://" in where:
        return optuna.storages.RDBStorage(where)
    backend = optuna.storages.journal.JournalFileBackend(where)
    return optuna.storages.JournalStorage(backend)


def cohort():
    X, y = toy_cells(N_SUBJECTS)
    X["tau"] = np.where(y == "AD", 1.0, 0.0) + np.random.default_rng(0).normal(size=len(y))
    return X, y


def pipeline_of(folder):
    union = ModalityUnion(
        [("img", ToyExtractor(Path(folder, "toy.pt")), "img"), ("csf", "passthrough", ["tau"])],
        memory=Path(folder, "store"),
    )
    model = AnchoredFusionClassifier(
        anchor="csf", n_trees=0, max_epochs=2, n_queries=2, width=8, random_state=0
    )
    return make_pipeline(union, model)


def objective_of(folder, lowest=1e-3, highest=1e-2):
    """What a trial does: a cross-validation of the whole pipeline, pruned by epoch."""
    X, y = cohort()

    def objective(trial):
        pipeline = clone(pipeline_of(folder))
        rate = trial.suggest_float("learning_rate", lowest, highest, log=True)
        pipeline[-1].set_params(learning_rate=rate).set_callbacks(TrialPruning(trial))
        trial.set_user_attr("process", os.getpid())
        return cross_val_score(pipeline, X, y, cv=FOLDS, error_score="raise").mean()

    return objective


def optimize(folder, where, n_trials):
    """The part of one process in the study."""
    pruner = optuna.pruners.NopPruner()
    study = optuna.load_study(study_name="ours", storage=storage_of(where), pruner=pruner)
    study.optimize(objective_of(folder), n_trials=n_trials)


def run_here(function, *arguments):
    """Start a function of this file in a process of its own."""
    call = f"from tests.tuning.test_distributed import {function} as f; f(*{arguments!r})"
    return subprocess.Popen([sys.executable, "-c", call], cwd=ROOT)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with weights and a warm store; further work is noted."""
    write_weights(tmp_path / "toy.pt")
    X, y = cohort()
    pipeline_of(tmp_path)[0].fit_transform(X, y)
    monkeypatch.setenv(NOTES, str(tmp_path / "notes"))
    return tmp_path


def server_program(name):
    """Path of one of PostgreSQL's programs, None where it is not installed."""
    found = sorted(SERVERS.glob(f"*/bin/{name}"))
    return str(found[-1]) if found else shutil.which(name)


def owner():
    """Who may run a server: PostgreSQL refuses the superuser."""
    return "postgres" if getpass.getuser() == "root" else None


@pytest.fixture
def postgresql():
    """URL of a server that runs for one test, on a socket in a folder of its own."""
    pytest.importorskip("psycopg", reason="the driver psycopg is not installed")
    initdb, server = server_program("initdb"), server_program("pg_ctl")
    if initdb is None or server is None:
        pytest.skip("no PostgreSQL server is installed: initdb and pg_ctl were not found")
    # Not below tmp_path, which nobody but its owner may enter.
    with tempfile.TemporaryDirectory(prefix="pg") as folder:
        if owner():
            shutil.chown(folder, owner())
        run = {"check": True, "user": owner(), "cwd": folder, "stdout": subprocess.DEVNULL}
        data, options = f"{folder}/data", f"-h '' -k {folder} -c fsync=off"
        subprocess.run([initdb, "-D", data, "-U", "ours", "-A", "trust", "-N"], **run)
        log = ["-w", "-l", f"{folder}/log"]
        subprocess.run([server, "-D", data, *log, "-o", options, "start"], **run)
        try:
            yield f"postgresql+psycopg://ours@/postgres?host={folder}"
        finally:
            subprocess.run([server, "-D", data, "-m", "immediate", "stop"], **run)


def share_a_study(folder, where, storage):
    """Let another process and this one work at one study; nobody is prepared or encoded again."""
    study = optuna.create_study(study_name="ours", storage=storage, direction="maximize")
    other = run_here("optimize", str(folder), where, N_TRIALS)
    while not study.get_trials(deepcopy=False):
        assert other.poll() is None
        time.sleep(0.05)
    optimize(str(folder), where, N_TRIALS)
    assert other.wait(HANGS) == 0
    assert [trial.state.name for trial in study.trials] == ["COMPLETE"] * 2 * N_TRIALS
    processes = [trial.user_attrs["process"] for trial in study.trials]
    assert {processes.count(process) for process in (os.getpid(), other.pid)} == {N_TRIALS}
    assert all(sorted(trial.intermediate_values) == [1, 2, 3, 4] for trial in study.trials)
    assert not (folder / "notes").exists()


def prune_by_what_others_reported(folder, storage):
    """Run a trial of far too large steps, much worse than the other processes' trials."""
    pruner = optuna.pruners.MedianPruner(n_startup_trials=2 * N_TRIALS)
    study = optuna.load_study(study_name="ours", storage=storage, pruner=pruner)
    study.optimize(objective_of(folder, 0.5, 1.0), n_trials=1)
    assert study.trials[-1].state.name == "PRUNED"


@pytest.mark.slow
def test_two_processes_share_a_study_on_a_journal_file(folder):
    where = str(folder / "journal.log")
    share_a_study(folder, where, storage_of(where))
    prune_by_what_others_reported(folder, storage_of(where))


@pytest.mark.slow
def test_two_processes_share_a_study_on_a_postgresql_server(folder, postgresql):
    storage = storage_of(postgresql)
    share_a_study(folder, postgresql, storage)
    prune_by_what_others_reported(folder, storage)
    storage.remove_session()
    storage.engine.dispose()
