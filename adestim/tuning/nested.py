"""Nested cross-validation: the whole search repeated on the training rows of every outer fold."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import is_classifier
from sklearn.metrics import check_scoring

from adestim._support.progress import show_progress
from adestim._support.sklearn import draw_seeds
from adestim._support.versioned import Versioned
from adestim.tuning.objective import Rows, check_rows, choose_scoring, draw_inner_splits
from adestim.tuning.study import tune
from adestim.tuning.tuned import Tuned


@dataclass(frozen=True, eq=False)
class NestedScores(Versioned):
    """What nested cross-validation found.

    Parameters
    ----------
    scores : DataFrame
        A row an outer fold: ``n_train``, ``n_test``, ``score`` of the rows held out,
        ``inner_score`` of the best trial, and the best settings.
    predictions : DataFrame
        A row a row held out, under its index label: ``fold``, its position ``row``, ``target``,
        ``predicted``, and the probability of every class as ``probability of <class>``.
    tuned : list of Tuned
        The study of every outer fold.

    Examples
    --------
    >>> import numpy as np
    >>> from adestim import LateFusionClassifier
    >>> from adestim.tuning import nested_cross_validate
    >>> X, y = np.random.default_rng(0).normal(size=(40, 2)), np.arange(40) % 2
    >>> nested = nested_cross_validate(
    ...     LateFusionClassifier(random_state=0), X, y, outer_cv=2, n_trials=1, inner_cv=2
    ... )
    >>> nested.scores["n_test"].tolist()
    [20, 20]
    """

    scores: pd.DataFrame
    predictions: pd.DataFrame
    tuned: list[Tuned]

    def __repr__(self) -> str:
        """Return the score of the outer folds, and the folds."""
        return f"{self._describe()}\n{self.scores.round(4).to_string()}"

    def _repr_html_(self) -> str:
        """Return the same as a table."""
        return f"<p>{self._describe()}</p>{self.scores.round(4).to_html(border=0)}"

    def _describe(self) -> str:
        """Return the score of the outer folds in a sentence."""
        score = self.scores["score"]
        return (
            f"Nested cross-validation: score {score.mean():.4g}, standard deviation "
            f"{score.std():.2g} over {len(score)} outer folds."
        )


def nested_cross_validate(
    estimator: Any,
    X: Any,
    y: Any,
    groups: Any = None,
    outer_cv: Any = 5,
    *,
    scoring: Any = None,
    study_name: str | None = None,
    sampler: Any = None,
    pruner: Any = None,
    random_state: Any = 0,
    verbose: int = 0,
    **settings: Any,
) -> NestedScores:
    """Score a search of settings on rows that took no part in it.

    Every outer fold has a study of its own, which knows the fold's training rows alone.

    Parameters
    ----------
    estimator : estimator
        As for :func:`tune`.
    X : {DataFrame, array-like} of shape (n_rows, n_columns)
        Table.
    y : array-like of shape (n_rows,)
        Class labels, or numbers.
    groups : array-like of shape (n_rows,), default=None
        Rows of one group stay on one side of outer and inner folds.
    outer_cv : int, cross-validation splitter or iterable, default=5
        Outer folds; an int means shuffled ones, stratified for classes, that keep groups whole.
    scoring : str, callable or None, default=None
        Score of inner and outer folds, as for :func:`tune`.
    study_name : str or None, default=None
        Name of the studies, to which the number of the fold is added.
    sampler, pruner : object or None, default=None
        As for :func:`tune`; every study gets a copy.
    random_state : int, RandomState instance or None, default=0
        Seed of all folds and samplers.
    verbose : int, default=0
        1 shows a bar of the outer folds, 2 one of the trials too, 3 one of their inner folds.
    **settings : dict
        Further arguments of :func:`tune`: ``n_trials``, ``inner_cv``, ``timeout``, ``storage``,
        ``space``.

    Returns
    -------
    NestedScores

    Raises
    ------
    InputError
        When all trials of a study failed, with their causes.
    LeakageError
        When a splitter puts a group on both sides.

    See Also
    --------
    adestim.evaluation.compare : Compares several estimators on the same outer folds; give it
        :class:`AdestimSearchCV`.

    References
    ----------
    Varma and Simon, "Bias in error estimation when using cross-validation for model selection",
    BMC Bioinformatics 7, 2006.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from adestim import LateFusionClassifier
    >>> from adestim.tuning import nested_cross_validate
    >>> rng = np.random.default_rng(0)
    >>> X = pd.DataFrame(rng.normal(size=(60, 2)), columns=["mri__a", "csf__tau"])
    >>> y = np.where(X.sum(axis=1) > 0, "AD", "CN")
    >>> nested = nested_cross_validate(
    ...     LateFusionClassifier(random_state=0), X, y, outer_cv=2, n_trials=2, inner_cv=2
    ... )
    >>> nested.predictions.columns.tolist()
    ['fold', 'row', 'target', 'predicted', 'probability of AD', 'probability of CN']
    """
    rows = check_rows(X, y, groups)
    fold_seed, study_seed = draw_seeds(random_state, 2)
    splits = draw_inner_splits(estimator, rows, outer_cv, fold_seed)
    scoring = scoring or choose_scoring(estimator)
    seeds = draw_seeds(study_seed, len(splits))
    tuned = []
    for fold, (train, _) in enumerate(show_progress(splits, "nested", "fold", verbose)):
        name = None if study_name is None else f"{study_name}-fold-{fold}"
        part = rows.take(train)
        tuned.append(
            tune(
                estimator,
                part.table,
                part.y,
                groups=part.groups,
                scoring=scoring,
                study_name=name,
                sampler=copy.deepcopy(sampler),
                pruner=copy.deepcopy(pruner),
                random_state=seeds[fold],
                verbose=max(0, verbose - 1),
                **settings,
            )
        )
    return collect_scores(rows, splits, tuned, check_scoring(estimator, scoring))


def collect_scores(rows: Rows, splits: Sequence, tuned: list[Tuned], scorer: Any) -> NestedScores:
    """Return scores and predictions of the rows held out."""
    scores, predictions = [], []
    for fold, ((train, test), found) in enumerate(zip(splits, tuned, strict=True)):
        unseen = rows.take(test)
        score = float(scorer(found.best_estimator_, unseen.table, unseen.y))
        own = {"fold": fold, "n_train": len(train), "n_test": len(test), "score": score}
        scores.append({**own, "inner_score": found.best_score_, **found.best_params_})
        predictions.append(tabulate_unseen(found.best_estimator_, unseen, fold, test))
    table = pd.DataFrame(scores).set_index("fold")
    return NestedScores(table, pd.concat(predictions), tuned)


def tabulate_unseen(estimator: Any, unseen: Rows, fold: int, test: np.ndarray) -> pd.DataFrame:
    """Return what an estimator says of rows held out."""
    index = unseen.table.index if isinstance(unseen.table, pd.DataFrame) else test
    own = {"fold": fold, "row": test, "target": unseen.y}
    found = pd.DataFrame(own | {"predicted": estimator.predict(unseen.table)}, index=index)
    if is_classifier(estimator) and hasattr(estimator, "predict_proba"):
        names = [f"probability of {label}" for label in estimator.classes_]
        found[names] = estimator.predict_proba(unseen.table)
    return found
