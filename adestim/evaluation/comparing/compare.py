"""Estimators side by side: the same splits, the same scores, and the controls that matter."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from adestim._support.keys import content_key
from adestim._support.predictions import Predictions, tabulate_predictions
from adestim._support.sklearn import draw_seeds
from adestim.evaluation.comparing.analysed_rows import Cohort, read_cohort, warn_of_left_out
from adestim.evaluation.comparing.candidates import (
    Candidate,
    add_controls,
    choose_reference,
    choose_scores,
    read_candidates,
    require_rule,
)
from adestim.evaluation.comparing.comparison import Comparison
from adestim.evaluation.comparing.jobs import Job, JobResult, name_result, run_jobs
from adestim.evaluation.comparing.named_files import digest_cells
from adestim.evaluation.scores.out_of_fold import score_table
from adestim.exceptions import DataWarning, InputError


def compare(  # noqa: PLR0913 - flat, as those of scikit-learn's cross_validate
    estimators: Mapping[str, Any],
    X: Any,
    y: Any,
    *,
    groups: Any = None,
    positive: Any = None,
    cv: Any = 5,
    n_repeats: int = 1,
    scoring: str | Sequence[str] | None = None,
    reference: str | None = None,
    covariates: pd.DataFrame | None = None,
    controls: bool = True,
    threshold: str | None = None,
    resume: Any = None,
    n_jobs: int | None = None,
    verbose: bool = False,
    random_state: Any = 0,
) -> Comparison:
    """Cross-validate several estimators on the same splits, beside controls.

    Parameters
    ----------
    estimators : mapping of str to estimator
        Classifiers with ``predict_proba``, or regressors; pipelines as well. They are cloned, not
        fitted, and keep their own ``random_state``.
    X : {DataFrame, array-like} of shape (n_subjects, n_columns)
        Encodings table, numeric frame, or raw cells for pipelines. An array becomes a frame. Its
        index names the subjects.
    y : array-like of shape (n_subjects,)
        Labels, or values for regressors.
    groups : array-like of shape (n_subjects,), default=None
        Rows of one group stay on one side of every split, and are handed to ``fit`` where it takes
        them. Needed where a subject has several rows.
    positive : label, default=None
        The positive of two classes; None for the patients' (AD beside CN, pMCI beside sMCI), or the
        last of the sorted two.
    cv : int, cross-validation splitter or iterable of splits, default=5
        An int gives shuffled folds, stratified by class, that keep groups whole.
    n_repeats : int, default=1
        How often folds are drawn anew; only where ``cv`` is an int.
    scoring : str or sequence of str, default=None
        Names of scores, of :data:`adestim.evaluation.SCORES`, or ``"mae"``, ``"rmse"``, ``"r2"``,
        ``"pearson"`` and ``"spearman"``; None for all.
    reference : str, default=None
        The estimator that others are compared with; None for the first.
    covariates : DataFrame of shape (n_subjects, n_covariates), default=None
        Age and sex, say, indexed by subject, for a control that knows nothing else.
    controls : bool, default=True
        Whether to add the controls: ``"mask only"``, which knows which modalities a subject has
        and nothing of what they hold, and one that knows the covariates. Regressions have none.
    threshold : str, default=None
        Rule by which each training set's threshold on the positive class's probability is chosen,
        within it: see :func:`adestim.evaluation.choose_threshold`. None predicts the likelier
        class.
    resume : str or path-like, default=None
        Folder, readable by its owner alone, in which the predictions of every finished fold are
        kept, with checksums; a second call reads what is there. What failed is tried again, and
        what is damaged is made again, with a warning. So is everything where a file that a raw
        cell or a parameter names, or one that is read with it, does not hold what it held: each is
        read once to tell, and again when its size or its date changed.
    n_jobs : int, default=None
        Folds at the same time, through joblib.
    verbose : bool, default=False
        Whether to show a progress bar; where there is no terminal, a line a fold to ``logging``.
    random_state : int, RandomState instance or None, default=0
        Seed of the splits, of inner folds for thresholds and of the bootstrap.

    Returns
    -------
    Comparison

    Raises
    ------
    InputError
        When estimators or settings cannot be used, or all estimators fail on all folds.
    LeakageError
        When a group is on both sides of a split, or groups are needed.

    Warns
    -----
    DataWarning
        Where folds fail, which are kept as rows with their error; and where rows are left out,
        which have no label or not a single modality.

    See Also
    --------
    adestim.evaluation.ablate : Compares variants of one fusion.
    adestim.evaluation.transfer : Judges fitted estimators on another cohort.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from sklearn.linear_model import LogisticRegression
    >>> from adestim.evaluation import compare
    >>> rng = np.random.default_rng(0)
    >>> X = pd.DataFrame(rng.normal(size=(80, 3)), columns=["mri__a", "mri__b", "csf__tau"])
    >>> signal = X["mri__a"] + X["csf__tau"] + rng.normal(size=80)
    >>> y = np.where(signal > signal.median(), "AD", "CN")
    >>> models = {"weak": LogisticRegression(C=1e-4), "strong": LogisticRegression()}
    >>> comparison = compare(models, X, y, scoring="roc_auc")
    >>> comparison.estimators
    ['weak', 'strong', 'mask only']
    >>> comparison.folds[["estimator", "repeat", "fold", "n_test", "status"]].head(2)
      estimator  repeat  fold  n_test status
    0      weak       0     0      16     ok
    1      weak       0     1      16     ok
    >>> print(comparison.to_markdown(n_resamples=0).splitlines()[4])
    | mask only | 0.500 |
    """
    candidates = read_candidates(estimators)
    cohort = read_cohort(X, y, groups, candidates, positive)
    warn_of_left_out(cohort.left_out)
    scores = choose_scores(scoring, cohort.classes)
    reference = choose_reference(reference, candidates)
    require_rule(threshold, cohort.classes)
    if controls and cohort.classes:
        candidates = add_controls(candidates, covariates, cohort.table.index)
    seeds = draw_seeds(random_state, 3)
    splits = number_splits(cohort.draw_splits(cv, n_repeats, seeds[0]))
    jobs = [
        job
        for name, candidate in candidates.items()
        for job in make_jobs(name, candidate, cohort, splits, threshold, seeds[1])
    ]
    keys = [] if resume is None else name_results(jobs, Path(resume) / "files")
    results = run_jobs(jobs, keys, resume, n_jobs, verbose)
    require_a_success(jobs, results, set(estimators))
    predictions = collect_predictions(jobs, results, cohort)
    return Comparison(
        folds=tabulate_folds(jobs, results, predictions, scores),
        predictions=predictions,
        present=cohort.present,
        flow=cohort.count_flow(candidates),
        classes=cohort.classes,
        scores=scores,
        reference=reference,
        seed=seeds[2],
        controls=tuple(name for name in candidates if name not in estimators),
    )


def number_splits(splits: Sequence[tuple]) -> list[tuple[int, int, np.ndarray, np.ndarray]]:
    """Return splits with repeat and fold; a repeat ends where a row would be tested again."""
    result, tested = [], set()
    repeat = fold = 0
    for train, test in splits:
        if tested.intersection(test.tolist()):
            repeat, fold, tested = repeat + 1, 0, set()
        tested.update(test.tolist())
        result.append((repeat, fold, train, test))
        fold += 1
    return result


def make_jobs(
    name: str,
    candidate: Candidate,
    cohort: Cohort,
    splits: Sequence[tuple],
    threshold: str | None,
    seed: int,
) -> list[Job]:
    """Return an estimator's jobs, one a split."""
    readable = cohort.find_readable(candidate)
    whole = Job(
        name=name,
        repeat=0,
        fold=0,
        estimator=candidate.estimator,
        table=cohort.select_table(candidate),
        y=cohort.y,
        groups=cohort.groups,
        train=np.array([], dtype=int),
        test=np.array([], dtype=int),
        classes=cohort.classes,
        threshold=threshold,
        seed=seed,
    )
    return [
        replace(
            whole, repeat=repeat, fold=fold, train=train[readable[train]], test=test[readable[test]]
        )
        for repeat, fold, train, test in splits
    ]


