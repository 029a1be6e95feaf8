"""Scores of many resamples at once: predictions are sorted once, and resamples are weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from scipy.special import expit

from adestim._support.predictions import Contrast, Outcome, Predictions
from adestim._support.scores import calibration_intercept, calibration_slope, maximise_likelihood

# Weights that are looked at together; what is computed of them stays in the processor's cache.
AT_ONCE = 2**18
MAX_STEPS = 12
# Of Newton's decrement a subject; the next would be about its square, so this step is the last.
TOLERANCE = 1e-10


def score_draws(
    predictions: Predictions, names: Sequence[str], rows: np.ndarray, weight: np.ndarray
) -> np.ndarray:
    """Return scores of resamples, NaN where they are not defined.

    rows (n_rows,) positions among the predictions, weight (n_draws, n_rows) how often each is drawn
    -> (n_draws, n_scores).
    """
    if predictions.classes:
        outcome = predictions.outcome.take(rows)
        return np.stack([OF_CLASSES[name](outcome, weight) for name in names], axis=1)
    y, values = (np.asarray(each, dtype=float) for each in (predictions.y, predictions.values))
    return np.stack([OF_NUMBERS[name](y[rows], values[rows], weight) for name in names], axis=1)


def split_draws(n_draws: int, n_rows: int) -> list[slice]:
    """Return stretches of resamples that are few enough to be looked at together."""
    step = max(1, AT_ONCE // max(n_rows, 1))
    return [slice(start, start + step) for start in range(0, n_draws, step)]


def average_rows(values: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Return weighted means, NaN without weight: (n_rows,), (n_draws, n_rows) -> (n_draws,)."""
    total = weight.sum(axis=1)
    return divide_known(weight @ values, total)


