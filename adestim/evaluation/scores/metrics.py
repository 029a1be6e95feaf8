"""Scores of predicted probabilities and of predicted numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
from scipy.stats import rankdata

from adestim.evaluation.scores.calibration import calibration_intercept, calibration_slope
from adestim.evaluation.scores.read_predictions import Contrast, Outcome, read_outcome
from adestim.exceptions import InputError

#: Names of the scores of probabilities, in the order of tables.
SCORES = (
    "accuracy",
    "balanced_accuracy",
    "roc_auc",
    "pr_auc",
    "sensitivity",
    "specificity",
    "f1",
    "brier",
    "log_loss",
    "calibration_slope",
    "calibration_intercept",
)

#: Names of the scores of predicted numbers, in the order of tables.
REGRESSION_SCORES = ("mae", "rmse", "r2", "pearson", "spearman")

#: Names of the scores of predicted levels of an order, in the order of tables.
ORDINAL_SCORES = ("quadratic_kappa", "level_mae")

#: Whether more is better; None where a value in between is: slope 1, intercept 0.
HIGHER_IS_BETTER: Mapping[str, bool | None] = MappingProxyType(
    {
        **dict.fromkeys(SCORES[:7], True),
        **dict.fromkeys(("brier", "log_loss", "mae", "rmse", "level_mae"), False),
        **dict.fromkeys(("calibration_slope", "calibration_intercept"), None),
        **dict.fromkeys(("r2", "pearson", "spearman", "quadratic_kappa"), True),
    }
)


def score_probabilities(
    y: Any,
    probabilities: Any,
    classes: Any,
    *,
    scores: Sequence[str] = SCORES,
    threshold: Any = None,
    sample_weight: Any = None,
) -> dict[str, float]:
    """Return scores of a classifier's probabilities.

    Of two classes the second is the positive one. With more, ``roc_auc``, ``pr_auc``,
    ``sensitivity``, ``specificity``, ``f1`` and the calibration are averages over the classes,
    each against the rest.

    Parameters
    ----------
    y : array-like of shape (n_subjects,)
        Class labels.
    probabilities : array-like of shape (n_subjects, n_classes)
        Probabilities, columns in the order of ``classes``.
    classes : array-like of shape (n_classes,)
        The classes, at least two.
    scores : sequence of str, default=SCORES
        Which scores.
    threshold : float or array-like of shape (n_subjects,), default=None
        With two classes: from which probability on the positive class is predicted, for all or
        for each subject. None predicts the class that is the most probable, the first of equals.
    sample_weight : array-like of shape (n_subjects,), default=None
        Weights of the subjects.

    Returns
    -------
    dict of str to float
        NaN where a score cannot be computed: a class that it needs is absent, predictions are
        constant (``calibration_slope``) or separate the classes perfectly (idem: infinite).

    Raises
    ------
    InputError
        When the probabilities are none, hold NaN, or do not fit the labels.

    Notes
    -----
    ``pr_auc`` is average precision, the step-wise area under precision over recall. ``brier`` is
    the mean squared error of the positive class's probability [1]_, with more than two classes
    summed over the classes. ``calibration_slope`` is that of a logistic regression of the outcome
    on the logit of its probability [2]_, below 1 for overconfident predictions;
    ``calibration_intercept`` is calibration in the large: the intercept of the same regression
    with its slope held at 1, above 0 where risks are underestimated [3]_. Probabilities 0 and 1
    are moved inwards by the machine precision of their type before a logarithm is taken.

    References
    ----------
    .. [1] Brier, G. W. (1950). Verification of forecasts expressed in terms of probability.
       Monthly Weather Review, 78(1), 1-3.
    .. [2] Cox, D. R. (1958). Two further applications of a model for binary regression.
       Biometrika, 45(3/4), 562-565.
    .. [3] Van Calster, B., McLernon, D. J., van Smeden, M., Wynants, L., & Steyerberg, E. W.
       (2019). Calibration: the Achilles heel of predictive analytics. BMC Medicine, 17, 230.

    Examples
    --------
    >>> from adestim.evaluation import score_probabilities
    >>> y = ["CN", "CN", "AD", "AD"]
    >>> probabilities = [[0.9, 0.1], [0.4, 0.6], [0.5, 0.5], [0.2, 0.8]]
    >>> score_probabilities(y, probabilities, ["CN", "AD"], scores=["roc_auc", "sensitivity"])
    {'roc_auc': 0.75, 'sensitivity': 0.5}
    """
    require_scores(scores, CLASS_SCORES)
    return score_outcome(read_outcome(y, probabilities, classes, threshold, sample_weight), scores)


def score_outcome(outcome: Outcome, scores: Sequence[str]) -> dict[str, float]:
    """Return scores of what was read and checked already."""
    return {name: float(CLASS_SCORES[name](outcome)) for name in scores}


def score_predictions(
    y: Any, predictions: Any, scores: Sequence[str] = REGRESSION_SCORES
) -> dict[str, float]:
    """Return scores of a regressor's predictions.

    Parameters
    ----------
    y : array-like of shape (n_subjects,)
        True values.
    predictions : array-like of shape (n_subjects,)
        Predicted values.
    scores : sequence of str, default=REGRESSION_SCORES
        Which: mean absolute error, root of the mean squared error, coefficient of determination,
        Pearson's and Spearman's correlation.

    Returns
    -------
    dict of str to float
        NaN where a score cannot be computed, as the correlation with a constant.

    Raises
    ------
    InputError
        When lengths differ or a value is not finite.

    Examples
    --------
    >>> from adestim.evaluation import score_predictions
    >>> score_predictions([24.0, 29.0, 18.0], [25.0, 28.0, 20.0], scores=["mae", "spearman"])
    {'mae': 1.3333333333333333, 'spearman': 1.0}
    """
    require_scores(scores, NUMBER_SCORES)
    y, predictions = np.asarray(y, dtype=float), np.asarray(predictions, dtype=float)
    if y.ndim != 1 or y.shape != predictions.shape or not len(y):
        raise InputError(
            "There is one true and one predicted value a subject",
            got=f"shapes {y.shape} and {predictions.shape}",
        )
    if not (np.isfinite(y).all() and np.isfinite(predictions).all()):
        raise InputError("True and predicted values are finite", got="NaN or infinity")
    return {name: float(NUMBER_SCORES[name](y, predictions)) for name in scores}


def score_ordinal(
    y: Any,
    predicted: Any,
    order: Sequence[Any],
    *,
    scores: Sequence[str] = ORDINAL_SCORES,
    sample_weight: Any = None,
) -> dict[str, float]:
    """Return scores of predicted classes that have an order.

    Parameters
    ----------
    y : array-like of shape (n_subjects,)
        Class labels.
    predicted : array-like of shape (n_subjects,)
        Predicted labels.
    order : sequence of shape (n_levels,)
        The labels from least to most.
    scores : sequence of str, default=ORDINAL_SCORES
        Which: Cohen's kappa with quadratic weights [1]_, 1 for perfect agreement and 0 for what
        chance gives; and the mean number of levels by which predictions are off.
    sample_weight : array-like of shape (n_subjects,), default=None
        Weights of the subjects.

    Returns
    -------
    dict of str to float
        The kappa is NaN where all labels and predictions are of one and the same level.

    Raises
    ------
    InputError
        When lengths differ, nobody is there, or a label is not in the order.

    References
    ----------
    .. [1] Cohen, J. (1968). Weighted kappa: nominal scale agreement with provision for scaled
       disagreement or partial credit. Psychological Bulletin, 70(4), 213-220.

    Examples
    --------
    >>> from adestim.evaluation import score_ordinal
    >>> y = ["CN", "MCI", "AD", "AD"]
    >>> score_ordinal(y, ["CN", "CN", "AD", "MCI"], order=["CN", "MCI", "AD"])
    {'quadratic_kappa': 0.692..., 'level_mae': 0.5}
    """
    require_scores(scores, LEVEL_SCORES)
    true, found = levels_of(y, order), levels_of(predicted, order)
    weight = np.ones(len(true)) if sample_weight is None else np.asarray(sample_weight, dtype=float)
    if not len(true) or not len(true) == len(found) == len(weight):
        raise InputError(
            "There is one true and one predicted class a subject, and one weight",
            got=f"{len(true)}, {len(found)} and {len(weight)}",
        )
    return {name: float(LEVEL_SCORES[name](true, found, weight)) for name in scores}


def levels_of(labels: Any, order: Sequence[Any]) -> np.ndarray:
    """Return labels as levels from 0, or say which one the order lacks."""
    order = list(order)
    absent = [label for label in np.unique(np.asarray(labels)).tolist() if label not in order]
    if absent or len(set(order)) < len(order):
        raise InputError(
            "'order' lists every label once, from least to most",
            got=f"no {absent[0]!r}" if absent else "a label more than once",
        )
    return np.array([order.index(label) for label in np.asarray(labels).tolist()], dtype=int)


def quadratic_kappa(true: np.ndarray, found: np.ndarray, weight: np.ndarray) -> float:
    """Return one minus the squared distance as a share of what chance gives (Cohen 1968)."""
    squared = np.average((true - found) ** 2, weights=weight)
    gap = np.average(true - found, weights=weight)
    by_chance = gap**2 + sum(
        np.average((each - np.average(each, weights=weight)) ** 2, weights=weight)
        for each in (true, found)
    )
    return 1 - squared / by_chance if by_chance > 0 else np.nan


def roc_auc(contrast: Contrast) -> float:
    """Return the probability that a member is ranked above another, ties counted by half."""
    if not contrast.has_both:
        return np.nan
    members, others = contrast.by_value
    below = np.cumsum(others) - others / 2
    return members @ below / (members.sum() * others.sum())


def average_precision(contrast: Contrast) -> float:
    """Return the step-wise area under precision over recall."""
    if not contrast.has_both:
        return np.nan
    members, others = (weights[::-1] for weights in contrast.by_value)
    found = np.cumsum(members)
    return members @ (found / (found + np.cumsum(others))) / found[-1]


def sensitivity(contrast: Contrast) -> float:
    """Return the share of members that is predicted."""
    return share(contrast.predicted, contrast.weight * contrast.y)


def specificity(contrast: Contrast) -> float:
    """Return the share of the others that is predicted to be none."""
    return share(~contrast.predicted, contrast.weight * ~contrast.y)


def f1(contrast: Contrast) -> float:
    """Return the harmonic mean of precision and sensitivity, NaN without members."""
    if not contrast.y.any():
        return np.nan
    true_positive = contrast.weight @ (contrast.predicted & contrast.y)
    return 2 * true_positive / (contrast.weight @ contrast.predicted + contrast.weight @ contrast.y)


def slope(contrast: Contrast) -> float:
    """Return the calibration slope."""
    return calibration_slope(contrast.y, contrast.log_odds, contrast.weight)


def intercept(contrast: Contrast) -> float:
    """Return calibration in the large."""
    return calibration_intercept(contrast.y, contrast.log_odds, contrast.weight)


def share(events: np.ndarray, weight: np.ndarray) -> float:
    """Return the weighted share of events, NaN without weight."""
    total = weight.sum()
    return weight @ events / total if total > 0 else np.nan


def averaged(score: Callable[[Contrast], float]) -> Callable[[Outcome], float]:
    """Make a score of one contrast one of all, by their mean."""
    return lambda outcome: float(np.mean([score(each) for each in outcome.contrasts]))


def accuracy(outcome: Outcome) -> float:
    """Return the share of subjects whose class is predicted."""
    return share(outcome.predicted == outcome.codes, outcome.weight)


def balanced_accuracy(outcome: Outcome) -> float:
    """Return the mean of the classes' shares that are predicted."""
    n_classes = outcome.probabilities.shape[1]
    return float(np.mean([sensitivity(outcome.contrast(k)) for k in range(n_classes)]))