def name_results(jobs: Sequence[Job], memo: Path) -> list[str]:
    """Return the names of all results; a table that jobs share is walked through once.

    Digests of the files that it names are remembered in a folder.
    """
    data: dict[int, str] = {}
    for job in jobs:
        if id(job.table) not in data:
            files = digest_cells(job.table, memo)
            data[id(job.table)] = content_key(job.table, job.y, job.groups, files)
    return [name_result(job, data[id(job.table)], memo) for job in jobs]


def require_a_success(
    jobs: Sequence[Job], results: Sequence[JobResult], names: Collection[str]
) -> None:
    """Warn of folds that failed; refuse to go on where none of the estimators has one left."""
    failed = [
        (job.name, result.error)
        for job, result in zip(jobs, results, strict=True)
        if result.status == "failed"
    ]
    counts = pd.Series([name for name, _ in failed], dtype=object).value_counts(sort=False)
    n_own = sum(job.name in names for job in jobs)
    if sum(name in names for name, _ in failed) == n_own:
        raise InputError(
            "An estimator must get through one fold, but all failed on all of them",
            got=next(error for name, error in failed if name in names),
            remedy="Fit one of them on the whole table to see where",
        )
    if failed:
        told = ", ".join(f"{n} of {name!r}" for name, n in counts.items())
        warnings.warn(
            f"Folds failed: {told}. Their errors are in the column 'error' of folds.",
            DataWarning,
            stacklevel=3,
        )