def divide_known(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """Return quotients, NaN where the divisor is not above 0."""
    return np.divide(above, below, out=np.full(np.shape(above), np.nan), where=below > 0)


def sum_before(weight: np.ndarray) -> np.ndarray:
    """Return sums of the weights before every place: (n_draws, n) -> (n_draws, n + 1)."""
    sums = np.zeros((len(weight), weight.shape[1] + 1))
    np.cumsum(weight, axis=1, out=sums[:, 1:])
    return sums


def roc_auc_of_draws(contrast: Contrast, weight: np.ndarray) -> np.ndarray:
    """Return areas under the ROC curve, ties counted by half."""
    members, others = sort_side(contrast, contrast.y), sort_side(contrast, ~contrast.y)
    left, right = (
        np.searchsorted(contrast.probability[others], contrast.probability[members], side)
        for side in ("left", "right")
    )
    of_members, below = weight[:, members], sum_before(weight[:, others])
    won = np.einsum("ij,ij->i", of_members, below[:, left] + below[:, right]) / 2
    return divide_known(won, of_members.sum(axis=1) * below[:, -1])


def average_precision_of_draws(contrast: Contrast, weight: np.ndarray) -> np.ndarray:
    """Return step-wise areas under precision over recall."""
    members, others = sort_side(contrast, contrast.y), sort_side(contrast, ~contrast.y)
    cuts = contrast.probability[members]
    of_members, of_others = sum_before(weight[:, members]), sum_before(weight[:, others])
    # From a cut on, itself included.
    found = of_members[:, -1:] - of_members[:, np.searchsorted(cuts, cuts)]
    false = of_others[:, -1:] - of_others[:, np.searchsorted(contrast.probability[others], cuts)]
    precision = np.divide(found, found + false, out=np.zeros_like(found), where=found > 0)
    area = divide_known(np.einsum("ij,ij->i", weight[:, members], precision), of_members[:, -1])
    return np.where(of_others[:, -1] > 0, area, np.nan)


def sort_side(contrast: Contrast, is_side: np.ndarray) -> np.ndarray:
    """Return the rows of members, or of the others, by ascending probability."""
    rows = np.flatnonzero(is_side)
    return rows[np.argsort(contrast.probability[rows], kind="stable")]


def slope_of_draws(contrast: Contrast, weight: np.ndarray) -> np.ndarray:
    """Return calibration slopes."""
    spread = contrast.log_odds.std()
    slopes = np.full(len(weight), np.nan)
    overlap = find_overlap(contrast, weight)
    if not overlap.any():
        return slopes
    centred = (contrast.log_odds - contrast.log_odds.mean()) / spread
    design = np.stack([np.ones(len(centred)), centred])
    # Resamples are near the whole.
    start = maximise_likelihood(design, contrast.y, np.ones(len(centred)), np.zeros(2))
    for part in split_draws(len(weight), weight.shape[1]):
        kept = np.flatnonzero(overlap[part]) + part.start
        found = maximise_many(design, contrast.y, weight[kept], start)
        slopes[kept] = found[:, 1] / spread
    for place in np.flatnonzero(overlap & np.isnan(slopes)):
        drawn = weight[place] > 0
        slopes[place] = calibration_slope(
            contrast.y[drawn], contrast.log_odds[drawn], weight[place, drawn]
        )
    return slopes


def find_overlap(contrast: Contrast, weight: np.ndarray) -> np.ndarray:
    """Return in which resamples log-odds of the two sides overlap: (n_draws, n_rows) -> (n_draws,).

    Without overlap the likelihood has no maximum.
    """
    has_both = np.ones(len(weight), dtype=bool)
    ends = []
    for is_side in (contrast.y, ~contrast.y):
        order = sort_side(contrast, is_side)
        if not len(order):
            return np.zeros(len(weight), dtype=bool)
        drawn = weight[:, order] > 0
        has_both &= drawn.any(axis=1)
        values = contrast.log_odds[order]
        ends += [values[drawn.argmax(axis=1)], values[::-1][drawn[:, ::-1].argmax(axis=1)]]
    low, high, low_other, high_other = ends
    return has_both & (low < high_other) & (low_other < high)


def maximise_many(
    design: np.ndarray, y: np.ndarray, weight: np.ndarray, start: np.ndarray
) -> np.ndarray:
    """Return coefficients of greatest likelihood of resamples, NaN where Newton's method strays.

    design (2, n_rows), y (n_rows,), weight (n_draws, n_rows), start (2,) -> (n_draws, 2).
    """
    beta = np.tile(start, (len(weight), 1))
    found = np.full_like(beta, np.nan)
    going, total = np.arange(len(weight)), weight.sum(axis=1)
    products = np.stack([design[0], design[1], design[1] ** 2], axis=1)
    hits = weight @ (design * y).T
    p = expit(start @ design)
    for _ in range(MAX_STEPS):
        gradient = hits[going] - sum_products(weight, going, p, design.T)
        curvature = sum_products(weight, going, p * (1 - p), products)
        step, decrement = solve_pairs(curvature, gradient)
        beta[going] += step
        is_right = (decrement >= 0) & (decrement < total[going])
        is_last = is_right & (decrement <= TOLERANCE * total[going])
        found[going[is_last]] = beta[going[is_last]]
        going = going[is_right & ~is_last]
        if not len(going):
            break
        p = expit(beta[going] @ design)
    return found


def sum_products(
    weight: np.ndarray, going: np.ndarray, values: np.ndarray, columns: np.ndarray
) -> np.ndarray:
    """Return weighted sums over rows of values times columns, for some of the resamples.

    weight (n_draws, n_rows), going (n_going,), values (n_rows,) or (n_going, n_rows),
    columns (n_rows, n_columns) -> (n_going, n_columns).
    """
    own = weight if len(going) == len(weight) else weight[going]
    if values.ndim == 1:
        return own @ (values[:, None] * columns)
    return (own * values) @ columns


def solve_pairs(curvature: np.ndarray, gradient: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return Newton's steps and decrements of two coefficients, not finite where flat.

    curvature (n_draws, 3): its corner, side and other corner; gradient (n_draws, 2).
    """
    a, b, c = curvature.T
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        determinant = a * c - b * b
        step = np.stack([c, -b, -b, a], axis=1).reshape(-1, 2, 2) @ gradient[:, :, None]
        step = step[:, :, 0] / determinant[:, None]
        return step, np.einsum("ij,ij->i", step, gradient)


def intercept_of_draws(contrast: Contrast, weight: np.ndarray) -> np.ndarray:
    """Return calibration in the large."""
    shifts = np.full(len(weight), np.nan)
    if not contrast.has_both:
        return shifts
    hits, total = weight @ contrast.y, weight.sum(axis=1)
    has_both = (hits > 0) & (hits < total)
    start = calibration_intercept(contrast.y, contrast.log_odds, np.ones(len(contrast.y)))
    for part in split_draws(len(weight), weight.shape[1]):
        kept = np.flatnonzero(has_both[part]) + part.start
        shifts[kept] = shift_many(contrast.log_odds, weight[kept], hits[kept], start)
    for place in np.flatnonzero(has_both & np.isnan(shifts)):
        drawn = weight[place] > 0
        shifts[place] = calibration_intercept(
            contrast.y[drawn], contrast.log_odds[drawn], weight[place, drawn]
        )
    return shifts


def shift_many(
    log_odds: np.ndarray, weight: np.ndarray, hits: np.ndarray, start: float
) -> np.ndarray:
    """Return what added to log-odds makes expected numbers those found; NaN where Newton strays.

    log_odds (n_rows,), weight (n_draws, n_rows), hits (n_draws,) -> (n_draws,).
    """
    shift, found = np.full(len(weight), start), np.full(len(weight), np.nan)
    going, total = np.arange(len(weight)), weight.sum(axis=1)
    once = np.ones((len(log_odds), 1))
    p = expit(start + log_odds)
    for _ in range(MAX_STEPS):
        gradient = hits[going] - sum_products(weight, going, p, once)[:, 0]
        curvature = sum_products(weight, going, p * (1 - p), once)[:, 0]
        with np.errstate(divide="ignore", invalid="ignore"):
            step = gradient / curvature
        shift[going] += step
        is_right = step * gradient < total[going]
        is_last = is_right & (step * gradient <= TOLERANCE * total[going])
        found[going[is_last]] = shift[going[is_last]]
        going = going[is_right & ~is_last]
        if not len(going):
            break
        p = expit(shift[going, None] + log_odds)
    return found


def average_sides(
    score: Callable[[Contrast, np.ndarray], np.ndarray],
) -> Callable[[Outcome, np.ndarray], np.ndarray]:
    """Make scores of one contrast those of all, by their mean."""
    return lambda outcome, weight: np.mean(
        [score(each, weight) for each in outcome.contrasts], axis=0
    )


def brier_of_draws(outcome: Outcome, weight: np.ndarray) -> np.ndarray:
    """Return mean squared errors of the probabilities."""
    n_classes = outcome.probabilities.shape[1]
    errors = (outcome.probabilities - np.eye(n_classes)[outcome.codes]) ** 2
    return average_rows(errors[:, 1] if n_classes == 2 else errors.sum(axis=1), weight)


def log_loss_of_draws(outcome: Outcome, weight: np.ndarray) -> np.ndarray:
    """Return mean negative logarithms of the true class's probability."""
    true = outcome.probabilities[np.arange(len(outcome.codes)), outcome.codes]
    return average_rows(-np.log(np.clip(true, outcome.epsilon, 1 - outcome.epsilon)), weight)


def r2_of_draws(y: np.ndarray, predictions: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Return coefficients of determination."""
    spread = average_rows((y - y.mean()) ** 2, weight) - average_rows(y - y.mean(), weight) ** 2
    quotient = average_rows((y - predictions) ** 2, weight)
    return np.where(vary_in_draws(y, weight), 1 - divide_known(quotient, spread), np.nan)


def pearson_of_draws(y: np.ndarray, predictions: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Return linear correlations."""
    first, second = (values - values.mean() for values in (y, predictions))
    means = [average_rows(values, weight) for values in (first, second)]
    shared = average_rows(first * second, weight) - means[0] * means[1]
    spreads = [
        average_rows(values**2, weight) - mean**2
        for values, mean in zip((first, second), means, strict=True)
    ]
    vary = vary_in_draws(y, weight) & vary_in_draws(predictions, weight)
    with np.errstate(invalid="ignore"):
        return np.where(vary, divide_known(shared, np.sqrt(spreads[0] * spreads[1])), np.nan)


def vary_in_draws(values: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Return in which resamples there is more than one value."""
    order = np.argsort(values, kind="stable")
    drawn, ordered = weight[:, order] > 0, values[order]
    first, last = drawn.argmax(axis=1), drawn[:, ::-1].argmax(axis=1)
    return drawn.any(axis=1) & (ordered[first] < ordered[::-1][last])


def spearman_of_draws(y: np.ndarray, predictions: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Return correlations of ranks, equal ones in the middle."""
    total = weight.sum(axis=1)
    first, second = (
        rank_draws(values, weight) - (total[:, None] + 1) / 2 for values in (y, predictions)
    )
    shared, own, other = (
        np.einsum("ij,ij,ij->i", weight, *pair)
        for pair in ((first, second), (first, first), (second, second))
    )
    vary = vary_in_draws(y, weight) & vary_in_draws(predictions, weight)
    return np.where(vary, divide_known(shared, np.sqrt(own * other)), np.nan)


def rank_draws(values: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Return the ranks that values have in resamples: (n_draws, n_rows) -> (n_draws, n_rows)."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    before = sum_before(weight[:, order])
    left, right = (np.searchsorted(ordered, values, side) for side in ("left", "right"))
    return (before[:, left] + before[:, right] + 1) / 2


OF_CLASSES: dict[str, Callable[[Outcome, np.ndarray], np.ndarray]] = {
    "roc_auc": average_sides(roc_auc_of_draws),
    "pr_auc": average_sides(average_precision_of_draws),
    "brier": brier_of_draws,
    "log_loss": log_loss_of_draws,
    "calibration_slope": average_sides(slope_of_draws),
    "calibration_intercept": average_sides(intercept_of_draws),
}

OF_NUMBERS: dict[str, Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]] = {
    "mae": lambda y, predictions, weight: average_rows(np.abs(y - predictions), weight),
    "rmse": lambda y, predictions, weight: np.sqrt(average_rows((y - predictions) ** 2, weight)),
    "r2": r2_of_draws,
    "pearson": pearson_of_draws,
    "spearman": spearman_of_draws,
}
