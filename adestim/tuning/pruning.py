"""Pruning of hopeless trials, epoch by epoch, in an Optuna study."""

from __future__ import annotations

import warnings
from typing import Any

from adestim.exceptions import AdestimWarning, InputError, MissingDependencyError


class TrialPruning:
    """A callback of scikit-learn that lets Optuna end a trial after any epoch.

    Set it on the classifier, alone or inside a pipeline: after every epoch the loss on the inner
    validation split is reported to the trial, and :class:`optuna.TrialPruned` is raised where
    the study's pruner advises so. Make one for every trial; scikit-learn hands it by
    reference to the clones of a cross-validation, so that it knows which fold it is in.

    Parameters
    ----------
    trial : optuna.trial.Trial
        The trial of a study with one objective.
    n_epochs : int, default=None
        Steps that are set aside for every anchor. None takes the estimator's ``max_epochs``;
        where a study tunes ``max_epochs`` itself, give the largest, so that steps of different
        trials stay comparable.

    Notes
    -----
    The step of a report counts folds first, then anchors, then epochs, and leaves room for the
    epochs that early stopping saves. Two trials are compared at the same fold, anchor and
    epoch; keep the folds, and the number of anchors, the same in all trials of a study.
    In a study that maximises, the negative loss is reported.

    ``cross_val_score``, ``cross_validate`` and the searches of scikit-learn turn an exception
    in ``fit`` into a score of NaN by default; pass ``error_score="raise"``, or no trial is pruned.
    Run the folds of a trial in one process: a copy that went through a pickle does not know
    its trial any more, prunes nothing and warns. Trials may run in parallel.

    References
    ----------
    Akiba et al., "Optuna: A Next-generation Hyperparameter Optimization Framework", KDD 2019.

    Examples
    --------
    >>> import numpy as np
    >>> import optuna
    >>> from sklearn.model_selection import cross_val_score
    >>> from adestim import AnchoredFusionClassifier
    >>> from adestim.tuning import TrialPruning
    >>> optuna.logging.set_verbosity(optuna.logging.ERROR)
    >>> X, y = np.random.default_rng(0).normal(size=(30, 2)), np.arange(30) % 2
    >>> def objective(trial):
    ...     model = AnchoredFusionClassifier(
    ...         learning_rate=trial.suggest_float("learning_rate", 1e-4, 1e-1, log=True),
    ...         width=8,
    ...         max_epochs=2,
    ...         random_state=0,
    ...     )
    ...     model.set_callbacks(TrialPruning(trial))
    ...     return cross_val_score(model, X, y, cv=2, error_score="raise").mean()
    >>> study = optuna.create_study(direction="maximize", pruner=optuna.pruners.MedianPruner())
    >>> study.optimize(objective, n_trials=1)
    >>> sorted(study.trials[0].intermediate_values)
    [1, 2, 3, 4]
    """

    def __init__(self, trial: Any, *, n_epochs: int | None = None):
        self.trial = trial
        self.n_epochs = n_epochs
        self._n_fits = 0

    def setup(self, estimator: Any, context: Any) -> None:
        """Count a fit, which is a fold of the trial.

        Parameters
        ----------
        estimator : object
            The classifier that is about to be fitted.
        context : sklearn.callback.CallbackContext
            Not used.
        """
        self._n_fits += 1
        if self.trial is None:
            warnings.warn(
                "TrialPruning went through a pickle and does not know its trial any more: nothing "
                "is pruned. Run the folds of a trial in one process (n_jobs=1) and trials in "
                "parallel instead.",
                AdestimWarning,
                stacklevel=2,
            )

    def teardown(self, estimator: Any, context: Any) -> None:
        """Have nothing to take down.

        Parameters
        ----------
        estimator : object
            Not used.
        context : sklearn.callback.CallbackContext
            Not used.
        """

    def on_fit_task_begin(self, estimator: Any, context: Any) -> None:
        """Wait for the end of the epoch.

        Parameters
        ----------
        estimator : object
            Not used.
        context : sklearn.callback.CallbackContext
            Not used.
        """

    def on_fit_task_end(self, estimator: Any, context: Any) -> None:
        """Report an epoch, and end the trial where Optuna advises so.

        Parameters
        ----------
        estimator : object
            The classifier, its ``history_`` up to this epoch.
        context : sklearn.callback.CallbackContext
            The task; epochs are those that have no tasks of their own.

        Raises
        ------
        InputError
            When the estimator keeps no history of epochs.
        optuna.TrialPruned
            When the trial is to end.
        """
        if not hasattr(estimator, "history_"):
            raise InputError(
                "TrialPruning watches the epochs of a classifier of adestim",
                got=type(estimator).__name__,
                remedy="In a pipeline, call set_callbacks on the step, as in "
                "pipeline[-1].set_callbacks(TrialPruning(trial))",
            )
        if self.trial is None or context.max_subtasks != 0:
            return
        optuna = import_optuna()
        self.trial.report(sign_loss(self.trial, estimator.history_), self._step(estimator))
        if self.trial.should_prune():
            raise optuna.TrialPruned(f"Pruned at step {self._step(estimator)}.")

    def _step(self, estimator) -> int:
        """Return the number of the last epoch among all that the trial may come to."""
        epoch = estimator.history_[-1]
        n_epochs = estimator.max_epochs if self.n_epochs is None else self.n_epochs
        names = getattr(estimator, "anchors_", [epoch["anchor"]])
        place = names.index(epoch["anchor"])
        return ((self._n_fits - 1) * len(names) + place) * n_epochs + epoch["epoch"]

    def __getstate__(self):
        """Leave the trial behind, and with it the whole study."""
        return vars(self) | {"trial": None}


def sign_loss(trial, history) -> float:
    """Return the last validation loss, negative where the study maximises."""
    loss = history[-1]["valid_loss"]
    return -loss if trial.study.direction.name == "MAXIMIZE" else loss


def import_optuna():
    """Return Optuna, or say how to get it."""
    try:
        import optuna
    except ImportError as error:
        raise MissingDependencyError(
            "Tuning needs the package optuna", remedy="Run: pip install 'adestim[tuning]'"
        ) from error
    return optuna
