"""A study of settings: begun afresh, on fixed inner folds, refitted with the best of them."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sklearn.metrics import check_scoring

from adestim._support.checks import require_count
from adestim._support.progress import Bar, progress_bar
from adestim._support.sklearn import draw_seeds
from adestim.exceptions import AdestimWarning, InputError
from adestim.tuning.objective import (
    Objective,
    check_rows,
    choose_scoring,
    draw_inner_splits,
    free_memory,
)
from adestim.tuning.pruning import import_optuna
from adestim.tuning.space import default_values, search_space, suggest
from adestim.tuning.tuned import Tuned, tabulate_trials

# Trials that fail one after the other, from the first one on, are not the settings' fault.
N_HOPELESS = 10
N_CAUSES = 3


def tune(  # noqa: PLR0913 - what a study needs to be told
    estimator: Any,
    X: Any,
    y: Any,
    *,
    groups: Any = None,
    n_trials: int = 50,
    scoring: Any = None,
    inner_cv: Any = 5,
    timeout: float | None = None,
    storage: Any = None,
    study_name: str | None = None,
    sampler: Any = None,
    pruner: Any = None,
    space: Callable | None = None,
    random_state: Any = 0,
    verbose: int = 0,
) -> Tuned:
    """Search the settings of an estimator, and fit it with the best of them.

    A trial is a cross-validation on inner folds that are the same in all trials. The first
    one takes the estimator as it is, so that the search cannot end below its defaults on these
    folds.

    Parameters
    ----------
    estimator : estimator
        A fusion, a rival, a wrapper around one, or a pipeline that ends in one; with ``space``,
        any estimator of scikit-learn. It is cloned.
    X : {DataFrame, array-like} of shape (n_rows, n_columns)
        Training rows; keep test rows out, or call :func:`nested_cross_validate`.
    y : array-like of shape (n_rows,)
        Class labels, or numbers.
    groups : array-like of shape (n_rows,), default=None
        Rows of one group stay on one side of the inner folds, and are handed to ``fit`` where
        it takes them. By default rows of the same index label, and rows that hold the very same
        data, stay together.
    n_trials : int, default=50
        Number of trials.
    scoring : str, callable or None, default=None
        A score of scikit-learn, greater being better. None: ``"neg_log_loss"``, and
        ``"neg_mean_squared_error"`` for regressors.
    inner_cv : int, cross-validation splitter or iterable, default=5
        Inner folds; an int means shuffled ones, stratified for classes.
    timeout : float or None, default=None
        Seconds after which no further trial is begun.
    storage : str, optuna.storages.BaseStorage or None, default=None
        Where the study is kept; None keeps it in memory.
    study_name : str or None, default=None
        Its name there, which must be new.
    sampler : optuna.samplers.BaseSampler or None, default=None
        None: a ``TPESampler``, seeded.
    pruner : optuna.pruners.BasePruner or None, default=None
        None ends trials whose validation loss is among the worst quarter at an epoch, after
        ten trials and, in each, ten epochs. Estimators that train no net are pruned by fold.
    space : callable or None, default=None
        Takes a trial and the estimator and returns what is set. None: :func:`suggest`;
        ``functools.partial(suggest, only=[...])`` narrows it.
    random_state : int, RandomState instance or None, default=0
        Seed of the folds and the sampler; the estimator has its own.
    verbose : int, default=0
        1 shows a bar of the trials, 2 one of their folds too. Nothing is shown in logs.

    Returns
    -------
    Tuned
        The estimator fitted to all rows, the study and its trials.

    Raises
    ------
    InputError
        When all trials failed, with their causes; when there is nothing to search; or the
        study's name is taken.
    LeakageError
        When a splitter puts a group on both sides.
    MissingDependencyError
        When Optuna is not installed.

    See Also
    --------
    nested_cross_validate : Scores of the whole procedure.
    suggest : The search space, for a loop of one's own over many machines.
    TrialPruning : How epochs are reported.

    Notes
    -----
    The score of the best trial is optimistic, since it was chosen for it [2]_. Extraction is
    repeated in every fold of every trial unless the union has a ``memory``. Folds run one after
    the other, so that one model at a time is on the GPU, whose memory is freed between trials.
    Optuna's logging is quiet meanwhile; trials that fail are warned of together, and ten failures
    from the first trial on end the study.

    References
    ----------
    .. [1] Bergstra et al., "Algorithms for Hyper-Parameter Optimization", NeurIPS 2011 (TPE).
    .. [2] Cawley and Talbot, "On Over-fitting in Model Selection and Subsequent Selection Bias in
       Performance Evaluation", Journal of Machine Learning Research 11, 2010.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from adestim import LateFusionClassifier
    >>> from adestim.tuning import tune
    >>> rng = np.random.default_rng(0)
    >>> X = pd.DataFrame(rng.normal(size=(40, 2)), columns=["mri__a", "csf__tau"])
    >>> y = np.where(X.sum(axis=1) > 0, "AD", "CN")
    >>> tuned = tune(LateFusionClassifier(random_state=0), X, y, n_trials=2, inner_cv=2)
    >>> tuned.best_estimator_.predict_proba(X).shape
    (40, 2)
    >>> tuned.trials["state"].tolist()
    ['complete', 'complete']
    """
    require_count(n_trials, "'n_trials' must be an int of at least 1")
    fold_seed, seed = draw_seeds(random_state, 2)
    rows = check_rows(X, y, groups)
    splits = draw_inner_splits(estimator, rows, inner_cv, fold_seed)
    scorer = check_scoring(estimator, scoring or choose_scoring(estimator))
    objective = Objective(estimator, rows, splits, scorer, space or suggest, verbose)
    if space is None:
        search_space(estimator)
    study = begin_study(storage, study_name, sampler, pruner, seed)
    if space is None:
        study.enqueue_trial(default_values(estimator))
    run_trials(study, objective, n_trials, timeout, verbose)
    require_a_complete_trial(study)
    return refit_best(study, objective)


def begin_study(storage: Any, name: str | None, sampler: Any, pruner: Any, seed: int) -> Any:
    """Return a study without trials."""
    optuna = import_optuna()
    try:
        with silence_optuna():
            return optuna.create_study(
                storage=storage,
                study_name=name,
                direction="maximize",
                sampler=sampler or optuna.samplers.TPESampler(seed=seed),
                pruner=pruner
                or optuna.pruners.PercentilePruner(75.0, n_startup_trials=10, n_warmup_steps=10),
            )
    except optuna.exceptions.DuplicatedStudyError as error:
        raise InputError(
            "A study is begun afresh, since an old one may know scores of other rows",
            got=f"study_name={name!r}, which the storage has",
            remedy="Pass another study_name, or delete the old study by optuna.delete_study",
        ) from error


def run_trials(
    study: Any, objective: Objective, n_trials: int, timeout: float | None, verbose: int
):
    """Run the trials; those that fail do not end the study."""
    with progress_bar(n_trials, "tuning", "trial", verbose) as bar, silence_optuna():
        study.optimize(
            objective,
            n_trials=n_trials,
            timeout=timeout,
            catch=(Exception,),
            callbacks=[AfterTrial(bar)],
        )


class AfterTrial:
    """Moves the bar, frees the GPU, and gives a hopeless study up."""

    def __init__(self, bar: Bar):
        self._bar = bar

    def __call__(self, study: Any, trial: Any) -> None:
        """Look at a trial that has ended."""
        free_memory()
        states = [each.state.name for each in study.trials]
        best = study.best_value if "COMPLETE" in states else None
        self._bar.advance(best=best)
        if len(states) >= N_HOPELESS and set(states) <= {"FAIL", "WAITING"}:
            study.stop()


@contextmanager
def silence_optuna() -> Iterator[None]:
    """Keep Optuna from writing a line a trial; its verbosity is left as found."""
    logging = import_optuna().logging
    verbosity = logging.get_verbosity()
    logging.set_verbosity(logging.CRITICAL)
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)


def require_a_complete_trial(study: Any) -> None:
    """Refuse a study none of whose trials came to its end; tell of those that failed."""
    states = Counter(trial.state.name for trial in study.trials)
    n_failed, n_trials = states["FAIL"], len(study.trials) - states["WAITING"]
    if states["COMPLETE"] == 0:
        raise InputError(
            "A study needs a trial that comes to its end",
            got=f"{n_trials} trials, of which {n_failed} failed and {states['PRUNED']} were "
            f"pruned{describe_causes(study)}",
            remedy="Fit the estimator once by itself to see the first error in full"
            if n_failed
            else "Pass a more patient pruner, or more trials or time",
        )
    if n_failed:
        warnings.warn(
            f"{n_failed} of {n_trials} trials failed{describe_causes(study)}.",
            AdestimWarning,
            stacklevel=3,
        )


def describe_causes(study: Any) -> str:
    """Return the most frequent causes of failures as text."""
    found = Counter(
        trial.user_attrs.get("error", "an unknown cause")
        for trial in study.trials
        if trial.state.name == "FAIL"
    )
    named = [f"{times} of: {cause}" for cause, times in found.most_common(N_CAUSES)]
    return "".join(f"; {cause.rstrip('.')}" for cause in named)


def refit_best(study: Any, objective: Objective) -> Tuned:
    """Return the study with the estimator of its best trial, fitted to all rows."""
    best = study.best_trial
    return Tuned(
        best_estimator_=objective.fit(best.params),
        best_params_=objective.read_settings(best.params),
        best_score_=best.value,
        study=study,
        trials=tabulate_trials(study),
    )
