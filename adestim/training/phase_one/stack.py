"""Stacked late fusion: a regression on the separate heads' scores, side by side."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from adestim.encoding.tokens import feature_moments
from adestim.training.phase_one.penalised import Folds, LinearHead, Problem, standardise


@dataclass(frozen=True, eq=False)
class CentredStack:
    """Penalised regression on all modalities' scores, those of a missing one at their mean."""

    head: LinearHead  # standardisation and weights of the scores, side by side
    intercept: np.ndarray  # (n_scores,)

    @classmethod
    def learn(
        cls, scores: np.ndarray, present: np.ndarray, problem: Problem, folds: Folds
    ) -> CentredStack:
        """Fit to scores by unseen heads.

        scores (n_subjects, n_modalities, n_scores), present (n_subjects, n_modalities).
        """
        features = lay_side_by_side(scores, present)
        mean, scale = feature_moments(features)
        posed = replace(problem, blocks=[standardise(features, mean, scale)])
        fit = posed.fit(folds, np.ones(len(features), dtype=bool))
        return cls(LinearHead(mean, scale, fit.coefs[0]), fit.intercept)

    def odds(self, scores: np.ndarray, present: np.ndarray) -> np.ndarray:
        """Return odds (n_subjects, n_scores) of scores as in ``learn``."""
        return self.head.scores(lay_side_by_side(scores, present)) + self.intercept


def lay_side_by_side(scores: np.ndarray, present: np.ndarray) -> np.ndarray:
    """Return all modalities' scores as columns, NaN where one is missing."""
    return np.where(present[:, :, None], scores, np.nan).reshape(len(scores), -1)
