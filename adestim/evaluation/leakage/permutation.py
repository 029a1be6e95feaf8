"""Whether a score is more than chance: labels permuted over subjects."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from sklearn.base import is_classifier
from sklearn.metrics import get_scorer

from adestim._support.axes import axes_or_new, escape_mathtext
from adestim._support.frames import read_frame
from adestim._support.labels import check_row_groups, read_column, read_target, require_one_kind
from adestim._support.sklearn import draw_seeds
from adestim._support.versioned import Versioned
from adestim.evaluation.splitting.folds import average_score, list_splits
from adestim.evaluation.splitting.splits import require_groups
from adestim.exceptions import InputError


@dataclass(frozen=True, eq=False)
class PermutationTest(Versioned):
    """A score, and what it would be by chance.

    Parameters
    ----------
    score : float
        Score with the true labels.
    permuted : ndarray of shape (n_permutations,)
        Scores with permuted labels; NaN where undefined.
    scoring : str, default="score"
        Name of the score.

    Examples
    --------
    >>> import numpy as np
    >>> from adestim.evaluation import PermutationTest
    >>> PermutationTest(0.8, np.array([0.5, 0.6, 0.4])).p
    0.25
    """

    score: float
    permuted: np.ndarray
    scoring: str = "score"

    @property
    def p(self) -> float:
        """Probability of such a score by chance; undefined ones count as large."""
        n_as_large = int((~(self.permuted < self.score)).sum())
        return (1 + n_as_large) / (1 + len(self.permuted))

    def plot(self, ax: Any = None) -> Any:
        """Draw the scores of permuted labels, and the true score as a line.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Axes to draw on; None makes a figure.

        Returns
        -------
        matplotlib.axes.Axes
        """
        ax = axes_or_new(ax)
        ax.hist(self.permuted[~np.isnan(self.permuted)], bins=20, color="0.7", label="permuted")
        ax.axvline(self.score, color="C3", label=f"true labels (p = {self.p:.3g})")
        ax.set(xlabel=escape_mathtext(self.scoring), ylabel="permutations")
        ax.legend(frameon=False)
        return ax


def permutation_test(
    estimator: Any,
    X: Any,
    y: Any,
    *,
    groups: Any = None,
    cv: Any = 5,
    scoring: Any = "roc_auc",
    n_permutations: int = 100,
    n_jobs: int | None = None,
    random_state: Any = 0,
) -> PermutationTest:
    """Compare a cross-validated score with those of permuted labels.

    Parameters
    ----------
    estimator : estimator
        It is cloned for every fold.
    X : {DataFrame, array-like} of shape (n_rows, n_columns)
        Table.
    y : array-like of shape (n_rows,)
        Target.
    groups : array-like of shape (n_rows,), default=None
        Groups whose labels move together; needed where an index label occurs twice.
    cv : int, cross-validation splitter or iterable, default=5
        Folds. A splitter splits anew by each permuted target, as it does by the true one.
    scoring : str or callable, default="roc_auc"
        A scorer of scikit-learn, of which the mean over folds is taken.
    n_permutations : int, default=100
        Number of permutations; the smallest p is 1 / (1 + n_permutations).
    n_jobs : int, default=None
        Number of permutations at the same time.
    random_state : int, RandomState instance or None, default=0
        Controls permutations and folds.

    Returns
    -------
    PermutationTest

    Raises
    ------
    InputError
        When the score is undefined, or groups leave nothing to permute.

    Notes
    -----
    The p-value is (1 + b) / (1 + m), for b of m permuted scores that are as large [1]_. Where all
    rows of every group have one label, labels are exchanged between any groups; where they
    vary within a group, whole sequences are exchanged between groups of equal size [2]_.
    scikit-learn's ``permutation_test_score`` permutes within groups, which asks another question,
    and leaves labels that are constant in a group as they are.

    References
    ----------
    .. [1] Phipson and Smyth, "Permutation P-values Should Never Be Zero", Statistical Applications
       in Genetics and Molecular Biology 9(1), 2010.
    .. [2] Winkler et al., "Multi-level block permutation", NeuroImage 123, 2015.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LogisticRegression
    >>> from adestim.evaluation import permutation_test
    >>> X = np.random.default_rng(0).normal(size=(60, 2))
    >>> test = permutation_test(LogisticRegression(), X, X[:, 0] > 0, n_permutations=19)
    >>> test.p
    0.05
    """
    X, y = read_frame(X), read_target(y, "permutation_test")
    groups = require_groups(X, groups)
    require_one_kind(y, "permutation_test", "y")
    fold_seed, *seeds = draw_seeds(random_state, 1 + n_permutations)
    if not hasattr(cv, "split") and not isinstance(cv, int):
        cv = list(cv)
    task = (estimator, X, groups, cv, scoring, fold_seed)
    score = score_labels(y, *task)
    if np.isnan(score):
        raise InputError(
            "The score of the true labels must be defined in one fold at least",
            got="NaN",
            remedy="Ask for fewer folds, or another scoring",
        )
    permuted = Parallel(n_jobs=n_jobs)(
        delayed(score_labels)(permute_labels(y, groups, np.random.default_rng(seed)), *task)
        for seed in seeds
    )
    return PermutationTest(score, np.array(permuted, dtype=float), name_scoring(scoring))


def score_labels(
    y: np.ndarray, estimator: Any, X: Any, groups: Any, cv: Any, scoring: Any, seed: int
) -> float:
    """Return the cross-validated score for one labelling."""
    splits = list_splits(X, y, groups, cv, random_state=seed, classifier=is_classifier(estimator))
    scorer = scoring if callable(scoring) else get_scorer(scoring)
    return average_score(estimator, X, y, groups, splits, scorer)


def name_scoring(scoring: Any) -> str:
    """Return the name of a score, for a figure."""
    return scoring if isinstance(scoring, str) else getattr(scoring, "__name__", "score")


def permute_labels(y: Any, groups: Any, generator: np.random.Generator) -> np.ndarray:
    """Exchange labels between groups, those of a group together.

    Parameters
    ----------
    y : array-like of shape (n_rows,)
        Labels.
    groups : array-like of shape (n_rows,) or None
        Groups; None makes every row one.
    generator : numpy.random.Generator
        Draws the permutation.

    Returns
    -------
    ndarray of shape (n_rows,)

    Raises
    ------
    InputError
        When labels vary within groups, and no two groups are of one size.

    Examples
    --------
    >>> import numpy as np
    >>> from adestim.evaluation import permute_labels
    >>> permute_labels([0, 0, 1, 1], list("aabb"), np.random.default_rng(3)).tolist()
    [1, 1, 0, 0]
    """
    y = read_column(y)
    if groups is None:
        return generator.permutation(y)
    codes = pd.factorize(check_row_groups(groups, len(y), "permute_labels"))[0]
    first = np.unique(codes, return_index=True)[1]
    if (y == y[first][codes]).all():
        return generator.permutation(y[first])[codes]
    return exchange_blocks(y, codes, generator)


def exchange_blocks(y: np.ndarray, codes: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Exchange sequences of labels between groups of equal size."""
    blocks = pd.Series(np.arange(len(y))).groupby(codes).indices
    by_size: dict[int, list[np.ndarray]] = {}
    for rows in blocks.values():
        by_size.setdefault(len(rows), []).append(rows)
    if all(len(same) == 1 for same in by_size.values()):
        raise InputError(
            "Where labels vary within groups, they are exchanged between groups of equal size",
            got="groups that all differ in size",
            remedy="Give every subject one label, or every subject as many rows",
        )
    result = y.copy()
    for same in by_size.values():
        order = generator.permutation(len(same))
        result[np.concatenate(same)] = y[np.concatenate([same[place] for place in order])]
    return result
