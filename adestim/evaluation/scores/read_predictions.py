"""What happened beside what was predicted, checked and in the form that scores are made of."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import logit

from adestim.exceptions import InputError

# Room for probabilities that were kept in half precision.
TOLERANCE_OF_SUMS = 1e-2


@dataclass(frozen=True, eq=False)
class Outcome:
    """What happened and what was predicted: codes, (n, n_classes) probabilities and classes."""

    codes: np.ndarray
    probabilities: np.ndarray
    predicted: np.ndarray
    weight: np.ndarray
    epsilon: float

    @cached_property
    def contrasts(self) -> list[Contrast]:
        """The positive class against the other, or every class against the rest."""
        n_classes = self.probabilities.shape[1]
        return [self.contrast(k) for k in ([1] if n_classes == 2 else range(n_classes))]

    def take(self, rows: np.ndarray) -> Outcome:
        """Return the same of some subjects, who may be drawn more than once."""
        return Outcome(
            self.codes[rows],
            self.probabilities[rows],
            self.predicted[rows],
            self.weight[rows],
            self.epsilon,
        )

    def contrast(self, k: int) -> Contrast:
        """One class against the rest."""
        return Contrast(
            self.codes == k,
            self.probabilities[:, k],
            self.predicted == k,
            self.weight,
            self.epsilon,
        )


@dataclass(frozen=True, eq=False)
class Contrast:
    """One class against the rest: true, probable and predicted membership."""

    y: np.ndarray
    probability: np.ndarray
    predicted: np.ndarray
    weight: np.ndarray
    epsilon: float

    @cached_property
    def has_both(self) -> bool:
        """Whether there are members and others."""
        return bool(self.y.any() and not self.y.all())

    @cached_property
    def by_value(self) -> tuple[np.ndarray, np.ndarray]:
        """Weights of members and of others at each distinct probability, ascending."""
        values, place = np.unique(self.probability, return_inverse=True)
        total = np.bincount(place, self.weight, len(values))
        members = np.bincount(place, self.weight * self.y, len(values))
        return members, total - members

    @cached_property
    def log_odds(self) -> np.ndarray:
        """Logit of the probability, finite."""
        return logit(np.clip(self.probability, self.epsilon, 1 - self.epsilon))


def read_outcome(
    y: Any, probabilities: Any, classes: Any, threshold: Any, sample_weight: Any
) -> Outcome:
    """Check labels and probabilities, and predict classes; subjects without weight are left out."""
    probabilities = np.asarray(probabilities)
    epsilon = epsilon_of(probabilities.dtype)
    probabilities = np.asarray(probabilities, dtype=float)
    codes = read_codes(y, classes)
    require_probabilities(probabilities, len(codes), len(np.asarray(classes)))
    predicted = predict_codes(probabilities, threshold)
    weight = read_weight(sample_weight, len(codes))
    kept = weight > 0
    return Outcome(codes[kept], probabilities[kept], predicted[kept], weight[kept], epsilon)


def read_codes(y: Any, classes: Any) -> np.ndarray:
    """Return the place of every label among the classes."""
    index = pd.Index(np.asarray(classes))
    if len(index) < 2 or not index.is_unique:
        raise InputError("There are two or more classes, all different", got=repr(list(index)))
    y = np.asarray(y)
    if y.ndim != 1 or not len(y):
        raise InputError("There is one label a subject", got=f"labels of shape {y.shape}")
    codes = index.get_indexer(pd.Index(y))
    if (codes < 0).any():
        raise InputError(
            f"Labels are among the classes {', '.join(map(repr, index.tolist()))}",
            got=f"{int((codes < 0).sum())} others",
            remedy="Pass the classes in the order of the probabilities' columns",
        )
    return codes


def require_probabilities(probabilities: np.ndarray, n_subjects: int, n_classes: int) -> None:
    """Refuse what is no table of probabilities, one row a subject and one column a class."""
    if probabilities.shape != (n_subjects, n_classes):
        raise InputError(
            f"Probabilities of {n_subjects} subjects and {n_classes} classes have shape "
            f"({n_subjects}, {n_classes})",
            got=str(probabilities.shape),
        )
    if n_missing := int(np.isnan(probabilities).any(axis=1).sum()):
        raise InputError(
            "Every subject has probabilities",
            got=f"NaN for {n_missing} of {n_subjects}",
            remedy="Leave out subjects that were never tested",
        )
    if probabilities.min() < 0 or probabilities.max() > 1:
        raise InputError(
            "Probabilities are between 0 and 1",
            got=f"values from {probabilities.min():.3g} to {probabilities.max():.3g}",
            remedy="Calibrate decision values first: sklearn.calibration.CalibratedClassifierCV",
        )
    if (error := np.abs(probabilities.sum(axis=1) - 1).max()) > TOLERANCE_OF_SUMS:
        raise InputError(
            "A subject's probabilities sum to 1", got=f"sums that miss it by {error:.3g}"
        )


def predict_codes(probabilities: np.ndarray, threshold: Any) -> np.ndarray:
    """Return predicted classes: the most probable ones, or by a threshold on the second."""
    if threshold is None:
        return probabilities.argmax(axis=1)
    if probabilities.shape[1] != 2:
        raise InputError(
            "A threshold decides between two classes", got=f"{probabilities.shape[1]} classes"
        )
    threshold = np.asarray(threshold, dtype=float)
    if threshold.shape not in ((), (len(probabilities),)) or np.isnan(threshold).any():
        raise InputError(
            "'threshold' is a number, or one for each subject",
            got=f"NaN or shape {threshold.shape}",
        )
    return (probabilities[:, 1] >= threshold).astype(int)


def read_weight(sample_weight: Any, n_subjects: int) -> np.ndarray:
    """Return the subjects' weights, ones where none are given."""
    if sample_weight is None:
        return np.ones(n_subjects)
    weight = np.asarray(sample_weight, dtype=float)
    if weight.shape != (n_subjects,) or not np.isfinite(weight).all() or weight.min() < 0:
        raise InputError(
            "'sample_weight' holds one finite number from 0 up for each subject",
            got=f"shape {weight.shape} for {n_subjects} subjects, NaN, infinity or less than 0",
        )
    if not weight.any():
        raise InputError("A subject has weight", got="weights that are all 0")
    return weight


