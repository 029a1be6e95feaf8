"""What every score is: its definition, its name in tables, and which values are good."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit, logit
from scipy.stats import rankdata

from adestim._support.predictions import Contrast, Outcome, Predictions
from adestim.exceptions import InputError

MAX_STEPS = 100
MAX_HALVINGS = 40
# Of Newton's decrement a subject: coefficients are then right to nine digits.
TOLERANCE = 1e-18
# Nearer the maximum than this the likelihood differs by rounding alone, and Newton's step is right.
NEAR = 1e-9

# The ideal value of a score of which less is better.
LOWER = -np.inf


class Score(NamedTuple):
    """A score: what computes it, how it is printed, and which values are good."""

    compute: Callable[..., float]
    label: str
    ideal: float = np.inf  # the best value there could be


def name_score(name: str) -> str:
    """Return what a score is called in tables."""
    return ALL_SCORES[name].label if name in ALL_SCORES else name


def measure_loss(values: np.ndarray, name: str) -> np.ndarray:
    """Return how bad values of a score are, less being better; NaN where the score is unknown."""
    ideal = ALL_SCORES[name].ideal if name in ALL_SCORES else np.nan
    return -np.sign(ideal) * values if np.isinf(ideal) else np.abs(values - ideal)


def score_rows(
    predictions: Predictions, scores: Sequence[str], rows: np.ndarray | None = None
) -> dict[str, float]:
    """Return scores of predictions, or of some of their rows, drawn once or more."""
    if not predictions.classes:
        kept = slice(None) if rows is None else rows
        return score_numbers(predictions.y[kept], predictions.values[kept], scores)
    outcome = predictions.outcome if rows is None else predictions.outcome.take(rows)
    return score_outcome(outcome, scores)


def score_outcome(outcome: Outcome, scores: Sequence[str]) -> dict[str, float]:
    """Return scores of probabilities that were read and checked already."""
    return {name: float(CLASS_SCORES[name].compute(outcome)) for name in scores}


def score_numbers(y: Any, predictions: Any, scores: Sequence[str]) -> dict[str, float]:
    """Return scores of predicted numbers.

    y (n_rows,), predictions (n_rows,).
    """
    y, predictions = np.asarray(y, dtype=float), np.asarray(predictions, dtype=float)
    if y.ndim != 1 or y.shape != predictions.shape or not len(y):
        raise InputError(
            "There is one true and one predicted value a subject",
            got=f"shapes {y.shape} and {predictions.shape}",
        )
    if not (np.isfinite(y).all() and np.isfinite(predictions).all()):
        raise InputError("True and predicted values are finite", got="NaN or infinity")
    return {name: float(NUMBER_SCORES[name].compute(y, predictions)) for name in scores}


def require_scores(scores: Sequence[str], known: Mapping[str, Any]) -> None:
    """Refuse names of scores that are none."""
    if isinstance(scores, str) or (unknown := [name for name in scores if name not in known]):
        raise InputError(
            f"Scores are a sequence of names out of {', '.join(known)}",
            got=repr(scores) if isinstance(scores, str) else ", ".join(map(repr, unknown)),
        )


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
    return weigh_share(contrast.predicted, contrast.weight * contrast.y)


def specificity(contrast: Contrast) -> float:
    """Return the share of the others that is predicted to be none."""
    return weigh_share(~contrast.predicted, contrast.weight * ~contrast.y)


def positive_value(contrast: Contrast) -> float:
    """Return the share of members among those predicted to be members."""
    return weigh_share(contrast.y, contrast.weight * contrast.predicted)


def negative_value(contrast: Contrast) -> float:
    """Return the share of others among those predicted to be none."""
    return weigh_share(~contrast.y, contrast.weight * ~contrast.predicted)


def f1(contrast: Contrast) -> float:
    """Return the harmonic mean of precision and sensitivity, NaN without members."""
    if not contrast.y.any():
        return np.nan
    true_positive = contrast.weight @ (contrast.predicted & contrast.y)
    return 2 * true_positive / (contrast.weight @ contrast.predicted + contrast.weight @ contrast.y)


def weigh_share(events: np.ndarray, weight: np.ndarray) -> float:
    """Return the weighted share of events, NaN without weight."""
    total = weight.sum()
    return weight @ events / total if total > 0 else np.nan


def average_contrasts(score: Callable[[Contrast], float]) -> Callable[[Outcome], float]:
    """Make a score of one contrast one of all, by their mean."""
    return lambda outcome: float(np.mean([score(each) for each in outcome.contrasts]))


def accuracy(outcome: Outcome) -> float:
    """Return the share of subjects whose class is predicted."""
    return weigh_share(outcome.predicted == outcome.codes, outcome.weight)


def balanced_accuracy(outcome: Outcome) -> float:
    """Return the mean of the classes' shares that are predicted."""
    n_classes = outcome.probabilities.shape[1]
    return float(np.mean([sensitivity(outcome.contrast(k)) for k in range(n_classes)]))


