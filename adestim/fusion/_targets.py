"""Checking what a fusion is trained on: table, labels or numbers, weights, groups."""

from __future__ import annotations

from datetime import date
from typing import NamedTuple

import numpy as np
import pandas as pd
from sklearn.preprocessing import LabelEncoder
from sklearn.utils import check_array, check_consistent_length, compute_sample_weight
from sklearn.utils.multiclass import check_classification_targets

from adestim._support.groups import group_own_rows
from adestim._support.labels import (
    check_row_groups,
    read_sample_weight,
    read_target,
    require_class_weight,
    require_one_kind,
)
from adestim._support.numbers import LARGEST
from adestim._support.survival_targets import read_survival, require_some_events
from adestim.encoding.order import digest_contents, number_by_appearance, order_subjects
from adestim.encoding.tables import arrange_to_train, check_fusion_table, read_modalities
from adestim.exceptions import InputError


class TrainingSet(NamedTuple):
    """A checked training set; subjects of weight 0 are left out."""

    frame: pd.DataFrame  # (n_subjects, n_columns)
    targets: np.ndarray  # (n_subjects,); classes as integers from 0, or numbers as floats
    weight: np.ndarray  # (n_subjects,); weights, those of the classes included
    groups: np.ndarray  # (n_subjects,); groups as integers


class SurvivalSet(NamedTuple):
    """A checked training set of times to an event; subjects of weight 0 are left out."""

    frame: pd.DataFrame  # (n_subjects, n_columns)
    event: np.ndarray  # (n_subjects,); whether it was seen
    time: np.ndarray  # (n_subjects,); years
    weight: np.ndarray  # (n_subjects,)
    groups: np.ndarray  # (n_subjects,); groups as integers

    def with_targets(self, targets: np.ndarray) -> TrainingSet:
        """Return the training set of what a fusion makes of events and times."""
        return TrainingSet(self.frame, targets, self.weight, self.groups)


def check_classes(
    estimator, X, y, groups, sample_weight, class_weight
) -> tuple[TrainingSet, np.ndarray]:
    """Check and encode a training set of classes.

    X (n_subjects, n_columns), y (n_subjects,), groups, sample_weight (n_subjects,) -> classes
    (n_classes,).
    """
    name = type(estimator).__name__
    frame, y = read_training_rows(estimator, X, y)
    require_one_kind(y, name, "y")
    check_classification_targets(y)
    weight = read_sample_weight(sample_weight, len(frame), name)
    kept = weight > 0
    encoder = LabelEncoder().fit(y[kept])
    require_classes(encoder.classes_, name)
    require_class_weight(class_weight, encoder.classes_.tolist(), name)
    data = TrainingSet(
        frame=frame[kept],
        targets=encoder.transform(y[kept]),
        weight=weight[kept] * compute_sample_weight(class_weight, y[kept]),
        groups=check_training_groups(groups, frame, kept, name),
    )
    return data, encoder.classes_


def check_numbers(estimator, X, y, groups, sample_weight) -> TrainingSet:
    """Check a training set of numbers.

    X (n_subjects, n_columns), y (n_subjects,), groups, sample_weight (n_subjects,).
    """
    name = type(estimator).__name__
    frame, y = read_training_rows(estimator, X, y)
    y = read_numbers(y, name)
    weight = read_sample_weight(sample_weight, len(frame), name)
    kept = weight > 0
    require_two_subjects(kept, name)
    return TrainingSet(
        frame[kept], y[kept], weight[kept], check_training_groups(groups, frame, kept, name)
    )


def check_survival(estimator, X, y, groups, sample_weight) -> SurvivalSet:
    """Check a training set of times to an event.

    X (n_subjects, n_columns), y (n_subjects,), groups, sample_weight (n_subjects,).
    """
    name = type(estimator).__name__
    if y is None:
        read_target(y, name)
    frame = check_fusion_table(estimator, X, reset=True)
    event, time = read_survival(y, name)
    check_consistent_length(frame, y)
    weight = read_sample_weight(sample_weight, len(frame), name)
    kept = weight > 0
    require_two_subjects(kept, name)
    require_some_events(event[kept], name)
    return SurvivalSet(
        frame=frame[kept],
        event=event[kept],
        time=time[kept],
        weight=weight[kept],
        groups=check_training_groups(groups, frame, kept, name),
    )


def sort_subjects(data: TrainingSet) -> TrainingSet:
    """Return the training set in an order that depends on its content alone.

    Folds, batches and trees are drawn by number; groups are numbered in that order too.
    """
    content = digest_contents(read_modalities(data.frame, arrange=arrange_to_train))
    order = order_subjects(content, data.targets, data.weight, data.groups)
    groups = number_by_appearance(data.groups[order])
    return TrainingSet(data.frame.iloc[order], data.targets[order], data.weight[order], groups)


def read_training_rows(estimator, X, y) -> tuple[pd.DataFrame, np.ndarray]:
    """Return a table and what is to be predicted of its rows, none of it missing.

    X (n_subjects, n_columns), y (n_subjects,).
    """
    if y is None:
        # scikit-learn's order: what is wrong with y comes first where there is none.
        read_target(y, type(estimator).__name__)
    frame = check_fusion_table(estimator, X, reset=True)
    y = read_target(y, type(estimator).__name__)
    check_consistent_length(frame, y)
    return frame, y


def require_two_subjects(kept: np.ndarray, name: str) -> None:
    """Refuse a training set of one subject. kept (n_subjects,), whose weight is above 0."""
    if kept.sum() < 2:
        raise InputError(
            f"{name} needs at least 2 subjects of a weight above 0", got=f"n_samples={kept.sum()}"
        )


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
    # Dates would be read as nanoseconds, and classes as 0 and 1.
    others = bool | np.bool_ | date | np.datetime64
    is_number = y.dtype.kind in "iuf" or (
        y.dtype.kind in "OU" and not any(isinstance(each, others) for each in y)
    )
    try:
        numbers = y.astype(np.float64) if is_number else None
    except (TypeError, ValueError):
        numbers = None
    if numbers is None:
        raise InputError(
            f"{name} predicts numbers, so that y must hold numbers",
            got=f"dtype {y.dtype}",
            remedy="For classes, use AnchoredFusionClassifier; make numbers of dates, such as days "
            "since a visit",
        )
    numbers = check_array(numbers, ensure_2d=False, input_name="y")
    require_within_float32(numbers, name)
    return numbers


def require_within_float32(y: np.ndarray, name: str) -> None:
    """Refuse numbers whose squares no float holds."""
    if len(y) and np.abs(y).max() > LARGEST:
        raise InputError(
            f"{name} predicts numbers within the range of float32, up to {LARGEST:.3g}",
            got="larger ones in y",
            remedy="Rescale y, or leave out what stands for a missing value",
        )


def check_training_groups(groups, frame: pd.DataFrame, kept: np.ndarray, name: str) -> np.ndarray:
    """Return the groups of the kept rows as integers, the table's own where none are given."""
    if groups is None:
        return group_own_rows(frame[kept])
    return np.unique(check_row_groups(groups, len(frame), name)[kept], return_inverse=True)[1]
