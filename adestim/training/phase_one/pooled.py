"""A user's estimator as a member: it reads the pooled columns of all modalities, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import get_tags
from sklearn.utils.validation import has_fit_parameter

from adestim.training.phase_one.penalised import Folds, Problem

# What an estimator is sure of stays finite.
SMALLEST_PROBABILITY = 1e-4


@dataclass(frozen=True, eq=False)
class PooledMember:
    """A fitted estimator on the columns of all modalities, unknown where one is missing."""

    sizes: tuple[int, ...]  # number of columns of every modality
    model: Any
    # number of classes, of which the estimator may have seen fewer; None for numbers
    n_classes: int | None

    @property
    def places(self) -> np.ndarray:
        """Place of the modality of every column."""
        return np.repeat(np.arange(len(self.sizes)), self.sizes)

    def select(self, features: Sequence[np.ndarray]) -> np.ndarray:
        """Return all columns side by side."""
        return np.hstack(features)

    def odds(self, features: np.ndarray, present: np.ndarray) -> np.ndarray:
        """Return log-odds of every class against class 0, or numbers.

        features (n_subjects, n_columns), present (n_subjects, n_modalities) -> (n_subjects,
        n_scores).
        """
        shown = np.where(present[:, self.places], features, np.nan)
        if self.n_classes is None:
            return np.asarray(self.model.predict(shown), dtype=float).reshape(-1, 1)
        probability = np.zeros((len(shown), self.n_classes))
        probability[:, self.model.classes_] = self.model.predict_proba(shown)
        logs = np.log(np.maximum(probability, SMALLEST_PROBABILITY))
        return logs[:, 1:] - logs[:, :1]


def fit_pooled(
    estimator: Any,
    features: Sequence[np.ndarray],
    problem: Problem,
    n_classes: int | None,
    rows: np.ndarray,
    seed: int,
) -> PooledMember:
    """Fit a copy of an estimator on some rows.

    features (n_subjects, n_features).
    """
    model, prefix = prepare_estimator(estimator, seed)
    weighed = has_fit_parameter(model.steps[-1][1] if prefix else model, "sample_weight")
    options = {f"{prefix}sample_weight": problem.weight[rows]} if weighed else {}
    model.fit(np.hstack([block[rows] for block in features]), problem.y[rows], **options)
    return PooledMember(tuple(block.shape[1] for block in features), model, n_classes)


def fit_pooled_on_folds(
    estimator: Any,
    features: Sequence[np.ndarray],
    problem: Problem,
    n_classes: int | None,
    folds: Folds,
    seed: int,
) -> list[tuple[PooledMember, np.ndarray]]:
    """Return a copy a fold that has not seen it, and the fold."""
    return [
        (fit_pooled(estimator, features, problem, n_classes, train, seed), test)
        for train, test in folds
    ]


def prepare_estimator(estimator: Any, seed: int) -> tuple[Any, str]:
    """Return a copy that bears unknown values, seeded, and what its fit's options begin with."""
    model = clone(estimator)
    unset = [
        name
        for name, value in model.get_params().items()
        if name.split("__")[-1] == "random_state" and value is None
    ]
    model.set_params(**dict.fromkeys(unset, seed))
    if get_tags(model).input_tags.allow_nan:
        return model, ""
    filled = make_pipeline(SimpleImputer(keep_empty_features=True), StandardScaler(), model)
    return filled, f"{filled.steps[-1][0]}__"
