"""What was said of subjects and what was true of them, as a report shows it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import is_classifier

from adestim._support.predictions import Predictions, read_predictions, require_predictions
from adestim._support.scores import score_rows
from adestim.exceptions import InputError

NEEDED = ("classes", "flow", "folds", "predictions", "reference", "summary")
APPARENT_SCORES = ("roc_auc", "balanced_accuracy", "brier", "log_loss")
APPARENT_ERRORS = {"mae": "mean absolute error", "rmse": "root mean squared error", "r2": "r2"}


def read_outcomes(comparison: Any, model: Any) -> Predictions:
    """Return a comparison's out-of-fold predictions by its reference, of the first repeat."""
    require_comparison(comparison, model)
    table = comparison.predictions
    require_predictions(table, ["estimator", "repeat"])
    table = table[table["estimator"] == comparison.reference]
    table = table[table["repeat"] == table["repeat"].min()]
    if table.empty:
        raise InputError(
            "The reference of a comparison must have predicted somebody",
            got=f"no predictions of {comparison.reference!r}",
        )
    return read_predictions(table, tuple(comparison.classes))


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


def predict_outcomes(model: Any, table: Any, y: np.ndarray, target: Any) -> Predictions:
    """Return what a model says of the very subjects of a report.

    table (n_subjects, n_columns), y (n_subjects,).
    """
    if not is_classifier(model):
        return Predictions(y, np.asarray(model.predict(table), dtype=float).reshape(-1), ())
    classes = tuple(model.classes_)
    order = list(range(len(classes)))
    if len(classes) == 2 and target == classes[0]:
        order = [1, 0]
    values = model.predict_proba(table)[:, order]
    return Predictions(y, values, tuple(classes[place] for place in order))


def apparent_scores(predictions: Predictions) -> pd.Series:
    """Return scores of predictions, whoever they are about."""
    if predictions.classes:
        return pd.Series(score_rows(predictions, APPARENT_SCORES))
    return pd.Series(score_rows(predictions, list(APPARENT_ERRORS))).rename(APPARENT_ERRORS)
