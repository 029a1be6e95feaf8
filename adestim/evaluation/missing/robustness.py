"""How predictions hold when modalities of test subjects are missing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import cycle
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import is_classifier

from adestim._support.axes import axes_or_new, escape_mathtext
from adestim._support.frames import read_frame
from adestim._support.labels import read_target
from adestim._support.predictions import align_probabilities
from adestim._support.sklearn import draw_seeds, take_rows
from adestim.encoding.presence import find_present, modality_columns
from adestim.evaluation.missing.dropout import (
    draw_hidden,
    find_hideable,
    hide_modalities,
)
from adestim.evaluation.scores.metrics import score_probabilities
from adestim.evaluation.splitting.folds import fit_fold, list_splits
from adestim.evaluation.splitting.splits import require_groups
from adestim.exceptions import InputError

# Curves are told apart without colour too.
LOOKS = (("-", "o"), ("--", "^"), ("-.", "s"), (":", "D"), ((0, (5, 1)), "v"), ((0, (1, 1)), "P"))


def robustness_curve(
    estimator: Any,
    X: Any,
    y: Any,
    *,
    rates: Sequence[float] = (0, 0.1, 0.3, 0.5, 0.7),
    modalities: Sequence[str] | None = None,
    scores: Sequence[str] = ("roc_auc", "balanced_accuracy"),
    n_draws: int = 5,
    groups: Any = None,
    cv: Any = 5,
    random_state: Any = 0,
) -> pd.DataFrame:
    """Score a classifier while modalities of its test subjects are hidden at random.

    Parameters
    ----------
    estimator : estimator
        A classifier, cloned and fitted on the training rows of every fold, which stay as they
        are. With ``cv="prefit"`` it is fitted already.
    X : {DataFrame, array-like} of shape (n_rows, n_columns)
        Encodings table, numeric table, or table of raw cells, of two modalities at least.
    y : array-like of shape (n_rows,)
        Class labels.
    rates : sequence of float, default=(0, 0.1, 0.3, 0.5, 0.7)
        Probabilities with which a modality that a subject has is hidden; never all of them.
    modalities : sequence of str, default=None
        Modalities that may be hidden; None for all.
    scores : sequence of str, default=("roc_auc", "balanced_accuracy")
        Names of scores, of the predictions of all folds together.
    n_draws : int, default=5
        How often it is drawn what to hide. One draw hides the same and more at a higher rate.
    groups : array-like of shape (n_rows,), default=None
        Groups to keep whole; needed where an index label occurs twice.
    cv : int, cross-validation splitter, iterable or "prefit", default=5
        Folds; ``"prefit"`` takes all rows as test rows of the fitted estimator.
    random_state : int, RandomState instance or None, default=0
        Controls folds and draws.

    Returns
    -------
    DataFrame
        A row a rate, draw and score: ``rate``, ``draw``, ``hidden`` (the share of modalities
        that was hidden in fact, lower because nobody loses all), ``score``, ``value``.

    Raises
    ------
    InputError
        When the table has a single modality, or a rate or a number of draws is none.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from sklearn.impute import SimpleImputer
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from adestim.evaluation import robustness_curve
    >>> rng = np.random.default_rng(0)
    >>> X = pd.DataFrame(rng.normal(size=(80, 2)), columns=["mri__a", "csf__tau"])
    >>> y = np.where(X["mri__a"] + X["csf__tau"] > 0, "AD", "CN")
    >>> model = make_pipeline(SimpleImputer(), LogisticRegression())
    >>> curve = robustness_curve(model, X, y, rates=[0, 0.5], n_draws=2, cv=2)
    >>> curve.columns.tolist()
    ['rate', 'draw', 'hidden', 'score', 'value']
    >>> len(curve)
    6
    """
    require_rates(rates, n_draws)
    X, y = read_frame(X), read_target(y, "robustness_curve")
    columns = modality_columns(X)
    present = find_present(X, columns).to_numpy()
    may_hide = find_hideable(modalities, list(columns))
    require_two_modalities(columns)
    fold_seed, *seeds = draw_seeds(random_state, 1 + n_draws)
    fits = fit_folds(estimator, X, y, groups, cv, fold_seed)
    judged = np.unique(np.concatenate([test for _, test in fits]))
    classes = np.unique(np.concatenate([fitted.classes_ for fitted, _ in fits]))
    rows = []
    for rate, draw, chance in yield_draws(rates, seeds, present.shape):
        hidden = draw_hidden(present, rate, chance, may_hide)
        table = hide_modalities(X, hidden, columns)
        proba = predict_folds(fits, table, classes)[judged]
        scored = score_probabilities(y[judged], proba, classes, scores=scores)
        share = hidden[judged].sum() / max(present[judged].sum(), 1)
        rows += [(rate, draw, share, name, value) for name, value in scored.items()]
    return pd.DataFrame(rows, columns=["rate", "draw", "hidden", "score", "value"])


def yield_draws(
    rates: Sequence[float], seeds: Sequence[int], shape: tuple[int, ...]
) -> Iterator[tuple[float, int, np.ndarray]]:
    """Yield every rate, draw and its random numbers; nothing is drawn for a rate of 0."""
    for rate in rates:
        for draw, seed in enumerate(seeds if rate > 0 else seeds[:1]):
            yield float(rate), draw, np.random.default_rng(seed).random(shape)


def require_rates(rates: Sequence[float], n_draws: int) -> None:
    """Refuse rates that are no probabilities, and a number of draws that is none."""
    wrong = [rate for rate in rates if not 0 <= rate <= 1]
    if wrong or not len(rates):
        raise InputError("'rates' must be numbers from 0 to 1", got=repr(wrong or list(rates)))
    if n_draws < 1:
        raise InputError("'n_draws' must be at least 1", got=repr(n_draws))


def require_two_modalities(columns: Mapping[str, Sequence[int]]) -> None:
    """Refuse a table of a single modality, of which nothing can be hidden."""
    if len(columns) < 2:
        raise InputError(
            "Modalities can be hidden where there are two at least",
            got=", ".join(map(repr, columns)),
            remedy="Name numeric columns modality__feature",
        )


def fit_folds(
    estimator: Any, X: Any, y: np.ndarray, groups: Any, cv: Any, seed: int
) -> list[tuple[Any, np.ndarray]]:
    """Return fitted classifiers, each with its test rows."""
    if not is_classifier(estimator):
        raise InputError("robustness_curve takes a classifier", got=type(estimator).__name__)
    if isinstance(cv, str) and cv == "prefit":
        return [(estimator, np.arange(len(y)))]
    splits = list_splits(X, y, groups, cv, random_state=seed)
    groups = require_groups(X, groups)
    return [(fit_fold(estimator, X, y, groups, train), test) for train, test in splits]


def predict_folds(
    fits: Sequence[tuple[Any, np.ndarray]], table: Any, classes: np.ndarray
) -> np.ndarray:
    """Return the probabilities of all test rows, averaged where a row is tested several times."""
    total, times = np.zeros((len(table), len(classes))), np.zeros((len(table), 1))
    for fitted, test in fits:
        probabilities = fitted.predict_proba(take_rows(table, test))
        total[test] += align_probabilities(probabilities, fitted.classes_, classes)
        times[test] += 1
    return total / np.maximum(times, 1)


def plot_robustness(
    curve: pd.DataFrame | Mapping[str, pd.DataFrame], ax: Any = None, *, score: str | None = None
) -> Any:
    """Draw scores over the rate of hidden modalities.

    Parameters
    ----------
    curve : DataFrame or mapping of str to DataFrame
        What :func:`robustness_curve` returned, for several estimators by name.
    ax : matplotlib.axes.Axes, default=None
        Axes to draw on; None makes a figure.
    score : str, default=None
        Which score; None for the first.

    Returns
    -------
    matplotlib.axes.Axes
        A line through the means of the draws, a band from the lowest to the highest.

    Raises
    ------
    InputError
        When a curve does not have the score.

    Examples
    --------
    >>> import pandas as pd
    >>> from adestim.evaluation import plot_robustness
    >>> curve = pd.DataFrame(
    ...     {"rate": [0, 0.5], "draw": [0, 0], "score": "roc_auc", "value": [0.8, 0.7]}
    ... )
    >>> plot_robustness(curve).get_ylabel()
    'roc_auc'
    """
    curves = {"": curve} if isinstance(curve, pd.DataFrame) else dict(curve)
    score = score or str(next(iter(curves.values()))["score"].iloc[0])
    ax = axes_or_new(ax)
    for (name, table), (line_style, mark) in zip(curves.items(), cycle(LOOKS), strict=False):
        own = table[table["score"] == score]
        if own.empty:
            raise InputError(f"Every curve must have the score {score!r}", got=repr(name))
        spread = own.groupby("rate")["value"].agg(["mean", "min", "max"])
        look = {"ls": line_style, "marker": mark, "label": escape_mathtext(name)}
        (line,) = ax.plot(spread.index, spread["mean"], **look)
        ax.fill_between(
            spread.index, spread["min"], spread["max"], color=line.get_color(), alpha=0.2, lw=0
        )
    ax.set(xlabel="probability that a modality is hidden", ylabel=escape_mathtext(score))
    if len(curves) > 1:
        ax.legend(frameon=False)
    return ax
