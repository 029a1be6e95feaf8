"""A finished study: the estimator it found, its trials, and pictures of them."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from adestim._support.axes import axes_or_new, escape_mathtext
from adestim._support.versioned import Versioned
from adestim.exceptions import InputError
from adestim.tuning.pruning import import_optuna

TRIALS_SHOWN = 10
# Blue, vermilion and grey of the palette of Okabe and Ito; markers tell the same.
BLUE, VERMILION, GREY = "#0072B2", "#D55E00", "#6E6E6E"


@dataclass(frozen=True, eq=False)
class Tuned(Versioned):
    """What a study found.

    Parameters
    ----------
    best_estimator_ : estimator
        The estimator with the best settings, fitted to all rows.
    best_params_ : dict of str to object
        The best settings.
    best_score_ : float
        Mean score over the inner folds, which is optimistic, having been chosen for it.
    study : optuna.Study
        The study itself.
    trials : DataFrame
        A row a trial: ``state`` (complete, pruned or fail), ``score``, ``std`` of the folds'
        scores, ``seconds``, ``error``, and the parameters.

    Examples
    --------
    >>> import numpy as np
    >>> from adestim import LateFusionClassifier
    >>> from adestim.tuning import tune
    >>> X, y = np.random.default_rng(0).normal(size=(30, 2)), np.arange(30) % 2
    >>> tuned = tune(LateFusionClassifier(random_state=0), X, y, n_trials=1, inner_cv=2)
    >>> tuned.best_params_["weighting"]
    'mean'
    """

    best_estimator_: Any
    best_params_: dict[str, Any]
    best_score_: float
    study: Any
    trials: pd.DataFrame

    def __repr__(self) -> str:
        """Return the best settings, and how many trials there were."""
        return (
            f"Tuned, {self._count_trials()}: best score {self.best_score_:.4g} with\n"
            f"{pd.Series(self.best_params_, dtype=object).to_string()}"
        )

    def _repr_html_(self) -> str:
        """Return the best settings and the best trials as tables."""
        best = pd.Series(self.best_params_, dtype=object, name="best").to_frame()
        shown = ["state", "score", "std", "seconds"]
        trials = self.trials.sort_values("score", ascending=False)[shown].iloc[:TRIALS_SHOWN]
        return (
            f"<p>Best score over the inner folds {self.best_score_:.4g}, "
            f"{self._count_trials()}</p>{best.to_html(border=0)}"
            f"<details><summary>best trials</summary>{trials.to_html(border=0)}</details>"
        )

    def _count_trials(self) -> str:
        """Return how many trials ended how."""
        counts = self.trials["state"].value_counts()
        states = ", ".join(f"{count} {state}" for state, count in counts.items())
        return f"{len(self.trials)} trials ({states})"

    def plot_history(self, ax: Any = None) -> Any:
        """Draw the scores of the trials, and the best so far.

        Parameters
        ----------
        ax : matplotlib.axes.Axes or None, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        matplotlib.axes.Axes
        """
        ax = axes_or_new(ax)
        scores = self.trials["score"].dropna()
        ax.plot(scores.index, scores, "o", color=BLUE, label="trial")
        ax.step(scores.index, scores.cummax(), where="post", color=VERMILION, label="best so far")
        draw_unfinished(ax, self.trials)
        ax.set(xlabel="Trial", ylabel="Mean score over the inner folds")
        ax.legend(loc="best")
        return ax

    def plot_importances(self, ax: Any = None) -> Any:
        """Draw how much of the scores' variance each parameter explains.

        Parameters
        ----------
        ax : matplotlib.axes.Axes or None, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        matplotlib.axes.Axes

        Raises
        ------
        InputError
            When fewer than two trials with different scores came to their end.

        Notes
        -----
        Optuna's fANOVA, seeded: Hutter et al., "An Efficient Approach for Assessing Hyperparameter
        Importance", ICML 2014.
        """
        importances = self.importances().sort_values()
        ax = axes_or_new(ax)
        names = [escape_mathtext(name) for name in importances.index]
        bars = ax.barh(names, importances, color=BLUE, edgecolor="black")
        ax.bar_label(bars, fmt="%.2f", padding=3)
        ax.set(xlabel="Share of the variance of the score", xlim=(0, 1.12 * importances.max()))
        return ax

    def importances(self) -> pd.Series:
        """Return how much of the scores' variance each parameter explains.

        Returns
        -------
        Series
            Indexed by parameter, the largest first.

        Raises
        ------
        InputError
            When fewer than two trials with different scores came to their end.
        """
        n_scores = self.trials["score"].dropna().nunique()
        if n_scores < 2:
            raise InputError(
                "Importances need trials with different scores",
                got=f"{n_scores}",
                remedy="Run more trials",
            )
        optuna = import_optuna()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
            found = optuna.importance.get_param_importances(self.study, evaluator=evaluator)
        return pd.Series(found, name="importance", dtype=float)

    def plot_parameter(self, name: str, ax: Any = None) -> Any:
        """Draw the scores over the values of one parameter.

        Parameters
        ----------
        name : str
            A parameter of the study.
        ax : matplotlib.axes.Axes or None, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        matplotlib.axes.Axes

        Raises
        ------
        InputError
            When the study has no such parameter.
        """
        distributions = self.study.best_trial.distributions
        if name not in distributions:
            raise InputError(
                "A parameter to draw must be one of the study",
                got=repr(name),
                remedy=f"Choose from {', '.join(distributions)}",
            )
        ax = axes_or_new(ax)
        complete = self.trials[self.trials["score"].notna()]
        values = complete[name]
        numeric = pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)
        places = values if numeric else [escape_mathtext(value) for value in values]
        ax.plot(places, complete["score"], "o", color=BLUE)
        if getattr(distributions[name], "log", False):
            ax.set_xscale("log")
        ax.set(xlabel=escape_mathtext(name), ylabel="Mean score over the inner folds")
        return ax


def tabulate_trials(study: Any) -> pd.DataFrame:
    """Return a row for every trial of a study."""
    rows = [describe_trial(trial) for trial in study.trials if trial.state.is_finished()]
    return pd.DataFrame(rows).set_index("trial")


def describe_trial(trial: Any) -> dict[str, Any]:
    """Return what is told of a trial; the mean of a part of the folds is no score."""
    complete = trial.state.name == "COMPLETE"
    folds = trial.user_attrs.get("fold_scores", [])
    return {
        "trial": trial.number,
        "state": trial.state.name.lower(),
        "score": trial.value if complete else np.nan,
        "std": float(np.std(folds, ddof=1)) if complete and len(folds) > 1 else np.nan,
        "seconds": trial.duration.total_seconds(),
        "error": trial.user_attrs.get("error", ""),
        **trial.params,
    }


def draw_unfinished(ax: Any, trials: pd.DataFrame) -> None:
    """Mark pruned and failed trials at the foot."""
    for state, marker in (("pruned", "|"), ("fail", "x")):
        places = trials.index[trials["state"] == state]
        if len(places):
            foot = np.zeros(len(places))
            ax.plot(
                places, foot, marker, color=GREY, label=state, transform=ax.get_xaxis_transform(),
                clip_on=False,
            )  # fmt: skip
