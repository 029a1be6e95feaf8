"""Intervals of shares of subjects, few or related ones too, and of averages of such shares."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import brentq
from scipy.stats import norm

from adestim.evaluation.scores.checks import require_share
from adestim.exceptions import InputError

#: Who counts, and among whom, from true and predicted membership of a class.
OF_A_CLASS: dict[str, Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]] = {
    "sensitivity": lambda true, said: (true & said, true),
    "specificity": lambda true, said: (~true & ~said, ~true),
    "ppv": lambda true, said: (true & said, said),
    "npv": lambda true, said: (~true & ~said, ~said),
    # F1 is 2 J / (1 + J) of the share J of true positives among who is, or is said to be, positive.
    "f1": lambda true, said: (true & said, true | said),
}
#: Scores that are shares of subjects, averages of such, or a function of one.
PROPORTIONS = frozenset({"accuracy", "balanced_accuracy", *OF_A_CLASS})


def wilson_interval(n_events: float, n_subjects: float, level: float = 0.95) -> tuple[float, float]:
    """Return Wilson's score interval of a proportion.

    It holds the truth about as often as it says of few subjects too [1]_ [2]_, and has a width
    where none or all of them count, where the bootstrap and the normal approximation have none.

    Parameters
    ----------
    n_events : float
        How many subjects count, as true positives for instance.
    n_subjects : float
        Among how many. It need not be whole: related subjects are as good as fewer unrelated ones.
    level : float, default=0.95
        Level of the interval.

    Returns
    -------
    tuple of float
        Lower and upper end; NaN of no subjects.

    Raises
    ------
    InputError
        When there are more events than subjects, fewer than none, or ``level`` is not between 0
        and 1.

    References
    ----------
    .. [1] Wilson, E. B. (1927). Probable inference, the law of succession, and statistical
       inference. Journal of the American Statistical Association, 22(158), 209-212.
    .. [2] Newcombe, R. G. (1998). Two-sided confidence intervals for the single proportion:
       comparison of seven methods. Statistics in Medicine, 17(8), 857-872.

    Examples
    --------
    >>> from adestim.evaluation import wilson_interval
    >>> tuple(round(end, 3) for end in wilson_interval(12, 12))
    (0.758, 1.0)
    """
    require_share(level)
    if not 0 <= n_events <= n_subjects:
        raise InputError(
            "Events are counted among the subjects", got=f"{n_events} among {n_subjects}"
        )
    if n_subjects == 0:
        return np.nan, np.nan
    share = n_events / n_subjects
    ratio = norm.ppf((1 + level) / 2) ** 2 / n_subjects
    middle = (share + ratio / 2) / (1 + ratio)
    half = np.sqrt(ratio * (share * (1 - share) + ratio / 4)) / (1 + ratio)
    # At the ends only rounding keeps them from 0 and 1, and from the share itself.
    return float(max(min(middle - half, share), 0)), float(min(max(middle + half, share), 1))


@dataclass(frozen=True, eq=False)
class Proportion:
    """A share of subjects, averaged over repeats, and how its groups pull at it."""

    value: float
    pulls: np.ndarray  # (n_groups,); what every group adds to the error of the value
    portions: np.ndarray  # (n_groups,); the share of the subjects that every group is
    size: float  # number of subjects
    turn: Callable[[float], float] = float  # from the proportion to the score

    @property
    def is_certain(self) -> bool:
        """Whether all subjects agree, so that they do not tell how related they are."""
        return self.value in (0.0, 1.0)

    @property
    def spread(self) -> np.ndarray:
        """Return what groups pull, or would if those of a group were all the same."""
        return self.portions if self.is_certain else self.pulls

    @property
    def effective_size(self) -> float:
        """Return how many unrelated subjects would tell as much."""
        variance = self.spread @ self.spread
        own = 1.0 if self.is_certain else self.value * (1 - self.value)
        return min(self.size, own / variance) if variance > 0 else self.size

    def bound(self, level: float) -> tuple[float, float]:
        """Return the ends of the interval of the score."""
        size = self.effective_size
        low, high = wilson_interval(self.value * size, size, level)
        return self.turn(low), self.turn(high)


def measure_proportion(events: np.ndarray, totals: np.ndarray, name: str = "") -> Proportion:
    """Return a proportion from numbers by repeat and group.

    events (n_repeats, n_groups), totals (n_repeats, n_groups).
    """
    size = totals.sum(axis=1)
    with np.errstate(invalid="ignore"):
        share = events.sum(axis=1) / size
        pulls = ((events - share[:, None] * totals) / size[:, None]).mean(axis=0)
        portions = (totals / size[:, None]).mean(axis=0)
    if name != "f1":
        return Proportion(float(share.mean()), pulls, portions, size.mean())
    f1 = float(turn_to_f1(share).mean())
    return Proportion(f1 / (2 - f1), pulls, portions, size.mean(), turn_to_f1)


def turn_to_f1(share: Any) -> Any:
    """Return F1 from the share of true positives among who is, or is said to be, positive.

    Lam, Gopal and Qian, "Confidence intervals for the F1 score", arXiv:2309.14621, 2023.
    """
    return 2 * share / (1 + share)


def count_members(
    name: str, codes: np.ndarray, predicted: np.ndarray, n_classes: int
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return who counts, and among whom, for every proportion that a score averages.

    codes (n_rows,), predicted (n_rows,).
    """
    if name == "accuracy":
        return [(codes == predicted, np.ones(len(codes), dtype=bool))]
    of_a_class = OF_A_CLASS["sensitivity" if name == "balanced_accuracy" else name]
    classes = [1] if n_classes == 2 and name != "balanced_accuracy" else range(n_classes)
    return [of_a_class(codes == k, predicted == k) for k in classes]


