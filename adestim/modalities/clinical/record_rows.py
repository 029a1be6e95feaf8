"""Rows of a clinical table as records that a language model reads."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import pandas as pd

from adestim._support.missing import DASHES, is_unknown
from adestim.exceptions import AdestimError, DataWarning, TableError
from adestim.extraction.foundation import ModelPreparation
from adestim.extraction.prepared import Prepared
from adestim.modalities.clinical.table import Column, label_name

N_SUBJECTS_SHOWN = 5


@dataclass(frozen=True)
class RecordPreparation:
    """One row's cells in, a model's input out; picklable, and small."""

    columns: tuple[Column, ...]  # the columns that are used
    prepare: ModelPreparation  # A record in, the model's input out

    def __call__(self, cells: tuple) -> Prepared | None:
        """Prepare one row; without a single value that is used it is missing."""
        record = record_of(cells, self.columns)
        return None if all(map(is_unknown, record.values())) else self.prepare(record)

    def is_cut(self, cells: tuple) -> bool:
        """Tell whether the model does not see the end of a row's text."""
        tell = getattr(self.prepare.backbone_class(), "is_cut", None)
        record = record_of(cells, self.columns)
        return tell is not None and tell(record, **self.prepare.settled_options())


def warn_of_cuts(
    results: Iterable[Prepared | AdestimError | None],
    frame: pd.DataFrame,
    preparation: RecordPreparation,
) -> Iterator[Prepared | AdestimError | None]:
    """Pass on what was prepared, and warn once of the subjects whose texts were cut.

    Warnings of worker processes reach nobody, so that who was cut is found out here.
    """
    cut = []
    rows = frame.itertuples(index=False, name=None)
    for item, subject, cells in zip(results, frame.index, rows, strict=True):
        if isinstance(item, Prepared) and preparation.is_cut(cells):
            cut.append(subject)
        yield item
    if cut:
        shown = ", ".join(map(repr, cut[:N_SUBJECTS_SHOWN]))
        more = ", ..." if len(cut) > N_SUBJECTS_SHOWN else ""
        warnings.warn(
            f"{len(cut)} record(s) of more than {preparation.prepare.options['limit']} tokens "
            f"were cut; the model does not see their ends: {shown}{more}.",
            DataWarning,
            stacklevel=2,
        )


def record_of(cells: tuple, columns: Iterable[Column]) -> dict[str, Any]:
    """Return the cells of one row that are used, by name of column."""
    read = ((column, cells[column.position]) for column in columns)
    return {column.name: None if is_dash(cell, column) else cell for column, cell in read}


def is_dash(cell: Any, column: Column) -> bool:
    """Tell whether a cell says by a dash that a number is missing."""
    return column.kind == "numeric" and isinstance(cell, str) and cell.strip() in DASHES


def list_written_columns(
    columns: tuple[Column, ...], asked_for: Iterable
) -> tuple[tuple[Column, ...], list[str]]:
    """Return the columns that sentences are made of, and remarks on free text left out."""
    wanted = {label_name(label) for label in asked_for}
    left_out = [item for item in columns if item.kind == "text" and item.name not in wanted]
    if len(left_out) == len(columns):
        raise TableError(
            "A language model must be given at least one column",
            got="free text alone, which is read only where it is named",
            remedy="Name it in text=, or pass other columns",
        )
    remarks = [
        f"Column {item.name!r} holds free text, which language models read only where text= "
        "names it; it is left out."
        for item in left_out
    ]
    return tuple(item for item in columns if item not in left_out), remarks
