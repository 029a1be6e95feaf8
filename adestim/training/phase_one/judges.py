"""Members' odds of some subjects, whichever of their modalities are shown."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Protocol

import numpy as np

from adestim.training.phase_one.penalised import Scores


class Combiner(Protocol):
    """A member that combines the separate heads' scores."""

    def odds(self, scores: np.ndarray, present: np.ndarray) -> np.ndarray:
        """Return odds (n_subjects, n_scores).

        scores (n_subjects, n_modalities, n_scores), present (n_subjects, n_modalities).
        """


class Reader(Protocol):
    """A member that reads the modalities' columns."""

    @property
    def places(self) -> np.ndarray:
        """Place of the modality of every column that is read."""

    def select(self, features: Sequence[np.ndarray]) -> np.ndarray:
        """Return the columns that are read, (n_subjects, n_columns)."""

    def odds(self, features: np.ndarray, present: np.ndarray) -> np.ndarray:
        """Return odds (n_subjects, n_scores), the columns of what is not present being hidden."""


class ScoreOdds:
    """Odds by combinations of scores, each of the subjects that it judges."""

    def __init__(self, whole: Combiner, parts: Sequence[tuple[Combiner, np.ndarray]] = ()):
        self._whole, self._parts = whole, parts

    def __call__(self, scores: Scores, present: np.ndarray) -> np.ndarray:
        """Return odds (n_subjects, n_scores) upon the modalities shown."""
        values = scores.values[:, :, 0]
        odds = np.zeros((len(values), values.shape[2]))
        left = np.ones(len(values), dtype=bool)
        for combiner, judged in self._parts:
            own = np.isin(scores.rows, judged)
            left &= ~own
            if own.any():
                odds[own] = combiner.odds(values[own], present[own])
        if left.any():
            odds[left] = self._whole.odds(values[left], present[left])
        return odds


class ColumnOdds:
    """Odds by members that read columns, each of the rows that it judges.

    Nothing is computed before it is asked for; what is hidden again, as training hides modalities
    over and over, is computed once for all subjects.

    features (n_subjects, n_features).
    """

    def __init__(
        self,
        parts: Sequence[tuple[Reader, np.ndarray]],
        features: Sequence[np.ndarray],
        n_scores: int,
    ):
        self._shape = len(features[0]), n_scores
        self._parts = [
            (reader, rows, reader.select([block[rows] for block in features]))
            for reader, rows in parts
        ]
        self._known = self._known_modalities(len(features))
        self._by_hidden: dict[bytes, np.ndarray] = {}

    def __call__(self, scores: Scores, present: np.ndarray) -> np.ndarray:
        """Return odds (n_subjects, n_scores) upon the modalities shown."""
        rows = scores.rows
        odds = self._of_all[rows]
        hides = (self._known[rows] & ~present).any(axis=1)
        patterns, pattern_of = np.unique(present[hides], axis=0, return_inverse=True)
        for number, pattern in enumerate(patterns):
            asked = np.flatnonzero(hides)[pattern_of.ravel() == number]
            odds[asked] = self._hiding(~pattern)[rows[asked]]
        return odds

    @cached_property
    def _of_all(self) -> np.ndarray:
        """Odds of all rows by all that is known of them."""
        return self._odds(np.ones(self._known.shape[1], dtype=bool))

    def _hiding(self, hidden: np.ndarray) -> np.ndarray:
        """Return odds of all rows where some modalities are hidden."""
        hidden = hidden & self._known.any(axis=0)
        key = hidden.tobytes()
        if key not in self._by_hidden:
            self._by_hidden[key] = self._odds(~hidden)
        return self._by_hidden[key]

    def _odds(self, shown: np.ndarray) -> np.ndarray:
        """Return odds of all rows by the modalities shown, even ones of rows nobody judges."""
        odds = np.zeros(self._shape)
        for reader, rows, values in self._parts:
            odds[rows] = reader.odds(values, np.tile(shown, (len(rows), 1)))
        return odds

    def _known_modalities(self, n_modalities: int) -> np.ndarray:
        """Return of which modalities anything is read, (n_subjects, n_modalities)."""
        known = np.zeros((self._shape[0], n_modalities), dtype=bool)
        for reader, rows, values in self._parts:
            for place in range(n_modalities):
                own = values[:, reader.places == place]
                known[rows, place] = ~np.isnan(own).all(axis=1)
        return known
