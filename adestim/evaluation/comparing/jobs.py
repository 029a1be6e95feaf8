"""One estimator on one split, and many of them: in parallel, kept on disk, failures noted."""

from __future__ import annotations

import hashlib
import json
import os
import time
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from sklearn.base import is_regressor

from adestim._support.files import make_private, write_whole
from adestim._support.keys import content_key
from adestim._support.numbers import require_finite_predictions
from adestim._support.predictions import align_probabilities
from adestim._support.progress import show_progress
from adestim._support.version import __version__
from adestim.evaluation.comparing.named_files import describe_path
from adestim.evaluation.scores.thresholds import inner_threshold
from adestim.evaluation.splitting.folds import fit_fold
from adestim.exceptions import DataWarning, InputError

FORMAT = 2
CHECKSUM = "sha256"


@dataclass(frozen=True, eq=False)
class Job:
    """An estimator, to be fitted on the training rows of a split and asked about its test rows."""

    name: str  # name of the estimator
    repeat: int  # place of the split
    fold: int
    estimator: Any  # the estimator; it is cloned, not fitted
    table: pd.DataFrame  # (n_subjects, n_columns); the table, all rows
    y: np.ndarray  # (n_subjects,); labels or values
    groups: np.ndarray | None  # (n_subjects,); groups, handed to ``fit`` where it takes them
    train: np.ndarray  # rows of the split
    test: np.ndarray
    classes: tuple = ()  # all classes, in order; none for a regression
    threshold: str | None = None  # rule by which the threshold is chosen within the training rows
    seed: int = 0  # seed of the inner folds that choose it


@dataclass(frozen=True)
class JobResult:
    """What became of a job."""

    status: str  # whether there are predictions
    error: str = ""
    seconds: float = 0.0  # time of fitting and predicting
    threshold: float | None = None
    predictions: Sequence = ()  # A row of probabilities, or a value, for each test row


def run_jobs(
    jobs: Sequence[Job], keys: Sequence[str], resume: Any, n_jobs: int | None, verbose: bool
) -> list[JobResult]:
    """Run every job that is not done yet."""
    paths = make_result_paths(keys, resume) if resume is not None else [None] * len(jobs)
    done = [load_result(path, len(job.test)) for path, job in zip(paths, jobs, strict=True)]
    todo = [place for place, result in enumerate(done) if result is None]
    tasks = (delayed(run_and_keep)(jobs[place], paths[place]) for place in todo)
    results = Parallel(n_jobs=n_jobs, return_as="generator")(tasks)
    fresh = show_results(results, jobs, todo, verbose)
    for place, result in zip(todo, fresh, strict=True):
        done[place] = result
    return done


def show_results(
    results: Iterator, jobs: Sequence[Job], todo: Sequence[int], verbose: bool
) -> Iterable:
    """Return results behind a progress bar, which starts where the folder of results ends."""
    names = len({job.name for job in jobs})
    title, done = f"{names} estimators", len(jobs) - len(todo)
    return show_progress(results, title, "fold", verbose, total=len(jobs), initial=done)


def run_and_keep(job: Job, path: Path | None) -> JobResult:
    """Run a job and keep what it yields; a failure is not kept, so that it is tried again."""
    result = run_job(job)
    if path is not None and result.status == "ok":
        write_whole(path, json.dumps({**vars(result), CHECKSUM: digest_result(result)}).encode())
    return result


def digest_result(result: JobResult) -> str:
    """Return the checksum of a result."""
    return hashlib.sha256(json.dumps(vars(result), sort_keys=True).encode()).hexdigest()


def run_job(job: Job) -> JobResult:
    """Fit and predict; what goes wrong is told, but for the user's own interruption."""
    start = time.perf_counter()
    try:
        threshold = choose_job_threshold(job)
        estimator = fit_fold(job.estimator, job.table, job.y, job.groups, job.train)
        predictions = predict_values(estimator, job.table.iloc[job.test], job.classes)
    except Exception as error:  # whatever it is, the other folds go on
        seconds = time.perf_counter() - start
        return JobResult("failed", f"{type(error).__name__}: {error}", seconds)
    seconds = time.perf_counter() - start
    return JobResult("ok", "", seconds, threshold, predictions.tolist())


def choose_job_threshold(job: Job) -> float | None:
    """Return the threshold that the training rows alone suggest."""
    if job.threshold is None or is_regressor(job.estimator):
        return None
    return inner_threshold(
        job.estimator,
        job.table.iloc[job.train],
        job.y[job.train],
        groups=None if job.groups is None else job.groups[job.train],
        rule=job.threshold,
        positive=job.classes[1],
        random_state=job.seed,
    )


def predict_values(estimator: Any, table: pd.DataFrame, classes: tuple) -> np.ndarray:
    """Return finite probabilities in the order of all classes, or values of a regression."""
    owner, ask = type(estimator).__name__, estimator.predict_proba if classes else estimator.predict
    found = require_finite_predictions(np.asarray(ask(table), dtype=float), owner, table.index)
    return align_probabilities(found, estimator.classes_, classes) if classes else found


def name_result(job: Job, data: str, memo: Path | None = None) -> str:
    """Return the name of a job's result: equal where estimator, data and split are."""
    try:
        described = describe_settings(job.estimator, memo)
        settings = content_key(FORMAT, __version__, described, job.classes)
    except Exception as error:
        raise InputError(
            "'resume' needs estimators whose parameters pickle",
            got=f"{type(error).__name__} for {job.name!r}",
            remedy="Write lambdas as functions of a module, or leave 'resume' out",
        ) from error
    inner = (job.threshold, job.seed) if job.threshold is not None else None
    return content_key(settings, data, job.train, job.test, inner)


def describe_settings(value: Any, memo: Path | None = None) -> Any:
    """Return what an estimator is: its class and parameters, those within it and named files too.

    Digests of files are remembered in a folder.
    """
    if hasattr(value, "get_params") and not isinstance(value, type):
        kind = f"{type(value).__module__}:{type(value).__qualname__}"
        return kind, describe_settings(value.get_params(deep=False), memo)
    if isinstance(value, Mapping):
        return {key: describe_settings(item, memo) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [describe_settings(item, memo) for item in value]
    return describe_path(value, memo) if isinstance(value, str | os.PathLike) else value


def make_result_paths(keys: Sequence[str], resume: Any) -> list[Path | None]:
    """Return the file of every result, in a folder that only its owner can read."""
    folder = Path(resume)
    if folder.exists() and not folder.is_dir():
        raise InputError("'resume' is a folder of results", got="a file", remedy="Name a folder")
    make_private(folder)
    return [folder / f"{key}.json" for key in keys]


def load_result(path: Path | None, n_test: int) -> JobResult | None:
    """Return a result that is there and whole; one that is damaged is made again."""
    if path is None or not path.is_file():
        return None
    try:
        said = json.loads(path.read_bytes())
        digest = said.pop(CHECKSUM)
        result = JobResult(**said)
        whole = digest == digest_result(result) and len(result.predictions) == n_test
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError, OSError):
        whole = False
    if whole:
        return result
    warnings.warn(
        f"A result in the folder of 'resume' is damaged, and is made again: {path.name}",
        DataWarning,
        stacklevel=5,
    )
    return None
