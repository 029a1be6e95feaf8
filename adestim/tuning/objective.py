"""What a trial does: settings suggested, fitted on every inner fold, scored on the rest."""

from __future__ import annotations

import gc
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd
import torch
from scipy.sparse import issparse
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.model_selection import GroupKFold, StratifiedGroupKFold, check_cv
from sklearn.utils import assert_all_finite, check_consistent_length

from adestim._support.frames import read_frame
from adestim._support.groups import group_own_rows
from adestim._support.labels import (
    check_row_groups,
    place_rows,
    read_target,
    require_one_kind,
    require_splits,
)
from adestim._support.progress import show_progress
from adestim._support.routing import last_step, route_to_fit
from adestim._support.sklearn import list_callbacks, take_rows
from adestim.exceptions import InputError
from adestim.fusion._base import BaseFusion
from adestim.fusion._cross_fit import require_whole_groups
from adestim.tuning.pruning import TrialPruning, import_optuna

Splits = Sequence[tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows of a table that an estimator is fitted to."""

    table: Any  # (n_rows, n_columns); what the estimator reads
    y: np.ndarray  # (n_rows,); labels or values
    groups: np.ndarray | None  # (n_rows,); groups, where the user gave any

    def take(self, rows: np.ndarray) -> Rows:
        """Return some of the rows."""
        groups = None if self.groups is None else self.groups[rows]
        return Rows(take_rows(self.table, rows), self.y[rows], groups)

    def fit(self, estimator: Any) -> Any:
        """Fit an estimator to the rows, with the groups where it takes them."""
        params = route_to_fit(estimator, groups=self.groups)
        return estimator.fit(self.table, self.y, **params)


def check_rows(X: Any, y: Any, groups: Any) -> Rows:
    """Return table, labels and groups, which must be of one length.

    X (n_rows, n_columns), y (n_rows,), groups (n_rows,).
    """
    if y is None:
        raise InputError("Tuning requires y to be passed, but the target y is None")
    if issparse(X):
        raise InputError("Tuning reads dense tables", got="a sparse one", remedy="Pass X.toarray()")
    X = read_frame(X)
    table = X if isinstance(X, pd.DataFrame) else np.asarray(X)
    y = read_target(y, "Tuning")
    if y.dtype.kind == "f":
        assert_all_finite(y, input_name="y")
    check_consistent_length(table, y)
    require_one_kind(y, "Tuning", "y")
    return Rows(table, y, check_row_groups(groups, len(y), "tuning"))


def draw_inner_splits(estimator: Any, rows: Rows, cv: Any, seed: int) -> Splits:
    """Return the folds of a study, the same in all of its trials."""
    whole = rows.groups
    if isinstance(cv, Integral):
        whole = group_own_rows(pd.DataFrame(rows.table)) if whole is None else whole
        kind = StratifiedGroupKFold if is_classifier(estimator) else GroupKFold
        drawn = kind(int(cv), shuffle=True, random_state=seed).split(rows.y, rows.y, whole)
    else:
        whole = get_index_labels(rows.table) if whole is None else whole
        folds = check_cv(cv, rows.y, classifier=is_classifier(estimator))
        drawn = folds.split(rows.table, rows.y, rows.groups)
    splits = [(place_rows(train), place_rows(test)) for train, test in drawn]
    require_splits(splits, len(rows.y), "a search")
    if whole is not None:
        require_whole_groups(splits, whole)
    return splits


def get_index_labels(table: Any) -> np.ndarray | None:
    """Return the index labels of a frame, None for an array."""
    return table.index.to_numpy() if isinstance(table, pd.DataFrame) else None


@dataclass(frozen=True, eq=False)
class Objective:
    """The mean score over inner folds of an estimator with a trial's settings."""

    estimator: Any
    rows: Rows  # the training rows of the study
    splits: Splits  # inner folds, the same in all trials
    # takes a fitted estimator, a table and labels; greater is better
    scorer: Callable[[Any, Any, Any], float]
    # takes a trial and the estimator, returns settings
    space: Callable[[Any, Any], Mapping[str, Any]]
    verbose: int = 0  # 2 shows a bar of the folds

    def __call__(self, trial: Any) -> float:
        """Return the score; what goes wrong is noted in the trial."""
        try:
            return self._score(trial)
        except import_optuna().TrialPruned:
            raise
        except Exception as error:
            trial.set_user_attr("error", f"{type(error).__name__}: {error}")
            raise

    def _score(self, trial: Any) -> float:
        """Return the mean over the folds, those before it reported where epochs are not."""
        model = clone(self.estimator).set_params(**self.space(trial, self.estimator))
        by_epoch = watch_epochs(model, trial)
        scores: list[float] = []
        for train, test in show_progress(
            self.splits, f"trial {trial.number}", "fold", self.verbose > 1
        ):
            scores.append(self._fold_score(model, train, test))
            trial.set_user_attr("fold_scores", scores)
            if not by_epoch:
                report_fold(trial, scores)
        return float(np.mean(scores))

    def _fold_score(self, model: Any, train: np.ndarray, test: np.ndarray) -> float:
        """Return the score of the test rows by a copy fitted to the training rows."""
        fitted, unseen = self.rows.take(train).fit(clone(model)), self.rows.take(test)
        score = float(self.scorer(fitted, unseen.table, unseen.y))
        if not np.isfinite(score):
            raise InputError(
                "The score of every inner fold must be finite",
                got=f"{score} on {len(test)} rows",
                remedy="Ask for fewer folds, or another 'scoring'",
            )
        return score

    def fit(self, params: Mapping[str, Any]) -> Any:
        """Return a copy with given settings, fitted to all rows."""
        return self.rows.fit(clone(self.estimator).set_params(**self.read_settings(params)))

    def read_settings(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return what the estimator is set to in a trial of given parameters."""
        return dict(self.space(import_optuna().trial.FixedTrial(dict(params)), self.estimator))


def watch_epochs(model: Any, trial: Any) -> bool:
    """Let a trial end after any epoch, where a net is trained; tell whether one is."""
    last = last_step(model)
    if not isinstance(last, BaseFusion):
        return False
    last.set_callbacks(*list_callbacks(last), TrialPruning(trial))
    return True


def report_fold(trial: Any, scores: Sequence[float]) -> None:
    """Report the mean over the folds so far; end the trial where Optuna advises so."""
    trial.report(float(np.mean(scores)), len(scores))
    if trial.should_prune():
        raise import_optuna().TrialPruned(f"Pruned after fold {len(scores)}.")


def free_memory() -> None:
    """Give back what a trial held on a GPU."""
    if torch.cuda.is_available():
        # Nets refer to themselves through their callbacks, and keep their tensors until collected.
        gc.collect()
        torch.cuda.empty_cache()


def choose_scoring(estimator: Any) -> str:
    """Return the name of the score by which an estimator is tuned."""
    return "neg_mean_squared_error" if is_regressor(estimator) else "neg_log_loss"
