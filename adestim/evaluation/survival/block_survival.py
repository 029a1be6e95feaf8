"""Estimators of scikit-survival on tables of modalities: on all columns, or one a modality."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, clone
from sklearn.model_selection import GridSearchCV
from sklearn.utils import check_consistent_length
from sklearn.utils.validation import check_is_fitted

from adestim._support.concordance import compute_concordance
from adestim._support.groups import group_own_rows
from adestim._support.labels import check_row_groups
from adestim._support.numbers import require_finite_predictions, widen_far_numbers
from adestim._support.sklearn import HasMethods, fit_context
from adestim._support.survival_targets import (
    make_survival,
    read_survival,
    read_times_within,
    require_some_events,
)
from adestim.encoding.tables import check_fusion_table, read_later_table, read_training_table
from adestim.encoding.tokens import drop_rows
from adestim.evaluation.survival.kaplan_meier import StepCurve, estimate_survival
from adestim.exceptions import DataWarning
from adestim.training.phase_one.logistic import inner_folds

# Fewer events teach a model of one modality nothing.
FEWEST_EVENTS = 5
N_TIMES = 8


class BlockSurvival(BaseEstimator):
    """A survival model on pooled tokens: of all modalities, or of each, whose survival is averaged.

    The model is one of scikit-survival, or a pipeline that ends in one; where ``grid`` names values
    of its parameters, they are chosen by inner cross-validated concordance.
    """

    _parameter_constraints: ClassVar[dict] = {
        "estimator": [HasMethods(["fit", "predict_survival_function"])],
        "by_modality": ["boolean"],
        "grid": [dict, None],
        "random_state": ["random_state"],
    }

    def __init__(self, estimator, *, by_modality=False, grid=None, random_state=0):
        self.estimator = estimator
        self.by_modality = by_modality
        self.grid = grid
        self.random_state = random_state

    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y, groups=None):
        """Fit one model, or one a modality on the subjects who have it."""
        name = type(self).__name__
        frame = check_fusion_table(self, X, reset=True)
        event, time = read_survival(y, name)
        check_consistent_length(frame, event)
        require_some_events(event, name)
        groups = check_row_groups(groups, len(frame), name)
        groups = group_own_rows(frame) if groups is None else groups
        subjects = read_training_table(frame)
        self.modalities_ = list(subjects.names)
        self.likes_ = {name: drop_rows(table) for name, table in subjects.tables.items()}
        self.baseline_ = estimate_survival(event, time)
        self.last_time_ = float(time[event].max())
        shares = np.arange(1, N_TIMES + 1) / N_TIMES
        self.event_times_ = np.unique(np.quantile(time[event], shares, method="inverted_cdf"))
        targets, self.models_ = make_survival(event, time), {}
        for block, features, has in self._read_blocks(subjects.tables):
            if require_events_of(event[has], block):
                self.models_[block] = self._fit_block(features[has], targets[has], groups[has])
        return self

    def predict_survival_function(self, X, times: ArrayLike | None = None) -> pd.DataFrame:
        """Return the probability of no event until some times, (n_subjects, n_times)."""
        check_is_fitted(self, "models_")
        asked = self.event_times_
        if times is not None:
            asked = read_times_within(times, self.last_time_, type(self).__name__)
        frame = check_fusion_table(self, X, reset=False)
        tables = read_later_table(frame, self.likes_).tables
        total, count = np.zeros((len(frame), len(asked))), np.zeros(len(frame))
        for block, features, has in self._read_blocks(tables):
            if block in self.models_ and has.any():
                total[has] += read_curves_of(self.models_[block], features[has], asked)
                count += has
        known = count > 0
        total[known] /= count[known, None]
        total[~known] = self.baseline_.at(asked)
        values = require_finite_predictions(np.clip(total, 0, 1), type(self).__name__)
        return pd.DataFrame(values, index=frame.index, columns=pd.Index(asked))

    def predict_risk(self, X, horizon: float) -> np.ndarray:
        """Return the probability of the event within some years, (n_subjects,)."""
        return 1 - self.predict_survival_function(X, [horizon]).to_numpy()[:, 0]

    def predict(self, X) -> np.ndarray:
        """Return risk scores, (n_subjects,): one minus the mean survival at ``event_times_``."""
        return 1 - self.predict_survival_function(X).to_numpy().mean(axis=1)

    def score(self, X, y) -> float:
        """Return Harrell's concordance."""
        event, time = read_survival(y, type(self).__name__)
        return compute_concordance(event, time, self.predict(X))

    def _read_blocks(self, tables):
        """Yield name, pooled columns and who has any, of all modalities or of each."""
        pooled = {name: widen_far_numbers(table.pooled()) for name, table in tables.items()}
        if not self.by_modality:
            columns = np.hstack(list(pooled.values())).astype(np.float64)
            yield "all modalities", columns, np.ones(len(columns), dtype=bool)
            return
        for name, block in pooled.items():
            yield name, block.astype(np.float64), tables[name].present

    def _fit_block(self, features, targets, groups):
        """Return a model fitted to the columns of one block."""
        model = clone(self.estimator)
        seeded = [own for own in model.get_params() if own.split("__")[-1] == "random_state"]
        model.set_params(**dict.fromkeys(seeded, self.random_state))
        folds = inner_folds(targets["event"].astype(int), groups, 0) if self.grid else []
        if not folds:
            return model.fit(features, targets)
        return GridSearchCV(model, self.grid, cv=folds).fit(features, targets).best_estimator_


def require_events_of(event: np.ndarray, block: str) -> bool:
    """Tell whether a model can be learned of events, and warn where there are too few."""
    if event.sum() >= FEWEST_EVENTS:
        return True
    warnings.warn(
        f"The training subjects who have {block!r} had {event.sum()} events, fewer than "
        f"{FEWEST_EVENTS}; it is left out.",
        DataWarning,
        stacklevel=3,
    )
    return False


def read_curves_of(model: Any, features: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Return survival (n_subjects, n_times) of a model's step functions."""
    curves: Sequence[Any] = model.predict_survival_function(features)
    return np.stack([StepCurve(curve.x, curve.y, curve.y).at(times) for curve in curves])
