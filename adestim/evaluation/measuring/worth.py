"""What a probability is worth before and after a measurement."""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np
from scipy.special import entr

from adestim._support.positive_class import choose_positive
from adestim.evaluation.measuring.alike import SMALLEST, Reference, find_alike, transplant_columns
from adestim.exceptions import InputError

ENTROPY, NET_BENEFIT, LOG_LOSS = "entropy", "net_benefit", "log_loss"
GAINS = (ENTROPY, NET_BENEFIT, LOG_LOSS)


class Worth:
    """What is gained: less entropy, more net benefit, or less log loss."""

    def __init__(self, gain: str, threshold: float | None, place: int):
        self.gain = gain
        self.threshold = threshold
        self.place = place

    @classmethod
    def read(
        cls, gain: Any, threshold: Any, positive: Any, classes: list, *, has_labels: bool
    ) -> Worth:
        """Return what was asked for, checked."""
        if gain not in GAINS:
            raise InputError(f"'gain' is one of {', '.join(map(repr, GAINS))}", got=repr(gain))
        if gain == LOG_LOSS and not has_labels:
            raise InputError(
                "The gain 'log_loss' is seen on people whose class is known",
                got="no 'y_reference'",
                remedy="Pass the labels of X_reference",
            )
        if gain != NET_BENEFIT:
            return cls(gain, None, 0)
        if not isinstance(threshold, Real) or not 0 < float(threshold) < 1:
            raise InputError(
                "The gain 'net_benefit' needs a threshold between 0 and 1, from which one acts",
                got=repr(threshold),
            )
        if len(classes) != 2:
            raise InputError("Net benefit is of two classes", got=f"{len(classes)} classes")
        label = choose_positive(classes) if positive is None else positive
        if label not in classes:
            raise InputError("'positive' is one of the classes", got=repr(positive))
        return cls(gain, float(threshold), classes.index(label))

    def rate(self, probabilities: np.ndarray) -> np.ndarray:
        """Return what probabilities are worth: (..., n_classes) -> (...)."""
        if self.threshold is None:
            return -entr(probabilities).sum(axis=-1)
        p = probabilities[..., self.place]
        odds = self.threshold / (1 - self.threshold)
        return np.where(p >= self.threshold, p - (1 - p) * odds, 0.0)


def expect_worth(
    worth: Worth, reference: Reference, table: Any, pattern: np.ndarray, place: int
) -> tuple[np.ndarray, np.ndarray, int]:
    """Return what predictions are worth now, what they will be, and of how many people that is.

    table (n_rows, n_columns) of patients of one pattern (n_modalities,), place of the modality.
    """
    donors = reference.find_donors(pattern, place)
    if len(donors) < 2:
        return np.full(len(table), np.nan), np.full(len(table), np.nan), len(donors)
    now = reference.predict(table)
    before = reference.predict(reference.take_pattern(donors, pattern))
    alike = find_alike(now, before, reference.n_alike)
    if worth.gain == LOG_LOSS:
        return *see_losses(reference, donors, pattern, place, before, alike), alike.shape[1]
    own = table.iloc[np.repeat(np.arange(len(table)), alike.shape[1])]
    others = reference.table.iloc[donors[alike.ravel()]]
    places = list(reference.columns.values())[place]
    after = reference.predict(transplant_columns(own, others, places))
    later = worth.rate(after.reshape(*alike.shape, -1)).mean(axis=1)
    return worth.rate(now), later, alike.shape[1]


def see_losses(
    reference: Reference,
    donors: np.ndarray,
    pattern: np.ndarray,
    place: int,
    before: np.ndarray,
    alike: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Return minus the mean log loss of those alike without and with what they had measured.

    before (n_donors, n_classes) their probabilities without it, alike (n_rows, n_alike).
    """
    wider = pattern.copy()
    wider[place] = True
    after = reference.predict(reference.take_pattern(donors, wider))
    true = np.asarray(reference.y)[donors]
    logs = [
        np.log(np.clip(each[np.arange(len(donors)), true], SMALLEST, 1)) for each in (before, after)
    ]
    return logs[0][alike].mean(axis=1), logs[1][alike].mean(axis=1)
