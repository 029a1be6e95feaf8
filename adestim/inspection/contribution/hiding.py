"""Asking a fitted model about subjects some of whose modalities are hidden.

What is hidden becomes a missing cell of the table that the model reads, as those of its training
subjects who lacked the modality. Nothing is replaced by means or by other subjects' data.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import is_classifier, is_regressor
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from adestim._support.positive_class import choose_positive
from adestim.encoding.presence import find_present, modality_columns
from adestim.encoding.tables import check_fusion_table
from adestim.exceptions import InputError


def split_estimator(estimator: Any, X: Any) -> tuple[Any, Any]:
    """Return the model that an estimator ends in, and the table that this model reads.

    X (n_subjects, n_columns) -> table (n_subjects, n_modalities or n_features).
    """
    check_is_fitted(estimator)
    if not isinstance(estimator, Pipeline):
        return estimator, X
    table = estimator[:-1].transform(X) if len(estimator.steps) > 1 else X
    return split_estimator(estimator.steps[-1][1], table)


@dataclass(frozen=True, eq=False)
class HidingReader:
    """A fitted model and a table, to be asked about any part of its modalities."""

    model: Any  # A fitted classifier or regressor that reads missing modalities
    frame: pd.DataFrame  # (n_subjects, n_modalities or n_features); the table that it reads
    columns: Mapping[str, Sequence[int]]  # positions of every modality's columns
    present: pd.DataFrame  # (n_subjects, n_modalities); who has what
    baseline: np.ndarray  # (n_classes,); what is said of a subject of whom nothing is known

    @classmethod
    def of(cls, estimator: Any, X: Any, baseline: Any = None) -> HidingReader:
        """Prepare to ask an estimator.

        X (n_subjects, n_columns), baseline (n_classes,).
        """
        if not (is_classifier(estimator) or is_regressor(estimator)):
            raise InputError(
                "The estimator must be a classifier or a regressor",
                got=type(estimator).__name__,
            )
        model, table = split_estimator(estimator, X)
        frame = check_fusion_table(model, table, reset=False)
        columns = locate_columns(frame, getattr(model, "modalities_", None))
        start = training_baseline(model) if baseline is None else baseline
        n_classes = len(model.classes_) if is_classifier(model) else None
        checked = check_baseline(start, n_classes)
        return cls(model, frame, columns, find_present(frame, columns), checked)

    @property
    def classes(self) -> np.ndarray | None:
        """The model's classes; None where it predicts numbers."""
        return self.model.classes_ if is_classifier(self.model) else None

    def answers(self, kept: np.ndarray, rows: np.ndarray | None = None) -> np.ndarray:
        """Return what the model says when it is shown a part of the modalities.

        kept (n_modalities,) -> (n_rows, n_classes).
        """
        rows = np.arange(len(self.frame)) if rows is None else rows
        asked = (self.present.to_numpy()[rows] & kept).any(axis=1) | kept.all()
        answers = np.tile(self.baseline, (len(rows), 1))
        if asked.any():
            answers[asked] = self._ask(rows[asked], kept)
        return answers

    def _ask(self, rows: np.ndarray, kept: np.ndarray) -> np.ndarray:
        """Return the model's probabilities or numbers, a column each."""
        hidden = [
            places for places, keep in zip(self.columns.values(), kept, strict=True) if not keep
        ]
        table = blank_columns(self.frame.iloc[rows], [p for places in hidden for p in places])
        shown = table if hasattr(self.model, "feature_names_in_") else table.to_numpy()
        if is_classifier(self.model):
            return self.model.predict_proba(shown)
        return np.asarray(self.model.predict(shown), dtype=float).reshape(-1, 1)


def locate_columns(frame: pd.DataFrame, known: Sequence[str] | None) -> dict[str, list[int]]:
    """Return the positions of the columns of every modality that a model knows."""
    columns = modality_columns(frame, known)
    absent = [name for name in known or () if name not in columns]
    if absent:
        raise InputError(
            f"Modalities {', '.join(map(repr, absent))} were seen in fit, so the table needs them",
            got=", ".join(map(repr, columns)),
            remedy="Pass the columns of fit, None or NaN in those of a missing modality",
        )
    return {name: columns[name] for name in known or columns}


def blank_columns(frame: pd.DataFrame, places: Sequence[int]) -> pd.DataFrame:
    """Return a copy of a table in which some columns hold nothing: None, or NaN for numbers."""
    frame = frame.copy()
    for place in places:
        if pd.api.types.is_object_dtype(frame.dtypes.iloc[place]):
            nothing = pd.Series(None, index=frame.index, dtype=object)
        else:
            nothing = pd.Series(np.nan, index=frame.index)
        frame.isetitem(place, nothing)
    return frame


def training_baseline(model: Any) -> np.ndarray:
    """Return class frequencies of the training subjects, or the mean of their numbers."""
    if hasattr(model, "target_mean_"):
        return np.array([model.target_mean_])
    log_prior = getattr(getattr(model, "phase_one_", None), "log_prior", None)
    if log_prior is None:
        raise InputError(
            f"{type(model).__name__} does not tell how frequent the classes were in training, "
            "which is what is said of a subject without any modality",
            remedy="Pass baseline=, the training frequencies of the classes or the mean",
        )
    return np.exp(log_prior)


def check_baseline(baseline: Any, n_classes: int | None) -> np.ndarray:
    """Return a baseline as an array, of one number a class, or of one where there are none."""
    values = np.atleast_1d(np.asarray(baseline, dtype=float))
    n_values = 1 if n_classes is None else n_classes
    if values.shape != (n_values,) or not np.isfinite(values).all():
        raise InputError(
            f"'baseline' must hold {n_values} finite number(s), one a class or one in all",
            got=f"an array of shape {values.shape}",
        )
    if n_classes is not None and not (np.isclose(values.sum(), 1) and (values >= 0).all()):
        raise InputError("The probabilities of 'baseline' must sum to 1", got=f"{values.sum():g}")
    return values


def find_output(classes: Iterable[Any] | None, target: Any) -> int:
    """Return which column of a model's answers is explained; a regressor has no classes."""
    if classes is None:
        if target is not None:
            raise InputError("'target' names a class, which a regressor has not", got=repr(target))
        return 0
    classes = list(classes)
    if target is None and len(classes) == 2:
        return classes.index(choose_positive(classes))
    if target not in classes:
        raise InputError(
            "'target' must name the class to explain"
            if target is not None
            else "With more than two classes 'target' must name the class to explain",
            got=repr(target),
            remedy=f"Choose from {[str(label) for label in classes]}",
        )
    return classes.index(target)
