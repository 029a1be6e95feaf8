"""What was said of subjects and what was true of them, as a report shows it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import is_classifier
from sklearn.metrics import (
    balanced_accuracy_score,
    brier_score_loss,
    log_loss,
    mean_absolute_error,
    r2_score,
    roc_auc_score,
    root_mean_squared_error,
)

from adestim.exceptions import InputError

NEEDED = ("classes", "flow", "folds", "predictions", "reference", "summary")


@dataclass(frozen=True, eq=False)
class Outcomes:
    """Predictions beside the truth."""

    y: np.ndarray  # (n_subjects,); labels or numbers
    values: np.ndarray  # (n_subjects, n_classes); probabilities, or predicted numbers
    classes: tuple  # the classes, of two the explained one last; empty for numbers
    # (n_subjects,); probability from which the last of two classes is predicted; NaN takes the
    # likelier
    cuts: np.ndarray
    apparent: bool  # whether the model may have been trained on these subjects

    @property
    def decisions(self) -> np.ndarray:
        """Predicted classes."""
        places = self.values.argmax(axis=1)
        if len(self.classes) == 2:
            known = np.isfinite(self.cuts)
            places[known] = self.values[known, 1] >= self.cuts[known]
        return np.asarray(self.classes)[places]

    @property
    def has_all_classes(self) -> bool:
        """Whether there is somebody of every class."""
        return bool(np.isin(np.asarray(self.classes), self.y).all())


def read_outcomes(comparison: Any, model: Any) -> Outcomes:
    """Return a comparison's out-of-fold predictions by its reference, of the first repeat."""
    require_comparison(comparison, model)
    table = comparison.predictions
    table = table[table["estimator"] == comparison.reference]
    table = table[table["repeat"] == table["repeat"].min()]
    if table.empty:
        raise InputError(
            "The reference of a comparison must have predicted somebody",
            got=f"no predictions of {comparison.reference!r}",
        )
    classes = tuple(comparison.classes)
    columns = [f"p_{label}" for label in classes] or ["prediction"]
    cuts = table["threshold"] if "threshold" in table else np.full(len(table), np.nan)
    values = table[columns].to_numpy(dtype=float)
    y = table["y"].to_numpy()
    return Outcomes(y, values, classes, np.asarray(cuts, dtype=float), apparent=False)


def require_comparison(comparison: Any, model: Any) -> None:
    """Refuse what is no comparison, or one of another question."""
    if not all(hasattr(comparison, name) for name in NEEDED):
        raise InputError(
            "'comparison' must be what adestim.evaluation.compare returned",
            got=f"a {type(comparison).__name__}",
        )
    classes = set(model.classes_) if is_classifier(model) else set()
    if classes != set(comparison.classes):
        raise InputError(
            "The comparison must be of the classes that the model was fitted on",
            got=f"{sorted(map(str, comparison.classes))} and {sorted(map(str, classes))}",
            remedy="Compare and fit on the same labels",
        )


def predict_outcomes(model: Any, table: Any, y: np.ndarray, target: Any) -> Outcomes:
    """Return what a model says of the very subjects of a report.

    table (n_subjects, n_columns), y (n_subjects,).
    """
    cuts = np.full(len(y), np.nan)
    if not is_classifier(model):
        values = np.asarray(model.predict(table), dtype=float).reshape(-1, 1)
        return Outcomes(y, values, (), cuts, apparent=True)
    classes = tuple(model.classes_)
    order = list(range(len(classes)))
    if len(classes) == 2 and target == classes[0]:
        order = [1, 0]
    values = model.predict_proba(table)[:, order]
    return Outcomes(y, values, tuple(classes[place] for place in order), cuts, apparent=True)


def apparent_scores(outcomes: Outcomes) -> pd.Series:
    """Return scores of predictions, whoever they are about."""
    y, values = outcomes.y, outcomes.values
    if not outcomes.classes:
        found = values[:, 0]
        return pd.Series(
            {
                "mean absolute error": mean_absolute_error(y, found),
                "root mean squared error": root_mean_squared_error(y, found),
                "r2": r2_score(y, found) if len(y) > 1 else np.nan,
            }
        )
    # As numbers, whose order is that of the columns.
    codes = pd.Index(outcomes.classes).get_indexer(y)
    said = pd.Index(outcomes.classes).get_indexer(outcomes.decisions)
    known = range(len(outcomes.classes))
    complete = outcomes.has_all_classes
    area = values[:, 1] if len(known) == 2 else values
    return pd.Series(
        {
            "roc_auc": roc_auc_score(codes, area, multi_class="ovr") if complete else np.nan,
            "balanced_accuracy": balanced_accuracy_score(codes, said) if complete else np.nan,
            "brier": brier_score_loss(codes, area, labels=known, scale_by_half=len(known) == 2),
            "log_loss": log_loss(codes, values, labels=known),
        }
    )
