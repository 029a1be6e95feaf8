"""What it brings to measure one modality after the other, until a prediction is settled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Any

import numpy as np
import pandas as pd

from adestim._support.axes import axes_or_new, escape_mathtext
from adestim._support.checks import require_count
from adestim._support.scores import CLASS_SCORES, name_score, require_scores
from adestim._support.sklearn import draw_seeds
from adestim._support.versioned import Versioned
from adestim._support.words import first_names
from adestim.evaluation.measuring.alike import (
    Reference,
    place_labels,
    read_patients,
    read_reference,
)
from adestim.evaluation.measuring.next_measurement import (
    expect_gains,
    list_classes,
    read_costs,
    require_classifier,
)
from adestim.evaluation.measuring.steps import Choose, Judge, Walk
from adestim.evaluation.measuring.worth import Worth
from adestim.exceptions import InputError

BY_GAIN, FIXED, RANDOM = "by gain", "fixed order", "random order"
LOOKS = (("-", "o"), ("--", "^"), (":", "s"), ("-.", "D"))


@dataclass(frozen=True, eq=False)
class MeasurementPolicy(Versioned):
    """What people cost and how well they are predicted, by the order of their measurements.

    Parameters
    ----------
    curve : DataFrame
        A row for each policy and most measurements that a person is given: ``policy``,
        ``n_measured``, mean ``cost``, the share whose set has one class (``decided``), the
        share whose set has the true one (``covered``), and every score.
    subjects : DataFrame
        A row for each policy, draw and person at the end: ``policy``, ``draw``, ``subject``,
        ``order`` of the measurements, ``cost``, ``decided``, ``predicted``, ``y``.
    costs : mapping of str to float
        What measuring costs.
    start : tuple of str
        What everyone begins with.
    scores : tuple of str
        Names of the scores.

    See Also
    --------
    measurement_policy : Makes it.

    Examples
    --------
    >>> import pandas as pd
    >>> from adestim.evaluation import MeasurementPolicy
    >>> curve = pd.DataFrame({"policy": ["by gain"] * 2, "n_measured": [0, 1], "cost": [0.0, 1.2]})
    >>> curve = curve.assign(decided=[0.4, 0.9], covered=[0.95, 0.93], accuracy=[0.8, 0.9])
    >>> MeasurementPolicy(curve, pd.DataFrame(), {"csf": 2.0}, ("mri",), ("accuracy",)).summary()
             n_measured  cost  decided  covered  accuracy
    policy
    by gain           1   1.2      0.9     0.93       0.9
    """

    curve: pd.DataFrame
    subjects: pd.DataFrame
    costs: Mapping[str, float]
    start: tuple[str, ...]
    scores: tuple[str, ...]

    def summary(self) -> pd.DataFrame:
        """Return where every policy ends.

        Returns
        -------
        DataFrame
            A row for each policy.
        """
        return self.curve.groupby("policy", sort=False).last()

    def plot(self, ax: Any = None, *, score: str | None = None) -> Any:
        """Draw a score over the mean cost.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Axes to draw on; None makes a figure.
        score : str, default=None
            Which score, or ``"decided"`` or ``"covered"``; None for the first.

        Returns
        -------
        matplotlib.axes.Axes
        """
        name = self.scores[0] if score is None else score
        if name not in (*self.scores, "decided", "covered"):
            raise InputError(
                "Only scores that were computed can be drawn",
                got=repr(name),
                remedy=f"Choose from {first_names((*self.scores, 'decided', 'covered'))}",
            )
        ax = axes_or_new(ax)
        looks = zip(self.curve.groupby("policy", sort=False), cycle(LOOKS), strict=False)
        for (policy, own), (line, mark) in looks:
            ax.plot(own["cost"], own[name], ls=line, marker=mark, label=escape_mathtext(policy))
        ax.set(xlabel="mean cost", ylabel=escape_mathtext(name_score(name)))
        ax.legend(frameon=False)
        return ax

    def __repr__(self) -> str:
        """Return where every policy ends."""
        return (
            f"MeasurementPolicy from {', '.join(self.start)}:\n"
            f"{self.summary().round(3).to_string()}"
        )

    def _repr_html_(self) -> str:
        return self.summary().round(3).to_html()


def measurement_policy(  # noqa: PLR0913 - those of next_measurement, and the walk's
    fitted: Any,
    X: Any,
    y: Any,
    *,
    X_reference: Any,
    start: str | Sequence[str],
    y_reference: Any = None,
    costs: Mapping[str, float] | None = None,
    gain: str = "entropy",
    threshold: float | None = None,
    positive: Any = None,
    n_alike: int = 30,
    modalities: Mapping[str, Sequence[str]] | None = None,
    scores: Sequence[str] = ("accuracy", "log_loss"),
    n_random: int = 10,
    random_state: Any = 0,
) -> MeasurementPolicy:
    """Judge measuring by expected gain until a prediction is settled, against other orders.

    Everyone begins with ``start`` alone. As long as the prediction set of a person has not just one
    class, the next modality that the table holds of this person is taken, by one of three
    orders.

    Parameters
    ----------
    fitted : PatternConformalClassifier
        Fitted; its ``predict_set`` says when to stop.
    X : DataFrame of shape (n_subjects, n_columns)
        People that the classifier was not fitted on, with all that was measured of them.
    y : array-like of shape (n_subjects,)
        Their classes.
    X_reference : DataFrame of shape (n_reference, n_columns)
        Other people, such as those of training.
    start : str or sequence of str
        Modalities that everyone begins with, at no cost.
    y_reference : array-like of shape (n_reference,), default=None
        Classes of the reference, for ``gain="log_loss"``.
    costs : mapping of str to float, default=None
        What measuring a modality costs; others are never measured. Its order is the fixed one.
        None: every modality costs 1, in the order of the table.
    gain : {"entropy", "net_benefit", "log_loss"}, default="entropy"
        What the first order goes by, for each unit of cost: see :func:`next_measurement`.
    threshold : float, default=None
        As in :func:`next_measurement`.
    positive : label, default=None
        As in :func:`next_measurement`.
    n_alike : int, default=30
        As in :func:`next_measurement`.
    modalities : mapping of str to list of str, default=None
        As in :func:`next_measurement`.
    scores : sequence of str, default=("accuracy", "log_loss")
        Names of scores of the probabilities.
    n_random : int, default=10
        How many random orders are averaged.
    random_state : int, RandomState instance or None, default=0
        Controls the random orders.

    Returns
    -------
    MeasurementPolicy
        Policies ``"by gain"``, ``"fixed order"``, ``"random order"``, which all stop by the same
        rule, and ``"everything"``, which measures all at once.

    Raises
    ------
    InputError
        When the classifier has no ``predict_set``, someone lacks all of ``start``, nothing is left
        to measure, or what :func:`next_measurement` refuses.

    See Also
    --------
    next_measurement : The expected gains.
    adestim.PatternConformalClassifier : Sets of classes that hold for every pattern.

    Notes
    -----
    A modality that the table does not hold of a person is never measured, so that costs are those
    of a cohort as complete as this one. Where no gain is known the fixed order goes on. A set
    that is looked at several times holds the true class less often than one that is looked at once:
    see ``covered``.

    References
    ----------
    Vovk, Gammerman and Shafer, "Algorithmic Learning in a Random World", 2005 (prediction sets).

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from sklearn.ensemble import HistGradientBoostingClassifier
    >>> from adestim import PatternConformalClassifier
    >>> from adestim.evaluation import measurement_policy
    >>> rng = np.random.default_rng(0)
    >>> X = pd.DataFrame(rng.normal(size=(240, 3)), columns=["mri__a", "csf__tau", "gene__e4"])
    >>> y = np.where(X["mri__a"] + 2 * X["csf__tau"] + rng.normal(size=240) > 0, "AD", "CN")
    >>> gaps = X.mask(rng.random(X.shape) < 0.3)
    >>> trees = HistGradientBoostingClassifier(max_iter=20, random_state=0)
    >>> model = PatternConformalClassifier(trees, cv=2, random_state=0).fit(gaps[:160], y[:160])
    >>> found = measurement_policy(
    ...     model, X[160:], y[160:], X_reference=gaps[:160], start="mri", n_random=2
    ... )
    >>> found.curve["policy"].unique().tolist()
    ['by gain', 'fixed order', 'random order', 'everything']
    """
    require_sets(fitted)
    require_count(n_alike, "'n_alike' is a whole number from 1")
    require_count(n_random, "'n_random' is a whole number from 1")
    require_scores(scores, CLASS_SCORES)
    reference = read_reference(fitted, X_reference, y_reference, modalities, n_alike)
    has_labels = y_reference is not None
    worth = Worth.read(gain, threshold, positive, list_classes(fitted), has_labels=has_labels)
    prices = read_costs(costs, reference.modalities)
    table, present = read_patients(X, reference)
    begun = mark_start(start, reference.modalities)
    require_start(table, present, begun, prices)
    walk = Walk(reference, table, present, begun, prices)
    judge = Judge(fitted, np.asarray(y), place_labels(y, fitted.classes_, len(table)), scores, walk)
    order = [reference.modalities.index(name) for name in costs or reference.modalities]
    chosen = {
        BY_GAIN: [choose_by_gain(worth, reference, prices, order)],
        FIXED: [choose_in_order(order)],
        RANDOM: [choose_at_random(seed) for seed in draw_seeds(random_state, n_random)],
    }
    curves, ends = zip(*(judge.follow(name, rules) for name, rules in chosen.items()), strict=True)
    everything, end = judge.measure_all()
    return MeasurementPolicy(
        curve=pd.concat([*curves, everything], ignore_index=True),
        subjects=pd.concat([*ends, end], ignore_index=True),
        costs=dict(costs or dict.fromkeys(reference.modalities, 1.0)),
        start=tuple(np.array(reference.modalities)[begun].tolist()),
        scores=tuple(scores),
    )


def require_sets(fitted: Any) -> None:
    """Refuse a classifier without prediction sets."""
    require_classifier(fitted)
    if not hasattr(fitted, "predict_set"):
        raise InputError(
            "A policy stops by prediction sets",
            got=f"a {type(fitted).__name__} without predict_set",
            remedy="Fit PatternConformalClassifier(estimator)",
        )


def mark_start(start: str | Sequence[str], modalities: Sequence[str]) -> np.ndarray:
    """Return which modalities everyone begins with, (n_modalities,)."""
    names = [start] if isinstance(start, str) else list(start)
    unknown = [name for name in names if name not in modalities]
    if unknown or not names:
        raise InputError(
            "'start' names modalities of the table",
            got=first_names(unknown) or "none",
            remedy=f"Choose from {first_names(modalities)}",
        )
    return np.isin(modalities, names)


def require_start(
    table: pd.DataFrame, present: np.ndarray, begun: np.ndarray, prices: np.ndarray
) -> None:
    """Refuse people who have nothing to begin with, and a table with nothing left to measure."""
    nothing = ~present[:, begun].any(axis=1)
    if nothing.any():
        raise InputError(
            "Everyone has a modality of 'start'",
            got=f"{int(nothing.sum())} who have none, the first {str(table.index[nothing][0])!r}",
            remedy="Leave them out, or begin with a modality that all have",
        )
    if not (present & ~begun & np.isfinite(prices)).any():
        raise InputError(
            "Something is left to measure after 'start'", got="no other modality that has a cost"
        )


def choose_in_order(order: Sequence[int]) -> Choose:
    """Return what takes the first modality of an order that may be measured."""
    places = np.asarray(order)
    return lambda table, known, options: places[options[:, places].argmax(axis=1)]


def choose_at_random(seed: int) -> Choose:
    """Return what takes any modality that may be measured."""
    rng = np.random.default_rng(seed)
    return lambda table, known, options: np.where(options, rng.random(options.shape), -1.0).argmax(
        axis=1
    )


def choose_by_gain(
    worth: Worth, reference: Reference, prices: np.ndarray, order: Sequence[int]
) -> Choose:
    """Return what takes the modality of the largest expected gain for its cost."""
    in_order = choose_in_order(order)

    def choose(table: pd.DataFrame, known: np.ndarray, options: np.ndarray) -> np.ndarray:
        gains = np.full(options.shape, -np.inf)
        for found in expect_gains(worth, reference, table, known, options):
            if np.isfinite(found["gain"]):
                gains[found["row"], found["place"]] = found["gain"] / prices[found["place"]]
        is_known = np.isfinite(gains).any(axis=1)
        return np.where(is_known, gains.argmax(axis=1), in_order(table, known, options))

    return choose