def brier(outcome: Outcome) -> float:
    """Return the mean squared error of the probabilities (Brier 1950)."""
    n_classes = outcome.probabilities.shape[1]
    errors = (outcome.probabilities - np.eye(n_classes)[outcome.codes]) ** 2
    return weigh_share(errors[:, 1] if n_classes == 2 else errors.sum(axis=1), outcome.weight)


def log_loss(outcome: Outcome) -> float:
    """Return the mean negative logarithm of the true class's probability."""
    true = outcome.probabilities[np.arange(len(outcome.codes)), outcome.codes]
    return weigh_share(-np.log(np.clip(true, outcome.epsilon, 1 - outcome.epsilon)), outcome.weight)


def r2(y: np.ndarray, predictions: np.ndarray) -> float:
    """Return the coefficient of determination."""
    spread = np.sum((y - y.mean()) ** 2)
    return 1 - np.sum((y - predictions) ** 2) / spread if np.ptp(y) > 0 else np.nan


def pearson(y: np.ndarray, predictions: np.ndarray) -> float:
    """Return the linear correlation."""
    if np.ptp(y) == 0 or np.ptp(predictions) == 0:
        return np.nan
    return np.corrcoef(y, predictions)[0, 1]


def slope(contrast: Contrast) -> float:
    """Return the calibration slope."""
    return calibration_slope(contrast.y, contrast.log_odds, contrast.weight)


def intercept(contrast: Contrast) -> float:
    """Return calibration in the large."""
    return calibration_intercept(contrast.y, contrast.log_odds, contrast.weight)


def calibration_slope(y: np.ndarray, log_odds: np.ndarray, weight: np.ndarray) -> float:
    """Return the slope of a logistic regression of ``y`` on log-odds (Cox 1958).

    y (n_rows,), log_odds (n_rows,), weight (n_rows,).
    """
    if not have_overlap(log_odds[y], log_odds[~y]):
        return np.nan
    scale = log_odds.std()
    design = np.stack([np.ones(len(y)), (log_odds - log_odds.mean()) / scale])
    start = np.array([logit(weight @ y / weight.sum()), 0.0])
    return float(maximise_likelihood(design, y, weight, start)[1] / scale)


def calibration_intercept(y: np.ndarray, log_odds: np.ndarray, weight: np.ndarray) -> float:
    """Return calibration in the large: what added to log-odds gives the observed frequency.

    y (n_rows,), log_odds (n_rows,), weight (n_rows,).
    """
    if y.all() or not y.any():
        return np.nan
    frequency = weight @ y / weight.sum()

    def excess(shift: float) -> float:
        return weight @ expit(log_odds + shift) / weight.sum() - frequency

    # Beyond these all predictions are below, or above, the frequency; 1 is for rounding.
    low, high = logit(frequency) - log_odds.max() - 1, logit(frequency) - log_odds.min() + 1
    return float(brentq(excess, low, high))


def have_overlap(first: np.ndarray, second: np.ndarray) -> bool:
    """Return whether two classes overlap; if not, the likelihood has no maximum."""
    if not len(first) or not len(second):
        return False
    return bool(first.min() < second.max() and second.min() < first.max())


def maximise_likelihood(
    design: np.ndarray, y: np.ndarray, weight: np.ndarray, start: np.ndarray
) -> np.ndarray:
    """Return the coefficients of greatest likelihood by Newton's method, NaN where it fails."""
    beta = start
    # Flat places need an invertible matrix; it alters the path, not where the gradient is zero.
    ridge = 1e-12 * weight.sum() * np.eye(len(start))
    for _ in range(MAX_STEPS):
        p = expit(beta @ design)
        gradient = design @ (weight * (y - p))
        step = np.linalg.solve((design * (weight * p * (1 - p))) @ design.T + ridge, gradient)
        decrement = gradient @ step / weight.sum()
        if decrement <= TOLERANCE:
            return beta
        beta = beta + step if decrement < NEAR else climb(beta, step, design, y, weight)
    return np.full_like(start, np.nan)


