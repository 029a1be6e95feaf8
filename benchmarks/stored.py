"""Predictions that are stored one by one, so that a benchmark can stop, go on and be split."""

import json
import os
import re
import time
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
from sklearn.base import clone

from adestim.training.phase_one.remembered import MEMORY


@dataclass(frozen=True)
class Task:
    """One model to be fitted to some people and asked about others.

    Parameters
    ----------
    setting : str
        Name of the table.
    model : str
        Name of the model.
    repeat, fold : int
        Which split.
    estimator : classifier
        The model, not fitted.
    X, y : DataFrame, ndarray of bool
        The table and whom to find.
    train, test : ndarray of int
        Row numbers.
    """

    setting: str
    model: str
    repeat: int
    fold: int
    estimator: Any = field(repr=False)
    X: pd.DataFrame = field(repr=False)
    y: np.ndarray = field(repr=False)
    train: np.ndarray = field(repr=False)
    test: np.ndarray = field(repr=False)


def path_of(folder, task):
    """Return the file of a task."""
    places = [re.sub(r"[^\w.]+", "-", name).strip("-") for name in (task.setting, task.model)]
    return Path(folder).joinpath(*places, f"repeat{task.repeat}-fold{task.fold}.json")


def run_missing(tasks, folder, n_jobs=1):
    """Fit what is not stored yet; say how much that was."""
    missing = [task for task in tasks if not path_of(folder, task).is_file()]
    print(
        f"{len(tasks) - len(missing)} predictions are stored, {len(missing)} to be made", flush=True
    )
    run = joblib.delayed(run_task)
    joblib.Parallel(n_jobs=n_jobs, batch_size=1)(run(task, folder) for task in missing)


def run_task(task, folder):
    """Fit one model and store what it says of the people kept aside."""
    path = path_of(folder, task)
    # Another run of the same benchmark may have been here meanwhile.
    if not path.is_file():
        found = describe(task) | predict(task)
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(f".{os.getpid()}")
        partial.write_text(json.dumps(found), encoding="utf-8")
        partial.replace(path)
        print(f"{task} {found['cpu']:.1f} s", flush=True)


def describe(task):
    """Return what a stored prediction says of itself."""
    return {
        "setting": task.setting,
        "model": task.model,
        "repeat": task.repeat,
        "fold": task.fold,
        "rows": task.test.tolist(),
        "y": task.y[task.test].astype(int).tolist(),
    }


def predict(task):
    """Return probabilities of the positive label, and seconds of the processor."""
    # Every model pays for all of its fit.
    MEMORY.forget()
    start = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = clone(task.estimator).fit(task.X.iloc[task.train], task.y[task.train])
        fitted = time.process_time()
        probability = model.predict_proba(task.X.iloc[task.test])[:, 1]
    done = time.process_time()
    return {"probability": probability.tolist(), "fit": fitted - start, "cpu": done - start}


def forget(tasks, folder):
    """Delete the stored predictions of some tasks."""
    for task in tasks:
        path_of(folder, task).unlink(missing_ok=True)


def read_stored(folder):
    """Return all stored predictions as one list of dicts."""
    paths = sorted(Path(folder).glob("*/*/*.json"))
    return [json.loads(path.read_text(encoding="utf-8")) for path in paths]