def epsilon_of(dtype: np.dtype) -> float:
    """Return how near to 0 and 1 a logarithm may be taken, by the type's precision."""
    return float(np.finfo(dtype if dtype.kind == "f" else float).eps)


def read_membership(y: Any, positive: Any, least: int = 1) -> np.ndarray:
    """Return which subjects are of the positive class, the last of the sorted two if None."""
    y = np.asarray(y)
    if y.ndim != 1 or pd.isna(y).any():
        raise InputError("There is one label a subject", got=f"NaN or shape {y.shape}")
    classes, sizes = np.unique(y, return_counts=True)
    if len(classes) != 2 or sizes.min() < least:
        found = zip(classes.tolist(), sizes.tolist(), strict=True)
        raise InputError(
            f"Labels are of two classes, each of {least} subject(s) or more",
            got=", ".join(f"{size} of {name!r}" for name, size in found) or "no labels",
        )
    if positive is not None and positive not in classes.tolist():
        raise InputError(f"The positive class is one of {classes.tolist()}", got=repr(positive))
    return y == (classes[1] if positive is None else positive)


def read_values(values: Any, n_subjects: int) -> np.ndarray:
    """Return scores of the positive class as numbers, one a subject."""
    values = np.asarray(values, dtype=float)
    if values.shape != (n_subjects,) or np.isnan(values).any():
        raise InputError(
            "There is one score of the positive class for every subject",
            got=f"shape {values.shape} for {n_subjects} subjects, or NaN",
            remedy="Pass one column of predict_proba, of the same subjects in the same order",
        )
    return values