def brier(outcome: Outcome) -> float:
    """Return the mean squared error of the probabilities (Brier 1950)."""
    n_classes = outcome.probabilities.shape[1]
    errors = (outcome.probabilities - np.eye(n_classes)[outcome.codes]) ** 2
    return share(errors[:, 1] if n_classes == 2 else errors.sum(axis=1), outcome.weight)


def log_loss(outcome: Outcome) -> float:
    """Return the mean negative logarithm of the true class's probability."""
    true = outcome.probabilities[np.arange(len(outcome.codes)), outcome.codes]
    return share(-np.log(np.clip(true, outcome.epsilon, 1 - outcome.epsilon)), outcome.weight)


def r2(y: np.ndarray, predictions: np.ndarray) -> float:
    """Return the coefficient of determination."""
    spread = np.sum((y - y.mean()) ** 2)
    return 1 - np.sum((y - predictions) ** 2) / spread if np.ptp(y) > 0 else np.nan


def pearson(y: np.ndarray, predictions: np.ndarray) -> float:
    """Return the linear correlation."""
    if np.ptp(y) == 0 or np.ptp(predictions) == 0:
        return np.nan
    return np.corrcoef(y, predictions)[0, 1]


CLASS_SCORES: Mapping[str, Callable[[Outcome], float]] = {
    "accuracy": accuracy,
    "balanced_accuracy": balanced_accuracy,
    "roc_auc": averaged(roc_auc),
    "pr_auc": averaged(average_precision),
    "sensitivity": averaged(sensitivity),
    "specificity": averaged(specificity),
    "f1": averaged(f1),
    "brier": brier,
    "log_loss": log_loss,
    "calibration_slope": averaged(slope),
    "calibration_intercept": averaged(intercept),
}

NUMBER_SCORES: Mapping[str, Callable[[np.ndarray, np.ndarray], float]] = {
    "mae": lambda y, predictions: np.mean(np.abs(y - predictions)),
    "rmse": lambda y, predictions: np.sqrt(np.mean((y - predictions) ** 2)),
    "r2": r2,
    "pearson": pearson,
    "spearman": lambda y, predictions: pearson(rankdata(y), rankdata(predictions)),
}

LEVEL_SCORES: Mapping[str, Callable[[np.ndarray, np.ndarray, np.ndarray], float]] = {
    "quadratic_kappa": quadratic_kappa,
    "level_mae": lambda true, found, weight: np.average(np.abs(true - found), weights=weight),
}


def require_scores(scores: Sequence[str], known: Mapping[str, Any]) -> None:
    """Refuse names of scores that are none."""
    if isinstance(scores, str) or (unknown := [name for name in scores if name not in known]):
        raise InputError(
            f"Scores are a sequence of names out of {', '.join(known)}",
            got=repr(scores) if isinstance(scores, str) else ", ".join(map(repr, unknown)),
        )
