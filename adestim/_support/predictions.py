"""What was predicted of rows beside what is true of them: as a table, and checked for scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import logit

from adestim.exceptions import InputError

# Room for probabilities that were kept in half precision.
TOLERANCE_OF_SUMS = 1e-2
# What the column of a class's probability begins with.
PROBABILITY = "p_"


@dataclass(frozen=True, eq=False)
class Predictions:
    """What a model said of rows, beside the truth."""

    y: np.ndarray  # (n_rows,); labels or numbers
    values: np.ndarray  # (n_rows, n_classes) probabilities, or (n_rows,) predicted numbers
    classes: tuple  # as the columns, of two the positive one last; empty for numbers
    # (n_rows,); probability from which the last of two classes is predicted; NaN takes the
    # likelier; None is NaN for all
    thresholds: np.ndarray | None = None

    @cached_property
    def outcome(self) -> Outcome:
        """The checked form that scores of classes are made of."""
        outcome = read_outcome(self.y, self.values, self.classes)
        if self.thresholds is None or np.isnan(self.thresholds).all():
            return outcome
        known = ~np.isnan(self.thresholds)
        decided = predict_codes(outcome.probabilities, np.where(known, self.thresholds, 0.0))
        return replace(outcome, predicted=np.where(known, decided, outcome.predicted))

    @property
    def decisions(self) -> np.ndarray:
        """Predicted classes."""
        return np.asarray(self.classes)[self.outcome.predicted]

    @property
    def has_all_classes(self) -> bool:
        """Whether there is somebody of every class."""
        return bool(np.isin(np.asarray(self.classes), self.y).all())

    @property
    def contrasts(self) -> list[tuple[Any, Contrast]]:
        """Classes against the rest; of two the last alone."""
        labels = self.classes[1:] if len(self.classes) == 2 else self.classes
        return list(zip(labels, self.outcome.contrasts, strict=True))


def tabulate_predictions(
    predictions: Predictions,
    subjects: Any,
    *,
    estimator: str,
    repeat: int = 0,
    fold: int = 0,
    rows: np.ndarray | None = None,
    groups: np.ndarray | None = None,
) -> pd.DataFrame:
    """Return predictions as a table, a row for each row predicted.

    subjects (n_rows,), rows (n_rows,) positions of the rows, groups (n_rows,) or None for subjects.
    """
    frame = pd.DataFrame(
        {
            "estimator": estimator,
            "repeat": repeat,
            "fold": fold,
            "row": np.arange(len(predictions.y)) if rows is None else rows,
            "subject": subjects,
            "group": subjects if groups is None else groups,
            "y": predictions.y,
        }
    )
    if not predictions.classes:
        return frame.assign(prediction=predictions.values)
    columns = zip(name_probabilities(predictions.classes), predictions.values.T, strict=True)
    thresholds = np.nan if predictions.thresholds is None else predictions.thresholds
    return frame.assign(threshold=thresholds, **dict(columns))


def align_probabilities(probabilities: np.ndarray, known: Any, classes: Any) -> np.ndarray:
    """Return probabilities of the classes that a model knows as those of all: 0 for the others.

    probabilities (n_rows, n_known) -> (n_rows, n_classes).
    """
    wide = np.zeros((len(probabilities), len(classes)))
    order = np.asarray(classes).tolist()
    places = [order.index(label) for label in np.asarray(known).tolist()]
    wide[:, places] = probabilities
    return wide


def read_predictions(table: pd.DataFrame, classes: Sequence[Any] | None = None) -> Predictions:
    """Return what a table holds; None takes the classes, and with them labels, as texts."""
    y = table["y"].to_numpy() if "y" in table else None
    if classes is None:
        found = [str(name) for name in table if str(name).startswith(PROBABILITY)]
        classes = [name.removeprefix(PROBABILITY) for name in found]
        y = np.array([str(label) for label in y]) if classes and y is not None else y
    columns = name_probabilities(classes) if len(classes) else ["prediction"]
    require_predictions(table, ["y", *columns])
    if not len(classes):
        return Predictions(y, table["prediction"].to_numpy(), ())
    cuts = table["threshold"].to_numpy(dtype=float) if "threshold" in table else None
    return Predictions(y, table[columns].to_numpy(), tuple(classes), cuts)


def name_probabilities(classes: Sequence[Any]) -> list[str]:
    """Return the names of the columns of probabilities."""
    return [f"{PROBABILITY}{label}" for label in classes]


def require_predictions(table: Any, columns: Sequence[str]) -> None:
    """Refuse what is no table of predictions, or lacks some of its columns."""
    if not isinstance(table, pd.DataFrame):
        raise InputError("Predictions are a DataFrame", got=f"a {type(table).__name__}")
    absent = [name for name in columns if name not in table]
    if absent:
        raise InputError(
            f"A table of predictions has the columns {', '.join(map(repr, columns))}",
            got=f"none named {', '.join(map(repr, absent))}",
            remedy="Pass the predictions of what adestim.evaluation.compare returned",
        )


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
    y: Any, probabilities: Any, classes: Any, threshold: Any = None, sample_weight: Any = None
) -> Outcome:
    """Check labels and probabilities, and predict classes; subjects without weight are left out."""
    probabilities = np.asarray(probabilities)
    epsilon = find_epsilon(probabilities.dtype)
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


def find_epsilon(dtype: np.dtype) -> float:
    """Return how near to 0 and 1 a logarithm may be taken, by the type's precision."""
    return float(np.finfo(dtype if dtype.kind == "f" else float).eps)
