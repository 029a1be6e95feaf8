"""Checking what a fusion is trained on: table, labels or numbers, weights, groups."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from sklearn.preprocessing import LabelEncoder
from sklearn.utils import check_array, check_consistent_length, column_or_1d, compute_sample_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight

from adestim._support.groups import group_own_rows
from adestim.encoding.order import digest_contents, number_by_appearance, order_subjects
from adestim.encoding.tables import arrange_to_train, check_fusion_table, read_modalities
from adestim.exceptions import InputError


class TrainingSet(NamedTuple):
    """A checked training set; subjects of weight 0 are left out."""

    frame: pd.DataFrame  # (n_subjects, n_columns)
    targets: np.ndarray  # (n_subjects,); classes as integers from 0, or numbers as floats
    weight: np.ndarray  # (n_subjects,); weights, those of the classes included
    groups: np.ndarray  # (n_subjects,); groups as integers


def check_classes(
    estimator, X, y, groups, sample_weight, class_weight
) -> tuple[TrainingSet, np.ndarray]:
    """Check and encode a training set of classes.

    X (n_subjects, n_columns), y (n_subjects,), groups, sample_weight (n_subjects,) -> classes
    (n_classes,).
    """
    name = type(estimator).__name__
    require_target(y, name)
    frame = check_fusion_table(estimator, X, reset=True)
    y = column_or_1d(y, warn=True)
    check_consistent_length(frame, y)
    check_classification_targets(y)
    weight = _check_sample_weight(sample_weight, frame, dtype=np.float64)
    kept = weight > 0
    encoder = LabelEncoder().fit(y[kept])
    require_classes(encoder.classes_, name)
    data = TrainingSet(
        frame=frame[kept],
        targets=encoder.transform(y[kept]),
        weight=weight[kept] * compute_sample_weight(class_weight, y[kept]),
        groups=check_training_groups(groups, frame, kept),
    )
    return data, encoder.classes_


def check_numbers(estimator, X, y, groups, sample_weight) -> TrainingSet:
    """Check a training set of numbers.

    X (n_subjects, n_columns), y (n_subjects,), groups, sample_weight (n_subjects,).
    """
    name = type(estimator).__name__
    require_target(y, name)
    frame = check_fusion_table(estimator, X, reset=True)
    y = read_numbers(column_or_1d(y, warn=True), name)
    check_consistent_length(frame, y)
    weight = _check_sample_weight(sample_weight, frame, dtype=np.float64)
    kept = weight > 0
    if kept.sum() < 2:
        raise InputError(
            f"{name} needs at least 2 subjects of a weight above 0", got=f"n_samples={kept.sum()}"
        )
    return TrainingSet(
        frame[kept], y[kept], weight[kept], check_training_groups(groups, frame, kept)
    )


def sort_subjects(data: TrainingSet) -> TrainingSet:
    """Return the training set in an order that depends on its content alone.

    Folds, batches and trees are drawn by number; groups are numbered in that order too.
    """
    content = digest_contents(read_modalities(data.frame, arrange=arrange_to_train))
    order = order_subjects(content, data.targets, data.weight, data.groups)
    groups = number_by_appearance(data.groups[order])
    return TrainingSet(data.frame.iloc[order], data.targets[order], data.weight[order], groups)


def require_target(y, name: str) -> None:
    """Refuse a fit without a target, in scikit-learn's words."""
    if y is None:
        raise ValueError(f"{name} requires y to be passed, but the target y is None.")


def require_classes(classes: np.ndarray, name: str) -> None:
    """Refuse labels of a single class."""
    if len(classes) < 2:
        raise InputError(
            f"{name} needs at least 2 classes in y",
            got=f"{len(classes)} class",
            remedy="Check the labels, or the split that left one class out",
        )


def read_numbers(y: np.ndarray, name: str) -> np.ndarray:
    """Return finite floats, or say what y is, but not what it holds."""
    try:
        y = y.astype(np.float64)
    except (TypeError, ValueError):
        raise InputError(
            f"{name} predicts numbers, so that y must hold numbers",
            got=f"dtype {y.dtype}",
            remedy="For classes, use AnchoredFusionClassifier",
        ) from None
    return check_array(y, ensure_2d=False, input_name="y")


def check_training_groups(groups, frame: pd.DataFrame, kept: np.ndarray) -> np.ndarray:
    """Return the groups of the kept rows as integers, the table's own where none are given."""
    if groups is None:
        return group_own_rows(frame[kept])
    groups = column_or_1d(groups)
    check_consistent_length(frame, groups)
    return np.unique(groups[kept], return_inverse=True)[1]
