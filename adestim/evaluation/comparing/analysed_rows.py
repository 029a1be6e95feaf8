"""The rows of a table that a study analyses, and those that it leaves out."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils import check_consistent_length
from sklearn.utils.multiclass import check_classification_targets

from adestim._support.frames import as_frame, require_some_rows
from adestim._support.labels import (
    find_missing_labels,
    place_rows,
    read_column,
    require_one_kind,
    require_splits,
)
from adestim._support.positive_class import put_positive_last
from adestim.evaluation.comparing.candidates import Candidate, are_regressors
from adestim.evaluation.comparing.flow import CohortFlow, cohort_flow, find_presence
from adestim.evaluation.splitting.folds import list_splits
from adestim.evaluation.splitting.splits import require_groups
from adestim.exceptions import DataWarning, InputError


@dataclass(frozen=True, eq=False)
class Cohort:
    """The rows that are analysed, and those that are not."""

    table: pd.DataFrame
    y: np.ndarray
    groups: np.ndarray | None
    present: pd.DataFrame
    classes: tuple
    kept: np.ndarray
    left_out: tuple[tuple[str, int], ...]

    def draw_splits(
        self, cv: Any, n_repeats: int, seed: int
    ) -> list[tuple[np.ndarray, np.ndarray]]:
        """Return checked splits, in positions among the analysed rows."""
        drawn_here = isinstance(cv, int | np.integer) or hasattr(cv, "split")
        if n_repeats != 1 and not isinstance(cv, int | np.integer):
            raise InputError(
                "'n_repeats' needs 'cv' as a number of folds",
                got=f"n_repeats={n_repeats!r} and cv of type {type(cv).__name__}",
                remedy="Pass a splitter that repeats",
            )
        splits = cv if drawn_here or cv is None else self._move_splits(list(cv))
        return list_splits(
            self.table,
            self.y,
            self.groups,
            5 if splits is None else splits,
            n_repeats=n_repeats,
            random_state=seed,
            classifier=bool(self.classes),
        )

    def _move_splits(self, splits: Any) -> list[tuple[np.ndarray, np.ndarray]]:
        """Turn positions in the whole table into positions among the analysed rows."""
        position = np.cumsum(self.kept) - 1
        sides = [tuple(place_rows(side) for side in split) for split in splits]
        require_splits(sides, len(position), "compare")
        return [tuple(position[side[self.kept[side]]] for side in split) for split in sides]

    def find_readable(self, candidate: Candidate) -> np.ndarray:
        """Tell which of the analysed rows an estimator can read."""
        if candidate.modalities is None:
            return np.ones(len(self.table), dtype=bool)
        return self.present[list(candidate.modalities)].to_numpy().any(axis=1)

    def select_table(self, candidate: Candidate) -> pd.DataFrame:
        """Return the table that an estimator reads."""
        if candidate.reads_presence:
            flags = self.present.where(self.present).astype(float)
            return flags.rename(columns="{}__present".format)
        return (
            self.table if candidate.columns is None else self.table.iloc[:, list(candidate.columns)]
        )

    def count_flow(self, candidates: Mapping[str, Candidate]) -> CohortFlow:
        """Count who is analysed, and whom single estimators do without."""
        without = {
            name: int((~self.find_readable(candidate)).sum())
            for name, candidate in candidates.items()
        }
        return cohort_flow(
            self.present,
            self.y if self.classes else None,
            left_out=self.left_out,
            groups=self.groups,
            left_out_by_estimator={name: n for name, n in without.items() if n},
        )


def read_cohort(
    X: Any, y: Any, groups: Any, candidates: Mapping[str, Candidate], positive: Any
) -> Cohort:
    """Read the table, and leave out who has no label or nothing to go by."""
    frame = as_frame(X)
    require_some_rows(frame, "compare")
    y = read_column(y)
    check_consistent_length(frame, y)
    groups = require_groups(frame, groups)
    present = find_presence(frame, [candidate.estimator for candidate in candidates.values()])
    kept, left_out = find_kept_rows(y, present)
    regression = are_regressors(candidates)
    require_one_kind(y[kept], "compare", "y")
    y = y[kept] if regression else infer_label_dtype(y[kept])
    return Cohort(
        table=frame if kept.all() else frame.loc[kept],
        y=y,
        groups=None if groups is None else groups[kept],
        present=present.loc[kept],
        classes=() if regression else order_classes(y, positive),
        kept=kept,
        left_out=left_out,
    )


def find_kept_rows(
    y: np.ndarray, present: pd.DataFrame
) -> tuple[np.ndarray, tuple[tuple[str, int], ...]]:
    """Tell which rows have a label and a modality, and how many lack what.

    y (n_rows,), present (n_rows, n_modalities) -> kept (n_rows,).
    """
    labelled, something = ~find_missing_labels(y), present.to_numpy().any(axis=1)
    reasons = {"no label": ~labelled, "no modality": labelled & ~something}
    left_out = tuple((reason, int(rows.sum())) for reason, rows in reasons.items() if rows.any())
    return labelled & something, left_out


def infer_label_dtype(y: np.ndarray) -> np.ndarray:
    """Return labels in a dtype of their own, as missing ones make objects or floats of them."""
    return np.array(y.tolist()) if y.dtype == object else y


def order_classes(y: np.ndarray, positive: Any = None) -> tuple:
    """Return the classes in order, the positive one last; there must be two."""
    check_classification_targets(y)
    classes = tuple(np.unique(y).tolist())
    if len(classes) < 2:
        raise InputError("A comparison of classifiers needs two classes", got=f"{len(classes)}")
    return put_positive_last(classes, positive)


def warn_of_left_out(left_out: Sequence[tuple[str, int]]) -> None:
    """Warn of rows that are left out."""
    if left_out:
        reasons = ", ".join(f"{n} with {reason}" for reason, n in left_out)
        warnings.warn(f"Rows were left out: {reasons}.", DataWarning, stacklevel=3)
