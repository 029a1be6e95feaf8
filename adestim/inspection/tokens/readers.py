"""What members that read columns say at both ends of lines: forests step by step, others whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)

from adestim.inspection.tokens.forest_path import ForestSteps, follow_lines
from adestim.inspection.tokens.view import SubjectsView
from adestim.training.phase_one.forest import ForestHead, Grove
from adestim.training.phase_one.pooled import SMALLEST_PROBABILITY, PooledMember

TREES = (
    ExtraTreesClassifier, ExtraTreesRegressor, RandomForestClassifier, RandomForestRegressor,
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class ReaderEnds:
    """What a member says at both ends of lines, of which nobody knows what changes it between."""

    start: np.ndarray  # (n_subjects, n_scores)
    end: np.ndarray


@dataclass(frozen=True, eq=False)
class PooledTrees:
    """A user's trees, read as the forest of phase 1 is."""

    member: PooledMember

    @property
    def groves(self) -> list[Grove]:
        """All trees, which read all columns."""
        columns = np.arange(sum(self.member.sizes))
        return [Grove(columns, self.member.model, columns[:0])]

    @property
    def columns(self) -> tuple[np.ndarray, ...]:
        """All columns, one array a modality."""
        return tuple(map(np.arange, self.member.sizes))

    def leaf_values(self, grove: Grove, values: np.ndarray) -> np.ndarray:
        """Return a tree's values (n, n_values), 0 for classes that it has not seen."""
        values = values.reshape(len(values), -1)
        if self.member.n_classes is None:
            return values
        found = np.zeros((len(values), self.member.n_classes))
        found[:, self.member.model.classes_] = values
        return found

    def judge(self, votes: np.ndarray) -> np.ndarray:
        """Return what sums of the trees' values say, (n, n_scores)."""
        mean = votes / len(self.member.model.estimators_)
        if self.member.n_classes is None:
            return mean
        logs = np.log(np.maximum(mean, SMALLEST_PROBABILITY))
        return logs[:, 1:] - logs[:, :1]


def follow_readers(view: SubjectsView, names: Sequence[str]) -> dict[str, ForestSteps | ReaderEnds]:
    """Return what members say, from subjects of training means to the view's."""
    readers = view.fusion.phase_one_.readers
    return {name: follow_reader(view, readers[name]) for name in names}


def follow_reader(view: SubjectsView, reader: Any) -> ForestSteps | ReaderEnds:
    """Return what a member says at both ends, and where it can be told what changes it."""
    means = [head.mean[None] for head in view.fusion.phase_one_.separate]
    columns = reader.select([table.pooled() for table in view.tables.values()])
    columns = np.where(view.present[:, reader.places], columns, np.nan)
    start = np.where(np.isnan(columns), columns, reader.select(means))
    forest = as_forest(reader)
    if forest is not None:
        return follow_lines(forest, start.astype(np.float32), columns.astype(np.float32))
    return ReaderEnds(reader.odds(start, view.present), reader.odds(columns, view.present))


def as_forest(reader: Any) -> Any:
    """Return a member whose trees can be followed, None where it has none of that kind."""
    if isinstance(reader, ForestHead):
        return reader
    return PooledTrees(reader) if isinstance(reader.model, TREES) else None
