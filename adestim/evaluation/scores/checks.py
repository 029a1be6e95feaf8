"""Checks of what scores, intervals and tests are given."""

from __future__ import annotations

from typing import Any

import numpy as np

from adestim._support.frames import read_frame
from adestim._support.labels import find_missing_labels, read_column, require_one_kind
from adestim._support.positive_class import choose_positive
from adestim.exceptions import InputError


def read_membership(y: Any, positive: Any, least: int = 1) -> np.ndarray:
    """Return which subjects are of the positive class, of the patients' if None."""
    y = read_labels(y)
    classes, sizes = np.unique(y, return_counts=True)
    if len(classes) != 2 or sizes.min() < least:
        found = zip(classes.tolist(), sizes.tolist(), strict=True)
        raise InputError(
            f"Labels are of two classes, each of {least} subject(s) or more",
            got=", ".join(f"{size} of {name!r}" for name, size in found) or "no labels",
        )
    if positive is not None and positive not in classes.tolist():
        raise InputError(f"The positive class is one of {classes.tolist()}", got=repr(positive))
    return y == (choose_positive(classes.tolist()) if positive is None else positive)


def read_labels(y: Any) -> np.ndarray:
    """Return one label a subject, (n_subjects,), none of them missing."""
    y = read_frame(y)
    if np.ndim(y) != 1 or find_missing_labels(np.asarray(y)).any():
        raise InputError("There is one label a subject", got=f"NaN or shape {np.shape(y)}")
    y = read_column(y)
    require_one_kind(y, "scores", "y")
    return y


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


def require_share(level: Any, name: str = "level") -> None:
    """Refuse what is no share between 0 and 1."""
    if not isinstance(level, (int, float, np.floating)) or not 0 < level < 1:
        raise InputError(f"'{name}' is a number between 0 and 1, exclusively", got=repr(level))
