"""Whom patients resemble by what is known of them, and patients with what those had measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.spatial.distance import cdist

from adestim._support.frames import read_frame
from adestim._support.numbers import require_finite_predictions
from adestim._support.words import first_names
from adestim.encoding.presence import find_present, modality_columns
from adestim.evaluation.missing.dropout import hide_modalities
from adestim.evaluation.missing.patterns import find_named_columns
from adestim.exceptions import InputError, LeakageError

# Probabilities nearer to 0 are taken for this.
SMALLEST = 1e-6


@dataclass(frozen=True, eq=False)
class Reference:
    """A fitted classifier, and people of whom it is known what their modalities look like."""

    fitted: Any
    table: pd.DataFrame  # (n_reference, n_columns)
    present: np.ndarray  # (n_reference, n_modalities); who has what
    columns: Mapping[str, Sequence[int]]  # positions of every modality's columns
    y: np.ndarray | None  # (n_reference,); their classes as positions, None where not known
    n_alike: int  # how many of them a patient is compared with

    @property
    def modalities(self) -> list[str]:
        """Names of the modalities."""
        return list(self.columns)

    def predict(self, table: pd.DataFrame) -> np.ndarray:
        """Return probabilities, (n_rows, n_classes)."""
        found = np.asarray(self.fitted.predict_proba(table), dtype=float)
        return require_finite_predictions(found, type(self.fitted).__name__, table.index)

    def find_donors(self, pattern: np.ndarray, place: int) -> np.ndarray:
        """Return who has all modalities of a pattern, and one more: pattern (n_modalities,)."""
        return np.flatnonzero(self.present[:, pattern].all(axis=1) & self.present[:, place])

    def take_pattern(self, rows: np.ndarray, pattern: np.ndarray) -> pd.DataFrame:
        """Return people of the reference as if they had the modalities of a pattern alone."""
        table = self.table.iloc[rows]
        return hide_modalities(table, np.tile(~pattern, (len(rows), 1)), self.columns)


def read_reference(
    fitted: Any,
    X_reference: Any,
    y_reference: Any,
    modalities: Mapping[str, Sequence[str]] | None,
    n_alike: int,
) -> Reference:
    """Return the people that patients are compared with, checked."""
    table = read_named_frame(X_reference, "X_reference")
    columns = (
        modality_columns(table) if modalities is None else find_named_columns(table, modalities)
    )
    if len(columns) < 2:
        raise InputError(
            "What to measure next is asked of two modalities or more",
            got=first_names(columns),
            remedy="Name numeric columns modality__feature",
        )
    if len(table) < 2:
        raise InputError("Patients are compared with several people", got=f"{len(table)} in all")
    y = None if y_reference is None else place_labels(y_reference, fitted.classes_, len(table))
    present = find_present(table, columns).to_numpy()
    return Reference(fitted, table, present, columns, y, n_alike)


def read_named_frame(X: Any, name: str) -> pd.DataFrame:
    """Return a table whose columns have names, which tell the modalities."""
    table = read_frame(X)
    if not isinstance(table, pd.DataFrame) or not len(table):
        raise InputError(
            f"{name!r} is a frame with a row or more, as names of columns tell the modalities",
            got=f"a {type(X).__name__}",
        )
    return table


def place_labels(y: Any, classes: Any, n_rows: int) -> np.ndarray:
    """Return the position of every label among the classes of the classifier."""
    places = pd.Index(np.asarray(classes)).get_indexer(pd.Index(np.asarray(y)))
    if len(places) != n_rows or (places < 0).any():
        raise InputError(
            f"There is a label of {', '.join(map(repr, np.asarray(classes).tolist()))} a row",
            got=f"{len(places)} labels for {n_rows} rows, {int((places < 0).sum())} of others",
        )
    return places


def read_patients(X: Any, reference: Reference) -> tuple[pd.DataFrame, np.ndarray]:
    """Return the patients in the columns of the reference, and who has what."""
    table = read_named_frame(X, "X")
    absent = reference.table.columns.difference(table.columns, sort=False)
    if len(absent):
        raise InputError(
            "Patients have the columns of 'X_reference'",
            got=f"none named {first_names(absent)}",
            remedy="Add them without values: X.reindex(columns=X_reference.columns)",
        )
    table = table[reference.table.columns]
    # Numbers are places in tables, so that those of others are no sign of the same people.
    shared = table.index.intersection(reference.table.index)
    if len(shared) and not pd.api.types.is_numeric_dtype(table.index):
        raise LeakageError(
            "People of 'X_reference' are others than those of 'X'",
            got=f"{len(shared)} of both, the first {str(shared[0])!r}",
            remedy="Pass the training subjects as X_reference",
        )
    return table, find_present(table, reference.columns).to_numpy()


def find_alike(own: np.ndarray, others: np.ndarray, n_alike: int) -> np.ndarray:
    """Return the positions of those whose log-odds are nearest, the nearest first.

    own (n_rows, n_classes), others (n_others, n_classes): probabilities -> (n_rows, n_alike).
    """
    first, second = (centre_logs(each) for each in (own, others))
    return np.argsort(cdist(first, second), axis=1, kind="stable")[:, :n_alike]


def centre_logs(probabilities: np.ndarray) -> np.ndarray:
    """Return logs of probabilities minus their mean over the classes."""
    logs = np.log(np.clip(probabilities, SMALLEST, 1))
    return logs - logs.mean(axis=1, keepdims=True)


def transplant_columns(
    table: pd.DataFrame, donors: pd.DataFrame, places: Sequence[int]
) -> pd.DataFrame:
    """Return a table with some columns of another one, row by row."""
    result = table.reset_index(drop=True)
    for place in places:
        result.isetitem(place, donors.iloc[:, place].array)
    return result