def collect_predictions(
    jobs: Sequence[Job], results: Sequence[JobResult], cohort: Cohort
) -> pd.DataFrame:
    """Return all predictions, by estimator, repeat and row."""
    places = {name: place for place, name in enumerate(dict.fromkeys(job.name for job in jobs))}
    tables = [
        tabulate_result(job, result, cohort)
        for job, result in zip(jobs, results, strict=True)
        if result.status == "ok"
    ]
    frame = pd.concat(tables, ignore_index=True)
    order = pd.DataFrame({"at": frame["estimator"].map(places), **frame[["repeat", "row"]]})
    return frame.loc[order.sort_values(["at", "repeat", "row"]).index].reset_index(drop=True)


def tabulate_result(job: Job, result: JobResult, cohort: Cohort) -> pd.DataFrame:
    """Return the predictions of one fold."""
    cuts = None if result.threshold is None else np.full(len(job.test), result.threshold)
    values = np.asarray(result.predictions, dtype=float)
    return tabulate_predictions(
        Predictions(cohort.y[job.test], values, cohort.classes, cuts),
        job.table.index[job.test],
        estimator=job.name,
        repeat=job.repeat,
        fold=job.fold,
        rows=job.test,
        groups=None if cohort.groups is None else cohort.groups[job.test],
    )


def tabulate_folds(
    jobs: Sequence[Job],
    results: Sequence[JobResult],
    predictions: pd.DataFrame,
    scores: Sequence[str],
) -> pd.DataFrame:
    """Return a row for each estimator, repeat and fold, with its scores."""
    tables = dict(iter(predictions.groupby(["estimator", "repeat", "fold"])))
    rows = []
    for job, result in zip(jobs, results, strict=True):
        table = tables.get((job.name, job.repeat, job.fold), predictions.iloc[:0])
        rows.append(
            {
                "estimator": job.name,
                "repeat": job.repeat,
                "fold": job.fold,
                "n_train": len(job.train),
                "n_test": len(job.test),
                **score_table(table, job.classes, scores),
                "seconds": result.seconds,
                "status": result.status,
                "error": result.error,
            }
        )
    return pd.DataFrame(rows)