def bound_average(parts: Sequence[Proportion], level: float) -> tuple[float, float]:
    """Return the interval of the mean of proportions, from their own intervals.

    Distances to the ends are added as standard errors are, with the correlations of the parts.

    Newcombe, "Interval estimation for the difference between independent proportions", Statistics
    in Medicine 17, 1998; Zou and Donner, "Construction of confidence limits about effect measures:
    a general approach", Statistics in Medicine 27, 2008.
    """
    values = np.array([part.turn(part.value) for part in parts])
    if np.isnan(values).any():
        return np.nan, np.nan
    ends = np.array([part.bound(level) for part in parts])
    if len(parts) == 1:
        return float(ends[0, 0]), float(ends[0, 1])
    related = correlate_proportions(parts)
    below, above = values - ends[:, 0], ends[:, 1] - values
    reach = [np.sqrt(max(gaps @ related @ gaps, 0)) / len(parts) for gaps in (below, above)]
    middle = values.mean()
    return float(max(middle - reach[0], 0)), float(min(middle + reach[1], 1))


def correlate_proportions(parts: Sequence[Proportion]) -> np.ndarray:
    """Return how far errors of proportions go together, (n_parts, n_parts)."""
    pulls = np.array([part.pulls for part in parts])
    portions = np.array([part.portions for part in parts])
    known = ~np.array([part.is_certain for part in parts])
    related = np.where(np.outer(known, known), scale_products(pulls), scale_products(portions))
    np.fill_diagonal(related, 1)
    return related


def scale_products(rows: np.ndarray) -> np.ndarray:
    """Return the cosines of rows, 0 where one is nothing."""
    products = rows @ rows.T
    length = np.sqrt(np.diag(products))
    scale = np.outer(length, length)
    return np.divide(products, scale, out=np.zeros_like(products), where=scale > 0)


def bound_perfect_area(sizes: np.ndarray, level: float) -> float:
    """Return the lower end of the interval of an area under the ROC curve that is 1.

    sizes (n_folds, 2): numbers of subjects with and without the condition in folds that are ranked
    apart and averaged by their size.

    Newcombe, "Confidence intervals for an effect size measure based on the Mann-Whitney statistic.
    Part 2", Statistics in Medicine 25, 2006 (method 5).
    """
    members, others = sizes.T.astype(float)
    share = sizes.sum(axis=1) / sizes.sum()
    squared = norm.ppf((1 + level) / 2) ** 2

    def excess(area: float) -> float:
        shape = (1 - area) / (2 - area) + area / (1 + area)
        inflation = 1 + ((members + others) / 2 - 1) * shape
        return 1 - area - squared * area * (share**2 @ (inflation / (members * others)))

    return float(brentq(excess, 0, 1))
