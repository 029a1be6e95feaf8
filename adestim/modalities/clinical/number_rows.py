"""Rows of a clinical table as numbers, for foundation models of tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from adestim.backbone.registry import find_card
from adestim.backbone.weights.hub import resolve_weights
from adestim.exceptions import AdestimError, TableError
from adestim.extraction.foundation import ModelRequest, require_card
from adestim.extraction.prepared import Prepared
from adestim.modalities.clinical.coding import CodedCells, code_levels, code_numbers
from adestim.modalities.clinical.table import Column

# What stands for an unknown category, as TabICL's own coding has it.
UNKNOWN_CATEGORY = -1.0


@dataclass(frozen=True, eq=False)
class NumberedTable:
    """A table as numbers."""

    values: np.ndarray  # (n_subjects, n_columns); NaN where unknown, of a category -1
    known: np.ndarray  # (n_subjects, n_columns)
    problems: dict[int, TableError]  # the first thing wrong with a subject, by row
    remarks: tuple[str, ...]  # what deserves a warning

    def usable_rows(self) -> Iterator[np.ndarray]:
        """Yield the rows that are right and hold something."""
        for row, values in enumerate(self.values):
            if row not in self.problems and self.known[row].any():
                yield values


def reads_numbers(backbone: str) -> bool:
    """Tell whether a backbone reads rows as numbers, and not as records."""
    card = find_card(backbone, "clinical")
    if card is None or not card.is_foundation:
        return False
    return getattr(card.backbone_class(), "reads_numbers", False)


def list_numbered_columns(columns: tuple[Column, ...]) -> tuple[tuple[Column, ...], list[str]]:
    """Return the columns that have numbers, and remarks on those that are left out."""
    left_out = [item for item in columns if item.kind == "text"]
    kept = tuple(item for item in columns if item.kind not in ("text", "empty"))
    if not kept:
        raise TableError(
            "A model of tables must be given at least one column of numbers or categories",
            got="columns of free text or without a value alone",
            remedy="Pass other columns, or name a language model with backbone=",
        )
    remarks = [
        f"Column {item.name!r} holds free text, which models of tables do not read; it is left out."
        for item in left_out
    ]
    return kept, remarks


def number_table(frame: pd.DataFrame, columns: tuple[Column, ...]) -> NumberedTable:
    """Return a table as numbers: levels by their place, the rest as it is."""
    coded = [number_column(frame.iloc[:, column.position], column) for column in columns]
    problems: dict[int, TableError] = {}
    for one in coded:
        problems = dict(one.problems) | problems
    return NumberedTable(
        np.concatenate([one.values for one in coded], axis=1),
        np.stack([one.known for one in coded], axis=1),
        problems,
        tuple(remark for one in coded for remark in one.remarks),
    )


def number_column(cells: pd.Series, column: Column) -> CodedCells:
    """Return one column as numbers, (n_subjects, 1)."""
    if column.kind == "numeric":
        coded = code_numbers(cells, column.name, column.spelling)
        return replace(coded, values=np.where(coded.known[:, None], coded.values, np.nan))
    coded = code_levels(cells, column)
    known = coded.known[:, None]
    if column.kind == "ordinal":
        return replace(coded, values=np.where(known, coded.values, np.nan))
    places = coded.values.argmax(axis=1)[:, None].astype(float)
    return replace(coded, values=np.where(known, places, UNKNOWN_CATEGORY))


def prepare_numbers(
    table: NumberedTable, index: pd.Index, prepare: Callable[..., Prepared]
) -> Iterator[Prepared | AdestimError | None]:
    """Yield every row's input: None where all is unknown, the error where something is wrong."""
    for row, (subject, values) in enumerate(zip(index, table.values, strict=True)):
        if row in table.problems:
            yield table.problems[row].about(subject)
        else:
            yield prepare(values) if table.known[row].any() else None


def number_request(request: ModelRequest, names: list[str]) -> ModelRequest:
    """Return what is asked for, the sizes as the checkpoint says them."""
    from adestim.modalities.clinical.models.tabicl_file import read_sizes

    weights = resolve_weights(require_card(request), request.weights)
    given: dict[str, Any] = dict(request.params or {})
    sizes = {**read_sizes(weights, request.trust), **(given.pop("architecture", None) or {})}
    params = {**given, "names": names, "architecture": sizes}
    return replace(request, weights=weights, params=params)