def climb(
    beta: np.ndarray, step: np.ndarray, design: np.ndarray, y: np.ndarray, weight: np.ndarray
) -> np.ndarray:
    """Go a step, halved until the likelihood does not fall."""
    before = log_likelihood(beta, design, y, weight)
    for share in 0.5 ** np.arange(MAX_HALVINGS):
        if log_likelihood(beta + share * step, design, y, weight) >= before:
            return beta + share * step
    return beta


def log_likelihood(
    beta: np.ndarray, design: np.ndarray, y: np.ndarray, weight: np.ndarray
) -> float:
    """Return the log-likelihood of logistic regression."""
    log_odds = beta @ design
    return weight @ (y * log_odds - np.logaddexp(0, log_odds))


#: Resamples of an interval, so that one statistic has one interval wherever it is shown.
N_RESAMPLES = 2000

#: What the intervals of scores are, in words.
HOW_BOUNDED = "over subjects: Wilson's of proportions, bootstrapped ones of all else"

#: Scores of probabilities, in the order of tables.
CLASS_SCORES: Mapping[str, Score] = {
    "accuracy": Score(accuracy, "Accuracy"),
    "balanced_accuracy": Score(balanced_accuracy, "Balanced accuracy"),
    "roc_auc": Score(average_contrasts(roc_auc), "ROC AUC"),
    "pr_auc": Score(average_contrasts(average_precision), "PR AUC"),
    "sensitivity": Score(average_contrasts(sensitivity), "Sensitivity"),
    "specificity": Score(average_contrasts(specificity), "Specificity"),
    "ppv": Score(average_contrasts(positive_value), "PPV"),
    "npv": Score(average_contrasts(negative_value), "NPV"),
    "f1": Score(average_contrasts(f1), "F1"),
    "brier": Score(brier, "Brier", LOWER),
    "log_loss": Score(log_loss, "Log loss", LOWER),
    "calibration_slope": Score(average_contrasts(slope), "Calibration slope", 1.0),
    "calibration_intercept": Score(average_contrasts(intercept), "Calibration intercept", 0.0),
}

#: Scores of predicted numbers, in the order of tables.
NUMBER_SCORES: Mapping[str, Score] = {
    "mae": Score(lambda y, predictions: np.mean(np.abs(y - predictions)), "MAE", LOWER),
    "rmse": Score(lambda y, predictions: np.sqrt(np.mean((y - predictions) ** 2)), "RMSE", LOWER),
    "r2": Score(r2, "R2"),
    "pearson": Score(pearson, "Pearson r"),
    "spearman": Score(
        lambda y, predictions: pearson(rankdata(y), rankdata(predictions)), "Spearman rho"
    ),
}

#: Scores of predicted levels of an order, in the order of tables.
LEVEL_SCORES: Mapping[str, Score] = {
    "quadratic_kappa": Score(quadratic_kappa, "Quadratic kappa"),
    "level_mae": Score(
        lambda true, found, weight: np.average(np.abs(true - found), weights=weight),
        "Level MAE",
        LOWER,
    ),
}

ALL_SCORES: Mapping[str, Score] = {**CLASS_SCORES, **NUMBER_SCORES, **LEVEL_SCORES}
#: Names of the scores of probabilities, in the order of tables.
SCORES = tuple(CLASS_SCORES)
#: Names of the scores of predicted numbers, in the order of tables.
REGRESSION_SCORES = tuple(NUMBER_SCORES)
#: Names of the scores of predicted levels of an order, in the order of tables.
ORDINAL_SCORES = tuple(LEVEL_SCORES)
#: Whether more is better; None where a value in between is: slope 1, intercept 0.
HIGHER_IS_BETTER: Mapping[str, bool | None] = MappingProxyType(
    {
        name: None if np.isfinite(score.ideal) else score.ideal > 0
        for name, score in ALL_SCORES.items()
    }
)
